package cases

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/config"
	"github.com/weighbridge/weighbridge/internal/doctor"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/house/hub"
)

const clusterIssuer = "https://kubernetes.default.svc.cluster.local"

// clusterKeys sign ServiceAccount tokens, and publish themselves in a file.
type clusterKeys struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	file string
}

func newClusterKeys(t *testing.T) *clusterKeys {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &clusterKeys{t: t, key: key, file: filepath.Join(t.TempDir(), "jwks.json")}
	b, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "one", Algorithm: "ES256", Use: "sig"}}})
	if err == nil {
		err = os.WriteFile(c.file, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// token is what the kubelet puts into the volume of a pod.
func (c *clusterKeys) token(h *house.House, account, audience string, until time.Time) string {
	c.t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: c.key}, (&jose.SignerOptions{}).WithHeader("kid", "one"))
	if err != nil {
		c.t.Fatal(err)
	}
	b, err := json.Marshal(map[string]any{
		"iss": clusterIssuer, "aud": []string{audience}, "sub": "system:serviceaccount:" + strings.ReplaceAll(account, "/", ":"), "exp": until.Unix(),
	})
	if err != nil {
		c.t.Fatal(err)
	}
	sig, err := signer.Sign(b)
	if err != nil {
		c.t.Fatal(err)
	}
	out, err := sig.CompactSerialize()
	if err != nil {
		c.t.Fatal(err)
	}
	return out
}

// accountsHouse is a house whose key "pods" stands for comfy/worker and for all
// of the namespace batch, and has no value that anybody could know.
func accountsHouse(t *testing.T, c *clusterKeys, now func() time.Time) *house.House {
	t.Helper()
	h := house.New(t, house.Options{Now: now, Configure: func(cfg *config.Config) {
		cfg.ServiceAccounts = config.ServiceAccounts{Issuer: clusterIssuer, Audience: "weighbridge", JWKSFile: c.file}
		cfg.Keys = append(cfg.Keys, config.Key{Name: "pods", Scope: auth.ScopeRead, ServiceAccounts: []string{"comfy/worker", "batch/*"}},
			config.Key{Name: "others", Scope: auth.ScopeRead, ServiceAccounts: []string{"batch/special"}})
	}})
	h.AddCredential(admin.NewCredential{Name: "hub", Provider: "huggingface", Fields: map[string]string{"token": h.Token.Value()}})
	h.Link("hub", "pods")
	return h
}

// A pod that shows the token of its ServiceAccount gets what the key gets that is
// declared for it; no other account does, and no token that was made for
// somebody else. The token goes nowhere.
func TestAServiceAccountTokenStandsForAKey(t *testing.T) {
	t.Parallel()
	c := newClusterKeys(t)
	h := accountsHouse(t, c, nil)
	soon := time.Now().Add(10 * time.Minute)
	model := fileURL(hub.SampleGated, hub.SamplePlus)
	for _, mode := range modes {
		for _, account := range []string{"comfy/worker", "batch/anything"} {
			if r := newWorker(t, h, mode, c.token(h, account, "weighbridge", soon)).follow(model); r.status != 200 {
				t.Errorf("%s, %s: %s", mode, account, r)
			}
		}
		for what, token := range map[string]string{
			"another account":    c.token(h, "comfy/other", "weighbridge", soon),
			"another namespace":  c.token(h, "comf/worker", "weighbridge", soon),
			"the API server's":   c.token(h, "comfy/worker", clusterIssuer, soon),
			"one that has ended": c.token(h, "comfy/worker", "weighbridge", time.Now().Add(-time.Second)),
			"a forgery":          newClusterKeys(t).token(h, "comfy/worker", "weighbridge", soon),
		} {
			r := newWorker(t, h, mode, token).ask("GET", model, nil)
			// In reverse mode a bearer that was not made for us is the worker's own.
			if r.err == nil && (r.status != 401 && r.status != 429 || !slices.Contains([]auth.Code{auth.CodeKeyInvalid, auth.CodeKeyMissing, auth.CodeTooManyAttempts}, r.code())) {
				t.Errorf("%s, %s: %s", mode, what, r)
			}
		}
		// The more exact one counts: others has no credential.
		if r := newWorker(t, h, mode, c.token(h, "batch/special", "weighbridge", soon)).ask("GET", model, nil); r.status == 200 {
			t.Errorf("%s, special: %s", mode, r)
		}
	}
	events := 0
	for _, e := range h.AuditEvents() {
		if e.Action == auth.ActionUsed && e.KeyName == "pods" && e.CredentialName == "hub" {
			events++
		}
	}
	if events < 4 {
		t.Errorf("%d events of the key", events)
	}
	// In no field that is sent on, wherever a worker puts it.
	token := c.token(h, "comfy/worker", "weighbridge", soon)
	for _, field := range [][]string{{"X-Other", token}, {"Cookie", "t=" + token}, {"Authorization", "Bearer " + token}} {
		before := len(h.Server.Record.All())
		_ = newWorker(t, h, modes[0], token).ask("GET", model, nil, field...)
		_ = newWorker(t, h, modes[0], token).ask("GET", "https://"+hub.Host+"/other?x="+token, nil)
		for _, r := range h.Server.Record.All()[before:] {
			for name, values := range r.Header {
				if strings.Contains(strings.Join(values, " "), token) {
					t.Errorf("%s reached the upstream in %s", field[0], name)
				}
			}
			if strings.Contains(r.Query, token) {
				t.Error("the upstream got it in a query")
			}
		}
	}
}

// Within a tunnel a token counts until its end and no longer, and so does what
// the configuration says of its account.
func TestAServiceAccountTokenEndsWithinATunnel(t *testing.T) {
	t.Parallel()
	var ahead atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	c := newClusterKeys(t)
	h := accountsHouse(t, c, now)
	w := newWorker(t, h, modes[0], c.token(h, "comfy/worker", "weighbridge", time.Now().Add(10*time.Minute)))
	model := "https://" + hub.Host + "/" + hub.SampleGated + "/resolve/main/config.json"
	if r := w.get(model); r.status != 307 {
		t.Fatal(r)
	}
	if _, err := h.Reload(func(cfg *config.Config) { cfg.Keys[0].ServiceAccounts = []string{"batch/*"} }); err != nil {
		t.Fatal(err)
	}
	if r := w.get(model); r.code() != auth.CodeKeyInvalid {
		t.Errorf("the account stands for nothing: %s", r)
	}
	if _, err := h.Reload(func(*config.Config) {}); err != nil {
		t.Fatal(err)
	}
	if r := w.get(model); r.status != 307 {
		t.Errorf("again: %s", r)
	}
	ahead.Store(int64(11 * time.Minute))
	if r := w.get(model); r.code() != auth.CodeKeyInvalid {
		t.Errorf("at its end: %s", r)
	}
}

// What a pod's operator is told of such a worker: that all is well, where it is,
// by every command that takes or reads a key; and of a token that does not count
// that it is one.
func TestDoctorTakesAServiceAccountToken(t *testing.T) {
	t.Parallel()
	c := newClusterKeys(t)
	h := accountsHouse(t, c, nil)
	model := fileURL(hub.SampleGated, hub.SamplePlus)
	for _, mode := range modes {
		for account, want := range map[string]string{"comfy/worker": "download", "comfy/other": string(auth.CodeKeyInvalid)} {
			token := c.token(h, account, "weighbridge", time.Now().Add(10*time.Minute))
			var env []string
			for _, v := range h.WorkerEnv(mode, token) {
				env = append(env, v.Name+"="+v.Value)
			}
			r := doctor.Examine(t.Context(), doctor.Options{
				Environ: env, URLs: []string{model}, StorePaths: []string{h.CABundle()},
				Run: func(context.Context, string, ...string) (string, error) { return "", exec.ErrNotFound },
			})
			if good := want == "download"; r.OK != good || !slices.ContainsFunc(r.Findings, func(f doctor.Finding) bool {
				return f.Check == want && (good || strings.Contains(f.Detail, "ServiceAccount") && strings.Contains(f.Fix, "$(cat /var/run/weighbridge/token)"))
			}) {
				t.Errorf("%s, %s: %+v", mode, account, r.Findings)
			}
			if text, err := json.Marshal(r); err != nil || strings.Contains(string(text), token) {
				t.Errorf("%s: the token is in the report, %v", mode, err)
			}
			way, err := doctor.Lead(doctor.Options{Environ: env})
			if err != nil || way.Key.Reveal() != token {
				t.Errorf("%s: preflight has no key: %v", mode, err)
			}
		}
	}
}
