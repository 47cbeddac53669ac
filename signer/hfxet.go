package signer

import (
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/weighbridge/weighbridge/auth"
)

// Xet through reverse mode (huggingface.co/docs/xet: api, auth,
// download-protocol). A file's answer names the route of a token and, for some
// clients, the reconstruction; the token comes with the address of the store;
// the store answers with the reconstruction, which holds signed URLs. Requests
// to the store carry the xet token, those to the signed URLs nothing at all:
// neither has room for a key of ours, so both get sealed URLs. The store's is
// a prefix, since clients build its URLs themselves.

// xetField is the non-secret field by which a credential hides xet.
const xetField = "xet"

// hidesXet reports whether the worker is not to learn of xet: the credential
// or the key says so, or, in reverse mode, the hub is another than Hugging
// Face's own, whose store is not known.
func hidesXet(q *auth.Asked) bool {
	for _, p := range [...]auth.XetPolicy{q.Xet, auth.XetPolicy(q.Params[xetField])} {
		if p != auth.XetInherit && p != auth.XetPass {
			return true
		}
	}
	host := q.Target.Host
	return q.Reverse && host != hubHost && host != hubShortHost && !isCompanion(hubCompanions, host)
}

// hubStore reports whether host is a content-addressed store: the companions
// that take a token of the client's own.
func hubStore(host string) bool {
	for _, c := range hubCompanions {
		if c.Host == host {
			return !c.Signed
		}
	}
	for _, c := range hubCompanions {
		if strings.HasPrefix(c.Host, ".") && strings.HasSuffix(host, c.Host) {
			return !c.Signed
		}
	}
	return false
}

// storeClass is the read rule of the store. Reports of how a download went
// (hf_xet 1.6 and later) change nothing; all other POSTs are uploads.
func storeClass(verb auth.Class, w *words, method string) auth.Class {
	if method == "POST" && w.n == 2 && w.is(0, "v1", "v2") && w.is(1, "telemetry") {
		return auth.ClassRead
	}
	return verb
}

// The relation types of the links to xet.
const (
	xetRelations = "xet-"
	xetPlanLink  = "xet-reconstruction-info"
)

// hideXet removes the fields and links that announce xet.
func hideXet(h auth.Header) {
	h.Del("X-Xet-Hash")
	h.Del("X-Xet-Refresh-Route")
	editLinks(h, func(field string) string {
		rest, _ := withoutLinks(field, func(rel string) bool {
			return len(rel) >= len(xetRelations) && strings.EqualFold(rel[:len(xetRelations)], xetRelations)
		}, xetRelations)
		return rest
	})
}

// leadXet leads the addresses of xet in the header back through us. (The link
// to the token route is the proxy's, like every other link: that request
// carries the key.)
func leadXet(a *auth.Answer) {
	h := a.Header
	if v := h.Get("X-Xet-Refresh-Route"); v != "" {
		h.Set("X-Xet-Refresh-Route", a.Return(v))
	}
	if v := h.Get("X-Xet-Cas-Url"); v != "" {
		w := splitWords(a.Request.Target.Path)
		h.Set("X-Xet-Cas-Url", leadStore(a, v, endsInWriteToken(&w, 3) || endsInWriteToken(&w, 4)))
	}
	editLinks(h, func(field string) string {
		return mapLinks(field, func(rel, target string) string {
			for _, r := range strings.Fields(rel) {
				if strings.EqualFold(r, xetPlanLink) {
					return leadStore(a, target, false)
				}
			}
			return target
		})
	})
}

// editLinks changes every Link field; what becomes empty goes.
func editLinks(h auth.Header, edit func(field string) string) {
	fields := h.Values("Link")
	changed := false
	for i, field := range fields {
		fields[i] = edit(field)
		changed = changed || fields[i] != field
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

// leadStore leads a URL of the store back through us: its authority becomes a
// sealed prefix, and what follows stays visible, because clients put other
// paths in its place. A URL of any other host is led back like any other.
func leadStore(a *auth.Answer, ref string, write bool) string {
	t, err := auth.ParseURL(ref)
	if err != nil || !hubStore(t.Host) {
		return a.Return(ref)
	}
	at := strings.Index(ref, "://") + len("://")
	end := strings.IndexAny(ref[at:], "/?")
	if end < 0 {
		end = len(ref) - at
	}
	base, rest := ref[:at+end], ref[at+end:]
	if rest == "/" {
		rest = "" // clients append to it
	}
	return strings.TrimSuffix(a.ReturnPrefix(base, write), "/") + rest
}

// fileInfoType is the media type by which @huggingface/hub asks for a file's
// place in xet instead of its bytes.
const fileInfoType = "application/vnd.xet-fileinfo+json"

func isFileInfo(contentType string) bool { return mediaType(contentType) == fileInfoType }

func acceptsFileInfo(h auth.Header) bool {
	for _, v := range h.Values("Accept") {
		for part := range strings.SplitSeq(v, ",") {
			if isFileInfo(part) {
				return true
			}
		}
	}
	return false
}

// refuseFileInfo takes the type out of Accept. Without any type left the
// worker takes whatever comes (RFC 9110, section 12.5.1).
func refuseFileInfo(h auth.Header) {
	var kept []string
	for _, v := range h.Values("Accept") {
		for part := range strings.SplitSeq(v, ",") {
			if part = strings.TrimSpace(part); part != "" && !isFileInfo(part) {
				kept = append(kept, part)
			}
		}
	}
	if len(kept) == 0 {
		h.Del("Accept")
		return
	}
	h.Set("Accept", strings.Join(kept, ", "))
}

// listingEdit drops the members by which clients find out about xet, wherever
// they stand: xetHash of files, xetEnabled of repositories.
var listingEdit = jsonEdit{
	visit: func(state int, name []byte) (jsonAction, int) {
		if nameIs(name, "xetHash") || nameIs(name, "xetEnabled") {
			return jsonDrop, state
		}
		return jsonKeep, state
	},
}

// The states of the edits below: what a string is.
const (
	xetTop = iota
	xetRoute
	xetStore
	xetElsewhere
)

// tokenEdit leads the address of the store in a token's answer back,
// {"casUrl":…,"exp":…,"accessToken":…}.
func tokenEdit(a *auth.Answer, write bool) jsonEdit {
	return jsonEdit{
		visit: func(state int, name []byte) (jsonAction, int) {
			if state == xetTop && nameIs(name, "casUrl") {
				return jsonReplace, xetStore
			}
			return jsonKeep, xetElsewhere
		},
		replace: func(_ int, old string) string { return leadStore(a, old, write) },
	}
}

// fileInfoEdit leads the URLs in the information about one file back.
func fileInfoEdit(a *auth.Answer) jsonEdit {
	return jsonEdit{
		visit: func(state int, name []byte) (jsonAction, int) {
			switch {
			case state == xetTop && nameIs(name, "refreshUrl"):
				return jsonReplace, xetRoute
			case state == xetTop && nameIs(name, "reconstructionUrl"):
				return jsonReplace, xetStore
			}
			return jsonKeep, xetElsewhere
		},
		replace: func(state int, old string) string {
			if state == xetRoute {
				return a.Return(old)
			}
			return leadStore(a, old, false)
		},
	}
}

// planEdit leads the URLs of a reconstruction back: every member called url,
// which is fetch_info.HASH[].url in the first version and xorbs.HASH[].url in
// the second. No other string is one.
func planEdit(back func(string) string) jsonEdit {
	return jsonEdit{
		visit: func(state int, name []byte) (jsonAction, int) {
			if nameIs(name, "url") {
				return jsonReplace, state
			}
			return jsonKeep, state
		},
		replace: func(_ int, old string) string { return back(old) },
	}
}

// maxJSON bounds an answer that is changed. Reconstructions are the longest: a
// plan for the 8 GiB that hf_xet asks for at most at once takes a few MiB.
const maxJSON = 16 << 20

var errJSONWhole = errors.New("the upstream's JSON is longer than 16 MiB")

func tooLong(contentLength string) bool {
	n, err := strconv.ParseInt(contentLength, 10, 64)
	return err == nil && n > maxJSON
}

// capped gives what src holds, and an error where that is more than left.
type capped struct {
	src  io.Reader
	left int64
}

// Read implements io.Reader.
func (c *capped) Read(p []byte) (int, error) {
	if int64(len(p)) > c.left+1 {
		p = p[:c.left+1]
	}
	n, err := c.src.Read(p)
	if int64(n) > c.left {
		return int(c.left), errJSONWhole
	}
	c.left -= int64(n)
	return n, err
}
