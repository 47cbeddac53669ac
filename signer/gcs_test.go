package signer

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/auth"
)

func TestGoogleTokenIsAskedForToReadUnlessTheRequestWrites(t *testing.T) {
	p, _ := Lookup("gcs")
	e := &endpoint{answer: func(_ *http.Request, form url.Values) (int, string) {
		parts := strings.Split(form.Get("assertion"), ".")
		if len(parts) != 3 || form.Get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
			return 400, `{"error":"invalid_request"}`
		}
		claims, err := base64.RawURLEncoding.DecodeString(parts[1])
		if err != nil || !strings.Contains(string(claims), `"aud":"https://oauth2.googleapis.com/token"`) || !strings.Contains(string(claims), `"iss":"reader@acme.iam.gserviceaccount.com"`) {
			return 400, `{"error":"invalid_grant"}`
		}
		power := "read"
		if strings.Contains(string(claims), `"scope":"`+gcsWriteScope+`"`) {
			power = "write"
		} else if !strings.Contains(string(claims), `"scope":"`+gcsReadScope+`"`) {
			power = "none"
		}
		return 200, `{"access_token":"ya29.` + power + `","expires_in":3599,"token_type":"Bearer"}`
	}}
	// A legacy endpoint in the file is not where the assertion goes.
	key := serviceAccount(map[string]string{"token_uri": "https://accounts.google.com/o/oauth2/token"})
	f := auth.Fields{"serviceAccountJson": auth.NewSecret(key)}
	if err := p.Check(f); err != nil {
		t.Fatal(err)
	}
	set := NewSet(&openVault{fields: f}, SetOptions{Client: e.client()})
	defer set.Close()
	for _, c := range []struct{ method, path, want, query string }{
		{"GET", "/models/a%2Fb%20c+d", "read", ""},
		{"HEAD", "/storage/v1/b/models/o/a%2Fb?alt=media&access_token=theirs", "read", "alt=media"},
		{"GET", "/download/storage/v1/b/models/o/a%2Fb?alt=media", "read", "alt=media"},
		{"PUT", "/models/a", "write", ""},
		{"GET", "/models?list-type=2&OAUTH_token=x", "read", "list-type=2"},
	} {
		out := sample(t, c.method, "https://storage.googleapis.com"+c.path)
		out.Header.Set("Authorization", "Bearer theirs")
		applied, err := set.Sign(t.Context(), decide(p, "storage.googleapis.com/*"), out)
		if err != nil {
			t.Fatal(err)
		}
		path, _, _ := strings.Cut(c.path, "?")
		if got := out.Header.Values("Authorization"); !slices.Equal(got, []string{"Bearer ya29." + c.want}) || out.Target.Path != path || out.Target.RawQuery != c.query {
			t.Errorf("%s %s: %q, %s?%s", c.method, c.path, got, out.Target.Path, out.Target.RawQuery)
		}
		if got := reveal(applied); !slices.Equal(got, []string{"ya29." + c.want}) {
			t.Error("the token is not masked")
		}
	}
	if len(e.asked) != 2 || !strings.HasPrefix(e.asked[0], "POST https://oauth2.googleapis.com/token ") || !strings.HasPrefix(e.asked[1], "POST https://oauth2.googleapis.com/token ") {
		t.Errorf("%d exchanges", len(e.asked))
	}
	out := sample(t, "PUT", "https://storage.googleapis.com/models/a")
	out.Header.Set("X-Goog-Copy-Source", "/secret/a")
	_, err := set.Sign(t.Context(), decide(p, "storage.googleapis.com/*"), out)
	wantRefusal(t, err, "a copy from another object")
}

func TestT12_AGoogleEndpointThatFails(t *testing.T) {
	p, _ := Lookup("gcs")
	for want, answer := range map[string]struct {
		code int
		body string
	}{
		"gave no token: status 400": {400, `{"error":"invalid_grant","error_description":"` + canary + `"}`},
		"gave no token: status 302": {302, "https://evil.example.net/"},
		"could not be reached":      {0, "no route"},
		"no token":                  {200, `{"expires_in":3599}`},
	} {
		e := &endpoint{answer: func(*http.Request, url.Values) (int, string) { return answer.code, answer.body }}
		set := NewSet(&openVault{fields: sampleFields(p.Schema())}, SetOptions{Client: e.client()})
		_, err := set.Sign(t.Context(), decide(p, "storage.googleapis.com/*"), sample(t, "GET", "https://storage.googleapis.com/a/b"))
		wantRefusal(t, err, want)
		if len(e.asked) != 1 {
			t.Errorf("%s: asked %d times", want, len(e.asked))
		}
		set.Close()
	}
}

func TestServiceAccountProblems(t *testing.T) {
	p, _ := Lookup("gcs")
	for want, key := range map[string]string{
		"is not the JSON file":              "-----BEGIN PRIVATE KEY-----",
		`is not of type "service_account"`:  serviceAccount(map[string]string{"type": "external_account"}),
		"a token_uri that is not Google's":  serviceAccount(map[string]string{"token_uri": "https://oauth2.googleapis.com.evil.example/token"}),
		"another universe":                  serviceAccount(map[string]string{"universe_domain": "example.com"}),
		"has no client_email":               serviceAccount(map[string]string{"client_email": ""}),
		"has no client_email or":            serviceAccount(map[string]string{"private_key": "x"}),
		"a private_key that cannot be read": serviceAccount(map[string]string{"private_key": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"}),
	} {
		if err := p.Check(auth.Fields{"serviceAccountJson": auth.NewSecret(key)}); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "evil") {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestGCSBucketPatternHoldsForItsAPIs(t *testing.T) {
	for text, want := range map[string][]string{
		"storage.googleapis.com/models/*": {"storage.googleapis.com/models/*", "storage.googleapis.com/models", "storage.googleapis.com/storage/v1/b/models",
			"storage.googleapis.com/storage/v1/b/models/*", "storage.googleapis.com/download/storage/v1/b/models/*"},
		"http://storage.googleapis.com/models/*": {"http://storage.googleapis.com/models/*", "http://storage.googleapis.com/models", "http://storage.googleapis.com/storage/v1/b/models",
			"http://storage.googleapis.com/storage/v1/b/models/*", "http://storage.googleapis.com/download/storage/v1/b/models/*"},
		"storage.googleapis.com/models/a/*": {"storage.googleapis.com/models/a/*"},
		"storage.googleapis.com/*":          {"storage.googleapis.com/*"},
		"storage.googleapis.com/storage/*":  {"storage.googleapis.com/storage/*"},
		"models.storage.googleapis.com/*":   {"models.storage.googleapis.com/*"},
	} {
		rules, err := (gcs{}).Expand(pattern(t, text))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range rules {
			got = append(got, r.Pattern.String())
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q", text, got)
		}
	}
}

func TestGCSClassify(t *testing.T) {
	for request, want := range map[string]auth.Class{
		"GET /b/k": auth.ClassRead, "HEAD /b/acl/iam": auth.ClassRead, "GET /b?list-type=2": auth.ClassRead, "PUT /b/k": auth.ClassWrite,
		"GET /storage/v1/b/B/o": auth.ClassRead, "GET /storage/v1/b/B/o/a%2Fb?alt=media": auth.ClassRead, "GET /storage/v1/b/B": auth.ClassRead,
		"GET /download/storage/v1/b/B/o/k": auth.ClassRead, "POST /upload/storage/v1/b/B/o": auth.ClassWrite,
		"GET /storage/v1/b/B/iam": auth.ClassForbidden, "GET /storage/v1/b/B/o/k/acl": auth.ClassForbidden, "GET /b/k?acl": auth.ClassForbidden, "GET /b?%69am": auth.ClassForbidden,
		"GET /storage/v1/projects/p/hmacKeys": auth.ClassForbidden, "POST /storage/v1/b/B/o/k/rewriteTo/b/C/o/k": auth.ClassForbidden, "POST /batch/storage/v1": auth.ClassForbidden,
	} {
		method, path, _ := strings.Cut(request, " ")
		if got := (gcs{}).Classify(method, target(t, "https://storage.googleapis.com"+path)); got != want {
			t.Errorf("%s: %v, want %v", request, got, want)
		}
	}
}
