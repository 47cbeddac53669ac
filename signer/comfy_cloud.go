package signer

import (
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// comfyCloud is Comfy Cloud and the API that ComfyUI's partner nodes call.
// Both take the same platform key in X-API-Key.
type comfyCloud struct{}

var _ provider = comfyCloud{}

func init() { register(comfyCloud{}) }

var comfyNeeds = []string{"api_key"}

func (comfyCloud) Schema() auth.Schema {
	return auth.Schema{
		Name:  "comfy_cloud",
		Title: "Comfy Cloud",
		Help:  "Comfy Cloud and the partner nodes of ComfyUI. Make an API key at platform.comfy.org. Running prompts needs keys of scope write.",
		Links: []auth.HelpLink{
			{Title: "Make an API key", URL: "https://platform.comfy.org"},
		},
		Fields: []auth.Field{
			{Name: "api_key", Title: "API key", Required: true, Secret: true, Preview: true},
			{Name: "cloud_fallback", Title: "Fallback", Help: "true leads what the route comfyui has no server for to Comfy Cloud. It counts of the credential with the name comfy-cloud, and of no other.", Options: []string{"false", "true"}, Policy: true},
		},
		DefaultPatterns: []string{"cloud.comfy.org/*", "api.comfy.org/*"},
		Hosts:           []string{"cloud.comfy.org", "api.comfy.org"},
	}
}

func (p comfyCloud) Check(f auth.Fields) error {
	return checkFields(p.Schema(), f, map[string]fieldRule{"api_key": tokenProblem})
}

func (comfyCloud) Expand(p auth.Pattern) ([]auth.Rule, error) {
	return []auth.Rule{{Pattern: p}}, nil
}

// Companions is empty: results are redirected to signed URLs at a storage
// host that is not documented, and reached by the ordinary rules.
func (comfyCloud) Companions() []auth.Companion { return nil }

// Classify refuses the account: customers (except the upload slots that
// partner nodes ask for), users, billing, sessions, keys, secrets, and the
// access tokens of registry publishers.
func (comfyCloud) Classify(method string, t auth.Target) auth.Class {
	verb := classifyMethod(method)
	if verb == auth.ClassForbidden {
		return verb
	}
	return strictest(t.Path, func(w words) auth.Class {
		at := 0
		if w.is(0, "api") {
			at = 1
		}
		if at == 1 && len(w.seg[1]) == 2 && w.begins(1, "v") {
			at = 2 // /api/v1/…, /api/v2/…
		}
		switch {
		case w.is(at, "customers"):
			if w.is(at+1, "storage") && w.n == at+2 {
				return verb
			}
			return auth.ClassForbidden
		case w.is(at, "user", "users", "customer", "admin", "internal"),
			w.begins(at, "auth", "login", "logout", "session", "billing", "subscription", "invoice", "payment",
				"setting", "secret", "token", "api-key", "apikey", "key", "workspace", "account", "webhook"):
			return auth.ClassForbidden
		case w.is(at, "publishers") && w.begins(at+2, "token", "permission", "member"):
			return auth.ClassForbidden
		}
		return verb
	})
}

func (comfyCloud) needs() []string { return comfyNeeds }

func (comfyCloud) sign(f auth.Fields, out *auth.Outgoing, _ time.Time) (auth.Applied, error) {
	if out.Target.Host != "cloud.comfy.org" || out.Target.Path != "/ws" {
		return putHeader(out, "X-API-Key", f["api_key"])
	}
	// The WebSocket of the cloud takes it in the query, and there alone
	// (https://docs.comfy.org/development/cloud/api-reference, "WebSocket for
	// Real-Time Progress").
	out.Header.Del("X-API-Key")
	v := f["api_key"].Reveal()
	putQuery(out, "token="+escapeQuery(v), func(name string) bool { return name == "token" })
	return auth.Applied{Mask: []auth.Secret{f["api_key"]}}, nil
}
