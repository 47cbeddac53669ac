package hub

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// tree is /tree/REV[/path]?recursive&expand&cursor. Pages are linked by
// absolute URLs, which clients follow to the letter.
func (h *Hub) tree(w http.ResponseWriter, r *http.Request, rt route) {
	found, s := h.enterAt(w, r, rt, toList)
	if found == nil {
		return
	}
	query := r.URL.Query()
	rows := h.rows(h.bearer(r), found, s, rt.file(), isTrue(query.Get("recursive")))
	at, err := strconv.Atoi(query.Get("cursor"))
	if query.Get("cursor") != "" && (err != nil || at < 0 || at > len(rows)) {
		(&refusal{http.StatusBadRequest, "", "Invalid cursor"}).send(w)
		return
	}
	end := min(len(rows), at+h.options.TreePage)
	if end < len(rows) {
		query.Set("cursor", strconv.Itoa(end))
		next := url.URL{Scheme: "https", Host: Host, Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: query.Encode()}
		w.Header().Set("Link", fmt.Sprintf(`<%s>; rel="next"`, next.String()))
	}
	sendJSON(w, http.StatusOK, rows[at:end])
}

// rows lists what is below dir: everything, or one level with directories.
func (h *Hub) rows(c caller, r *repo, s *snapshot, dir string, recursive bool) []map[string]any {
	prefix := dir
	if dir != "" {
		prefix += "/"
	}
	rows, seen := []map[string]any{}, map[string]bool{}
	for _, p := range s.paths {
		below, ok := strings.CutPrefix(p, prefix)
		if !ok {
			continue
		}
		segments := strings.Split(below, "/")
		for n := 1; n < len(segments) && (recursive || n == 1); n++ {
			if name := prefix + strings.Join(segments[:n], "/"); !seen[name] {
				seen[name] = true
				rows = append(rows, directory(name))
			}
		}
		if recursive || len(segments) == 1 {
			rows = append(rows, h.row(c, r, s.entries[p]))
		}
	}
	return rows
}

// pathsInfo is POST /paths-info/REV with a form of paths; unknown ones are
// left out.
func (h *Hub) pathsInfo(w http.ResponseWriter, r *http.Request, rt route) {
	if r.Method != http.MethodPost {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	found, s := h.enterAt(w, r, rt, toList)
	if found == nil {
		return
	}
	if err := r.ParseForm(); err != nil {
		(&refusal{http.StatusBadRequest, "", "Invalid form"}).send(w)
		return
	}
	rows := []map[string]any{}
	for _, p := range r.PostForm["paths"] {
		if e := s.entries[p]; e != nil {
			rows = append(rows, h.row(h.bearer(r), found, e))
		} else if slices.ContainsFunc(s.paths, func(q string) bool { return strings.HasPrefix(q, p+"/") }) {
			rows = append(rows, directory(p))
		}
	}
	sendJSON(w, http.StatusOK, rows)
}

func isTrue(s string) bool { return strings.EqualFold(s, "true") || s == "1" }
