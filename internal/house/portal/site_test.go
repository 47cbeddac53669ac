//go:build realclients

package portal

import (
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/house"
)

// site is a whole weighbridge whose portal browsers open.
type site struct {
	*house.House
	t *testing.T
	// seen searches all that browsers receive and all that their pages hold.
	seen *house.Watch
	// password is that of every user.
	password *house.Canary
}

// owner is who makes the first user.
const owner = "ada@example.com"

func newSite(t *testing.T, o house.Options) *site {
	t.Helper()
	h := house.New(t, o)
	s := &site{House: h, t: t, seen: house.NewWatch(h.Token), password: h.Secret("password ")}
	s.seen.Add(s.password)
	t.Cleanup(func() {
		for _, hit := range s.seen.Hits() {
			t.Errorf("leak: %s", hit)
		}
		if s.seen.Bytes("") == 0 {
			t.Error("no browser received anything")
		}
	})
	return s
}

// of is the site for a test within the test that it was made for.
func (s *site) of(t *testing.T) *site {
	within := *s
	within.t = t
	return &within
}

// secret makes a secret that no page may show.
func (s *site) secret(prefix string) *house.Canary {
	c := s.Secret(prefix)
	s.seen.Add(c)
	return c
}

// firstUser makes the first user in the browser, by the link that serve prints.
func (s *site) firstUser() *tab {
	s.t.Helper()
	link, err := s.Bridge.FirstUserLink(s.t.Context())
	if err != nil || link.IsZero() {
		s.t.Fatalf("no first-run link: %v", err)
	}
	path, code, _ := strings.Cut(strings.TrimPrefix(link.Reveal(), s.Bridge.AdminURL()), "#")
	b := s.tab()
	b.s.seen.Add(house.CanaryOf(code))
	b.open(path + "#" + code)
	b.fill("E-mail address", owner)
	b.fill("Password", s.password.Value())
	b.follow(b.words(".primary"))
	return b
}

// user makes a user of a team, the default one where it is "".
func (s *site) user(email, team string, role auth.Role) {
	s.t.Helper()
	_, err := s.API().CreateUser(s.t.Context(), admin.NewUser{Email: email, Password: s.password.Value(), Team: team, Role: string(role)})
	s.must(err)
}

// signedIn is a browser in which a user has signed in.
func (s *site) signedIn(email string) *tab {
	s.t.Helper()
	b := s.tab()
	b.open("/sign-in")
	b.signIn(email)
	return b
}

// signIn fills in the form.
func (b *tab) signIn(email string) {
	b.t.Helper()
	b.fill("E-mail address", email)
	b.fill("Password", b.s.password.Value())
	b.follow("Sign in")
}

// api asks as the CLI does, about a team.
func (s *site) api(team string) *admin.Client {
	return admin.NewTeamClient(s.DataDir, team)
}

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}
