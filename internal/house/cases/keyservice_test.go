package cases

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/config"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/house/origin"
)

// TestR08_AKeyServiceGoesAndComes: while it is away, downloads are served from
// what was unwrapped, for as long as the setting says; then they are refused
// with credential_unavailable and nothing is sent bare; revoking needs it at no
// time; and when it is back all goes on by itself.
func TestR08_AKeyServiceGoesAndComes(t *testing.T) {
	t.Parallel()
	var now clock
	vault := house.NewVault(t)
	h := house.New(t, house.Options{Now: now.now, Empty: true, Environ: vault.Environ(),
		Configure: func(c *config.Config) { c.KEK, c.KEKCache = house.VaultURI, 5*time.Minute },
		Mount:     mount(t, map[string]http.Handler{guarded: files(origin.Random(3, 1000))})})
	key := h.AddKey(admin.NewKey{Name: "w"})
	h.AddKey(admin.NewKey{Name: "lost"})
	bearer(h, "c", guarded+"/*")
	bearer(h, "leaked", guarded+"/leaked/*")
	h.Link("c", "w")
	served := func(when string) {
		t.Helper()
		for _, mode := range modes {
			if r := newWorker(t, h, mode, key.Key).get("https://" + guarded + "/x"); r.status != http.StatusOK {
				t.Errorf("%s, %s: %s", when, mode, r)
			}
		}
	}
	served("at first")
	asked := vault.Asked()
	vault.Down(true)
	now.jump(4 * time.Minute)
	served("while it is away")
	if n := vault.Asked(); n != asked {
		t.Errorf("it was asked %d times for what was known", n-asked)
	}

	now.jump(2 * time.Minute)
	arrived := h.Server.Record.Total()
	for _, mode := range modes {
		r := newWorker(t, h, mode, key.Key).get("https://" + guarded + "/x")
		if r.status != http.StatusBadGateway || r.code() != auth.CodeCredentialFailed {
			t.Errorf("away for longer, %s: %s", mode, r)
		}
	}
	if n := h.Server.Record.Total(); n != arrived {
		t.Errorf("%d requests were sent without their credential", n-arrived)
	}
	err := h.API().Call(t.Context(), http.MethodPost, "/api/v1/credentials", admin.NewCredential{Name: "new", Provider: "http_bearer",
		Fields: map[string]string{"token": h.Secret("tok_").Value()}, Patterns: []string{guarded + "/new/*"}, NoValidate: true}, nil)
	if err == nil || !strings.Contains(err.Error(), "cannot wrap a key now") {
		t.Errorf("a new secret meanwhile: %v", err)
	}
	h.Call(http.MethodPost, "/api/v1/keys/lost/revoke", nil, nil)
	h.Call(http.MethodPost, "/api/v1/credentials/leaked/revoke", nil, nil)
	if c := credential(h, "leaked"); c.Status != "revoked" {
		t.Errorf("%+v", c)
	}

	vault.Down(false)
	now.jump(5 * time.Second) // so long nothing is asked of what was away
	served("when it is back")

	// A service that takes its time holds up the one who needs it and nobody else.
	vault.Hold()
	done := make(chan error, 1)
	before := vault.Asked()
	go func() {
		done <- h.API().Call(t.Context(), http.MethodPost, "/api/v1/credentials/c/rotate",
			admin.Rotation{Fields: map[string]string{"token": h.Secret("tok_").Value()}, NoValidate: true}, nil)
	}()
	h.Eventually("it is asked", func() bool { return vault.Asked() > before })
	h.AddKey(admin.NewKey{Name: "meanwhile"})
	h.Link("c", "meanwhile")
	served("while it takes its time")
	vault.Release()
	if err := <-done; err != nil {
		t.Error(err)
	}
	served("after the rotation")

	var page []byte
	h.Call(http.MethodGet, "/metrics", nil, &page)
	for _, want := range []string{
		`weighbridge_kek_cache_lookups_total\{result="hit"\} [1-9]`, `weighbridge_kek_cache_lookups_total\{result="miss"\} [1-9]`,
		`weighbridge_kek_unwraps_total\{result="ok"\} [1-9]`, `weighbridge_kek_unwraps_total\{result="refused"\} 0`, `weighbridge_kek_unwraps_total\{result="unreachable"\} [1-9]`,
		`weighbridge_kek_cache_keys [1-9]`, `weighbridge_kek_cache_age_seconds \d`,
	} {
		if !regexp.MustCompile(`(?m)^` + want).Match(page) {
			t.Errorf("no %s in\n%s", want, page)
		}
	}
}
