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
		t.Run(string(role), func(t *testing.T) {
			t.Parallel()
			s := s.of(t)
			email := string(role) + "@example.com"
			s.user(email, "", role)
			b := s.signedIn(email)
			if paths := b.crawl(func(string) { b.shows() }); len(paths) < 20 {
				t.Errorf("%d pages: %q", len(paths), paths)
			}
		})
	}
}
