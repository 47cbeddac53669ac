package hub

import (
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/weighbridge/weighbridge/internal/house/origin"
)

// signedURL is where a large file is fetched. Its query holds what careless
// proxies change: a plus, an asterisk, upper-case and nested escapes.
func (h *Hub) signedURL(r *repo, e *entry) string {
	name := path.Base(e.path)
	disposition := "response-content-disposition=inline%3B+filename*%3DUTF-8%27%27" +
		strings.ReplaceAll(url.QueryEscape(url.QueryEscape(name)), "+", "%20") + "%3B+filename%3D%22" + url.QueryEscape(name) + "%22%3B"
	switch r.Storage {
	case Bridge:
		return h.signer.Presigned(BridgeHost, "/xet-bridge-us/"+r.hexID+"/"+e.sha256,
			"X-Xet-Cas-Uid=6543210fedcba&"+disposition+"&x-id=GetObject", h.options.SignedLife)
	case OldLFS:
		return h.signer.CloudFront(LFSHost, "/repos/"+r.hexID[:2]+"/"+r.hexID[2:4]+"/"+r.hexID+"/"+e.sha256,
			disposition, h.options.SignedLife)
	default:
		return h.signer.CloudFront(CDNHost, "/xet-bridge-us/"+r.hexID+"/"+e.sha256,
			"X-Xet-Cas-Uid=public&"+disposition+"&user_id=public", h.options.SignedLife)
	}
}

// TakeRespelled says whether the CDN takes URLs whose query a client spelled
// anew: see origin.Signer.
func (h *Hub) TakeRespelled(take bool) { h.signer.TakeRespelled(take) }

// serveCDN serves what signedURL names, to nobody who shows a token and only
// for the very URL that was issued. Its ETag has nothing to do with the Hub's.
func (h *Hub) serveCDN(w http.ResponseWriter, r *http.Request) {
	if !h.signer.Guard(w, r, r.Host) {
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
		return
	}
	digest := path.Base(r.URL.Path)
	h.mu.RLock()
	o := h.objects[digest]
	h.mu.RUnlock()
	if o == nil {
		http.Error(w, "no such object", http.StatusNotFound)
		return
	}
	if d := r.URL.Query().Get("response-content-disposition"); d != "" {
		w.Header().Set("Content-Disposition", d)
	}
	w.Header().Set("X-Cache", "Hit from cloudfront")
	origin.Serve(w, r, o.content, digest[:32], "application/octet-stream")
}
