package registry

import (
	"errors"
	"fmt"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/weighbridge/weighbridge/internal/house/origin"
)

// The hosts of Civitai and of the stores that its downloads pass through.
const (
	CivitaiHost   = "civitai.com"
	CivitaiRed    = "civitai.red"
	CivitaiR2Host = "civitai-delivery-worker-prod.5ac0637cfd0766c97916cefa3764fbdf.r2.cloudflarestorage.com"
	CivitaiB2Host = "b2.civitai.com" // matches *.civitai.com and must not get the key all the same
)

// Civitai is a fake of civitai.com: GET /api/download/models/ID redirects to
// an R2-like store that answers 400 to any Authorization. Even ids are stored
// on R2, odd ones on B2; the id 0 leads to the login page, as for assets whose
// creator wants a login in the browser. GET /api/v1/model-versions/ID describes
// a version and needs no key.
type Civitai struct {
	key    string
	file   origin.Content
	signer *origin.Signer
}

// MountCivitai puts Civitai on s; signer signs the URLs of its stores.
func MountCivitai(s *origin.Server, key string, file origin.Content, signer *origin.Signer) error {
	c := &Civitai{key: key, file: file, signer: signer}
	return errors.Join(
		s.Handle(CivitaiHost, http.HandlerFunc(c.site)),
		s.Handle(CivitaiRed, http.HandlerFunc(c.site)),
		s.Handle(CivitaiR2Host, http.HandlerFunc(c.store)),
		s.Handle(CivitaiB2Host, http.HandlerFunc(c.store)),
	)
}

func (c *Civitai) site(w http.ResponseWriter, r *http.Request) {
	id := path.Base(r.URL.Path)
	known := equal(r.Header.Get("Authorization"), "Bearer "+c.key) || equal(r.URL.Query().Get("token"), c.key)
	switch {
	case strings.HasPrefix(r.UserAgent(), "Python-urllib/"):
		http.Error(w, "error code: 1010", http.StatusForbidden) // what Cloudflare says of urllib's own name
	case strings.HasPrefix(r.URL.Path, "/login"):
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte("<!DOCTYPE html><title>Sign in</title>"))
	case strings.HasPrefix(r.URL.Path, "/api/v1/model-versions/"):
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"id":%s,"model":{"name":"sample","type":"LORA"},"baseModel":"SD 1.5","files":[{"name":"model-%[1]s.safetensors",`+
			`"primary":true,"sizeKB":%d,"hashes":{"SHA256":"%s"},"downloadUrl":"https://%s/api/download/models/%[1]s"}]}`,
			id, c.file.Size()/1024, strings.ToUpper(origin.SHA256(c.file)), CivitaiHost)
	case !strings.HasPrefix(r.URL.Path, "/api/download/models/"):
		http.NotFound(w, r)
	case id == "0":
		w.Header().Set("Location", "/login?returnUrl=%2Fmodels&reason=download-auth")
		w.WriteHeader(http.StatusTemporaryRedirect)
	case !known || r.Method == http.MethodHead: // HEAD is refused even with a key
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write([]byte(`{"error":"Unauthorized","message":"The creator of this asset requires you to be logged in to download it"}`))
	default:
		host := CivitaiR2Host
		if strings.ContainsAny(id[len(id)-1:], "13579") {
			host = CivitaiB2Host
		}
		w.Header().Set("Location", c.signer.Presigned(host, "/model/1/"+id+".safetensors",
			fmt.Sprintf("response-content-disposition=attachment%%3B%%20filename%%3D%%22model-%s.safetensors%%22&x-id=GetObject", id), 24*time.Hour))
		w.WriteHeader(http.StatusTemporaryRedirect)
	}
}

func (c *Civitai) store(w http.ResponseWriter, r *http.Request) {
	if !c.signer.Guard(w, r, r.Host) {
		return
	}
	w.Header().Set("Content-Disposition", r.URL.Query().Get("response-content-disposition"))
	origin.Serve(w, r, c.file, "store", "application/octet-stream")
}
