package house

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/house/origin"
	"github.com/weighbridge/weighbridge/store"
)

// API is the administrative side over admin.sock, as the CLI uses it.
func (h *House) API() *admin.Client { return h.api }

// Call asks the administrative side and fails the test on any error.
func (h *House) Call(method, path string, in, out any) {
	h.t.Helper()
	h.must(h.api.Call(h.t.Context(), method, path, in, out))
}

// AddCredential makes a credential.
func (h *House) AddCredential(in admin.NewCredential) admin.Credential {
	h.t.Helper()
	var out admin.Credential
	h.Call(http.MethodPost, "/api/v1/credentials", in, &out)
	return out
}

// Validation recognises a request by which a credential was validated.
func Validation(r *origin.Request) bool { return r.Header.Get("User-Agent") == "weighbridge" }

// AddKey makes an API key. From here on the key is looked for where no key
// may be.
func (h *House) AddKey(in admin.NewKey) admin.Key {
	h.t.Helper()
	var out admin.Key
	h.Call(http.MethodPost, "/api/v1/keys", in, &out)
	h.keys.Add(CanaryOf(out.Key))
	if out.URLKey != "" {
		h.keys.Add(CanaryOf(out.URLKey))
	}
	return out
}

// AddS3Key makes an S3 access key. From here on its secret is looked for where
// no secret may be.
func (h *House) AddS3Key(in admin.NewS3Key) admin.S3Key {
	h.t.Helper()
	var out admin.S3Key
	h.Call(http.MethodPost, "/api/v1/s3-keys", in, &out)
	h.Watch.Add(CanaryOf(out.SecretAccessKey))
	return out
}

// AddAccessToken makes an access token of a new user with a role in the default
// team. From here on it is looked for where no secret may be.
func (h *House) AddAccessToken(role auth.Role) *Canary {
	h.t.Helper()
	ctx, st, team := context.Background(), h.Bridge.Store(), h.Bridge.Team()
	u, err := st.CreateUser(ctx, auth.User{Email: string(role) + "@example.com"}, []store.Place{{Team: team.ID, Role: role}}, auth.Event{Action: auth.ActionUserCreate})
	h.must(err)
	secret := auth.NewAccessToken()
	tok := auth.AccessToken{TeamID: team.ID, UserID: u.ID, Name: "house", Scope: auth.ScopeWrite, ExpiresAt: time.Now().Add(48 * time.Hour)}
	tok.Hash, _ = auth.HashAccessToken(secret.Reveal())
	_, err = st.CreateToken(ctx, tok, auth.Event{Action: auth.ActionTokenCreate})
	h.must(err)
	c := CanaryOf(secret.Reveal())
	h.Watch.Add(c)
	return c
}

// EndKey gives a key an end, which may be sooner than the API takes one.
func (h *House) EndKey(name string, end time.Time) {
	h.t.Helper()
	_, err := h.Bridge.Store().UpdateKey(context.Background(), h.Bridge.Team().ID, name, func(k *auth.Key) error {
		k.ExpiresAt = end.UTC()
		return nil
	}, auth.Event{Actor: "house"})
	if err != nil {
		h.t.Fatal(err)
	}
}

// Link lets a key use a credential, Unlink stops it; both by id or name.
func (h *House) Link(credential, key string) { h.link(http.MethodPut, credential, key) }

// Unlink stops a key from using a credential.
func (h *House) Unlink(credential, key string) { h.link(http.MethodDelete, credential, key) }

func (h *House) link(method, credential, key string) {
	h.t.Helper()
	h.Call(method, "/api/v1/links/"+admin.Segment(credential)+"/"+admin.Segment(key), nil, nil)
}

// HubWorker makes what most tests start from: a Hub credential with the real
// token, for patterns or the provider's defaults, and a key with a URL key
// that is linked to it. Both are called name.
func (h *House) HubWorker(name string, patterns ...string) admin.Key {
	h.t.Helper()
	h.AddCredential(admin.NewCredential{
		Name: name, Provider: "huggingface", Fields: map[string]string{"token": h.Token.Value()}, Patterns: patterns,
	})
	return h.AddKey(admin.NewKey{Name: name, URLKey: true, Credentials: []string{name}})
}

// Eventually waits until done reports true. What it waits for happens by
// itself and soon; the bound is only there to end a test that never would.
func (h *House) Eventually(what string, done func() bool) {
	h.t.Helper()
	for end := time.Now().Add(time.Minute); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			h.t.Fatalf("still waiting: %s", what)
		}
	}
}

// AuditEvents is the whole record, oldest first.
func (h *House) AuditEvents() []auth.Event {
	h.t.Helper()
	var out struct{ Events []auth.Event }
	h.Call(http.MethodGet, "/api/v1/audit?"+url.Values{"limit": {"10000"}}.Encode(), nil, &out)
	return out.Events
}
