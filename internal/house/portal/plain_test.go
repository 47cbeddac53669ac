//go:build realclients

package portal

import (
	"testing"

	"github.com/weighbridge/weighbridge/internal/house"
)

// Without scripts every page can be read, and forms work.
func TestWithoutScripts(t *testing.T) {
	t.Parallel()
	s := newSite(t, house.Options{})
	s.user(owner, "", "owner")
	b := s.tab()
	b.scripts(false)
	b.open("/t/default/credentials")
	b.signIn(owner)
	b.at("/t/default/credentials")
	for _, page := range b.navigation() {
		b.open(page)
	}
}
