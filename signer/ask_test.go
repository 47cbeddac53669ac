package signer

import (
	"net/http"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/auth"
)

// T12: asking puts on what was decided, for one byte, follows nothing, and
// repeats nothing of what was sent: neither in words nor in a redirect that
// would carry the secret on.
func TestT12_AskRepeatsNothing(t *testing.T) {
	const secret = "tok-canary-0123456789"
	u := newUpstreams(t, func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		switch r.URL.Path {
		case "/file":
			h.Set("Content-Range", "bytes 0-0/4096")
			h.Set("Content-Type", "application/octet-stream")
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write([]byte("x"))
		case "/moved":
			h.Set("Location", "/elsewhere?sig=abc#part")
			w.WriteHeader(http.StatusFound)
		case "/leaks":
			h.Set("Location", "https://evil.example.net/?got="+strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
			w.WriteHeader(http.StatusFound)
		default:
			h.Set("X-Error-Message", "not with "+r.Header.Get("Authorization")+" and "+r.URL.Query().Get("sig"))
			w.WriteHeader(http.StatusForbidden)
		}
	})
	p, _ := Lookup("http_bearer")
	u.set.vault = entered{"token": auth.NewSecret(secret)}
	inject := auth.Decision{Outcome: auth.Inject, Provider: p, Rule: "models.example.com/*", Written: "models.example.com/*", CredentialID: "c", CredentialName: "hub", Version: 1}
	bare := auth.Decision{Outcome: auth.Bare}
	for path, c := range map[string]struct {
		d        auth.Decision
		status   int
		size     int64
		location string
		words    string
	}{
		"/file":                   {inject, 206, 4096, "", ""},
		"/moved":                  {inject, 302, -1, "https://models.example.com/elsewhere?sig=abc", ""},
		"/leaks":                  {inject, 302, -1, "", "(the redirect repeats a part of the secret and is not followed)"},
		"/other":                  {inject, 403, -1, "", withheld},
		"/plain?sig=query-canary": {bare, 403, -1, "", withheld},
	} {
		to, err := auth.ParseURL("https://models.example.com" + path)
		if err != nil {
			t.Fatal(err)
		}
		u.seen = nil
		got := u.set.Ask(t.Context(), c.d, to)
		if got.Status != c.status || got.Size != c.size || got.Location != c.location || got.Words != c.words {
			t.Errorf("%s: %+v", path, got)
		}
		if len(u.seen) != 1 || u.seen[0].Header.Get("Range") != "bytes=0-0" || (u.seen[0].Header.Get("Authorization") != "") != (c.d.Outcome == auth.Inject) {
			t.Errorf("%s: %d requests", path, len(u.seen))
		}
	}
	// A decision that does not fit the target puts nothing on and sends nothing.
	u.seen = nil
	elsewhere, _ := auth.ParseURL("https://other.example.com/file")
	if got := u.set.Ask(t.Context(), inject, elsewhere); got.Status != 0 || got.Failure == "" || len(u.seen) != 0 {
		t.Errorf("%+v, %d requests", got, len(u.seen))
	}
}
