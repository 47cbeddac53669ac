package signer

import (
	"strings"

	"github.com/weighbridge/weighbridge/auth"
)

// hubType is one type of repository, by the routes that it is served under.
type hubType struct {
	name string
	// page comes before ORG/REPO in page, file and git URLs.
	page string
	// git says that it has git routes, resolve-cache and revisions.
	git bool
}

var hubTypes = []hubType{
	{name: "models", page: "", git: true},
	{name: "datasets", page: "/datasets", git: true},
	{name: "spaces", page: "/spaces", git: true},
	{name: "kernels", page: "/kernels", git: true},
	{name: "buckets", page: "/buckets"},
}

// hubReserved are first segments that are not an organisation and not a type.
var hubReserved = []string{
	".well-known", "api", "blog", "chat", "collections", "docs", "front", "join", "learn", "login", "logout",
	"models", "new", "notifications", "oauth", "organizations", "papers", "posts", "search", "settings", "tasks",
}

// Expand adds to p the other URLs under which the Hub serves what p names:
//
//   - ORG/* and ORG/REPO/*: pages, files and git of every type of repository,
//     ORG/REPO.git, the API with the repository's exact URL (a/b/* is not
//     a/b), and the cache that small files are redirected to. One segment may
//     also be a repository of the old kind (gpt2), which the same routes serve.
//   - the same below /datasets/, /spaces/, /kernels/, /buckets/, /api/TYPE/ or
//     /api/resolve-cache/TYPE/: that type's routes only.
//   - ORG/REPO/resolve/REV/FILE: the cache's URL of the same file, whatever its
//     commit; with /* in place of FILE also the repository's xet read token.
//     A single file does not expand to that token, which covers all files.
//
// Every other path means itself alone. Scheme, host and port are kept.
func (huggingFace) Expand(p auth.Pattern) ([]auth.Rule, error) {
	bare := hubBare(p)
	rules := []auth.Rule{{Pattern: p, Bare: bare}}
	if bare || !servesRepositories(p.Host()) {
		return rules, nil
	}
	prefix := strings.TrimSuffix(p.String(), p.Path())
	seen := map[string]bool{p.String(): true}
	for _, path := range hubFamily(p.Path()) {
		q, err := auth.ParsePattern(prefix + path)
		if err != nil {
			return nil, err
		}
		if !seen[q.String()] {
			seen[q.String()] = true
			rules = append(rules, auth.Rule{Pattern: q})
		}
	}
	return rules, nil
}

// servesRepositories tells the Hub, and hubs on hosts of their own, from the
// other services below the Hub's domains (datasets-server, router, …).
func servesRepositories(host string) bool {
	return !hostBelow(host, hubHost) && !hostBelow(host, hubShortHost) || host == "hub-ci.huggingface.co"
}

// hubFamily returns the paths that path expands to.
func hubFamily(path string) []string {
	segs := strings.Split(path[1:], "/")
	types, rest := hubTypes, segs
	page := true
	switch {
	case len(segs) > 2 && segs[0] == "api" && segs[1] == "resolve-cache":
		types, rest, page = typesNamed(segs[2]), segs[3:], false
	case len(segs) > 1 && segs[0] == "api":
		types, rest, page = typesNamed(segs[1]), segs[2:], false
	case len(typesNamed(segs[0])) == 1 && segs[0] != "models":
		types, rest = typesNamed(segs[0]), segs[1:]
	case contains(hubReserved, segs[0]):
		return nil
	}
	typed := len(rest) < len(segs)
	if len(types) == 0 || len(rest) == 0 || contains(rest[:len(rest)-1], "**") {
		return nil
	}
	open := rest[len(rest)-1] == "*"
	switch {
	case open && len(rest) == 1 && typed:
		return wholeType(types[0])
	case open && (len(rest) == 2 || len(rest) == 3):
		return repositories(types, strings.Join(rest[:len(rest)-1], "/"))
	case page:
		if !typed {
			types = typesNamed("models")
		}
		return resolved(types[0], rest)
	}
	return nil
}

func typesNamed(name string) []hubType {
	for i, t := range hubTypes {
		if t.name == name {
			return hubTypes[i : i+1]
		}
	}
	return nil
}

// wholeType is /datasets/* and the like. Models have no prefix in page URLs,
// so that all of their pages cannot be said without saying everything.
func wholeType(t hubType) []string {
	out := []string{"/api/" + t.name, "/api/" + t.name + "/*"}
	if t.page != "" {
		out = append(out, t.page+"/*")
	}
	if t.git {
		out = append(out, "/api/resolve-cache/"+t.name+"/*")
	}
	return out
}

// repositories are the routes of ORG or ORG/REPO.
func repositories(types []hubType, repo string) []string {
	if strings.HasSuffix(repo, ".git") {
		return nil
	}
	var out []string
	for _, t := range types {
		out = append(out, t.page+"/"+repo+"/*", "/api/"+t.name+"/"+repo, "/api/"+t.name+"/"+repo+"/*")
		if t.git {
			out = append(out, "/api/resolve-cache/"+t.name+"/"+repo+"/*")
			if !strings.HasSuffix(repo, "*") { // a* covers a.git
				out = append(out, t.page+"/"+repo+".git/*")
			}
		}
	}
	return out
}

// resolved is the expansion of ORG/REPO/resolve/REV/FILE, where rest begins
// with ORG or with a repository of the old kind.
func resolved(t hubType, rest []string) []string {
	at := 0
	for i := 1; i <= 2 && i < len(rest); i++ {
		if rest[i] == "resolve" {
			at = i
			break
		}
	}
	if at == 0 || !t.git {
		return nil
	}
	repo, file := strings.Join(rest[:at], "/"), rest[at+1:]
	cache := "/api/resolve-cache/" + t.name + "/" + repo
	switch {
	case len(file) == 0:
		return nil
	case file[len(file)-1] == "*" && len(file) <= 2:
		return []string{cache + "/*", "/api/" + t.name + "/" + repo + "/xet-read-token/*"}
	case len(file) == 1:
		return nil
	default:
		return []string{cache + "/*/" + strings.Join(file[1:], "/")}
	}
}
