package preflight

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"sync"

	"github.com/weighbridge/weighbridge/internal/trial"
)

const (
	hubScheme = "hf://"
	hubHost   = "huggingface.co"
)

// ref names a repository of the Hub, or one file in it.
type ref struct{ kind, id, revision, file string }

// errRef never repeats what was given: it may be anything.
var errRef = errors.New("hf:// names hf://[datasets/|spaces/]OWNER/NAME[@REVISION][/FILE]")

// parseRef reads hf://[datasets/|spaces/]owner/name[@revision][/file]. A
// slash in a revision is written %2F.
func parseRef(s string) (ref, error) {
	r := ref{kind: "models", revision: "main"}
	rest := strings.TrimPrefix(s, hubScheme)
	for _, kind := range []string{"models", "datasets", "spaces"} {
		if after, ok := strings.CutPrefix(rest, kind+"/"); ok {
			r.kind, rest = kind, after
		}
	}
	parts := strings.SplitN(rest, "/", 3)
	if len(parts) < 2 || parts[0] == "" || parts[1] == "" || strings.ContainsAny(rest, "?#\\ ") {
		return r, errRef
	}
	name, revision, has := strings.Cut(parts[1], "@")
	if has {
		plain, err := url.PathUnescape(revision)
		if err != nil || plain == "" {
			return r, errRef
		}
		r.revision = plain
	}
	if name == "" {
		return r, errRef
	}
	r.id = parts[0] + "/" + name
	if len(parts) == 3 {
		r.file = parts[2]
	}
	return r, nil
}

// refOf is the repository of a URL of the Hub's files.
func refOf(u *url.URL) (ref, bool) {
	if u.Hostname() != hubHost && u.Hostname() != "hf.co" {
		return ref{}, false
	}
	before, after, ok := strings.Cut(u.EscapedPath(), "/resolve/")
	if !ok {
		return ref{}, false
	}
	revision, _, _ := strings.Cut(after, "/")
	plain, err := url.PathUnescape(revision)
	r := ref{kind: "models", id: strings.TrimPrefix(before, "/"), revision: plain}
	for _, kind := range []string{"datasets", "spaces"} {
		if id, ok := strings.CutPrefix(r.id, kind+"/"); ok {
			r.kind, r.id = kind, id
		}
	}
	return r, err == nil
}

// fileURL is where a file of r is.
func (r ref) fileURL(file string) string {
	kind := ""
	if r.kind != "models" {
		kind = r.kind + "/"
	}
	escaped := make([]string, 0, 4)
	for part := range strings.SplitSeq(file, "/") {
		escaped = append(escaped, url.PathEscape(part))
	}
	return "https://" + hubHost + "/" + kind + r.id + "/resolve/" + url.PathEscape(r.revision) + "/" + strings.Join(escaped, "/")
}

// about is what the Hub says of a repository.
type about struct {
	// Gated is false, "auto" or "manual".
	Gated    any `json:"gated"`
	Siblings []struct {
		Path string `json:"rfilename"`
	} `json:"siblings"`
}

// licence says whether its terms have to be accepted.
func (a *about) gated() bool { return a.Gated != nil && a.Gated != false }

// hub asks about each repository once.
type hub struct {
	c  *trial.Caller
	mu sync.Mutex
	// known are the repositories that were asked about.
	known map[ref]*asked
}

type asked struct {
	once  sync.Once
	about *about
	r     trial.Result
}

// info asks about a repository; nil where the Hub does not tell, and then what
// came instead.
func (h *hub) info(ctx context.Context, r ref) (*about, trial.Result) {
	r.file = ""
	h.mu.Lock()
	a := h.known[r]
	if a == nil {
		a = &asked{}
		h.known[r] = a
	}
	h.mu.Unlock()
	a.once.Do(func() {
		text, result := h.c.Text(ctx, "https://"+hubHost+"/api/"+r.kind+"/"+r.id+"/revision/"+url.PathEscape(r.revision))
		a.r = result
		var out about
		if result.OK() && json.Unmarshal(text, &out) == nil {
			a.about = &out
		}
	})
	return a.about, a.r
}
