//go:build realclients

package portal

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/house"
)

// Neither of two teams sees anything of the other: not in any page, and not by
// a URL that the other has.
func TestTwoTeams(t *testing.T) {
	t.Parallel()
	s := newSite(t, house.Options{})
	ctx := t.Context()
	type side struct {
		team, owner string
		b           *tab
		pages       map[string]string
	}
	sides := []*side{{team: "alphateam", owner: "alice@alpha.example"}, {team: "betateam", owner: "bob@beta.example"}}
	for _, one := range sides {
		_, err := s.API().CreateUser(ctx, admin.NewUser{Email: one.owner, Name: one.team + "owner", Password: s.password.Value()})
		s.must(err)
		_, err = s.API().CreateTeam(ctx, admin.NewTeam{Name: one.team, Owner: one.owner})
		s.must(err)
		s.belongings(one.team, one.owner)
	}
	for _, one := range sides {
		one.b = s.signedIn(one.owner)
		one.b.at("/t/" + one.team)
	}
	for i, one := range sides {
		other := sides[1-i]
		one.pages = one.b.crawlText()
		for path, text := range one.pages {
			for _, word := range []string{other.team, other.owner} {
				if strings.Contains(text, word) {
					t.Errorf("%s of %s shows %s", path, one.team, word)
				}
			}
		}
		if len(one.pages) < 20 {
			t.Errorf("%s has %d pages", one.team, len(one.pages))
		}
	}
	for i, one := range sides {
		other := sides[1-i]
		one.b.front.refusals(true)
		for path := range other.pages {
			// Its own path; and that of the same thing as if it were one's own,
			// without what is asked for there, which a form shows again.
			mine, _, _ := strings.Cut(strings.Replace(path, "/t/"+other.team, "/t/"+one.team, 1), "?")
			if answer := one.b.fetch(path); answer.Status == 200 || strings.Contains(answer.Text, other.team+"cred") {
				t.Errorf("%s opens %s: %d %.300s", one.team, path, answer.Status, answer.Text)
			}
			if answer := one.b.fetch(mine); answer.Status == 200 && strings.Contains(answer.Text, other.team) {
				t.Errorf("%s opens %s: %.300s", one.team, mine, answer.Text)
			}
		}
		one.b.front.refusals(false)
		one.b.open("/t/" + other.team)
		one.b.lacks("Live transfers")
	}
}

// belongings gives a team one of everything, named after it.
func (s *site) belongings(team, owner string) {
	s.t.Helper()
	ctx, api := s.t.Context(), s.api(team)
	_, err := api.CreateCredential(ctx, admin.NewCredential{Name: team + "cred", Provider: "http_bearer", NoValidate: true,
		Fields: map[string]string{"token": s.secret(team + "-").Value()}, Patterns: []string{"https://" + team + ".example.com/*"}})
	s.must(err)
	key, err := api.CreateKey(ctx, admin.NewKey{Name: team + "key", Credentials: []string{team + "cred"}})
	s.must(err)
	s.reveal(key.Key)
	s3, err := api.CreateS3Key(ctx, admin.NewS3Key{Name: team + "s3", Buckets: []string{team}})
	s.must(err)
	s.secretOf(s3.SecretAccessKey)
	tok, err := api.CreateToken(ctx, admin.NewToken{Name: team + "token", ExpiresAt: time.Now().Add(72 * time.Hour), User: owner})
	s.must(err)
	s.secretOf(tok.Token)
	s.user("member@"+team+".example", team, auth.RoleMember)
	s.refusal("https://"+team+".nowhere.example/"+url.PathEscape(team), key.Key) // on record
}

type fetched struct {
	Status int
	Text   string
}

// fetch asks for a page as a script of ours would.
func (b *tab) fetch(path string) fetched {
	b.t.Helper()
	return eval[fetched](b, "fetch("+quote(path)+").then(async (r) => ({status: r.status, text: (await r.text()).replaceAll("+quote(path)+`, "").replaceAll(location.pathname, "")}))`)
}
