package cases

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/house/hub"
)

// TestT53_AccountsAndWritePowerAreOutOfReach: a worker reads repositories. The
// account behind the token, and what would hand out the power to write, it
// does not reach, however the path is spelt, and nothing of it is sent.
func TestT53_AccountsAndWritePowerAreOutOfReach(t *testing.T) {
	t.Parallel()
	h := house.New(t, house.Options{})
	read := h.HubWorker("hub").Key
	write := h.AddKey(admin.NewKey{Name: "writer", Scope: "write", Credentials: []string{"hub"}}).Key
	const repo = "/api/models/" + hub.SampleGated
	for _, c := range []struct {
		method, path string
		// whoever says that scope write does not help either.
		whoever bool
	}{
		{"GET", "/api/whoami-v2", true},
		{"GET", "/api/Whoami-V2", true},
		{"GET", "/api/whoami-v2/", true},
		{"GET", "/api/%77hoami-v2", true},
		{"GET", "/api/settings/tokens", true},
		{"GET", "/settings/tokens", true},
		{"GET", "/settings/profile", true},
		{"GET", "/oauth/userinfo", true},
		{"GET", "/api/notifications", true},
		{"POST", "/api/tokens", true},
		{"GET", repo + "/settings", true},
		{"GET", "/api/spaces/acme/gated-space/secrets", true},
		{"GET", repo + "/user-access-request/pending", true},
		{"POST", "/" + hub.SampleGated + "/ask-access", true},
		{"GET", repo + "/xet-write-token/main", false},
		{"GET", repo + "/XET-Write-Token/main", false},
		{"POST", repo + "/commit/main", false},
		{"PUT", repo + "/settings", true},
		{"DELETE", "/api/repos/delete", false},
		{"POST", "/" + hub.SampleGated + ".git/git-receive-pack", false},
		{"GET", "/" + hub.SampleGated + ".git/info/refs?service=git-receive-pack", false},
	} {
		for _, mode := range modes {
			h.Server.Record.Reset()
			r := newWorker(t, h, mode, read).ask(c.method, "https://"+hub.Host+c.path, nil)
			if r.status != 403 || r.code() != auth.CodeScopeForbidden || r.header.Get("X-Error-Message") == "" || h.Server.Record.Total() != 0 {
				t.Errorf("%s, %s %s with scope read: %s; %d sent on", mode, c.method, c.path, r, h.Server.Record.Total())
			}
			r = newWorker(t, h, mode, write).ask(c.method, "https://"+hub.Host+c.path, nil)
			if sent := h.Server.Record.Total(); c.whoever != (r.code() == auth.CodeScopeForbidden && sent == 0) {
				t.Errorf("%s, %s %s with scope write: %s; %d sent on", mode, c.method, c.path, r, sent)
			}
		}
	}
	// What a download needs is served.
	for _, mode := range modes {
		w := newWorker(t, h, mode, read)
		for _, path := range []string{repo, repo + "/tree/main", repo + "/refs", gatedPath} {
			if r := w.follow("https://" + hub.Host + path); r.status != 200 {
				t.Errorf("%s, %s: %s", mode, path, r)
			}
		}
	}
}

// TestT58_WhatAKeyMayNotUseItCannotReach: by no path, header or name; and the
// answer is the same 403 for a credential of somebody else as for none.
func TestT58_WhatAKeyMayNotUseItCannotReach(t *testing.T) {
	t.Parallel()
	h := house.New(t, house.Options{Empty: true, Mount: mount(t, map[string]http.Handler{guarded: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})})})
	bearer(h, "theirs", guarded+"/*")
	bearer(h, "own", "own.example.com/*")
	theirs := h.AddKey(admin.NewKey{Name: "theirs", Credentials: []string{"theirs"}})
	key := h.AddKey(admin.NewKey{Name: "w", Unmatched: "deny", URLKey: true, Credentials: []string{"own"}})
	var credential admin.Credential
	h.Call(http.MethodGet, "/api/v1/credentials/theirs", nil, &credential)

	unknown := newWorker(t, h, modes[1], key.Key).get("https://unknown.example.com/x")
	for _, header := range []string{
		"", "X-Weighbridge-Credential: theirs\r\n", "X-Weighbridge-Rule: " + guarded + "/*\r\n", "X-Credential-Id: " + credential.ID + "\r\n",
		"X-Weighbridge-Team: default\r\n", "X-Original-URL: https://own.example.com/\r\n", "X-Forwarded-Host: own.example.com\r\n",
	} {
		for what, r := range map[string]reply{
			"reverse": dial(t, h).get("localhost", "/"+guarded+"/x", header+"Authorization: Bearer "+key.Key+"\r\n"),
			"forward": openTunnel(t, h, key.Key, guarded+":443").get(guarded, "/x", header),
			"URL key": dial(t, h).get("localhost", "/.weighbridge/k/"+key.URLKey+"/"+guarded+"/x", header),
			"by id":   dial(t, h).get("localhost", "/"+guarded+"/"+credential.ID, header+"Authorization: Bearer "+key.Key+"\r\n"),
		} {
			if r.status != unknown.status || r.code() != auth.CodeNotLinked {
				t.Errorf("%s with %q: %s", what, header, r)
			}
		}
	}
	// Where unmatched URLs pass they pass alike: nothing tells a credential of
	// somebody else from none.
	h.Call(http.MethodPatch, "/api/v1/keys/w", admin.KeyPatch{Unmatched: ptr("")}, nil)
	if r := openTunnel(t, h, key.Key, guarded+":443").get(guarded, "/x", ""); r.status != 200 || r.header.Get("X-Weighbridge-Decision") != "" {
		t.Errorf("passing bare: %s, %v", r, r.header)
	}
	for _, row := range h.Server.Record.All() {
		if row.Authorization() != "" {
			t.Error("a credential was put on a request of a key that is not linked to it")
		}
	}
	// Two keys that disagree are no way in either.
	two := dial(t, h).get("localhost", "/"+guarded+"/x", "Authorization: Bearer "+key.Key+"\r\nX-Weighbridge-Key: "+theirs.Key+"\r\n")
	if two.code() != auth.CodeBadRequest {
		t.Errorf("two keys: %s", two)
	}
}

// TestT58_GuessingIsCountedByAddress: after ten wrong keys an address is told
// to wait, another is not, and a right key passes from either.
func TestT58_GuessingIsCountedByAddress(t *testing.T) {
	t.Parallel()
	var now clock
	h := house.New(t, house.Options{Empty: true, Now: now.now, Mount: mount(t, map[string]http.Handler{guarded: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})})})
	bearer(h, "c", guarded+"/*")
	key := h.AddKey(admin.NewKey{Name: "w", URLKey: true, Credentials: []string{"c"}})
	bearerOf := func(key string) string { return "Authorization: Bearer " + key + "\r\n" }
	ask := func(from, header string) reply {
		return dialFrom(t, h, from).get("localhost", "/"+guarded+"/x", header)
	}
	guesses := []func() reply{
		func() reply { return ask("127.0.0.1", bearerOf(auth.NewAPIKey().Reveal())) },
		func() reply {
			return ask("127.0.0.1", "Authorization: Basic "+base64.StdEncoding.EncodeToString([]byte("x:"+auth.NewAPIKey().Reveal()))+"\r\n")
		},
		func() reply { return ask("127.0.0.1", "X-Weighbridge-Key: nonsense\r\n") },
		func() reply { return dial(t, h).connect(auth.NewAPIKey().Reveal(), guarded+":443") },
		func() reply {
			return dial(t, h).get("localhost", "/.weighbridge/k/"+auth.NewURLKey().Reveal()+"/"+guarded+"/x", "")
		},
		// One character off: no nearer than any other.
		func() reply {
			return ask("127.0.0.1", bearerOf(key.Key[:len(key.Key)-1]+flip(key.Key[len(key.Key)-1])))
		},
	}
	for i := range 30 {
		r := guesses[i%len(guesses)]()
		want := auth.CodeKeyInvalid
		if i >= 10 {
			want = auth.CodeTooManyAttempts
		}
		if r.code() != want || i >= 10 && (r.status != 429 || r.header.Get("Retry-After") == "") {
			t.Errorf("guess %d: %s", i, r)
		}
		if i%5 == 0 {
			if r := ask("127.0.0.1", bearerOf(key.Key)); r.status != 200 {
				t.Errorf("the right key after %d guesses: %s", i, r)
			}
		}
	}
	if r := ask("127.0.0.2", bearerOf(auth.NewAPIKey().Reveal())); r.code() != auth.CodeKeyInvalid {
		t.Errorf("another address: %s", r)
	}
	now.jump(2 * time.Minute)
	if r := guesses[0](); r.code() != auth.CodeKeyInvalid {
		t.Errorf("later: %s", r)
	}
	for _, e := range h.AuditEvents() {
		if strings.Contains(e.Action, "denied") {
			t.Errorf("a stranger is on record one by one: %+v", e)
			break
		}
	}
}

func flip(c byte) string {
	if c == 'A' {
		return "B"
	}
	return "A"
}
