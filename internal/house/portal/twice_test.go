//go:build realclients

package portal

import (
	"context"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/weighbridge/weighbridge/internal/house"
)

// What is shown once is seen also by who presses the button twice: the second
// does nothing while the first is awaited.
func TestTwoClicksShowWhatIsShownOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t, house.Options{Empty: true})
	b := s.firstUser()
	b.open("/t/default/keys/new")
	b.fill("Name", "gpu-1")
	b.twice("Create and show it once")
	b.revealed()
	b.follow("I have copied it")
	b.at("/t/default/keys/gpu-1")

	b.open("/t/default/teams/users/new")
	b.fill("E-mail address", "bob@example.com")
	b.tick("Make one, and show it once", true)
	b.twice("Create the user")
	made := b.words("#password")
	if len(made) != 29 {
		b.fatal("the password that was made is %d characters", len(made))
	}
	s.seen.Add(house.CanaryOf(made))

	// Of two sendings one goes out; a file leaves the page as it is, and may be had
	// again.
	b.open("/t/default/keys/new")
	b.fill("Name", "gpu-2")
	if n := b.goesOut(); n != 1 {
		t.Errorf("of two sendings of a form %d go out", n)
	}
	b.open("/t/default/settings/backup")
	if n := b.goesOut(); n != 2 {
		t.Errorf("of two sendings of the backup %d go out", n)
	}
}

// goesOut sends the page's form twice, one right after the other, and counts what
// would go out; nothing does.
func (b *tab) goesOut() int {
	return eval[int](b, `(() => {
  let sent = 0;
  document.addEventListener("submit", (e) => { if (!e.defaultPrevented) sent++; e.preventDefault(); });
  const form = document.querySelector("main form");
  form.requestSubmit();
  form.requestSubmit();
  return sent;
})()`)
}

// twice clicks a button two times before the answer to the first has come.
func (b *tab) twice(name string) {
	b.t.Helper()
	release := b.front.hold()
	defer release()
	button := find("control", name)
	actions := append(b.hit(name, button), b.hit(name, button)...)
	b.landing("clicking "+name+" twice", append(actions, chromedp.ActionFunc(func(context.Context) error {
		release()
		return nil
	}))...)
}
