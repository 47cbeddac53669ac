//go:build realclients

package portal

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/internal/house"
)

// The first page of somebody who was never here is small.
func TestFirstPageIsSmall(t *testing.T) {
	t.Parallel()
	s := newSite(t, house.Options{Empty: true})
	b := s.tab()
	b.open("/sign-in")
	if n := b.front.bytes.Load(); n == 0 || n >= 100<<10 {
		t.Errorf("the first page took %d bytes, want fewer than 100 KiB", n)
	}
}

// However a session ended, the next click leads to the sign-in, and signing in
// leads to the page that was wanted.
func TestSessionThatEnded(t *testing.T) {
	t.Parallel()
	var ahead atomic.Int64
	s := newSite(t, house.Options{Empty: true, Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }})
	b := s.firstUser()
	for _, one := range []struct {
		how string
		end func()
	}{
		{"the browser has forgotten it", b.forget},
		{"the password was set anew", func() {
			_, err := s.API().ResetPassword(t.Context(), owner, admin.ResetPasswordRequest{Password: s.password.Value()})
			s.must(err)
		}},
		{"its time is over", func() { ahead.Store(int64(365 * 24 * time.Hour)) }},
	} {
		b.open("/t/default/teams") // which asks for nothing by itself
		one.end()
		b.follow("Credentials")
		if got := b.path(); !strings.HasPrefix(got, "/sign-in?next=") {
			t.Fatalf("%s: at %s", one.how, got)
		}
		b.signIn(owner)
		b.at("/t/default/credentials")
	}
	b.follow("Sign out")
	b.sees("You are signed out.")
	b.open("/t/default/credentials")
	b.at("/sign-in")
}

// Signing in fails in words, and shows no password again.
func TestSignInThatIsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t, house.Options{Empty: true})
	s.user(owner, "", "owner")
	wrong := s.secret("another password ")
	b := s.tab()
	b.open("/sign-in")
	b.fill("E-mail address", owner)
	b.fill("Password", wrong.Value())
	b.follow("Sign in")
	b.at("/sign-in")
	if b.words(`[role="alert"] code`) == "" || b.value("E-mail address") != owner || b.value("Password") != "" {
		t.Errorf("what is shown: %s", b.text())
	}
	if !eval[bool](b, `document.activeElement.matches(".problem") && document.title.startsWith("Error: ")`) {
		t.Error("why it was refused is not where a reader begins")
	}
	b.signIn(owner)
	b.at("/t/default")
}
