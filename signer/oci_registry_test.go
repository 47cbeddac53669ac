package signer

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// registryAt is a registry with a challenge, and its token server.
func registryAt(challenge string) *endpoint {
	return &endpoint{answer: func(r *http.Request, _ url.Values) (int, string) {
		if r.URL.Path == "/v2/" {
			if r.Header.Get("Authorization") != "" {
				return 500, "asked with a secret"
			}
			return 401, ""
		}
		if r.Method == "GET" && r.Header.Get("Authorization") != basicPair("bot", canary) {
			return 401, `{"error":"unauthorized"}`
		}
		return 200, `{"token":"jwt-` + trace + `","expires_in":300}`
	}, header: func(*http.Request) http.Header { return http.Header{"Www-Authenticate": {challenge}} }}
}

func ociSet(t testing.TB, e *endpoint, fields, params map[string]string) func(method, rawURL string) (*auth.Outgoing, auth.Applied, error) {
	t.Helper()
	p, _ := Lookup("oci_registry")
	f := auth.Fields{}
	for n, v := range fields {
		f[n] = auth.NewSecret(v)
	}
	for n, v := range params {
		f[n] = auth.NewSecret(v)
	}
	if err := p.Check(f); err != nil {
		t.Fatal(err)
	}
	set := NewSet(&openVault{fields: f}, SetOptions{Now: fixedClock, Client: e.client()})
	t.Cleanup(set.Close)
	return func(method, rawURL string) (*auth.Outgoing, auth.Applied, error) {
		out := sample(t, method, rawURL)
		scheme, host := out.Target.Scheme+"://", out.Target.Authority()
		d := decide(p, strings.TrimPrefix(scheme, "https://")+host+"/v2/*")
		d.Params = params
		applied, err := set.Sign(t.Context(), d, out)
		return out, applied, err
	}
}

func TestRegistryTokenIsAskedForToPull(t *testing.T) {
	e := registryAt(`Bearer realm="https://ghcr.io/token",service="ghcr.io",scope="repository:user/image:pull,push"`)
	sign := ociSet(t, e, map[string]string{"password": canary}, map[string]string{"username": "bot"})
	for _, path := range []string{"/v2/acme/models/llama/manifests/latest", "/v2/acme/models/llama/blobs/sha256:" + strings.Repeat("a", 64), "/v2/acme/models/llama/tags/list"} {
		out, applied, err := sign("GET", "https://ghcr.io"+path)
		if err != nil {
			t.Fatal(err)
		}
		if got := out.Header.Get("Authorization"); got != "Bearer jwt-"+trace {
			t.Errorf("Authorization is %q", got)
		}
		if !slices.Contains(reveal(applied), "jwt-"+trace) {
			t.Error("the token is not masked")
		}
	}
	if _, _, err := sign("GET", "https://ghcr.io/v2/acme/other/manifests/latest"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := sign("GET", "https://ghcr.io/v2/"); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"GET https://ghcr.io/v2/", "GET https://ghcr.io/token?scope=repository%3Aacme%2Fmodels%2Fllama%3Apull&service=ghcr.io",
		"GET https://ghcr.io/v2/", "GET https://ghcr.io/token?scope=repository%3Aacme%2Fother%3Apull&service=ghcr.io",
		"GET https://ghcr.io/v2/", "GET https://ghcr.io/token?service=ghcr.io",
	}
	if !slices.Equal(e.asked, want) {
		t.Errorf("asked\n%q, want\n%q", e.asked, want)
	}
}

func TestRegistryKinds(t *testing.T) {
	e := registryAt(`Bearer realm="https://hub.example.com/oauth",service="s"`)
	sign := ociSet(t, e, map[string]string{"token": canary}, map[string]string{})
	if out, _, err := sign("GET", "https://hub.example.com/v2/a/manifests/1"); err != nil || out.Header.Get("Authorization") != "Bearer jwt-"+trace {
		t.Error(err)
	}
	if want := "POST https://hub.example.com/oauth client_id=weighbridge&grant_type=refresh_token&refresh_token=" + canary + "&scope=repository%3Aa%3Apull&service=s"; len(e.asked) != 2 || e.asked[1] != want {
		t.Errorf("%q", e.asked)
	}
	e = registryAt(`Basic realm="models, and more"`)
	sign = ociSet(t, e, map[string]string{"password": canary}, map[string]string{"username": "bot"})
	if out, applied, err := sign("HEAD", "https://models.example.com/v2/a/blobs/x"); err != nil || out.Header.Get("Authorization") != basicPair("bot", canary) || !slices.Contains(reveal(applied), canary) {
		t.Error(err)
	}
	e = registryAt(`Negotiate`)
	sign = ociSet(t, e, map[string]string{"password": canary}, map[string]string{"username": "bot"})
	_, _, err := sign("GET", "https://models.example.com/v2/a/blobs/x")
	wantRefusal(t, err, "a kind of credential that this is not")
	e.answer = func(*http.Request, url.Values) (int, string) { return 200, "{}" }
	sign = ociSet(t, e, map[string]string{"password": canary}, map[string]string{"username": "bot"})
	_, _, err = sign("GET", "https://models.example.com/v2/a/blobs/x")
	wantRefusal(t, err, "does not ask for a credential (status 200")
}

// The realm is what a registry says, and the secret goes only to where it
// belongs.
func TestT12_TheRealmIsPinned(t *testing.T) {
	for _, c := range []struct{ registry, realm, tokenHost, want string }{
		{"https://ghcr.io", "https://ghcr.io/token", "", ""},
		{"https://registry-1.docker.io", "https://auth.docker.io/token", "", ""},
		{"https://nvcr.io", "https://nvcr.io/proxy_auth", "", ""},
		{"https://harbor.example.com:8443", "https://harbor.example.com:8443/service/token", "", ""},
		{"https://harbor.example.com:8443", "https://harbor.example.com/service/token", "", ""},
		{"https://r.example.com", "https://auth.example.com:5001/token?x=1", "auth.example.com:5001", ""},
		{"http://r.example.com:5000", "http://r.example.com:5000/token", "", ""},
		{"https://ghcr.io", "https://evil.example.net/token", "", "evil.example.net for a token, which is neither"},
		{"https://ghcr.io", "https://ghcr.io.evil.example.net/token", "", "neither"},
		{"https://ghcr.io", "https://ghcr.io:8443/token", "", "neither"},
		{"https://ghcr.io", "https://auth.docker.io/token", "", "neither"},
		{"https://ghcr.io", "http://ghcr.io/token", "", "is not https"},
		{"https://ghcr.io", "https://ghcr.io@evil.example.net/token", "", "is not a URL"},
		{"https://ghcr.io", "https://169.254.169.254/token", "", "is an address"},
		{"https://ghcr.io", "//evil.example.net/token", "", "is not a URL"},
		{"https://ghcr.io", "file:///etc/passwd", "", "is not a URL"},
		{"https://ghcr.io", "https://ghcr.io/token#x", "", "is not a URL"},
		{"https://r.example.com", "https://auth.example.com/token", "auth.example.com:5001", "neither"},
		{"https://r.example.com", "http://auth.example.com:5001/token", "auth.example.com:5001", "is not https"},
		{"http://r.example.com:5000", "http://auth.example.com/token", "", "is not https"},
	} {
		e := registryAt(`Bearer service="s",realm="` + c.realm + `"`)
		params := map[string]string{"username": "bot"}
		if c.tokenHost != "" {
			params["tokenHost"] = c.tokenHost
		}
		sign := ociSet(t, e, map[string]string{"password": canary}, params)
		_, _, err := sign("GET", c.registry+"/v2/a/manifests/1")
		if c.want == "" {
			if err != nil || len(e.asked) != 2 || !strings.HasPrefix(e.asked[1], "GET "+c.realm) {
				t.Errorf("%s: %v, %q", c.realm, err, e.asked)
			}
			continue
		}
		wantRefusal(t, err, c.want)
		if len(e.asked) != 1 {
			t.Errorf("%s: asked %q", c.realm, e.asked)
		}
	}
}

func TestRegistryTokenLifeDefaultsToAMinute(t *testing.T) {
	if life := (&tokenAnswer{}).life(fixedClock()); life != time.Minute {
		t.Errorf("%s", life)
	}
	if life := (&tokenAnswer{ExpiresIn: "1e8"}).life(fixedClock()); life != maxTokenLife {
		t.Errorf("%s", life)
	}
}

func TestChallenges(t *testing.T) {
	for field, want := range map[string]string{
		`Bearer realm="https://a/t",service="s",scope="x:y:pull,push"`: "https://a/t s false",
		`bearer  realm=https://a/t , service=s`:                        "https://a/t s false",
		`Basic realm="x", Bearer realm="https://a/t",service="b, c"`:   "https://a/t b, c true",
		`Basic`:                    "  true",
		`Bearer`:                   "  false",
		`Digest realm="https://a"`: "  false",
		``:                         "  false",
	} {
		realm, service, basic := challengeOf([]string{field})
		got := realm + " " + service + " false"
		if basic {
			got = realm + " " + service + " true"
		}
		if got != want {
			t.Errorf("%s: %q, want %q", field, got, want)
		}
	}
}

func TestOCIScopeAndClass(t *testing.T) {
	for path, want := range map[string]string{
		"/v2/": "", "/v2/a/manifests/latest": "repository:a:pull", "/v2/a/b/c/blobs/sha256:00": "repository:a/b/c:pull", "/v2/a/tags/list": "repository:a:pull",
		"/v2/a/blobs/blobs/x": "repository:a/blobs:pull", "/v2/a%2Fb/manifests/x": "", "/v2/A/manifests/x": "", "/v2/a:push,b/manifests/x": "", "/v2/manifests/x": "",
		"/v2/a b/manifests/x": "", "/v1/a/manifests/x": "", "/v2/a/referrers/sha256:0": "repository:a:pull",
	} {
		if got := ociScope(path); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	for request, want := range map[string]auth.Class{
		"GET /v2/": auth.ClassRead, "GET /v2/a/b/manifests/x": auth.ClassRead, "HEAD /v2/a/blobs/x": auth.ClassRead,
		"PUT /v2/a/manifests/x": auth.ClassForbidden, "POST /v2/a/blobs/uploads/": auth.ClassForbidden, "DELETE /v2/a/manifests/x": auth.ClassForbidden,
		"GET /artifacts-downloads/namespaces/p/repositories/r/downloads/t": auth.ClassForbidden,
		"GET /v2/_catalog": auth.ClassForbidden, "GET /v2/token": auth.ClassForbidden, "GET /token": auth.ClassForbidden, "GET /api/v2.0/users": auth.ClassForbidden, "GET /": auth.ClassForbidden,
	} {
		method, path, _ := strings.Cut(request, " ")
		if got := (ociRegistry{}).Classify(method, target(t, "https://r.example.com"+path)); got != want {
			t.Errorf("%s: %v, want %v", request, got, want)
		}
	}
	for request, want := range map[string]auth.Class{
		"GET us-docker.pkg.dev/artifacts-downloads/namespaces/p/repositories/r/downloads/t": auth.ClassRead,
		"HEAD gcr.io/artifacts-downloads/namespaces/p/repositories/gcr.io/downloads/t":      auth.ClassRead,
		"OPTIONS gcr.io/artifacts-downloads/namespaces/p":                                   auth.ClassForbidden,
		"POST eu.gcr.io/artifacts-downloads/namespaces/p":                                   auth.ClassForbidden,
		"PUT us-docker.pkg.dev/artifacts-downloads/namespaces/p":                            auth.ClassForbidden,
		"GET us-docker.pkg.dev/artifacts-downloads":                                         auth.ClassForbidden,
		"GET us-docker.pkg.dev//artifacts-downloads/x":                                      auth.ClassForbidden,
		"GET us-docker.pkg.dev/Artifacts-Downloads/x":                                       auth.ClassForbidden,
		"GET us-docker.pkg.dev/artifacts-downloads/%2e%2e/v2/_catalog":                      auth.ClassForbidden,
		"GET us-docker.pkg.dev/artifacts-uploads/x":                                         auth.ClassForbidden,
		"GET pkg.dev.example.com/artifacts-downloads/x":                                     auth.ClassForbidden,
		"GET xgcr.io/artifacts-downloads/x":                                                 auth.ClassForbidden,
	} {
		method, rest, _ := strings.Cut(request, " ")
		host, path, _ := strings.Cut(rest, "/")
		if got := (ociRegistry{}).Classify(method, auth.Target{Scheme: "https", Host: host, Port: 443, Path: "/" + path}); got != want {
			t.Errorf("%s: %v, want %v", request, got, want)
		}
	}
	p, _ := Lookup("oci_registry")
	for _, c := range []struct {
		fields map[string]string
		want   string
	}{
		{map[string]string{}, "username: is required, with password; or token"},
		{map[string]string{"username": "a"}, "password: is required"},
		{map[string]string{"password": "a"}, "username: is required"},
		{map[string]string{"username": "$oauthtoken", "password": "nvapi-x"}, ""},
		{map[string]string{"token": "a"}, ""},
		{map[string]string{"token": "a", "username": "b"}, "in place of"},
		{map[string]string{"token": "a", "tokenHost": "https://x/"}, "tokenHost: is a host"},
		{map[string]string{"username": "a:b", "password": "c"}, "colon"},
	} {
		f := auth.Fields{}
		for n, v := range c.fields {
			f[n] = auth.NewSecret(v)
		}
		if err := p.Check(auth.Mend(p, f)); c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%v: %v, want %q", c.fields, err, c.want)
		}
	}
}

// Google's registries redirect a blob to a URL on their own host with the power
// in its path: a pattern for the registry allows that hop, and puts nothing on.
func TestGoogleRegistryDownloadsGetNothingPutOn(t *testing.T) {
	for pattern, want := range map[string]string{
		"us-docker.pkg.dev/*":        "us-docker.pkg.dev/artifacts-downloads/*",
		"us-docker.pkg.dev/v2/p/r/*": "us-docker.pkg.dev/artifacts-downloads/*",
		"*.pkg.dev/*":                "*.pkg.dev/artifacts-downloads/*",
		"gcr.io/v2/p/*":              "gcr.io/artifacts-downloads/*",
		"eu.gcr.io/*":                "eu.gcr.io/artifacts-downloads/*",
		"ghcr.io/*":                  "",
		"pkg.dev.example.com/*":      "",
		"us-docker.pkg.dev/artifacts-downloads/namespaces/p/*": "itself",
	} {
		parsed, err := auth.ParsePattern(pattern)
		if err != nil {
			t.Fatal(err)
		}
		rules, err := ociRegistry{}.Expand(parsed)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case want == "itself":
			if len(rules) != 1 || !rules[0].Bare {
				t.Errorf("%s: %+v", pattern, rules)
			}
		case want == "":
			if len(rules) != 1 || rules[0].Bare {
				t.Errorf("%s: %+v", pattern, rules)
			}
		case len(rules) != 2 || rules[0].Bare || !rules[1].Bare || rules[1].Pattern.String() != want:
			t.Errorf("%s: %+v", pattern, rules)
		}
	}
	// A decision that were wrong about it would not be signed for.
	e := registryAt(`Bearer realm="https://gcr.io/v2/token",service="gcr.io"`)
	set := NewSet(&openVault{fields: auth.Fields{"username": auth.NewSecret("bot"), "password": auth.NewSecret(canary)}}, SetOptions{Now: fixedClock, Client: e.client()})
	defer set.Close()
	p, _ := Lookup("oci_registry")
	d := decide(p, "gcr.io/*")
	d.Params = map[string]string{"username": "bot"}
	out := sample(t, "GET", "https://gcr.io/artifacts-downloads/namespaces/p/repositories/gcr.io/downloads/t")
	_, err := set.Sign(t.Context(), d, out)
	wantRefusal(t, err, "gets nothing put on")
	if out.Header.Get("Authorization") != "" || len(e.asked) != 0 {
		t.Errorf("asked %q", e.asked)
	}
}
