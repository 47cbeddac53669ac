package hub

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Every commit here says the same, so that a repository of the same files has
// the same commit everywhere.
const (
	commitTime  = "2026-01-02T03:04:05.000Z"
	commitTitle = "Add the files"
	commitUnix  = 1767323045
)

// gitHouse keeps bare repositories that the real git serves.
type gitHouse struct {
	git, backend, dir string
}

// newGitHouse finds git and its CGI program. An error says what is missing.
func newGitHouse() (*gitHouse, error) {
	git, err := exec.LookPath("git")
	if err != nil {
		return nil, fmt.Errorf("serving git needs the git program: %w", err)
	}
	where, err := exec.Command(git, "--exec-path").Output()
	if err != nil {
		return nil, fmt.Errorf("asking git for its programs: %w", err)
	}
	backend := filepath.Join(strings.TrimSpace(string(where)), "git-http-backend")
	if _, err := os.Stat(backend); err != nil {
		return nil, fmt.Errorf("serving git needs git-http-backend: %w", err)
	}
	dir, err := os.MkdirTemp("", "fake-hub-git-")
	if err != nil {
		return nil, fmt.Errorf("making a place for git repositories: %w", err)
	}
	return &gitHouse{git: git, backend: backend, dir: dir}, nil
}

func (g *gitHouse) path(r *repo) string {
	return filepath.Join(g.dir, string(r.Kind), filepath.FromSlash(r.ID)+".git")
}

// build makes the bare repository of r and gives its snapshots the commits
// that git made of them.
func (g *gitHouse) build(r *repo) error {
	dir := g.path(r)
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if _, err := g.run(nil, "init", "--quiet", "--bare", "--initial-branch=main", dir); err != nil {
		return err
	}
	for _, s := range r.revisions {
		if _, err := g.run(s.fastImport(), "--git-dir="+dir, "fast-import", "--quiet"); err != nil {
			return err
		}
		commit, err := g.run(nil, "--git-dir="+dir, "rev-parse", s.ref())
		if err != nil {
			return err
		}
		s.commit = strings.TrimSpace(string(commit))
	}
	return nil
}

func (g *gitHouse) run(in io.Reader, args ...string) ([]byte, error) {
	cmd := exec.Command(g.git, args...)
	// The environment of the caller may name another repository or identity.
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + g.dir, "GIT_CONFIG_NOSYSTEM=1"}
	cmd.Stdin = in
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("git %s: %w: %s", args[len(args)-1], err, complaint.String())
	}
	return out, nil
}

// quotePath escapes what a quoted path may not hold as it is
// (git-fast-import(1), "filemodify").
var quotePath = strings.NewReplacer("\\", "\\\\", "\"", "\\\"", "\n", "\\n")

// fastImport writes s as git-fast-import(1) reads it.
func (s *snapshot) fastImport() io.Reader {
	var out bytes.Buffer
	fmt.Fprintf(&out, "commit %s\ncommitter Sample <sample@example.com> %d +0000\ndata %d\n%s\n",
		s.ref(), commitUnix, len(commitTitle), commitTitle)
	for _, p := range s.paths {
		e := s.entries[p]
		fmt.Fprintf(&out, "M 100644 inline \"%s\"\n", quotePath.Replace(p))
		if e.large {
			text := pointer(e.sha256, e.size)
			fmt.Fprintf(&out, "data %d\n%s\n", len(text), text)
			continue
		}
		fmt.Fprintf(&out, "data %d\n", e.size)
		_, _ = io.Copy(&out, io.NewSectionReader(e.content, 0, e.size)) // a Buffer never fails
		out.WriteByte('\n')
	}
	return &out
}

// serveGit serves git's smart protocol and LFS, with the token as the password
// of Basic; Bearer is not taken here.
func (h *Hub) serveGit(w http.ResponseWriter, r *http.Request, rt route) {
	n := toFetch
	if rt.verb == "git-receive-pack" || r.URL.Query().Get("service") == "git-receive-pack" {
		n = toWrite
	}
	c := h.basic(r)
	if c.token == nil {
		// Sent with every 401 and ignored beside anything else.
		w.Header().Set("WWW-Authenticate", `Basic realm="Authentication required", charset="UTF-8"`)
	}
	found := h.enter(w, r, rt, c, n)
	if found == nil {
		return
	}
	w.Header().Del("WWW-Authenticate")
	action := strings.Join(append([]string{rt.verb}, rt.rest...), "/")
	switch {
	case action == "info/lfs/objects/batch":
		h.lfsBatch(w, r, found, c)
	case h.git == nil || n == toWrite || strings.HasPrefix(action, "info/lfs"):
		(&refusal{http.StatusNotFound, "", "Not Found"}).send(w)
	default:
		// The backend finds the repository by the decoded path (CGI, RFC 3875,
		// section 4.1.5), whatever name the client wrote.
		inner := r.Clone(r.Context())
		inner.URL.Path = "/" + string(found.Kind) + "/" + found.ID + ".git/" + action
		(&cgi.Handler{
			Path: h.git.backend,
			Dir:  h.git.dir,
			Env:  []string{"GIT_PROJECT_ROOT=" + h.git.dir, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_NOSYSTEM=1", "HOME=" + h.git.dir},
		}).ServeHTTP(w, inner)
	}
}

type lfsObject struct {
	OID           string         `json:"oid"`
	Size          int64          `json:"size"`
	Authenticated bool           `json:"authenticated,omitempty"`
	Actions       map[string]any `json:"actions,omitempty"`
	Error         map[string]any `json:"error,omitempty"`
}

const lfsMedia = "application/vnd.git-lfs+json"

// lfsBatch hands out signed URLs of the CDN (git-lfs, "Batch API").
func (h *Hub) lfsBatch(w http.ResponseWriter, r *http.Request, found *repo, c caller) {
	var ask struct {
		Operation string      `json:"operation"`
		Objects   []lfsObject `json:"objects"`
	}
	if err := json.NewDecoder(io.LimitReader(r.Body, 1<<20)).Decode(&ask); err != nil || r.Method != http.MethodPost {
		(&refusal{http.StatusBadRequest, "", "Invalid batch request"}).send(w)
		return
	}
	if ask.Operation != "download" {
		f := admit(c, found, toWrite)
		if f == nil {
			f = &refusal{http.StatusNotImplemented, "", "The fake hub takes no uploads"}
		}
		f.send(w)
		return
	}
	for i, o := range ask.Objects {
		h.mu.RLock()
		held := h.objects[o.OID]
		if held != nil && !held.repos[found.key()] {
			held = nil
		}
		h.mu.RUnlock()
		if held == nil {
			ask.Objects[i].Error = map[string]any{"code": http.StatusNotFound, "message": "Object does not exist"}
			continue
		}
		ask.Objects[i].Authenticated = true
		ask.Objects[i].Actions = map[string]any{"download": map[string]any{
			"href": h.signedURL(found, &entry{path: o.OID, object: held}), "header": map[string]string{},
			"expires_at": h.options.Now().Add(h.options.SignedLife).UTC().Format(time.RFC3339),
		}}
	}
	w.Header().Set("Content-Type", lfsMedia)
	_ = json.NewEncoder(w).Encode(map[string]any{"transfer": "basic", "objects": ask.Objects, "hash_algo": "sha256"})
}
