package session

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

func TestSigningIn(t *testing.T) {
	d := newDesk(t)
	u := d.user("ada@example.com")
	g := d.in(" Ada@Example.com", from("192.0.2.1"))
	who, row, err := d.Authenticate(t.Context(), g.Access.Reveal())
	check(t, err)
	if who.ID != u.ID || row.ID != g.Session.ID || row.Address != "192.0.2.1" || row.Agent != "a test" || !g.AccessExpires.Equal(d.clock.Now().Add(AccessLife)) {
		t.Errorf("%+v %+v", who, row)
	}
	if text := fmt.Sprintf("%+v %v", g, g); strings.Contains(text, "eyJ") || strings.Contains(text, auth.RefreshPrefix) {
		t.Error("a grant prints what it grants")
	}
	if evs := d.events(auth.ActionSessionCreate); len(evs) != 1 || evs[0].Actor != "user:ada@example.com" || evs[0].Address != "192.0.2.1" {
		t.Errorf("on record: %+v", evs)
	}
	d.clock.add(AccessLife)
	_, _, err = d.Authenticate(t.Context(), g.Access.Reveal())
	if e := refused(t, err, CodeSessionEnded); e.HTTPStatus() != 401 || !strings.Contains(e.Reason, "expired") {
		t.Errorf("%v", e)
	}
}

// Whoever is refused learns nothing of why; the record knows.
func TestARefusalDoesNotSayWhetherThereIsAUser(t *testing.T) {
	d := newDesk(t)
	d.user("ada@example.com")
	shut := d.user("shut@example.com")
	_, err := d.store.UpdateUser(t.Context(), shut.ID, func(u *auth.User) error { u.DisabledAt = d.clock.Now(); return nil }, auth.Event{})
	check(t, err)
	_, err = d.store.CreateUser(t.Context(), auth.User{Email: "oidc@example.com"}, nil, auth.Event{})
	check(t, err)
	var said []string
	for _, c := range []struct{ email, password string }{
		{"ada@example.com", wrongPassword}, {"ada@example.com", ""}, {"ada@example.com", strings.Repeat("x", 10_000)},
		{"nobody@example.com", rightPassword}, {shut.ID, rightPassword}, {"shut@example.com", rightPassword}, {"shut@example.com", wrongPassword},
		{"oidc@example.com", ""}, {"oidc@example.com", rightPassword}, {"my password by mistake", "x"}, {"", ""},
	} {
		_, err := d.signIn(c.email, c.password, from(fmt.Sprintf("192.0.2.%d", len(said)+1)))
		e := refused(t, err, CodeSignInFailed)
		said = append(said, fmt.Sprint(e.HTTPStatus(), e.Error(), e.NextStep()))
		if said[0] != said[len(said)-1] {
			t.Errorf("%s: %s", c.email, said[len(said)-1])
		}
	}
	evs := d.events(auth.ActionSessionDenied)
	var reasons []string
	for _, ev := range evs {
		reasons = append(reasons, ev.Reason)
		if text := fmt.Sprintf("%+v", ev); strings.Contains(text, "mistake") || strings.Contains(text, "horse") || ev.Outcome != auth.OutcomeDenied {
			t.Errorf("on record: %s", text)
		}
	}
	want := "wrong password,wrong password,wrong password,no such user,no such user,the user is disabled,wrong password,the user has no password,the user has no password,no such user,no such user"
	if got := strings.Join(reasons, ","); got != want {
		t.Errorf("recorded %s", got)
	}
}

// A JWT counts no longer than its session and its user do.
func TestAJWTDiesWithItsSession(t *testing.T) {
	for what, end := range map[string]func(d *desk, g Grant){
		"signed out": func(d *desk, g Grant) { check(d.t, d.End(d.t.Context(), g.Session.ID, auth.Event{})) },
		"disabled": func(d *desk, g Grant) {
			_, err := d.store.UpdateUser(d.t.Context(), g.User.ID, func(u *auth.User) error { u.DisabledAt = d.clock.Now(); return nil }, auth.Event{})
			check(d.t, err)
		},
		"new password": func(d *desk, g Grant) {
			_, err := d.SetPassword(d.t.Context(), g.User.ID, auth.NewSecret("quite another password"), auth.Event{})
			check(d.t, err)
		},
		"deleted": func(d *desk, g Grant) { check(d.t, d.store.DeleteUser(d.t.Context(), g.User.ID, auth.Event{})) },
		"all ended": func(d *desk, g Grant) {
			_, err := d.store.EndSessions(d.t.Context(), g.User.ID, "", auth.Event{})
			check(d.t, err)
		},
	} {
		t.Run(what, func(t *testing.T) {
			d := newDesk(t)
			d.user("other@example.com") // so that ada is not the last owner
			d.user("ada@example.com")
			g := d.in("ada@example.com", from("192.0.2.1"))
			end(d, g)
			_, _, err := d.Authenticate(t.Context(), g.Access.Reveal())
			refused(t, err, CodeSessionEnded)
			_, err = d.Refresh(t.Context(), g.Refresh, from("192.0.2.1"))
			refused(t, err, CodeSessionEnded)
		})
	}
}

func TestRefreshing(t *testing.T) {
	d := newDesk(t)
	d.user("ada@example.com")
	first := d.in("ada@example.com", from("192.0.2.1"))
	g := first
	for range 5 {
		d.clock.add(time.Hour)
		next, err := d.Refresh(t.Context(), g.Refresh, from("192.0.2.2"))
		check(t, err)
		if next.Session.ID != first.Session.ID || next.Refresh.Equal(g.Refresh) || !next.Session.ExpiresAt.Equal(first.Session.ExpiresAt) {
			t.Fatalf("%+v", next.Session)
		}
		_, _, err = d.Authenticate(t.Context(), next.Access.Reveal())
		check(t, err)
		g = next
	}
	// It ends, however often it is refreshed.
	d.clock.add(RefreshLife - 5*time.Hour - time.Minute)
	last, err := d.Refresh(t.Context(), g.Refresh, from("192.0.2.2"))
	check(t, err)
	if life := last.AccessExpires.Sub(d.clock.Now()); life != time.Minute {
		t.Errorf("the last JWT lives for %v", life)
	}
	d.clock.add(time.Minute)
	_, err = d.Refresh(t.Context(), last.Refresh, from("192.0.2.2"))
	refused(t, err, CodeSessionEnded)
	for _, bad := range []string{"", "x", auth.NewRefreshSecret().Reveal(), auth.NewAccessToken().Reveal(), last.Access.Reveal()} {
		_, err = d.Refresh(t.Context(), auth.NewSecret(bad), from("192.0.2.2"))
		refused(t, err, CodeSessionEnded)
	}
}

// A refresh secret that was copied and used ends the session for the thief and
// for its owner, whoever comes first and however often it was renewed since.
func TestAReusedRefreshSecretEndsTheSession(t *testing.T) {
	for renewals := 1; renewals <= 3; renewals++ {
		d := newDesk(t)
		d.user("ada@example.com")
		g := d.in("ada@example.com", from("192.0.2.1"))
		stolen, thief := g.Refresh, g
		for range renewals {
			var err error
			d.clock.add(time.Minute)
			thief, err = d.Refresh(t.Context(), thief.Refresh, from("198.51.100.1"))
			check(t, err)
		}
		d.clock.add(time.Minute)
		_, err := d.Refresh(t.Context(), stolen, from("192.0.2.1"))
		refused(t, err, CodeSessionEnded)
		_, err = d.Refresh(t.Context(), thief.Refresh, from("198.51.100.1"))
		refused(t, err, CodeSessionEnded)
		_, _, err = d.Authenticate(t.Context(), thief.Access.Reveal())
		refused(t, err, CodeSessionEnded)
		if evs := d.events(auth.ActionSessionEnd); len(evs) != 1 || !strings.Contains(evs[0].Reason, "copied") {
			t.Errorf("on record: %+v", evs)
		}
	}
}

// Two windows that refresh at once are no thieves: one is told to look again.
func TestTwoWindowsRefreshAtOnce(t *testing.T) {
	d := newDesk(t)
	d.user("ada@example.com")
	g := d.in("ada@example.com", from("192.0.2.1"))
	next, err := d.Refresh(t.Context(), g.Refresh, from("192.0.2.1"))
	check(t, err)
	_, err = d.Refresh(t.Context(), g.Refresh, from("192.0.2.1"))
	if e := refused(t, err, CodeRefreshRaced); e.HTTPStatus() != 409 {
		t.Errorf("%v", e)
	}
	_, err = d.Refresh(t.Context(), next.Refresh, from("192.0.2.1"))
	check(t, err)
}

func TestChangingAPassword(t *testing.T) {
	d := newDesk(t)
	u := d.user("ada@example.com")
	here, there := d.in("ada@example.com", from("192.0.2.1")), d.in("ada@example.com", from("192.0.2.2"))
	_, err := d.ChangePassword(t.Context(), u.ID, auth.NewSecret(wrongPassword), auth.NewSecret("a fine new password"), from("192.0.2.1"))
	refused(t, err, CodeSignInFailed)
	_, err = d.ChangePassword(t.Context(), u.ID, auth.NewSecret(rightPassword), auth.NewSecret("short"), from("192.0.2.1"))
	refused(t, err, CodePasswordRefused)
	g, err := d.ChangePassword(t.Context(), u.ID, auth.NewSecret(rightPassword), auth.NewSecret("a fine new password"), from("192.0.2.1"))
	check(t, err)
	for _, old := range []Grant{here, there} {
		_, _, err = d.Authenticate(t.Context(), old.Access.Reveal())
		refused(t, err, CodeSessionEnded)
	}
	_, _, err = d.Authenticate(t.Context(), g.Access.Reveal())
	check(t, err)
	_, err = d.signIn("ada@example.com", rightPassword, from("192.0.2.1"))
	refused(t, err, CodeSignInFailed)
	_, err = d.signIn("ada@example.com", "a fine new password", from("192.0.2.1"))
	check(t, err)
}

func TestPasswordRules(t *testing.T) {
	for p, ok := range map[string]bool{
		"correct horse battery": true, "ääääöööüüüßß": true, strings.Repeat("abcd", 64): true,
		"": false, "elevenchars": false, "äöüäöüäöüä": false, strings.Repeat("abcd", 64) + "e": false,
		"ada.lovelace@example.com": false, "ADA.Lovelace@example.com ": false, "ada.lovelace": false,
		"aaaaaaaaaaaaaaaa": false, "121212121212": false, "bad\xffutf8 but long enough": false,
	} {
		err := CheckPassword(auth.NewSecret(p), "ada.lovelace@example.com")
		if (err == nil) != ok {
			t.Errorf("%q: %v", p, err)
		}
		if err != nil && p != "" && strings.Contains(err.Error(), p) {
			t.Errorf("the error repeats it: %v", err)
		}
	}
}
