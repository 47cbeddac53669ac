package hub

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"

	"github.com/weighbridge/weighbridge/internal/house/origin"
)

// xetInfo is the media type by which @huggingface/hub asks for a file's place
// in xet instead of its bytes.
const xetInfo = "application/vnd.xet-fileinfo+json"

// serveRepo serves what is not under /api/: files and git.
func (h *Hub) serveRepo(w http.ResponseWriter, r *http.Request, escaped string) {
	rt, ok := webRoute(escaped)
	switch {
	case !ok:
		(&refusal{http.StatusNotFound, "", "Not Found"}).send(w)
	case rt.verb == "resolve" || rt.verb == "raw":
		h.resolve(w, r, rt, escaped)
	default:
		h.serveGit(w, r, rt)
	}
}

// resolve redirects to a file's bytes: within the Hub for a small one, to the
// CDN for a large one.
func (h *Hub) resolve(w http.ResponseWriter, r *http.Request, rt route, escaped string) {
	found, s := h.enterAt(w, r, rt, toFetch)
	if found == nil {
		return
	}
	w.Header().Set("X-Repo-Commit", s.commit)
	e := s.entries[rt.file()]
	if e == nil {
		(&refusal{http.StatusNotFound, "EntryNotFound", "Entry not found"}).send(w)
		return
	}
	w.Header().Set("Accept-Ranges", "bytes")
	w.Header().Set("Access-Control-Expose-Headers", "X-Repo-Commit,X-Request-Id,X-Error-Code,X-Error-Message,"+
		"X-Total-Count,ETag,Link,Accept-Ranges,Content-Range,X-Linked-Size,X-Linked-ETag,X-Xet-Hash")
	if !e.large {
		w.Header().Set("ETag", `"`+e.gitOID+`"`)
		redirect(w, http.StatusTemporaryRedirect, fmt.Sprintf("/api/resolve-cache/%s/%s/%s/%s?%s=&etag=%s",
			rt.kind, found.ID, s.commit, escape(e.path), url.QueryEscape(escaped), url.QueryEscape(`"`+e.gitOID+`"`)))
		return
	}
	w.Header().Set("ETag", `"`+e.sha256+`"`)
	w.Header().Set("X-Linked-ETag", `"`+e.sha256+`"`)
	w.Header().Set("X-Linked-Size", strconv.FormatInt(e.size, 10))
	w.Header().Set("Cache-Control", "no-cache, no-store, must-revalidate")
	if hash := found.xetHash(e); hash != "" {
		auth, info := h.xetLinks(found, s, hash)
		w.Header().Set("X-Xet-Hash", hash)
		w.Header().Set("Link", fmt.Sprintf(`<%s>; rel="xet-auth", <%s>; rel="xet-reconstruction-info"`, auth, info))
		if strings.Contains(r.Header.Get("Accept"), xetInfo) {
			w.Header().Set("Content-Type", xetInfo)
			body := fmt.Sprintf(`{"hash":%q,"refreshUrl":%q,"reconstructionUrl":%q,"etag":"\"%s\"","size":%d}`,
				hash, auth, info, e.sha256, e.size)
			w.Header().Set("Content-Length", strconv.Itoa(len(body)))
			_, _ = io.WriteString(w, body)
			return
		}
	}
	redirect(w, http.StatusFound, h.signedURL(found, e))
}

// serveResolveCache serves small files, with the query of the redirect or
// without it: some clients drop it.
func (h *Hub) serveResolveCache(w http.ResponseWriter, r *http.Request, escaped string) {
	rt, ok := cacheRoute(escaped)
	if !ok {
		(&refusal{http.StatusNotFound, "", "Not Found"}).send(w)
		return
	}
	found := h.enter(w, r, rt, h.bearer(r), toFetch)
	if found == nil {
		return
	}
	s := found.at(rt.verb)
	if s == nil {
		(&refusal{http.StatusNotFound, "RevisionNotFound", "Invalid rev id: " + rt.verb}).send(w)
		return
	}
	w.Header().Set("X-Repo-Commit", s.commit)
	e := s.entries[unescape(strings.Join(rt.rest, "/"))]
	if e == nil || e.large {
		(&refusal{http.StatusNotFound, "EntryNotFound", "Entry not found"}).send(w)
		return
	}
	h.sendSmall(w, r, e)
}

// sendSmall sends a small file whole or in part; to a client that takes gzip,
// and for files that are marked so, in chunks without a Content-Length. HEAD
// always has the real one and never a Content-Encoding.
func (h *Hub) sendSmall(w http.ResponseWriter, r *http.Request, e *entry) {
	kind := contentType(e.path)
	zip := compressible(e) && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip")
	if r.Method != http.MethodGet || r.Header.Get("Range") != "" || !(zip || e.chunked) {
		w.Header().Set("Accept-Ranges", "bytes")
		origin.Serve(w, r, e.content, e.gitOID, kind)
		return
	}
	w.Header().Set("Content-Type", kind)
	out, etag := io.Writer(w), `"`+e.gitOID+`"`
	if zip {
		w.Header().Set("Content-Encoding", "gzip")
		etag = "W/" + etag
		compressed := gzip.NewWriter(w)
		defer func() { _ = compressed.Close() }()
		out = compressed
	}
	w.Header().Set("ETag", etag)
	_ = http.NewResponseController(w).Flush() // from here on the answer is chunked
	_, _ = io.Copy(out, io.NewSectionReader(e.content, 0, e.size))
}

// compressible are the texts that the Hub compresses.
func compressible(e *entry) bool {
	switch path.Ext(e.path) {
	case ".json", ".md":
		return e.size >= 1024
	}
	return false
}

func contentType(name string) string {
	switch path.Ext(name) {
	case ".json":
		return "application/json; charset=utf-8"
	case ".md", ".txt", ".py", ".gitattributes":
		return "text/plain; charset=utf-8"
	}
	return "application/octet-stream"
}
