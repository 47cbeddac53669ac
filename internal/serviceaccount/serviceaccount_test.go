package serviceaccount

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/weighbridge/weighbridge/auth"
)

// cluster signs tokens, publishes its keys and reviews tokens, as an API server
// does.
type cluster struct {
	t       *testing.T
	server  *httptest.Server
	keys    map[string]*ecdsa.PrivateKey
	kid     string
	now     time.Time
	fetched atomic.Int64
	reviews atomic.Int64
	down    atomic.Bool
	gone    atomic.Bool // the pod is
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{t: t, keys: map[string]*ecdsa.PrivateKey{}, now: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)}
	c.rotate("one")
	c.server = httptest.NewServer(http.HandlerFunc(c.serve))
	t.Cleanup(c.server.Close)
	return c
}

func (c *cluster) rotate(kid string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	c.must(err)
	c.keys[kid], c.kid = key, kid
}

func (c *cluster) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *cluster) jwks() []byte {
	set := jose.JSONWebKeySet{}
	for kid, key := range c.keys {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: key.Public(), KeyID: kid, Algorithm: "ES256", Use: "sig"})
	}
	b, err := json.Marshal(set)
	c.must(err)
	return b
}

func (c *cluster) serve(w http.ResponseWriter, r *http.Request) {
	if c.down.Load() {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		_ = json.NewEncoder(w).Encode(map[string]string{"issuer": c.server.URL, "jwks_uri": c.server.URL + "/openid/v1/jwks"})
	case "/openid/v1/jwks":
		c.fetched.Add(1)
		_, _ = w.Write(c.jwks())
	case "/apis/authentication.k8s.io/v1/tokenreviews":
		c.reviews.Add(1)
		var in tokenReview
		if json.NewDecoder(r.Body).Decode(&in) != nil || in.APIVersion != "authentication.k8s.io/v1" || in.Kind != "TokenReview" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		in.Status = &reviewStatus{}
		if _, err := static(c.public()).VerifySignature(r.Context(), in.Spec.Token); err == nil && !c.gone.Load() {
			claims, _ := claimsOf(in.Spec.Token)
			in.Status.Authenticated, in.Status.Audiences, in.Status.User.Username = true, in.Spec.Audiences, claims.Subject
			in.Status.User.Extra = map[string][]string{podExtra: {claims.Kubernetes.Pod.Name}}
		}
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(in)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (c *cluster) public() []jose.JSONWebKey {
	keys, err := parseKeys(c.jwks())
	c.must(err)
	return keys
}

// token makes one for comfy/worker, changed by change.
func (c *cluster) token(change func(map[string]any)) string {
	claims := map[string]any{
		"iss": c.server.URL, "aud": []string{"weighbridge"}, "sub": "system:serviceaccount:comfy:worker", "iat": c.now.Unix(),
		"exp": c.now.Add(10 * time.Minute).Unix(), "kubernetes.io": map[string]any{"namespace": "comfy", "pod": map[string]any{"name": "worker-0"}},
	}
	if change != nil {
		change(claims)
	}
	return c.sign(c.kid, c.keys[c.kid], claims)
}

func (c *cluster) sign(kid string, key *ecdsa.PrivateKey, claims any) string {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, (&jose.SignerOptions{}).WithHeader("kid", kid))
	c.must(err)
	b, err := json.Marshal(claims)
	c.must(err)
	sig, err := signer.Sign(b)
	c.must(err)
	out, err := sig.CompactSerialize()
	c.must(err)
	return out
}

// verifiers are one of each way.
func (c *cluster) verifiers() map[string]*Verifier {
	out := map[string]*Verifier{}
	base := Options{Issuer: c.server.URL, Audience: "weighbridge", HTTP: c.server.Client(), Now: func() time.Time { return c.now }}
	for name, change := range map[string]func(*Options){
		"JWKS": func(o *Options) { o.JWKS = c.jwks() }, "URL": func(o *Options) { o.JWKSURL = c.server.URL + "/openid/v1/jwks" },
		"discovery": func(*Options) {}, "review": func(o *Options) { o.Review = c.server.URL + "/" },
	} {
		o := base
		change(&o)
		v, err := New(o)
		c.must(err)
		out[name] = v
	}
	return out
}

func TestATokenSaysWhose(t *testing.T) {
	c := newCluster(t)
	for name, v := range c.verifiers() {
		a, err := v.Verify(t.Context(), c.token(nil))
		if want := (Account{auth.ServiceAccount{Namespace: "comfy", Name: "worker"}, "worker-0", c.now.Add(10 * time.Minute)}); err != nil || !a.Until.Equal(want.Until) || a.ServiceAccount != want.ServiceAccount || a.Pod != want.Pod {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
	}
}

func TestTokensThatDoNotCount(t *testing.T) {
	c := newCluster(t)
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	c.must(err)
	claim := func(name string, value any) func(map[string]any) { return func(m map[string]any) { m[name] = value } }
	good := c.token(nil)
	head, rest, _ := strings.Cut(good, ".")
	body, sig, _ := strings.Cut(rest, ".")
	cases := map[string]string{
		"nothing": "", "no JWT": "wbk_x", "the API server's": c.token(claim("aud", []string{"https://kubernetes.default.svc"})),
		"no audience": c.token(func(m map[string]any) { delete(m, "aud") }), "another issuer": c.token(claim("iss", "https://evil.example")),
		"ended": c.token(claim("exp", c.now.Add(-time.Second).Unix())), "no end": c.token(func(m map[string]any) { delete(m, "exp") }),
		"not yet": c.token(claim("nbf", c.now.Add(time.Hour).Unix())), "a user": c.token(claim("sub", "admin")),
		"a node": c.token(claim("sub", "system:node:a")), "no name": c.token(claim("sub", "system:serviceaccount:comfy")),
		"a path":    c.token(claim("sub", "system:serviceaccount:comfy:../admin")),
		"a forgery": c.sign("one", stranger, map[string]any{"iss": c.server.URL, "aud": "weighbridge", "sub": "system:serviceaccount:comfy:worker", "exp": c.now.Add(time.Hour).Unix()}),
		"unsigned":  "eyJhbGciOiJub25lIn0." + body + ".", "another body": head + "." + body[:len(body)-4] + "AAAA." + sig,
		"too long": good + strings.Repeat("A", MaxToken),
	}
	for name, v := range c.verifiers() {
		for what, token := range cases {
			if name == "review" && what == "not yet" || name == "review" && what == "ended" {
				continue // the API server's to say; the one here does not read times
			}
			if a, err := v.Verify(t.Context(), token); !errors.Is(err, ErrInvalid) || a != (Account{}) {
				t.Errorf("%s: %s: %+v, %v", name, what, a, err)
			} else if token != "" && strings.Contains(err.Error(), token) {
				t.Errorf("%s: %s: the error quotes it", name, what)
			}
		}
	}
}

// A token is verified once, and not beyond its end; one that is reviewed, for
// half a minute after its pod is gone.
func TestATokenIsRememberedUntilItsEnd(t *testing.T) {
	c := newCluster(t)
	all := c.verifiers()
	token := c.token(nil)
	for _, v := range all {
		for range 3 {
			_, err := v.Verify(t.Context(), token)
			c.must(err)
		}
	}
	if c.reviews.Load() != 1 || c.fetched.Load() != 2 {
		t.Errorf("%d reviews, %d fetches", c.reviews.Load(), c.fetched.Load())
	}
	c.gone.Store(true)
	c.now = c.now.Add(29 * time.Second)
	_, err := all["review"].Verify(t.Context(), token)
	c.must(err)
	c.now = c.now.Add(2 * time.Second)
	if _, err := all["review"].Verify(t.Context(), token); !errors.Is(err, ErrInvalid) {
		t.Errorf("the pod is gone: %v", err)
	}
	_, err = all["JWKS"].Verify(t.Context(), token)
	c.must(err)
	c.now = c.now.Add(10 * time.Minute)
	for name, v := range all {
		if _, err := v.Verify(t.Context(), token); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: at its end: %v", name, err)
		}
	}
}

// A key that the cluster has made since is found; a flood of tokens that name
// keys which there are not asks the cluster once in a while; and a cluster that
// is away for a while keeps nobody out whose key is known.
func TestKeysAreFetchedSeldom(t *testing.T) {
	c := newCluster(t)
	v := c.verifiers()["discovery"]
	c.down.Store(true)
	if _, err := v.Verify(t.Context(), c.token(nil)); !errors.Is(err, ErrUnavailable) {
		t.Errorf("nobody to ask: %v", err)
	}
	c.down.Store(false)
	c.now = c.now.Add(keysPause)
	_, err := v.Verify(t.Context(), c.token(nil))
	c.must(err)
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	c.must(err)
	for range 20 {
		if _, err := v.Verify(t.Context(), c.sign("x", stranger, map[string]any{"iss": c.server.URL, "aud": "weighbridge", "sub": "system:serviceaccount:a:b", "exp": c.now.Add(time.Hour).Unix()})); !errors.Is(err, ErrInvalid) {
			t.Fatal(err)
		}
	}
	if n := c.fetched.Load(); n != 1 {
		t.Errorf("%d fetches", n)
	}
	c.rotate("two")
	c.now = c.now.Add(keysPause)
	_, err = v.Verify(t.Context(), c.token(nil))
	c.must(err)
	if n := c.fetched.Load(); n != 2 {
		t.Errorf("%d fetches", n)
	}
	c.down.Store(true)
	c.now = c.now.Add(keysLife)
	_, err = v.Verify(t.Context(), c.token(nil))
	c.must(err)
	c.now = c.now.Add(6 * keysLife)
	if _, err := v.Verify(t.Context(), c.token(nil)); !errors.Is(err, ErrUnavailable) {
		t.Errorf("away for hours: %v", err)
	}
}

func TestOurs(t *testing.T) {
	c := newCluster(t)
	v := c.verifiers()["JWKS"]
	if !v.Ours(c.token(nil)) || v.Ours(c.token(func(m map[string]any) { m["aud"] = "other" })) || v.Ours("a.b.c") || v.Ours("hf_x") {
		t.Error("ours")
	}
}

// FuzzVerify: nothing that anybody may send counts, and nothing of it is quoted.
func FuzzVerify(f *testing.F) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	b, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "one", Algorithm: "ES256"}}})
	if err != nil {
		f.Fatal(err)
	}
	v, err := New(Options{Issuer: "https://c.example", Audience: "weighbridge", JWKS: b})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Add("eyJhbGciOiJFUzI1NiIsImtpZCI6Im9uZSJ9.eyJpc3MiOiJodHRwczovL2MuZXhhbXBsZSIsImF1ZCI6IndlaWdoYnJpZGdlIiwiZXhwIjo5OTk5OTk5OTk5fQ.AAAA")
	f.Fuzz(func(t *testing.T, token string) {
		a, err := v.Verify(context.Background(), token)
		if err == nil || a != (Account{}) {
			t.Fatalf("%q counts", token)
		}
		if len(token) > 20 && strings.Contains(err.Error(), token) {
			t.Fatalf("the error quotes %q", token)
		}
		v.Ours(token)
	})
}
