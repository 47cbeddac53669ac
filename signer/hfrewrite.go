package signer

import (
	"errors"
	"io"
	"strings"

	"github.com/weighbridge/weighbridge/auth"
)

// What becomes of the Hub's answers. In both modes xet is hidden where the
// credential or the key says so: clients then take the classic path, one
// signed URL for each file. In reverse mode a worker may have no way out but
// through us, so everything that leads elsewhere is led back: Location and
// Link by the proxy, as for every provider; the LFS batch here; and xet in
// hfxet.go.

// Prepare says where Rewrite may want to change the body. Where xet is hidden
// it also takes the media type of xet's file information out of Accept, for a
// client that is answered so insists on the rest.
func (huggingFace) Prepare(q auth.Asked, h auth.Header) auth.Wants {
	hidden := hidesXet(&q)
	info := false
	if q.Method == "GET" && acceptsFileInfo(h) {
		if hidden {
			refuseFileInfo(h)
		} else {
			info = q.Reverse
		}
	}
	switch hubBodyOf(&q, hidden) {
	case hubBodyAsItIs:
		if info {
			return auth.WantsPlain // where it is no file of xet, the Range counts
		}
		return auth.WantsNothing
	case hubBodyPlan:
		return auth.WantsPlain // its Range is one of the file, not of the body
	default:
		return auth.WantsWhole
	}
}

// Rewrite changes nothing in forward mode, except where xet is hidden. (That
// the answer's length and validators fit is the proxy's work.)
func (huggingFace) Rewrite(a *auth.Answer) (auth.BodyRewrite, error) {
	q := &a.Request
	hidden := hidesXet(q)
	if !q.Reverse && !hidden {
		return nil, nil
	}
	if !isCompanion(hubCompanions, q.Target.Host) {
		if hidden {
			hideXet(a.Header)
		} else {
			leadXet(a)
		}
		if q.Reverse {
			settleHead(a)
		}
	}
	edit, ok := hubEdit(a, hidden)
	if !ok {
		return nil, nil
	}
	if coding := strings.TrimSpace(a.Header.Get("Content-Encoding")); coding != "" && !strings.EqualFold(coding, "identity") {
		return nil, auth.NewError(auth.CodeUpstreamProtocol, "the upstream answered with the content coding "+oneLine(coding, 32)+" although none was asked for", nil)
	}
	if tooLong(a.Header.Get("Content-Length")) {
		return nil, auth.NewError(auth.CodeUpstreamProtocol, errJSONWhole.Error(), nil)
	}
	return func(dst io.Writer, src io.Reader) error {
		err := editJSON(dst, &capped{src: src, left: maxJSON}, edit)
		if isJSONError(err) {
			err = auth.NewError(auth.CodeUpstreamProtocol, err.Error(), err)
		}
		return err
	}, nil
}

// settleHead answers HEAD of a large file from what the Hub's redirect says of
// it, as mirrors do. huggingface_hub 2.x follows a redirect that stays on its
// endpoint's host, and in reverse mode the sealed URL does: the CDN's answer
// there has another ETag and no X-Repo-Commit, and the client gives up.
func settleHead(a *auth.Answer) {
	size := a.Header.Get("X-Linked-Size")
	if a.Request.Method != "HEAD" || a.Status < 300 || a.Status > 399 || size == "" || a.Header.Get("X-Repo-Commit") == "" {
		return
	}
	a.Status = 200
	a.Header.Del("Location")
	a.Header.Set("Content-Length", size)
	a.Header.Set("Content-Type", "application/octet-stream")
}

// hubBody is what a body is, where something may be done to it.
type hubBody int

const (
	hubBodyAsItIs hubBody = iota
	// hubBodyListing tells of files and repositories, and whether they are in
	// xet.
	hubBodyListing
	// hubBodyBatch is the answer of the LFS batch.
	hubBodyBatch
	// hubBodyToken is a xet token, with the address of the store.
	hubBodyToken
	// hubBodyPlan is a reconstruction: where the pieces of a file are.
	hubBodyPlan
)

// hubBodyOf tells by the request what the body of the answer will be.
func hubBodyOf(q *auth.Asked, hidden bool) hubBody {
	w := splitWords(q.Target.Path)
	if isCompanion(hubCompanions, q.Target.Host) {
		// /v1/reconstructions/HASH and /v2/…; of several files, /reconstructions.
		if q.Reverse && q.Method == "GET" && hubStore(q.Target.Host) && (w.is(0, "reconstructions") || w.is(1, "reconstructions")) {
			return hubBodyPlan
		}
		return hubBodyAsItIs
	}
	switch {
	case q.Method == "POST" && gitRouteOf(&w) == gitBatch:
		if q.Reverse {
			return hubBodyBatch
		}
	case !w.is(0, "api") || !w.is(1, "models", "datasets", "spaces", "kernels", "buckets"):
	case hidden && hubTellsOfXet(q.Method, &w):
		return hubBodyListing
	case q.Reverse && !hidden && q.Method == "GET" && (xetToken(&w, 3) || xetToken(&w, 4)):
		return hubBodyToken
	}
	return hubBodyAsItIs
}

// hubTellsOfXet recognises the answers below /api/TYPE/ with members about
// xet: information about a repository, its tree, and paths-info. (The list of
// a type, /api/models, has no files; /api/models/gpt2 and /api/models/ORG/REPO
// are about one repository.)
func hubTellsOfXet(method string, w *words) bool {
	if w.is(1, "buckets") {
		return false // there is no other way to their files
	}
	switch method {
	case "GET":
		return w.n == 3 || w.n == 4 || hubListing(w, 3) || hubListing(w, 4)
	case "POST":
		return w.is(3, "paths-info") || w.is(4, "paths-info")
	}
	return false
}

func hubListing(w *words, i int) bool { return w.is(i, "revision", "tree", "lfs-files") }

// xetToken recognises xet-read-token and xet-write-token.
func xetToken(w *words, i int) bool { return w.is(i, "xet-read-token", "xet-write-token") }

// hubEdit says how the body is changed. ok is false where it is not.
func hubEdit(a *auth.Answer, hidden bool) (edit jsonEdit, ok bool) {
	q := &a.Request
	body := hubBodyOf(q, hidden)
	contentType := a.Header.Get("Content-Type")
	switch {
	case q.Method == "HEAD" || a.Status < 200 || a.Status > 299:
		return edit, false
	case body == hubBodyPlan:
		// Whatever the store calls it: URLs that are left in it lead nowhere.
		return planEdit(a.Return), true
	case a.Status != 200 || !jsonType(contentType):
		return edit, false
	case body == hubBodyListing:
		return listingEdit, true
	case body == hubBodyBatch:
		return batchEdit(a), true
	case body == hubBodyToken:
		w := splitWords(q.Target.Path)
		return tokenEdit(a, endsInWriteToken(&w, 3) || endsInWriteToken(&w, 4)), true
	case q.Reverse && !hidden && isFileInfo(contentType):
		return fileInfoEdit(a), true
	}
	return edit, false
}

// jsonType recognises application/json and the types that end in +json.
func jsonType(contentType string) bool {
	t := mediaType(contentType)
	return t == "application/json" || strings.HasSuffix(t, "+json")
}

// mediaType is a media type without its parameters, lower-case.
func mediaType(contentType string) string {
	t, _, _ := strings.Cut(contentType, ";")
	return strings.ToLower(strings.TrimSpace(t))
}

// The places in a batch answer, {"objects":[{"actions":{"download":{"href":…,
// "header":{…}} (Git LFS, docs/api/batch.md). The header of an action follows
// it in this list.
const (
	batchTop = iota
	batchObjects
	batchActions
	batchAction
	batchHeader
	batchUpload
	batchUploadHeader
	batchHref
	batchElsewhere
)

// batchEdit leads the URLs of a batch answer back through us, and the address
// of the store that git-xet is given as a header field. Names are compared
// without case, as git-lfs does.
func batchEdit(a *auth.Answer) jsonEdit {
	return jsonEdit{
		visit: func(state int, name []byte) (jsonAction, int) {
			switch {
			case state == batchTop && nameIs(name, "objects"):
				return jsonKeep, batchObjects
			case state == batchObjects && nameIs(name, "actions"):
				return jsonKeep, batchActions
			case state == batchActions && nameIs(name, "upload"):
				return jsonKeep, batchUpload
			case state == batchActions:
				return jsonKeep, batchAction
			case (state == batchAction || state == batchUpload) && nameIs(name, "href"):
				return jsonReplace, batchHref
			case (state == batchAction || state == batchUpload) && nameIs(name, "header"):
				return jsonKeep, state + 1
			case (state == batchHeader || state == batchUploadHeader) && nameIs(name, "X-Xet-Cas-Url"):
				return jsonReplace, state
			}
			return jsonKeep, batchElsewhere
		},
		replace: func(state int, old string) string {
			if state == batchHref {
				return a.Return(old)
			}
			return leadStore(a, old, state == batchUploadHeader)
		},
	}
}

// nameIs compares without case and without allocating.
func nameIs(name []byte, want string) bool { return strings.EqualFold(string(name), want) }

// isJSONError reports whether err is about the text itself.
func isJSONError(err error) bool {
	return errors.Is(err, errJSONForm) || errors.Is(err, errJSONDepth) || errors.Is(err, errJSONLong) ||
		errors.Is(err, errJSONWhole) || errors.Is(err, io.ErrUnexpectedEOF)
}
