package registry

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/weighbridge/weighbridge/internal/house/origin"
)

// The hosts of Comfy and of the store that holds its results.
const (
	ComfyCloudHost = "cloud.comfy.org"
	ComfyAPIHost   = "api.comfy.org"
	ComfyStoreHost = "comfy-results.storage.example.com"
)

// comfy is a fake of Comfy's two services.
type comfy struct {
	key    string
	file   origin.Content
	signer *origin.Signer
	// cloud runs what is submitted.
	cloud *ComfyUI
}

// MountComfy puts Comfy on s, with a signer for its store's URLs: /api/view of the cloud redirects to a store that
// refuses the key; prompts, their history and messages are those of a ComfyUI
// called "cloud"; every other path answers 200 or 401 by X-API-Key. WebSockets
// take the key in the query. Shown twice, or in another way, it is refused.
func MountComfy(s *origin.Server, key string, file origin.Content, signer *origin.Signer) error {
	c := &comfy{key: key, file: file, signer: signer, cloud: NewComfyUI("cloud")}
	return errors.Join(
		s.Handle(ComfyCloudHost, http.HandlerFunc(c.service)),
		s.Handle(ComfyAPIHost, http.HandlerFunc(c.service)),
		s.Handle(ComfyStoreHost, http.HandlerFunc(c.store)),
	)
}

func (c *comfy) service(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	shown, token := r.Header.Get("X-API-Key"), r.URL.Query().Get("token")
	socket := r.Host == ComfyCloudHost && r.URL.Path == "/ws"
	if socket {
		shown, token = token, shown
	}
	switch {
	case token != "" || r.Header.Get("Authorization") != "":
		http.Error(w, "only one way of authentication", http.StatusBadRequest)
	case !equal(shown, c.key):
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write([]byte(`{"message":"Please login first to use this node"}`))
	case r.Host == ComfyCloudHost && r.URL.Path == "/api/view":
		w.Header().Set("Location", c.signer.Presigned(ComfyStoreHost, "/results/1.png", "", time.Hour))
		w.WriteHeader(http.StatusFound)
	case r.Host == ComfyCloudHost && (socket || strings.HasPrefix(r.URL.Path, "/api/prompt") || strings.HasPrefix(r.URL.Path, "/api/history_v2/")):
		r.Header.Del("X-API-Key")
		c.cloud.ServeHTTP(w, r)
	case r.Host == ComfyCloudHost && !strings.HasPrefix(r.URL.Path, "/api/"):
		http.NotFound(w, r)
	default:
		_, _ = w.Write([]byte(`{"status":"ok"}`))
	}
}

func (c *comfy) store(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("X-API-Key") != "" {
		http.Error(w, "unsupported authorization", http.StatusBadRequest)
		return
	}
	if c.signer.Guard(w, r, ComfyStoreHost) {
		origin.Serve(w, r, c.file, "result", "image/png")
	}
}
