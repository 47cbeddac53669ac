package cases

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/house/hub"
	"github.com/weighbridge/weighbridge/internal/house/origin"
	"github.com/weighbridge/weighbridge/internal/workerenv"
)

func ptr[T any](v T) *T { return &v }

// TestT57_EachRequestInAKeptTunnelIsDecidedAfresh: whatever is changed between
// two requests holds for the second, in the tunnel that the first came by.
func TestT57_EachRequestInAKeptTunnelIsDecidedAfresh(t *testing.T) {
	t.Parallel()
	var now clock
	h := house.New(t, house.Options{Empty: true, Now: now.now, Mount: mount(t, map[string]http.Handler{guarded: files(origin.Text("weights"))})})
	secret := bearer(h, "c", guarded+"/*")
	key := h.AddKey(admin.NewKey{Name: "w", Unmatched: "deny", Credentials: []string{"c"}}).Key
	credential := func(p admin.CredentialPatch) { h.Call(http.MethodPatch, "/api/v1/credentials/c", p, nil) }
	update := func(p admin.KeyPatch) { h.Call(http.MethodPatch, "/api/v1/keys/w", p, nil) }
	rotated := h.Secret("tok_")
	better := h.Secret("tok_")

	tunnel := openTunnel(t, h, key, guarded+":443")
	for _, step := range []struct {
		name   string
		change func()
		want   auth.Code // empty is served
		with   *house.Canary
	}{
		{"at first", func() {}, "", secret},
		{"unlinked", func() { h.Unlink("c", "w") }, auth.CodeNotLinked, nil},
		{"linked again", func() { h.Link("c", "w") }, "", secret},
		{"rotated", func() { credential(admin.CredentialPatch{Fields: map[string]string{"token": rotated.Value()}}) }, "", rotated},
		{"with a narrower pattern", func() { credential(admin.CredentialPatch{Patterns: []string{guarded + "/other/*"}}) }, auth.CodeNoCredentialMatched, nil},
		{"with its pattern again", func() {
			credential(admin.CredentialPatch{Patterns: []string{guarded + "/*"}, Fields: map[string]string{"token": rotated.Value()}})
		}, "", rotated},
		{"restricted to other routes", func() { update(admin.KeyPatch{Routes: &[]string{"elsewhere.example.com/*"}}) }, auth.CodeRouteForbidden, nil},
		{"without restriction", func() { update(admin.KeyPatch{Routes: &[]string{}}) }, "", rotated},
		{"expired credential", func() {
			credential(admin.CredentialPatch{ExpiresAt: ptr(now.now().Add(time.Hour))})
			now.jump(2 * time.Hour)
		}, auth.CodeCredentialNotUsable, nil},
		{"extended credential", func() { credential(admin.CredentialPatch{ExpiresAt: ptr(now.now().Add(1000 * time.Hour))}) }, "", rotated},
		{"expired key", func() {
			h.EndKey("w", now.now().Add(time.Hour))
			now.jump(2 * time.Hour)
		}, auth.CodeKeyExpired, nil},
		{"extended key", func() { update(admin.KeyPatch{ExpiresAt: &time.Time{}}) }, "", rotated},
		{"a more specific credential", func() {
			h.AddCredential(admin.NewCredential{Name: "better", Provider: "http_bearer", Keys: []string{"w"},
				Fields: map[string]string{"token": better.Value()}, Patterns: []string{guarded + "/org/*"}})
		}, "", better},
		{"the better one deleted", func() { h.Call(http.MethodDelete, "/api/v1/credentials/better", nil, nil) }, "", rotated},
		{"both deleted", func() { h.Call(http.MethodDelete, "/api/v1/credentials/c", nil, nil) }, auth.CodeNoCredentialMatched, nil},
		{"revoked", func() { h.Call(http.MethodPost, "/api/v1/keys/w/revoke", nil, nil) }, auth.CodeKeyRevoked, nil},
	} {
		step.change()
		h.Server.Record.Reset()
		r := tunnel.get(guarded, "/org/model", "")
		rows := h.Server.Record.All()
		switch {
		case r.err != nil || r.code() != step.want:
			t.Fatalf("%s: %s", step.name, r)
		case step.want != "" && len(rows) != 0:
			t.Errorf("%s: refused, but sent on", step.name)
		case step.want == "" && (r.status != 200 || len(rows) != 1 || rows[0].Authorization() != "Bearer "+step.with.Value()):
			t.Errorf("%s: %s; %d requests, or another credential", step.name, r, len(rows))
		}
	}
}

// TestT57_AKeyThatEndsIsToldInsideItsTunnel, and a new secret of it ends the
// old one.
func TestT57_AKeyThatEndsIsToldInsideItsTunnel(t *testing.T) {
	t.Parallel()
	h := house.New(t, house.Options{Empty: true, Mount: mount(t, map[string]http.Handler{guarded: files(origin.Text("weights"))})})
	bearer(h, "c", guarded+"/*")
	for what, end := range map[string]struct {
		method, path string
		code         auth.Code
	}{
		"regenerated": {http.MethodPost, "/regenerate", auth.CodeKeyInvalid},
		"deleted":     {http.MethodDelete, "", auth.CodeKeyInvalid},
		"revoked":     {http.MethodPost, "/revoke", auth.CodeKeyRevoked},
	} {
		key := h.AddKey(admin.NewKey{Name: what, Credentials: []string{"c"}}).Key
		tunnel := openTunnel(t, h, key, guarded+":443")
		if r := tunnel.get(guarded, "/x", ""); r.status != 200 {
			t.Fatal(r)
		}
		h.Call(end.method, "/api/v1/keys/"+what+end.path, nil, nil)
		n := h.Server.Record.Total()
		if r := tunnel.get(guarded, "/x", ""); r.status != 403 || r.code() != end.code || h.Server.Record.Total() != n {
			t.Errorf("%s: %s", what, r)
		}
	}
}

// TestT57_TransfersFinishAndNothingNewBegins: a download that is under way
// when its key is revoked arrives whole.
func TestT57_TransfersFinishAndNothingNewBegins(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	half := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Length", "200000")
		_, _ = w.Write(make([]byte, 100_000))
		_ = http.NewResponseController(w).Flush()
		select {
		case <-release:
		case <-r.Context().Done():
		}
		_, _ = w.Write(make([]byte, 100_000))
	})
	h := house.New(t, house.Options{Empty: true, Mount: mount(t, map[string]http.Handler{guarded: half})})
	bearer(h, "c", guarded+"/*")
	key := h.AddKey(admin.NewKey{Name: "w", Credentials: []string{"c"}}).Key
	var bodies []io.ReadCloser
	for _, mode := range modes {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+guarded+"/x", nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := h.HTTPClient(mode, key).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, answer.Body)
	}
	h.Call(http.MethodPost, "/api/v1/keys/w/revoke", nil, nil)
	if r := newWorker(t, h, workerenv.Reverse, key).get("https://" + guarded + "/x"); r.code() != auth.CodeKeyRevoked {
		t.Errorf("a new request: %s", r)
	}
	close(release)
	for i, b := range bodies {
		if n, err := io.Copy(io.Discard, b); n != 200_000 || err != nil {
			t.Errorf("%s: %d bytes, %v", modes[i], n, err)
		}
		_ = b.Close()
	}
}

// TestT57_BlindTunnelsEndWithTheirKey: by revocation and by the clock, and
// only those of that key.
func TestT57_BlindTunnelsEndWithTheirKey(t *testing.T) {
	t.Parallel()
	var now clock
	h := house.New(t, house.Options{Empty: true, Now: now.now, Mount: mount(t, map[string]http.Handler{blindHost: files(origin.Text("weights"))})})
	open := func(name string) *raw {
		key := h.AddKey(admin.NewKey{Name: name}).Key
		c := dial(t, h)
		if r := c.connect(key, blindHost+":443"); r.status != 200 {
			t.Fatal(r)
		}
		inside := c.inside(h, &tls.Config{ServerName: blindHost, RootCAs: h.Server.Authority().Pool(), MinVersion: tls.VersionTLS12})
		if r := inside.get(blindHost, "/x", ""); r.status != 200 {
			t.Fatal(r)
		}
		return inside
	}
	revoked, expired, other := open("revoked"), open("expired"), open("other")
	h.EndKey("expired", now.now().Add(time.Hour))
	for what, c := range map[string]struct {
		tunnel *raw
		end    func()
	}{
		"revoked": {revoked, func() { h.Call(http.MethodPost, "/api/v1/keys/revoked/revoke", nil, nil) }},
		"expired": {expired, func() { now.jump(2 * time.Hour) }},
	} {
		c.end()
		b, err := c.tunnel.rest()
		var timeout net.Error
		if len(b) > 0 || errors.As(err, &timeout) && timeout.Timeout() {
			t.Errorf("%s: the tunnel goes on: %v", what, err)
		}
	}
	if r := other.get(blindHost, "/x", ""); r.status != 200 {
		t.Errorf("another key's tunnel: %s", r)
	}
	h.Eventually("one tunnel is left", func() bool { return h.Bridge.Proxy().Tunnels() == 1 })
}

// TestT57_ASealedURLEndsWithWhatItStandsFor: the key, its link, its routes,
// its time; and it is of use for nothing else.
func TestT57_ASealedURLEndsWithWhatItStandsFor(t *testing.T) {
	t.Parallel()
	var now clock
	h := house.New(t, house.Options{Now: now.now})
	key := h.HubWorker("hub").Key
	w := newWorker(t, h, workerenv.Reverse, key)
	nobody := newWorker(t, h, workerenv.Reverse, "")
	seal := func() string {
		t.Helper()
		r := w.get(fileURL(hub.SampleGated, hub.SamplePlus))
		if to := r.header.Get("Location"); strings.HasPrefix(to, h.Bridge.ProxyURL()+"/.weighbridge/s/") {
			return to
		}
		t.Fatalf("not sealed: %s, %v", r, r.header)
		return ""
	}
	sealed := seal()
	if r := nobody.get(sealed); r.status != 200 || len(r.body) != 300_001 {
		t.Fatalf("without a key of its own: %s", r)
	}
	for _, changed := range []string{sealed + "A", sealed[:len(sealed)-1], strings.Replace(sealed, "/s/", "/s/A", 1), sealed + "?x=1"} {
		if r := nobody.get(changed); r.code() != auth.CodeBoxInvalid && r.code() != auth.CodeBadTarget {
			t.Errorf("changed: %s", r)
		}
	}
	// What follows it is a name for the file and leads nowhere else.
	h.Server.Record.Reset()
	if r := nobody.get(sealed + "/name.bin"); r.status != 200 || len(h.Server.Record.On(hub.CDNHost)) != 1 || strings.Contains(h.Server.Record.All()[0].Path, "name.bin") {
		t.Errorf("with a name: %s", r)
	}
	if r := nobody.ask(http.MethodPut, sealed, []byte("x")); r.status/100 == 2 || r.code() == "" {
		t.Errorf("a write by it: %s", r)
	}
	for _, step := range []struct {
		name       string
		end, again func()
		want       auth.Code
	}{
		{"unlinked", func() { h.Unlink("hub", "hub") }, func() { h.Link("hub", "hub") }, auth.CodeNotLinked},
		{"other routes", func() {
			h.Call(http.MethodPatch, "/api/v1/keys/hub", admin.KeyPatch{Routes: &[]string{"huggingface.co/other/*"}}, nil)
		}, func() { h.Call(http.MethodPatch, "/api/v1/keys/hub", admin.KeyPatch{Routes: &[]string{}}, nil) }, auth.CodeRouteForbidden},
		{"late", func() { now.jump(2 * time.Hour) }, func() { sealed = seal() }, auth.CodeBoxExpired},
		{"revoked", func() { h.Call(http.MethodPost, "/api/v1/keys/hub/revoke", nil, nil) }, func() {}, auth.CodeKeyRevoked},
	} {
		step.end()
		if r := nobody.get(sealed); r.code() != step.want {
			t.Errorf("%s: %s", step.name, r)
		}
		step.again()
		if step.name != "revoked" {
			if r := nobody.get(sealed); r.status != 200 {
				t.Errorf("after %s: %s", step.name, r)
			}
		}
	}
}
