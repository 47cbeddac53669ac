package signer

import (
	"io"
	"strings"

	"github.com/weighbridge/weighbridge/auth"
)

// In reverse mode a worker may have no way out but through us, and the xet
// protocol leads to hosts that it would have to reach by itself. Until those
// are offered in reverse mode, xet is hidden there and clients take the
// classic path: the header fields that announce it, and the members of the
// API's answers that recent clients read instead of them.

// NeedsBody says where Rewrite may want to change the body: the answers about
// models, datasets, Spaces and kernels that carry xet members, and the LFS
// batch.
func (huggingFace) NeedsBody(method string, t auth.Target, reverse bool) bool {
	return reverse && hubBodyOf(method, t.Path) != hubBodyAsItIs
}

// Rewrite changes nothing in forward mode. In reverse mode it removes the
// header fields of xet, and returns the body's rewrite where there is one.
// (Location and the remaining links are the proxy's, for every provider; so
// is making the answer's length and validators fit.)
func (huggingFace) Rewrite(a *auth.Answer) (auth.BodyRewrite, error) {
	if !a.Reverse {
		return nil, nil
	}
	a.Header.Del("X-Xet-Hash")
	a.Header.Del("X-Xet-Refresh-Route")
	hideXetLinks(a.Header)
	settleHead(a)
	body := hubBodyOf(a.Method, a.Target.Path)
	if body == hubBodyAsItIs || a.Status != 200 || !jsonType(a.Header.Get("Content-Type")) {
		return nil, nil
	}
	if coding := strings.TrimSpace(a.Header.Get("Content-Encoding")); coding != "" && !strings.EqualFold(coding, "identity") {
		return nil, auth.NewError(auth.CodeUpstreamProtocol, "the upstream answered with the content coding "+oneLine(coding, 32)+" although none was asked for", nil)
	}
	if body == hubBodyBatch {
		back := a.Return
		return func(dst io.Writer, src io.Reader) error { return editJSON(dst, src, batchEdit(back)) }, nil
	}
	return func(dst io.Writer, src io.Reader) error { return editJSON(dst, src, xetEdit) }, nil
}

// settleHead answers HEAD of a large file from what the Hub's redirect says of
// it, as mirrors do. huggingface_hub 2.x follows a redirect that stays on its
// endpoint's host, and in reverse mode the sealed URL does: the CDN's answer
// there has another ETag and no X-Repo-Commit, and the client gives up.
func settleHead(a *auth.Answer) {
	size := a.Header.Get("X-Linked-Size")
	if a.Method != "HEAD" || a.Status < 300 || a.Status > 399 || size == "" || a.Header.Get("X-Repo-Commit") == "" {
		return
	}
	a.Status = 200
	a.Header.Del("Location")
	a.Header.Set("Content-Length", size)
	a.Header.Set("Content-Type", "application/octet-stream")
}

// hubBody is what is done to a body.
type hubBody int

const (
	hubBodyAsItIs hubBody = iota
	hubBodyXet
	hubBodyBatch
)

func hubBodyOf(method, path string) hubBody {
	w := splitWords(path)
	if method == "POST" && gitRouteOf(&w) == gitBatch {
		return hubBodyBatch
	}
	if !w.is(0, "api") || !w.is(1, "models", "datasets", "spaces", "kernels") {
		return hubBodyAsItIs
	}
	switch method {
	case "GET":
		// The list of a type, /api/models, has no files. /api/models/gpt2 and
		// /api/models/ORG/REPO are about one repository.
		if w.n == 3 || w.n == 4 || hubListing(&w, 3) || hubListing(&w, 4) {
			return hubBodyXet
		}
	case "POST":
		if w.is(3, "paths-info") || w.is(4, "paths-info") {
			return hubBodyXet
		}
	}
	return hubBodyAsItIs
}

func hubListing(w *words, i int) bool {
	return w.is(i, "revision", "tree", "lfs-files")
}

// jsonType recognises application/json and the types that end in +json.
func jsonType(contentType string) bool {
	t, _, _ := strings.Cut(contentType, ";")
	t = strings.ToLower(strings.TrimSpace(t))
	return t == "application/json" || strings.HasSuffix(t, "+json")
}

// hideXetLinks removes the links to xet: xet-auth, xet-reconstruction-info.
func hideXetLinks(h auth.Header) {
	const xet = "xet-"
	fields := h.Values("Link")
	changed := false
	for i, field := range fields {
		rest, removed := withoutLinks(field, func(rel string) bool {
			return len(rel) >= len(xet) && strings.EqualFold(rel[:len(xet)], xet)
		}, xet)
		fields[i] = rest
		changed = changed || removed
	}
	if !changed {
		return
	}
	h.Del("Link")
	for _, field := range fields {
		if field != "" {
			h.Add("Link", field)
		}
	}
}

// xetEdit drops the members by which clients find out about xet, wherever
// they stand: xetHash of files, xetEnabled of repositories.
var xetEdit = jsonEdit{
	visit: func(state int, name []byte) (jsonAction, int) {
		if nameIs(name, "xetHash") || nameIs(name, "xetEnabled") {
			return jsonDrop, state
		}
		return jsonKeep, state
	},
}

// The places in a batch answer, {"objects":[{"actions":{"download":{"href":…
// (Git LFS, docs/api/batch.md).
const (
	batchTop = iota
	batchObjects
	batchActions
	batchAction
	batchElsewhere
)

// batchEdit leads the URLs of a batch answer back through us. Names are
// compared without case, as git-lfs does.
func batchEdit(back func(string) string) jsonEdit {
	return jsonEdit{
		visit: func(state int, name []byte) (jsonAction, int) {
			switch {
			case state == batchTop && nameIs(name, "objects"):
				return jsonKeep, batchObjects
			case state == batchObjects && nameIs(name, "actions"):
				return jsonKeep, batchActions
			case state == batchActions:
				return jsonKeep, batchAction
			case state == batchAction && nameIs(name, "href"):
				return jsonReplace, batchElsewhere
			}
			return jsonKeep, batchElsewhere
		},
		replace: back,
	}
}

// nameIs compares without case and without allocating.
func nameIs(name []byte, want string) bool { return strings.EqualFold(string(name), want) }
