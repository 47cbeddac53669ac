package session

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

func (d *desk) first(secret auth.Secret, email, password string) (Grant, error) {
	return d.FirstUser(d.t.Context(), secret, auth.User{Email: email, Name: "Ada"}, auth.NewSecret(password), d.team.ID, from("127.0.0.1"))
}

func TestTheFirstUserIsMadeOnce(t *testing.T) {
	d := newDesk(t)
	_, err := d.first(auth.NewSetupSecret(), "ada@example.com", rightPassword)
	refused(t, err, CodeSetupInvalid)
	old, err := d.OfferFirstUser(t.Context())
	check(t, err)
	offer, err := d.OfferFirstUser(t.Context())
	check(t, err)
	for _, bad := range []auth.Secret{{}, old, auth.NewAccessToken(), auth.NewSecret(offer.Reveal()[:40])} {
		_, err = d.first(bad, "ada@example.com", rightPassword)
		refused(t, err, CodeSetupInvalid)
	}
	_, err = d.first(offer, "ada@example.com", "short")
	refused(t, err, CodePasswordRefused)
	_, err = d.first(offer, "ada", rightPassword)
	refused(t, err, auth.CodeBadRequest)
	// Many at once: one is the first.
	var wg sync.WaitGroup
	var mu sync.Mutex
	var grants []Grant
	for i := range 8 {
		wg.Go(func() {
			g, err := d.first(offer, string(rune('a'+i))+"@example.com", rightPassword)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				grants = append(grants, g)
			}
		})
	}
	wg.Wait()
	if len(grants) != 1 {
		t.Fatalf("%d first users", len(grants))
	}
	u, _, err := d.Authenticate(t.Context(), grants[0].Access.Reveal())
	check(t, err)
	m, err := d.store.Membership(t.Context(), d.team.ID, u.ID)
	check(t, err)
	if m.Role != auth.RoleOwner {
		t.Errorf("%+v", m)
	}
	none, err := d.OfferFirstUser(t.Context())
	check(t, err)
	if !none.IsZero() {
		t.Error("there is another offer")
	}
}

func TestTheOfferOfTheFirstUserEnds(t *testing.T) {
	d := newDesk(t)
	offer, err := d.OfferFirstUser(t.Context())
	check(t, err)
	b, err := d.store.Sealed(t.Context(), setupName)
	check(t, err)
	if strings.Contains(string(b), offer.Reveal()) || strings.Contains(string(b), strings.TrimPrefix(offer.Reveal(), auth.SetupPrefix)) {
		t.Error("the secret itself is stored")
	}
	d.clock.add(SetupLife - time.Second)
	_, err = d.first(offer, "ada@example.com", "short")
	refused(t, err, CodePasswordRefused)
	d.clock.add(time.Second)
	_, err = d.first(offer, "ada@example.com", rightPassword)
	refused(t, err, CodeSetupInvalid)
}
