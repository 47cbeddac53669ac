// Package openid is an OpenID provider that verifies what its client does: a
// strict one for the authorization code flow with PKCE, which a test can make
// lie.
package openid

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Person is who signs in at the provider.
type Person struct {
	Subject, Email, Name string
	// Verified is what the provider says of Email: true, false, or anything.
	Verified any
}

// Provider is a running provider. Its fields are for a test to set before the
// client comes.
type Provider struct {
	URL, ClientID, ClientSecret, RedirectURL string
	// Person signs in at the next visit.
	Person Person
	// Token changes the claims of the next ID token, and may replace the whole.
	Token func(header, claims map[string]any) (whole string)
	// Now is the provider's clock.
	Now func() time.Time

	t     testing.TB
	key   *ecdsa.PrivateKey
	mu    sync.Mutex
	codes map[string]visit
	// Exchanged counts the codes that were exchanged.
	Exchanged int
	complaint []string
}

// visit is what the authorization request said, for the token request.
type visit struct {
	person           Person
	nonce, challenge string
}

// New starts a provider with one client, which is sent back to redirect.
func New(t testing.TB, redirect string) *Provider {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p := &Provider{ClientID: "weighbridge", ClientSecret: rand.Text(), RedirectURL: redirect, Now: time.Now, t: t, key: key, codes: map[string]visit{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", p.document)
	mux.HandleFunc("GET /keys", p.keys)
	mux.HandleFunc("GET /authorize", p.authorize)
	mux.HandleFunc("POST /token", p.token)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	p.URL = server.URL
	return p
}

// Complaints are what the client did wrong, as far as the provider saw.
func (p *Provider) Complaints() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.complaint)
}

// Visit is the browser at the provider: it goes to where the client sent it,
// and returns the query with which the provider sends it back.
func (p *Provider) Visit(at string) url.Values {
	p.t.Helper()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Get(at)
	if err != nil {
		p.t.Fatal(err)
	}
	_ = resp.Body.Close()
	to, err := resp.Location()
	if err != nil {
		p.t.Fatalf("the provider does not send the browser back: %s, %v", resp.Status, p.Complaints())
	}
	if got := to.Scheme + "://" + to.Host + to.Path; got != p.RedirectURL {
		p.t.Fatalf("it is sent to %s", got)
	}
	return to.Query()
}

func (p *Provider) document(w http.ResponseWriter, _ *http.Request) {
	answer(w, 200, map[string]any{
		"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys",
		"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
		"id_token_signing_alg_values_supported": []string{"ES256", "HS256", "none"}, "code_challenge_methods_supported": []string{"S256"},
	})
}

func (p *Provider) keys(w http.ResponseWriter, _ *http.Request) {
	raw, err := p.key.PublicKey.Bytes() // 4, x, y
	if err != nil {
		panic(err)
	}
	answer(w, 200, map[string]any{"keys": []any{map[string]any{"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": "1", "x": b64(raw[1:33]), "y": b64(raw[33:])}}})
}

// refuse answers as RFC 6749, section 5.2, and keeps what was wrong.
func (p *Provider) refuse(w http.ResponseWriter, code, what string) {
	p.mu.Lock()
	p.complaint = append(p.complaint, what)
	p.mu.Unlock()
	answer(w, 400, map[string]any{"error": code, "error_description": what})
}

func (p *Provider) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	for name, want := range map[string]string{"client_id": p.ClientID, "redirect_uri": p.RedirectURL, "response_type": "code", "code_challenge_method": "S256"} {
		if q.Get(name) != want {
			p.refuse(w, "invalid_request", name+" is "+q.Get(name))
			return
		}
	}
	if !slices.Contains(strings.Fields(q.Get("scope")), "openid") || len(q.Get("state")) < 16 || len(q.Get("nonce")) < 16 || len(q.Get("code_challenge")) != 43 {
		p.refuse(w, "invalid_request", "scope, state, nonce or challenge")
		return
	}
	code := rand.Text()
	p.mu.Lock()
	p.codes[code] = visit{p.Person, q.Get("nonce"), q.Get("code_challenge")}
	p.mu.Unlock()
	back := url.Values{"code": {code}, "state": {q.Get("state")}, "iss": {p.URL}}
	http.Redirect(w, r, p.RedirectURL+"?"+back.Encode(), http.StatusFound)
}

func (p *Provider) token(w http.ResponseWriter, r *http.Request) {
	id, secret, ok := r.BasicAuth()
	if !ok || id != p.ClientID || secret != p.ClientSecret {
		p.refuse(w, "invalid_client", "the client does not show its secret in the header")
		return
	}
	p.mu.Lock()
	v, known := p.codes[r.PostFormValue("code")]
	delete(p.codes, r.PostFormValue("code"))
	p.mu.Unlock()
	sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	switch {
	case !known:
		p.refuse(w, "invalid_grant", "the code is unknown, or was used")
		return
	case r.PostFormValue("grant_type") != "authorization_code" || r.PostFormValue("redirect_uri") != p.RedirectURL:
		p.refuse(w, "invalid_request", "grant_type or redirect_uri")
		return
	case b64(sum[:]) != v.challenge:
		p.refuse(w, "invalid_grant", "the verifier is not that of the challenge")
		return
	}
	p.mu.Lock()
	p.Exchanged++
	p.mu.Unlock()
	answer(w, 200, map[string]any{"access_token": rand.Text(), "token_type": "Bearer", "expires_in": 60, "id_token": p.idToken(v)})
}

func (p *Provider) idToken(v visit) string {
	now := p.Now()
	header := map[string]any{"alg": "ES256", "kid": "1", "typ": "JWT"}
	claims := map[string]any{
		"iss": p.URL, "aud": p.ClientID, "sub": v.person.Subject, "nonce": v.nonce, "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
		"email": v.person.Email, "email_verified": v.person.Verified, "name": v.person.Name,
	}
	if p.Token != nil {
		if whole := p.Token(header, claims); whole != "" {
			return whole
		}
	}
	return p.Sign(header, claims)
}

// Sign makes a JWT under the provider's key, whatever the header says.
func (p *Provider) Sign(header, claims map[string]any) string {
	text := Unsigned(header, claims)
	sum := sha256.Sum256([]byte(text))
	der, err := p.key.Sign(rand.Reader, sum[:], crypto.SHA256)
	if err != nil {
		panic(err)
	}
	return text + "." + b64(rawSignature(der))
}

// Unsigned is the part of a JWT that is signed.
func Unsigned(header, claims map[string]any) string {
	part := func(v map[string]any) string {
		b, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		return b64(b)
	}
	return part(header) + "." + part(claims)
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(v); err != nil {
		panic(fmt.Sprint("openid: ", err))
	}
}
