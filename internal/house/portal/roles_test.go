//go:build realclients

package portal

import (
	"net/url"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/house"
)

// Every page that is offered opens, for every role; nobody is offered what only
// others may do.
func TestEveryPage(t *testing.T) {
	t.Parallel()
	s := newSite(t, house.Options{})
	name := strings.Repeat("a_b_c_", 10) // in which no browser breaks a line
	s.furnish(name)
	for _, role := range auth.Roles() {
		t.Run(string(role), func(t *testing.T) {
			t.Parallel()
			s := s.of(t)
			email := string(role) + "@example.com"
			s.user(email, "", role)
			b := s.signedIn(email)
			b.everywhere = role == auth.RoleOwner
			if paths := b.crawl(func(string) { b.shows() }); len(paths) < 20 {
				t.Errorf("%d pages: %q", len(paths), paths)
			}
			for _, at := range []string{"https://acme-models.s3.amazonaws.com/x/y.bin", "https://other-models.s3.amazonaws.com/x/y.bin"} {
				b.open("/t/default/test?" + url.Values{"key": {name}, "url": {at}}.Encode())
			}
		})
	}
}
