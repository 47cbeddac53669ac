//go:build realclients

package portal

import (
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/internal/house"
)

// focused is what has the focus, and whether that is seen: it is in the window
// and is drawn otherwise than without.
type focused struct {
	Tag, Name, Said string
	Seen            bool
}

const focus = `((e) => {
  const r = e.getBoundingClientRect(), s = getComputedStyle(e);
  const drawn = (s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 1) || s.boxShadow !== "none";
  return {tag: e.tagName.toLowerCase(), name: e.name || "", said: (e.getAttribute("aria-label") || e.innerText || "").replace(/\s+/g, " ").trim(),
    seen: e === document.body || drawn && r.width > 0 && r.right > 0 && r.bottom > 0 && r.left < innerWidth && r.top < innerHeight};
})(document.activeElement)`

// tabTo presses the tab key until an element has the focus, and asserts of each
// on the way that the focus is seen.
func (b *tab) tabTo(what string, is func(focused) bool) {
	b.t.Helper()
	var way []string
	for range 80 {
		b.key(kb.Tab)
		now := eval[focused](b, focus)
		if !now.Seen {
			b.t.Errorf("%s: the focus on %s %q %q is not seen", b.path(), now.Tag, now.Name, now.Said)
		}
		if is(now) {
			return
		}
		way = append(way, now.Tag+" "+now.Name+now.Said)
	}
	b.fatal("no tab leads to %s: %q", what, way)
}

func (b *tab) tabToControl(said string) {
	b.t.Helper()
	b.tabTo(said, func(f focused) bool {
		return f.Said == said && (f.Tag == "a" || f.Tag == "button" || f.Tag == "summary")
	})
}

func (b *tab) tabToField(name string) {
	b.t.Helper()
	b.tabTo(name, func(f focused) bool { return f.Name == name })
}

// enter presses the key, which leads to another page.
func (b *tab) enter() {
	b.t.Helper()
	b.landing("pressing Enter", chromedp.KeyEvent(kb.Enter))
}

// Nothing needs a mouse: signing in, skipping the navigation, filling in the
// whole form of a credential.
func TestByKeyboardAlone(t *testing.T) {
	t.Parallel()
	s := newSite(t, house.Options{})
	s.user(owner, "", "owner")
	key := s.AddKey(admin.NewKey{Name: "gpu-1"})
	s.reveal(key.Key)
	b := s.tab()
	b.open("/sign-in")
	b.key(owner) // the first field has the focus from the start
	b.tabToField("password")
	b.key(s.password.Value())
	b.enter()
	b.at("/t/default")

	b.key(kb.Tab)
	if now := eval[focused](b, focus); !now.Seen || !strings.HasPrefix(now.Said, "Skip to") {
		t.Errorf("the first thing that a tab leads to is %+v", now)
	}
	b.key(kb.Enter)
	b.until("the content has the focus", `document.activeElement.id === "main"`)

	// What verifies keeps the focus, and what it found is said beside it.
	b.open("/t/default/audit")
	b.tabToControl("Verify now")
	b.key(kb.Enter)
	b.until("the verdict", `document.querySelector('#seal [role="status"]').innerText.includes("The seal holds")`)
	if now := eval[focused](b, focus); now.Said != "Verify now" {
		t.Errorf("after it the focus is on %+v", now)
	}

	b.open("/t/default")
	b.tabToControl("Credentials")
	b.enter()
	b.at("/t/default/credentials")
	b.tabToControl("Add credential")
	b.enter()
	b.at("/t/default/credentials/new")
	b.tabTo("the provider", func(f focused) bool { return f.Tag == "a" && strings.HasPrefix(f.Said, "HTTP Bearer Token") })
	b.enter()
	for _, one := range []struct{ field, typed string }{
		{"name", "by-keyboard"}, // in place of what is proposed
		{"field.token", s.secret("typed-token-").Value()}, {"patterns", "https://models.example.com/*"}, {"ends", "12122099"}, {"keys", " "}, {"no_validate", " "},
	} {
		b.tabToField(one.field)
		b.key(one.typed)
	}
	b.tabToControl("Create")
	b.enter()
	b.shows()
	b.at("/t/default/credentials/by-keyboard")
	made, err := s.API().GetCredential(t.Context(), "by-keyboard")
	s.must(err)
	if made.ExpiresAt == nil || made.ExpiresAt.Format(time.DateOnly) != "2099-12-12" || len(made.Patterns) != 1 || len(made.Keys) != 1 || made.Keys[0].ID != key.ID {
		t.Errorf("what was typed became %+v", made)
	}
}
