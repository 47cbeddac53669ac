package comfyui

import (
	"strings"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// The fallback. A team has one credential that counts: the one that is reserved
// for it by its name, and says by a field whether to fall back at all.
const (
	// Provider and Credential are the kind and the reserved name.
	Provider   = "comfy_cloud"
	Credential = "comfy-cloud"
	// Fallback is the field; "true" is on.
	Fallback = "cloud_fallback"

	// cloudName is what the cloud is called among the places of prompts.
	cloudName = "cloud"
	// cloudAuthority and cloudRoot are where Comfy Cloud serves ComfyUI's API,
	// and cloudSocket where it serves the messages
	// (https://docs.comfy.org/development/cloud/api-reference).
	cloudAuthority = "cloud.comfy.org"
	cloudRoot      = "/api"
	cloudSocket    = "/ws"
)

// cloudLife is how long a client belongs to the cloud after it was led there.
// It is not made longer by what the client asks there, or one that always has
// the same id would never come back.
const cloudLife = 15 * time.Minute

// FallbackField says on an answer that it came from the cloud.
const FallbackField = "X-Weighbridge-Fallback"

// toCloud sends a request to Comfy Cloud, where the team and the caller may.
// Whether its key is put on is then decided like everywhere.
func (r *Route) toCloud(w *auth.Wish, c *call, because string) (*auth.Pick, error) {
	if err := mayFallBack(w, because); err != nil {
		return nil, err
	}
	t, err := target("https", cloudAuthority, cloudPath(c), w)
	if err != nil {
		return nil, err
	}
	p := &auth.Pick{
		Name: cloudName, Target: t, Root: cloudRoot, Write: c.writes,
		Stands: func(id auth.Identity) bool { return r.leads(id, nil) },
		Fields: []auth.HeaderField{{Name: FallbackField, Value: Provider}},
	}
	if c.upgrade && c.client != "" {
		r.listen(c.client, 1)
		p.Done = func() { r.listen(c.client, -1) }
	}
	r.keep(p, w, c)
	return p, nil
}

// listen counts the WebSockets of a client to the cloud.
func (r *Route) listen(client string, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sockets[client] += n; r.sockets[client] == 0 {
		delete(r.sockets, client)
	}
}

// listens reports whether a client hears what the cloud has to say.
func (r *Route) listens(client string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sockets[client] > 0
}

// cloudPath is the path by which the cloud knows what is asked for.
func cloudPath(c *call) string {
	switch {
	case c.path == cloudSocket:
		return cloudSocket
	case c.word(0) == "history": // the cloud's is the second version of it
		_, rest, _ := strings.Cut(c.path[1:], "/")
		return strings.TrimSuffix(cloudRoot+"/history_v2/"+rest, "/")
	}
	return cloudRoot + c.path
}

// mayFallBack says why a request may not go to the cloud, or nil. because is
// why it would have to.
func mayFallBack(w *auth.Wish, because string) error {
	var found *auth.Credential
	w.Snapshot.EachLinked(w.Identity, Provider, func(c *auth.Credential) bool {
		if c.Name == Credential {
			found = c
		}
		return found == nil
	})
	switch {
	case found == nil:
		return unavailable(because+"and no credential "+Credential+" is linked to the API key to fall back with", "")
	case found.Params[Fallback] != "true":
		return unavailable(because+"and the team's fallback to Comfy Cloud is off", "")
	case !found.Usable(w.Now):
		return unavailable(because+"and the credential "+Credential+" cannot be used: it is "+string(found.Status),
			"Run `weighbridge credential show "+Credential+"` for the reason; set another key with `weighbridge cloud-provider set "+Credential+"`.")
	}
	return nil
}
