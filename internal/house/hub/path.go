package hub

import (
	"net/url"
	"slices"
	"strings"
)

// Kind is one of the three kinds of repositories, as the API spells it.
type Kind string

// The kinds of repositories.
const (
	Models   Kind = "models"
	Datasets Kind = "datasets"
	Spaces   Kind = "spaces"
)

// singular is the word in messages.
func (k Kind) singular() string { return strings.TrimSuffix(string(k), "s") }

// prefix is what stands before the id in a web URL.
func (k Kind) prefix() string {
	if k == Models {
		return "/"
	}
	return "/" + string(k) + "/"
}

// route is a path taken apart: which repository, what is asked of it, and the
// escaped segments that follow.
type route struct {
	kind Kind
	id   string
	verb string
	rest []string
	// before and after are what stands around the id in the escaped path, for
	// redirects to a repository's new name.
	before, after string
}

var (
	webVerbs = []string{"resolve", "raw", "info", "git-upload-pack", "git-receive-pack"}
	apiVerbs = []string{"revision", "tree", "paths-info", "refs", "commits", "auth-check",
		"xet-read-token", "xet-write-token", "preupload", "commit", "resolve-cache"}
)

// webRoute reads /[datasets/|spaces/]ID/verb/…, with or without .git.
func webRoute(path string) (route, bool) {
	segments := strings.Split(strings.TrimPrefix(path, "/"), "/")
	kind, before := Models, "/"
	if k := Kind(segments[0]); k == Datasets || k == Spaces {
		kind, before, segments = k, k.prefix(), segments[1:]
	}
	rt, ok := split(segments, webVerbs)
	rt.kind, rt.before = kind, before
	return rt, ok && rt.verb != ""
}

// apiRoute reads /api/KIND/ID[/verb/…].
func apiRoute(path string) (route, bool) {
	segments := strings.Split(strings.TrimPrefix(path, "/api/"), "/")
	kind := Kind(segments[0])
	if !slices.Contains([]Kind{Models, Datasets, Spaces}, kind) || len(segments) < 2 {
		return route{}, false
	}
	rt, ok := split(segments[1:], apiVerbs)
	rt.kind, rt.before = kind, "/api/"+string(kind)+"/"
	return rt, ok
}

// cacheRoute reads /api/resolve-cache/KIND/ID/COMMIT/file; the commit is the
// verb.
func cacheRoute(path string) (route, bool) {
	segments := strings.Split(strings.TrimPrefix(path, "/api/resolve-cache/"), "/")
	if len(segments) < 4 {
		return route{}, false
	}
	kind, at := Kind(segments[0]), 3
	if isCommit(segments[2]) {
		at = 2
	}
	if !isCommit(segments[at]) || len(segments) <= at+1 {
		return route{}, false
	}
	id := strings.Join(segments[1:at], "/")
	return route{kind: kind, id: id, verb: segments[at], rest: segments[at+1:]}, true
}

// split finds the id, of one segment or of two, and the verb after it.
func split(segments, verbs []string) (route, bool) {
	for n := 1; n <= 2 && n <= len(segments); n++ {
		if len(segments) > n && !slices.Contains(verbs, segments[n]) {
			continue
		}
		if len(segments) == n && n == 1 && segments[0] == "" {
			return route{}, false
		}
		id, err := url.PathUnescape(strings.Join(segments[:n], "/"))
		if err != nil {
			return route{}, false
		}
		rt := route{id: id}
		if bare, found := strings.CutSuffix(id, ".git"); found {
			rt.id, rt.after = bare, ".git"
		}
		if len(segments) > n {
			rt.verb, rt.rest = segments[n], segments[n+1:]
			rt.after += "/" + strings.Join(segments[n:], "/")
		}
		return rt, true
	}
	return route{}, false
}

// revision decodes the first segment after the verb, file the ones after it.
func (rt route) revision() string {
	if len(rt.rest) == 0 {
		return "main"
	}
	return unescape(rt.rest[0])
}

func (rt route) file() string {
	if len(rt.rest) < 2 {
		return ""
	}
	return unescape(strings.Join(rt.rest[1:], "/"))
}

// unescape decodes; what does not decode names nothing that exists.
func unescape(s string) string {
	out, err := url.PathUnescape(s)
	if err != nil {
		return "\x00"
	}
	return out
}

// escape writes a path as a browser would: each segment on its own.
func escape(path string) string {
	segments := strings.Split(path, "/")
	for i, s := range segments {
		segments[i] = strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
	}
	return strings.Join(segments, "/")
}

func isCommit(s string) bool {
	if len(s) != 40 {
		return false
	}
	for _, c := range s {
		if !strings.ContainsRune("0123456789abcdef", c) {
			return false
		}
	}
	return true
}
