package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/store"
)

func (h *house) user(email string, role auth.Role) auth.User {
	h.t.Helper()
	u, err := h.CreateUser(h.ctx, auth.User{Email: email, Password: auth.NewPasswordHash("hash of " + email)},
		[]store.Place{{Team: h.team, Role: role}}, actor())
	check(h.t, err)
	return u
}

func (h *house) token(user, name string) auth.AccessToken {
	h.t.Helper()
	tok, err := h.CreateToken(h.ctx, newToken(h.team, user, name), actor())
	check(h.t, err)
	return tok
}

func newToken(team, user, name string) auth.AccessToken {
	hash, _ := auth.HashAccessToken(auth.NewAccessToken().Reveal())
	return auth.AccessToken{TeamID: team, UserID: user, Name: name, Scope: auth.ScopeRead, Hash: hash, Preview: "wbt_abcd...wxyz", ExpiresAt: start.Add(auth.MinTokenLife)}
}

func newSession(user string) auth.Session {
	family, hash, _ := auth.HashRefreshSecret(auth.NewRefreshSecret().Reveal())
	return auth.Session{UserID: user, Family: family, Hash: hash, ExpiresAt: start.Add(720 * time.Hour), Address: "192.0.2.7", Agent: "a browser"}
}

// acts are the recorded events from the nth on, with whom they are about.
func (h *house) acts(n int) []string {
	h.t.Helper()
	var out []string
	for _, ev := range h.events("", time.Time{})[n:] {
		out = append(out, strings.Join(slices.DeleteFunc([]string{ev.Action, ev.UserName, ev.TokenName, ev.Reason}, func(s string) bool { return s == "" }), " "))
	}
	return out
}

func (h *house) wantActs(n int, want ...string) {
	h.t.Helper()
	got := h.acts(n)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		h.t.Fatalf("recorded %q, want %q", got, want)
	}
}

// accountsSurvive: what was stored is what is found, also after the store was
// closed, and none of it changes the state that requests are decided by.
func accountsSurvive(t *testing.T, open Opener) {
	told := 0
	h := newHouse(t, open, func(o *store.Options) { o.OnChange = func(auth.State) { told++ } })
	before, n := h.state().Revision, told
	u, err := h.CreateUser(h.ctx, auth.User{Email: "  Ada@Example.COM ", Name: "Ada", Password: auth.NewPasswordHash("$argon2id$x"), Issuer: "https://op.example", Subject: "s1"},
		[]store.Place{{Team: auth.DefaultTeam, Role: auth.RoleOwner}}, actor())
	check(t, err)
	equal(t, "address", u.Email, "ada@example.com")
	tok := h.token(u.Email, "ci")
	equal(t, "the token's user", tok.UserID, u.ID)
	s, err := h.CreateSession(h.ctx, newSession(u.ID), actor())
	check(t, err)
	h.wantActs(0, "user.create ada@example.com", "member.put ada@example.com owner", "token.create ada@example.com ci", "session.create ada@example.com")
	look := func() {
		t.Helper()
		for _, ref := range []string{u.ID, "ADA@example.com"} {
			got, err := h.User(h.ctx, ref)
			check(t, err)
			equal(t, "user", asJSON(got), asJSON(u))
			equal(t, "password", got.Password.Reveal(), "$argon2id$x")
		}
		got, err := h.UserBySubject(h.ctx, "https://op.example", "s1")
		check(t, err)
		equal(t, "user by subject", got.ID, u.ID)
		all, err := h.Users(h.ctx)
		check(t, err)
		equal(t, "users", len(all), 1)
		m, err := h.Membership(h.ctx, h.team, u.ID)
		check(t, err)
		equal(t, "role", m.Role, auth.RoleOwner)
		for _, list := range [][]auth.Membership{must(h.Members(h.ctx, h.team))(t), must(h.MembershipsOf(h.ctx, u.ID))(t)} {
			equal(t, "memberships", asJSON(list), asJSON([]auth.Membership{m}))
		}
		for _, got := range []auth.AccessToken{must(h.TokenByHash(h.ctx, tok.Hash))(t), must(h.Token(h.ctx, h.team, "ci"))(t), must(h.Token(h.ctx, h.team, tok.ID))(t), must(h.Tokens(h.ctx, h.team))(t)[0]} {
			equal(t, "token", asJSON(got), asJSON(tok))
		}
		for _, got := range []auth.Session{must(h.Session(h.ctx, s.ID))(t), must(h.SessionByFamily(h.ctx, s.Family))(t), must(h.Sessions(h.ctx, u.ID))(t)[0]} {
			equal(t, "session", asJSON(got), asJSON(s))
		}
		equal(t, "revision", h.state().Revision, before)
		equal(t, "changes told of", told, n)
	}
	look()
	if h.reopen != nil {
		h.reopen()
		look()
	}
	if strings.Contains(asJSON(u)+fmt.Sprintf("%+v", u), "argon2id") {
		t.Error("a user shows its password's hash")
	}
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T { t.Helper(); check(t, err); return v }
}

func userChanges(t *testing.T, open Opener) {
	h := newHouse(t, open)
	h.user("ada@example.com", auth.RoleOwner)
	bob := h.user("bob@example.com", auth.RoleViewer)
	n := len(h.recorded())
	_, err := h.CreateUser(h.ctx, auth.User{Email: "ADA@example.com"}, nil, actor())
	wantErr(t, err, store.ErrExists, "ada@example.com")
	_, err = h.CreateUser(h.ctx, auth.User{Email: "secret in the wrong place"}, nil, actor())
	wantErr(t, err, store.ErrInvalid, "")
	if strings.Contains(err.Error(), "wrong place") {
		t.Errorf("it repeats what was given: %v", err)
	}
	_, err = h.CreateUser(h.ctx, auth.User{Email: "c@example.com", Subject: "s"}, nil, actor())
	wantErr(t, err, store.ErrInvalid, "c@example.com")
	_, err = h.CreateUser(h.ctx, auth.User{Email: "c@example.com"}, []store.Place{{Team: "none", Role: auth.RoleOwner}}, actor())
	wantErr(t, err, store.ErrNotFound, "none")
	_, err = h.CreateUser(h.ctx, auth.User{Email: "c@example.com"}, []store.Place{{Team: h.team, Role: "king"}}, actor())
	wantErr(t, err, store.ErrInvalid, "c@example.com")
	_, err = h.CreateFirstUser(h.ctx, auth.User{Email: "c@example.com"}, nil, actor())
	wantErr(t, err, store.ErrConflict, "")
	_, err = h.UpdateUser(h.ctx, bob.ID, func(u *auth.User) error { u.Email = "Ada@example.com"; return nil }, actor())
	wantErr(t, err, store.ErrExists, "ada@example.com")
	refuse := errors.New("changed meanwhile")
	_, err = h.UpdateUser(h.ctx, bob.ID, func(*auth.User) error { return refuse }, actor())
	equal(t, "error of the change", err, refuse)
	_, err = h.UpdateUser(h.ctx, bob.ID, func(u *auth.User) error { u.ID, u.CreatedAt = "x", time.Time{}; return nil }, actor())
	check(t, err)
	h.wantActs(n)

	change := func(fn func(*auth.User)) auth.User {
		t.Helper()
		h.clock.add(time.Minute)
		return must(h.UpdateUser(h.ctx, "bob@example.com", func(u *auth.User) error { fn(u); return nil }, actor()))(t)
	}
	s := must(h.CreateSession(h.ctx, newSession(bob.ID), actor()))(t)
	n = len(h.recorded())
	u := change(func(u *auth.User) { u.Name = "Bob" })
	equal(t, "a session after a new name", s.Live(&u, h.clock.Now()), true)
	u = change(func(u *auth.User) { u.Password = auth.NewPasswordHash("another") })
	equal(t, "a session after a new password", s.Live(&u, h.clock.Now()), false)
	s = must(h.CreateSession(h.ctx, newSession(bob.ID), actor()))(t)
	equal(t, "a new session", s.Live(&u, h.clock.Now()), true)
	u = change(func(u *auth.User) { u.DisabledAt = h.clock.Now() })
	equal(t, "a session of a disabled user", s.Live(&u, h.clock.Now()), false)
	u = change(func(u *auth.User) { u.DisabledAt = time.Time{} })
	equal(t, "a session of one that was", s.Live(&u, h.clock.Now()), false)
	h.wantActs(n, "user.update bob@example.com", "user.password bob@example.com", "session.create bob@example.com", "user.disable bob@example.com", "user.enable bob@example.com")
}

func members(t *testing.T, open Opener) {
	h := newHouse(t, open)
	ada, bob := h.user("ada@example.com", auth.RoleOwner), h.user("bob@example.com", auth.RoleMember)
	other := h.ensureTeam("other")
	n := len(h.recorded())
	last := func(err error) { t.Helper(); wantErr(t, err, store.ErrConflict, auth.DefaultTeam) }
	_, err := h.PutMember(h.ctx, h.team, ada.ID, auth.RoleViewer, actor())
	last(err)
	last(h.RemoveMember(h.ctx, h.team, ada.ID, actor()))
	last(h.DeleteUser(h.ctx, ada.ID, actor()))
	wantErr(t, h.RemoveMember(h.ctx, other, ada.ID, actor()), store.ErrNotFound, ada.ID)
	_, err = h.PutMember(h.ctx, "none", ada.ID, auth.RoleViewer, actor())
	wantErr(t, err, store.ErrNotFound, "none")
	_, err = h.PutMember(h.ctx, h.team, "none@example.com", auth.RoleViewer, actor())
	wantErr(t, err, store.ErrNotFound, "none@example.com")
	_, err = h.PutMember(h.ctx, h.team, bob.Email, "", actor())
	wantErr(t, err, store.ErrInvalid, bob.Email)
	same := must(h.PutMember(h.ctx, h.team, bob.Email, auth.RoleMember, actor()))(t)
	h.wantActs(n)

	// Another owner counts unless shut out.
	h.clock.add(time.Hour)
	m := must(h.PutMember(h.ctx, h.team, bob.ID, auth.RoleOwner, actor()))(t)
	equal(t, "since when", m.CreatedAt, same.CreatedAt)
	must(h.UpdateUser(h.ctx, bob.ID, func(u *auth.User) error { u.DisabledAt = h.clock.Now(); return nil }, actor()))(t)
	last(h.RemoveMember(h.ctx, h.team, ada.ID, actor()))
	must(h.UpdateUser(h.ctx, bob.ID, func(u *auth.User) error { u.DisabledAt = time.Time{}; return nil }, actor()))(t)
	tok, kept := h.token(ada.ID, "ada's"), h.token(bob.ID, "bob's")
	n = len(h.recorded())
	check(t, h.RemoveMember(h.ctx, h.team, ada.Email, actor()))
	h.wantActs(n, "member.remove ada@example.com", "token.delete ada@example.com ada's")
	_, err = h.TokenByHash(h.ctx, tok.Hash)
	wantErr(t, err, store.ErrNotFound, "")
	_, err = h.CreateToken(h.ctx, newToken(h.team, ada.ID, "again"), actor())
	wantErr(t, err, store.ErrNotFound, ada.ID)
	equal(t, "the other's token", must(h.Tokens(h.ctx, h.team))(t)[0].ID, kept.ID)
	if h.reopen != nil {
		h.reopen()
	}
	equal(t, "members", asJSON(must(h.Members(h.ctx, h.team))(t)), asJSON([]auth.Membership{m}))
	equal(t, "members of another team", len(must(h.Members(h.ctx, other))(t)), 0)
	check(t, h.DeleteUser(h.ctx, ada.ID, actor()))
	_, err = h.User(h.ctx, ada.Email)
	wantErr(t, err, store.ErrNotFound, ada.Email)
}

func userDelete(t *testing.T, open Opener) {
	h := newHouse(t, open)
	h.user("ada@example.com", auth.RoleOwner)
	bob := h.user("bob@example.com", auth.RoleOwner)
	tok := h.token(bob.ID, "bob's")
	s := must(h.CreateSession(h.ctx, newSession(bob.ID), actor()))(t)
	n := len(h.recorded())
	check(t, h.DeleteUser(h.ctx, "bob@example.com", actor()))
	h.wantActs(n, "member.remove bob@example.com", "token.delete bob@example.com bob's", "user.delete bob@example.com")
	look := func() {
		t.Helper()
		_, err := h.TokenByHash(h.ctx, tok.Hash)
		wantErr(t, err, store.ErrNotFound, "")
		_, err = h.SessionByFamily(h.ctx, s.Family)
		wantErr(t, err, store.ErrNotFound, "")
		_, err = h.Session(h.ctx, s.ID)
		wantErr(t, err, store.ErrNotFound, s.ID)
		_, err = h.Membership(h.ctx, h.team, bob.ID)
		wantErr(t, err, store.ErrNotFound, bob.ID)
	}
	look()
	if h.reopen != nil {
		h.reopen()
		look()
	}
	h.user("bob@example.com", auth.RoleViewer) // the address is free again
}

func teams(t *testing.T, open Opener) {
	h := newHouse(t, open)
	ada := h.user("ada@example.com", auth.RoleOwner)
	n := len(h.recorded())
	team := must(h.CreateTeam(h.ctx, "research", []store.Member{{User: ada.Email, Role: auth.RoleOwner}}, actor()))(t)
	h.wantActs(n, "team.create research", "member.put ada@example.com owner")
	for _, ref := range []string{team.ID, "research"} {
		equal(t, "team", asJSON(must(h.Team(h.ctx, ref))(t)), asJSON(team))
	}
	_, err := h.CreateTeam(h.ctx, "research", nil, actor())
	wantErr(t, err, store.ErrExists, "research")
	_, err = h.CreateTeam(h.ctx, "", nil, actor())
	wantErr(t, err, store.ErrInvalid, "")
	_, err = h.CreateTeam(h.ctx, "x", []store.Member{{User: ada.ID, Role: auth.RoleOwner}, {User: ada.Email, Role: auth.RoleViewer}}, actor())
	wantErr(t, err, store.ErrInvalid, ada.Email)
	rename := func(ref, name string) error {
		_, err := h.UpdateTeam(h.ctx, ref, func(t *auth.Team) error { t.ID, t.Name = "x", name; return nil }, actor())
		return err
	}
	wantErr(t, rename("default", "other"), store.ErrInvalid, "default")
	wantErr(t, rename("research", "default"), store.ErrExists, "default")
	wantErr(t, h.DeleteTeam(h.ctx, "default", actor()), store.ErrInvalid, "default")
	n = len(h.recorded())
	check(t, rename("research", "research"))
	h.wantActs(n)
	check(t, rename("research", "science"))
	h.wantActs(n, "team.update science, was research")
	_, err = h.Team(h.ctx, "research")
	wantErr(t, err, store.ErrNotFound, "research")

	tok := must(h.CreateToken(h.ctx, newToken(team.ID, ada.ID, "ci"), actor()))(t)
	wantErr(t, h.DeleteTeam(h.ctx, "science", actor()), store.ErrConflict, "science")
	check(t, h.DeleteToken(h.ctx, team.ID, tok.ID, actor()))
	c := must(h.CreateCredential(h.ctx, newCredential(team.ID, "hf"), fields("token", "t"), nil, actor()))(t)
	wantErr(t, h.DeleteTeam(h.ctx, "science", actor()), store.ErrConflict, "science")
	check(t, h.DeleteCredential(h.ctx, team.ID, c.ID, actor()))
	k := must(h.CreateKey(h.ctx, newKey(team.ID, "k"), nil, actor()))(t)
	wantErr(t, h.DeleteTeam(h.ctx, "science", actor()), store.ErrConflict, "science")
	check(t, h.DeleteKey(h.ctx, team.ID, k.ID, actor()))
	before := h.state().Revision
	n = len(h.recorded())
	check(t, h.DeleteTeam(h.ctx, "science", actor()))
	h.wantActs(n, "member.remove ada@example.com", "team.delete science")
	equal(t, "revision", h.state().Revision, before+1)
	look := func() {
		t.Helper()
		_, err = h.Team(h.ctx, team.ID)
		wantErr(t, err, store.ErrNotFound, team.ID)
		equal(t, "teams", len(must(h.Teams(h.ctx))(t)), 1)
		equal(t, "teams of the state", len(h.state().Teams), 1)
		equal(t, "memberships left", len(must(h.MembershipsOf(h.ctx, ada.ID))(t)), 1)
		equal(t, "its record stays", len(h.events(team.ID, time.Time{})) > 0, true)
	}
	look()
	if h.reopen != nil {
		h.reopen()
		look()
	}
	h.ensureTeam("science")
}

func tokens(t *testing.T, open Opener) {
	h := newHouse(t, open)
	ada := h.user("ada@example.com", auth.RoleOwner)
	tok := h.token(ada.ID, "ci")
	other := h.ensureTeam("other")
	_, err := h.Token(h.ctx, other, tok.ID)
	wantErr(t, err, store.ErrNotFound, tok.ID)
	wantErr(t, h.DeleteToken(h.ctx, other, tok.ID, actor()), store.ErrNotFound, tok.ID)
	for what, c := range map[string]struct {
		change func(*auth.AccessToken)
		kind   error
	}{
		"its name is taken":  {func(*auth.AccessToken) {}, store.ErrExists},
		"its value is":       {func(v *auth.AccessToken) { v.Name, v.Hash = "x", tok.Hash }, store.ErrExists},
		"no hash":            {func(v *auth.AccessToken) { v.Name, v.Hash = "x", auth.KeyHash{} }, store.ErrInvalid},
		"no end":             {func(v *auth.AccessToken) { v.Name, v.ExpiresAt = "x", time.Time{} }, store.ErrInvalid},
		"no scope":           {func(v *auth.AccessToken) { v.Name, v.Scope = "x", "" }, store.ErrInvalid},
		"a route elsewhere":  {func(v *auth.AccessToken) { v.Name, v.Route = "x", "/metrics" }, store.ErrInvalid},
		"a token as a name":  {func(v *auth.AccessToken) { v.Name = auth.NewAccessToken().Reveal() }, store.ErrInvalid},
		"not of the team":    {func(v *auth.AccessToken) { v.Name, v.TeamID = "x", other }, store.ErrNotFound},
		"a user that is not": {func(v *auth.AccessToken) { v.Name, v.UserID = "x", "nobody" }, store.ErrNotFound},
	} {
		v := newToken(h.team, ada.ID, "ci")
		c.change(&v)
		if _, err := h.CreateToken(h.ctx, v, actor()); !errors.Is(err, c.kind) || strings.Contains(err.Error(), auth.TokenPrefix) {
			t.Errorf("%s: %v", what, err)
		}
	}
	check(t, h.DeleteToken(h.ctx, h.team, "ci", actor()))
	_, err = h.TokenByHash(h.ctx, tok.Hash)
	wantErr(t, err, store.ErrNotFound, "")
}

// newTokenSecrets: a token that gets another secret stays what it is, and its
// old one is not known from then on, nor after a restart.
func newTokenSecrets(t *testing.T, open Opener) {
	h := newHouse(t, open)
	ada := h.user("ada@example.com", auth.RoleOwner)
	tok, second := h.token(ada.ID, "ci"), h.token(ada.ID, "second")
	fresh := newToken(h.team, ada.ID, "").Hash
	other := h.ensureTeam("other")
	n := len(h.recorded())
	for what, c := range map[string]struct {
		team, ref string
		hash      auth.KeyHash
		kind      error
	}{
		"of another team":    {other, tok.ID, fresh, store.ErrNotFound},
		"not there":          {h.team, "none", fresh, store.ErrNotFound},
		"no hash":            {h.team, "ci", auth.KeyHash{}, store.ErrInvalid},
		"that of another":    {h.team, "ci", second.Hash, store.ErrExists},
		"the one that it is": {h.team, "ci", tok.Hash, store.ErrExists},
	} {
		if _, err := h.RegenerateToken(h.ctx, c.team, c.ref, c.hash, "wbt_new", actor()); !errors.Is(err, c.kind) {
			t.Errorf("%s: %v", what, err)
		}
	}
	equal(t, "the token after refusals", asJSON(must(h.TokenByHash(h.ctx, tok.Hash))(t)), asJSON(tok))
	equal(t, "what was recorded of refusals", len(h.recorded()), n)
	want := tok
	want.Hash, want.Preview = fresh, "wbt_new"
	equal(t, "the token", asJSON(must(h.RegenerateToken(h.ctx, h.team, "ci", fresh, "wbt_new", actor()))(t)), asJSON(want))
	h.wantActs(n, "token.regenerate ada@example.com ci")
	look := func() {
		t.Helper()
		for _, got := range []auth.AccessToken{must(h.TokenByHash(h.ctx, fresh))(t), must(h.Token(h.ctx, h.team, "ci"))(t)} {
			equal(t, "the token", asJSON(got), asJSON(want))
		}
		_, err := h.TokenByHash(h.ctx, tok.Hash)
		wantErr(t, err, store.ErrNotFound, "")
		equal(t, "the tokens", len(must(h.Tokens(h.ctx, h.team))(t)), 2)
	}
	look()
	if h.reopen != nil {
		h.reopen()
		look()
	}
	check(t, h.DeleteToken(h.ctx, h.team, "ci", actor()))
	_, err := h.TokenByHash(h.ctx, fresh)
	wantErr(t, err, store.ErrNotFound, "")
}

func sessions(t *testing.T, open Opener) {
	h := newHouse(t, open)
	ada := h.user("ada@example.com", auth.RoleOwner)
	s := must(h.CreateSession(h.ctx, newSession(ada.ID), actor()))(t)
	_, err := h.CreateSession(h.ctx, newSession("nobody"), actor())
	wantErr(t, err, store.ErrNotFound, "nobody")
	_, err = h.CreateSession(h.ctx, auth.Session{UserID: ada.ID, Family: s.Family, Hash: s.Hash, ExpiresAt: s.ExpiresAt}, actor())
	wantErr(t, err, store.ErrExists, "")
	next := newSession(ada.ID).Hash
	got := must(h.UpdateSession(h.ctx, s.ID, func(v *auth.Session) error {
		v.Previous, v.Hash, v.RefreshedAt = v.Hash, next, start.Add(time.Minute)
		v.UserID, v.CreatedAt, v.Family, v.Address = "x", time.Time{}, auth.KeyHash{}, "x"
		return nil
	}, actor()))(t)
	want := s
	want.Previous, want.Hash, want.RefreshedAt = s.Hash, next, start.Add(time.Minute)
	equal(t, "session", asJSON(got), asJSON(want))
	mine := must(h.CreateSession(h.ctx, newSession(ada.ID), actor()))(t)
	n := len(h.recorded())
	equal(t, "ended", must(h.EndSessions(h.ctx, ada.ID, mine.ID, actor()))(t), 1)
	equal(t, "ended once more", must(h.EndSessions(h.ctx, ada.ID, mine.ID, actor()))(t), 0)
	h.wantActs(n, "session.end ada@example.com")
	_, err = h.UpdateSession(h.ctx, s.ID, func(v *auth.Session) error { v.RevokedAt = time.Time{}; return nil }, actor())
	wantErr(t, err, store.ErrConflict, s.ID)
	if h.reopen != nil {
		h.reopen()
	}
	u := must(h.User(h.ctx, ada.ID))(t)
	for _, v := range must(h.Sessions(h.ctx, ada.ID))(t) {
		equal(t, "live", v.Live(&u, start.Add(time.Hour)), v.ID == mine.ID)
	}
	equal(t, "pruned", must(h.PruneSessions(h.ctx, start.Add(time.Hour)))(t), 1)
	equal(t, "left", len(must(h.Sessions(h.ctx, ada.ID))(t)), 1)
	// There is no end of signing in, and one of sessions.
	for range store.MaxSessions + 3 {
		must(h.CreateSession(h.ctx, newSession(ada.ID), actor()))(t)
	}
	equal(t, "sessions", len(must(h.Sessions(h.ctx, ada.ID))(t)), store.MaxSessions)
	_, err = h.Session(h.ctx, mine.ID)
	wantErr(t, err, store.ErrNotFound, mine.ID)
	v := newSession(ada.ID)
	v.Agent = strings.Repeat("é\x1b[31m", 100)
	v = must(h.CreateSession(h.ctx, v, actor()))(t)
	if len(v.Agent) > 256 || strings.Contains(v.Agent, "\x1b") || !strings.HasPrefix(v.Agent, "é[31m") {
		t.Errorf("the agent is %q", v.Agent)
	}
}
