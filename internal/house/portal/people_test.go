//go:build realclients

package portal

import (
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/internal/house"
)

// A password that was made for a user is seen once, opens the account, and is
// changed there; the key for Comfy Cloud and a backup go their way as well.
func TestWhatIsGivenOnce(t *testing.T) {
	t.Parallel()
	const bob = "bob@example.com"
	s := newSite(t, house.Options{Empty: true})
	b := s.firstUser()
	b.open("/t/default/teams/users/new")
	b.fill("E-mail address", bob)
	b.tick("Make one, and show it once", true)
	b.follow("Create the user")
	made := b.words("#password")
	if len(made) != 29 || !strings.Contains(b.text(), bob) {
		b.fatal("the password that was made is %d characters", len(made))
	}
	s.seen.Add(house.CanaryOf(made))
	b.follow("Show the user")

	c := s.tab()
	c.open("/sign-in")
	c.fill("E-mail address", bob)
	c.fill("Password", made)
	c.follow("Sign in")
	c.open("/t/default/teams")
	if c.offers("Remove") || c.offers("Users") {
		t.Error("a member is offered what owners do")
	}
	c.open("/t/default/account")
	own := s.secret("a password of one's own ")
	c.fill("Present password", made)
	c.fill("New password", own.Value())
	c.fill("New password again", own.Value())
	c.follow("Change the password")
	c.sees("The password is changed")

	b.open("/t/default/settings/backup")
	if n := eval[int](b, `fetch(location.href, {method: "POST", body: new URLSearchParams({audit: "true"})}).then((r) => r.arrayBuffer()).then((a) => a.byteLength)`); n < 10<<10 {
		t.Errorf("a backup of %d bytes", n)
	}

	key := s.secret("cfy_")
	b.open("/t/default/cloud-providers")
	b.fill("API key of Comfy Cloud", key.Value())
	b.follow("Set the key")
	b.follow("Switch the fallback off")
	b.sees("The fallback is off.")
	b.confirm(act{path: "/t/default/cloud-providers/delete", stands: func() bool { _, err := s.API().GetComfyCloud(t.Context()); return err == nil }})
	b.at("/t/default/cloud-providers")
	b.sees("No key for Comfy Cloud")
}
