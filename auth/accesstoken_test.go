package auth

import (
	"strings"
	"testing"
	"time"
)

func TestTheKindsOfSecretsAreApart(t *testing.T) {
	type hasher func(string) (KeyHash, bool)
	hashers := map[string]hasher{
		KeyPrefix: HashAPIKey, URLKeyPrefix: HashURLKey, TokenPrefix: HashAccessToken, SetupPrefix: HashSetupSecret,
		RefreshPrefix: func(s string) (KeyHash, bool) { _, h, ok := HashRefreshSecret(s); return h, ok },
	}
	for prefix, s := range map[string]Secret{
		KeyPrefix: NewAPIKey(), URLKeyPrefix: NewURLKey(), TokenPrefix: NewAccessToken(), SetupPrefix: NewSetupSecret(), RefreshPrefix: NewRefreshSecret(),
	} {
		v := s.Reveal()
		if !strings.HasPrefix(v, prefix) {
			t.Errorf("%s begins %s", prefix, v[:4])
		}
		for of, hash := range hashers {
			if h, ok := hash(v); ok != (of == prefix) || ok == h.IsZero() {
				t.Errorf("%s is taken for %s: %v", prefix, of, ok)
			}
		}
		if got, want := IsAdminSecret(v), prefix != KeyPrefix && prefix != URLKeyPrefix; got != want {
			t.Errorf("%s opens the admin API: %v", prefix, got)
		}
		if got := withoutKeys("x " + v + " y " + strings.ToUpper(v)); got != "x "+Redacted+" y "+Redacted {
			t.Errorf("%s is shown: %s", prefix, got)
		}
	}
	for _, bad := range []string{"", "wbt_", "wbt_short", "wbt_" + strings.Repeat("a", 42) + "-", "WBT_" + strings.Repeat("a", 43)} {
		if _, ok := HashAccessToken(bad); ok || IsAdminSecret(bad) {
			t.Errorf("%q is one", bad)
		}
	}
}

func TestRefreshSecretsOfAFamily(t *testing.T) {
	first := NewRefreshSecret()
	next := NextRefreshSecret(first)
	f1, h1, ok1 := HashRefreshSecret(first.Reveal())
	f2, h2, ok2 := HashRefreshSecret(next.Reveal())
	if !ok1 || !ok2 || f1 != f2 || h1 == h2 {
		t.Errorf("families %v, secrets %v", f1 == f2, h1 == h2)
	}
	if f3, _, _ := HashRefreshSecret(NewRefreshSecret().Reveal()); f3 == f1 {
		t.Error("two families are one")
	}
	for _, bad := range []Secret{{}, NewAccessToken(), NewSecret(first.Reveal() + "a"), NewSecret(first.Reveal()[:40])} {
		if !NextRefreshSecret(bad).IsZero() {
			t.Error("something else has a next one")
		}
	}
}

func TestTokenRoutes(t *testing.T) {
	for _, s := range []string{"", "/api/v1/keys", "/api/v1/keys/x-1_y.z"} {
		if err := CheckTokenRoute(s); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	}
	for _, s := range []string{"/", "/api/v1", "/api/v1/", "/api/v1/keys/", "/api/v1/keys?x", "/api/v1//keys", "/api/v1/../v1/keys", "/api/v1/./keys", "/api/v1/k%65ys", "/api/v2/keys", "api/v1/keys", "/metrics", "/api/v1/keys#x", "/api/v1/" + strings.Repeat("a", 600)} {
		if err := CheckTokenRoute(s); err == nil {
			t.Errorf("%q is a route", s)
		}
	}
	keys, all := AccessToken{Route: "/api/v1/keys"}, AccessToken{}
	for path, want := range map[string]bool{"/api/v1/keys": true, "/api/v1/keys/1": true, "/api/v1/keys2": false, "/api/v1": false, "/api/v1/": false, "": false, "/x/api/v1/keys": false} {
		if got := keys.Covers(path); got != want {
			t.Errorf("%s: %v", path, got)
		}
		if !all.Covers(path) && path != "" && path[0] == '/' {
			t.Errorf("a token without a route does not cover %s", path)
		}
	}
	now := time.Now()
	if !all.Expired(now) || (&AccessToken{ExpiresAt: now.Add(1)}).Expired(now) || !(&AccessToken{ExpiresAt: now}).Expired(now) {
		t.Error("the end of a token")
	}
}
