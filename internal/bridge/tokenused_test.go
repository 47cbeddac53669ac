package bridge

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/config"
	"github.com/weighbridge/weighbridge/store"
)

// TestTheLastUseOfAnAccessTokenIsKept as that of a key is: over a restart, and
// no longer than the token.
func TestTheLastUseOfAnAccessTokenIsKept(t *testing.T) {
	dir := shortDir(t)
	again := func() *Bridge {
		t.Helper()
		b, err := Open(t.Context(), load(t, func(c *config.Config) { c.DataDir = dir }), Options{Logger: zerolog.Nop(), Version: "test"})
		check(t, err)
		return b
	}
	b := again()
	u, err := b.store.CreateUser(t.Context(), auth.User{Email: "ada@example.com"}, []store.Place{{Team: b.team.ID, Role: auth.RoleViewer}}, auth.Event{Action: auth.ActionUserCreate})
	check(t, err)
	secret := auth.NewAccessToken()
	hash, _ := auth.HashAccessToken(secret.Reveal())
	tok, err := b.store.CreateToken(t.Context(), auth.AccessToken{TeamID: b.team.ID, UserID: u.ID, Name: "ci", Hash: hash, Preview: secret.Preview(),
		Scope: auth.ScopeRead, ExpiresAt: time.Now().Add(48 * time.Hour)}, auth.Event{Action: auth.ActionTokenCreate})
	check(t, err)
	wantUsed(t, b.used, tok.ID, time.Time{}, "")
	srv := httptest.NewServer(b.api.Remote())
	defer srv.Close()
	remote, err := admin.NewRemoteClient(srv.URL, "", secret)
	check(t, err)
	_, err = remote.ListKeys(t.Context())
	check(t, err)
	at, from, ok := b.used.last(tok.ID)
	if !ok || from != "127.0.0.1" {
		t.Fatalf("used %v from %q (%v)", at, from, ok)
	}
	check(t, b.Close())
	b = again()
	wantUsed(t, b.used, tok.ID, at, from)
	check(t, b.store.DeleteToken(t.Context(), b.team.ID, tok.ID, auth.Event{Action: auth.ActionTokenDelete}))
	b.used.see("another", from, at) // so that there is something to write
	check(t, b.Close())
	if kept, err := os.ReadFile(filepath.Join(dir, usedFile)); err != nil || strings.Contains(string(kept), tok.ID) {
		t.Errorf("%s, %v", kept, err)
	}
}
