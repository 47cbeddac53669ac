package admin_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/store"
)

// sessions are JWTs by what they are called.
type sessions map[string]auth.User

func (s sessions) Authenticate(_ context.Context, jwt string) (auth.User, auth.Session, error) {
	u, ok := s[jwt]
	if !ok {
		return auth.User{}, auth.Session{}, &auth.Error{Code: "session_invalid", Status: 401, Reason: "the session is not known", Next: "Sign in."}
	}
	return u, auth.Session{ID: "session of " + u.Email, UserID: u.ID}, nil
}

// idleKEK has nothing to rotate.
type idleKEK struct{}

func (idleKEK) Status(context.Context) (admin.KEKStatus, error)  { return admin.KEKStatus{}, nil }
func (idleKEK) Rotate(context.Context, string, auth.Event) error { return store.ErrConflict }

// people are users and tokens in two teams beside the default one.
type people struct {
	*fixture
	remote   http.Handler
	sessions sessions
	teams    map[string]auth.Team
	users    map[string]auth.User
}

func newPeople(t *testing.T) *people {
	f := newFixture(t)
	p := &people{fixture: f, sessions: sessions{}, teams: map[string]auth.Team{}, users: map[string]auth.User{}}
	f.o.Sessions, f.o.KEK = p.sessions, idleKEK{}
	f.o.Backup = func(context.Context, bool) (admin.Backup, error) { return nil, store.ErrUnavailable }
	f.api = admin.New(f.o)
	p.remote = f.api.Remote()
	ctx := t.Context()
	st, err := f.st.State(ctx)
	must(t, err)
	p.teams["default"] = st.Teams[0]
	for _, name := range []string{"red", "blue"} {
		team, err := f.st.CreateTeam(ctx, name, nil, auth.Event{Action: auth.ActionTeamCreate})
		must(t, err)
		p.teams[name] = team
	}
	for _, u := range []struct {
		name, team string
		role       auth.Role
	}{
		{"boss", "default", auth.RoleOwner}, {"clerk", "default", auth.RoleMember},
		{"owner", "red", auth.RoleOwner}, {"member", "red", auth.RoleMember}, {"viewer", "red", auth.RoleViewer},
		{"stranger", "blue", auth.RoleOwner},
	} {
		user, err := f.st.CreateUser(ctx, auth.User{Email: u.name + "@example.com"}, []store.Place{{Team: p.teams[u.team].ID, Role: u.role}}, auth.Event{Action: auth.ActionUserCreate})
		must(t, err)
		p.users[u.name], p.sessions["jwt-"+u.name] = user, user
	}
	return p
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// token makes one for a user, of a team, and returns it.
func (p *people) token(user, team string, change func(*auth.AccessToken)) string {
	p.t.Helper()
	secret := auth.NewAccessToken()
	tok := auth.AccessToken{
		TeamID: p.teams[team].ID, UserID: p.users[user].ID, Name: "t" + auth.NewID(time.Now())[19:], Scope: auth.ScopeWrite,
		Preview: secret.Preview(), ExpiresAt: time.Now().Add(48 * time.Hour),
	}
	tok.Hash, _ = auth.HashAccessToken(secret.Reveal())
	if change != nil {
		change(&tok)
	}
	_, err := p.st.CreateToken(p.t.Context(), tok, auth.Event{Action: auth.ActionTokenCreate})
	must(p.t, err)
	return secret.Reveal()
}

// as calls the API on the TCP listener.
func (p *people) as(bearer, team, method, path, body string) (int, map[string]any) {
	p.t.Helper()
	return p.through(p.remote, bearer, team, method, path, body)
}

func (p *people) through(h http.Handler, bearer, team, method, path, body string) (int, map[string]any) {
	p.t.Helper()
	r := httptest.NewRequest(method, "http://127.0.0.1:8081"+path, strings.NewReader(body))
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	if team != "" {
		r.Header.Set("X-Team-ID", team)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	// Streams end when the request does.
	ctx, cancel := context.WithTimeout(p.t.Context(), 20*time.Millisecond)
	defer cancel()
	if strings.HasSuffix(path, "/follow") || strings.HasSuffix(path, "/events") {
		r = r.WithContext(ctx)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	p.seen.Write(w.Body.Bytes())
	var out map[string]any
	_ = json.Unmarshal(w.Body.Bytes(), &out)
	return w.Code, out
}

// operation is one of the document.
type operation struct{ id, method, path string }

func operations(api *admin.API) []operation {
	var out []operation
	for path, item := range api.OpenAPI().Paths {
		for method, op := range map[string]*huma.Operation{"GET": item.Get, "POST": item.Post, "PUT": item.Put, "PATCH": item.Patch, "DELETE": item.Delete} {
			if op != nil {
				out = append(out, operation{op.OperationID, method, path})
			}
		}
	}
	slices.SortFunc(out, func(a, b operation) int { return strings.Compare(a.id, b.id) })
	return out
}

// fill puts ref where the path has a parameter.
func (o operation) fill(ref string) string {
	parts := strings.Split(o.path, "/")
	for i, p := range parts {
		if strings.HasPrefix(p, "{") {
			parts[i] = ref
		}
	}
	return strings.Join(parts, "/")
}

// The whole table, once more and by hand: what each kind of caller may do. An
// operation that is in neither list fails the test.
var (
	withoutCaller = []string{"sign-in", "refresh-session", "create-first-user", "start-oidc", "finish-oidc"}
	everybody     = []string{"get-caller", "get-system", "list-providers", "list-roots", "get-bundle", "list-teams", "get-team"}
	inPerson      = []string{"change-password", "sign-out", "list-sessions", "end-session"}
	viewers       = []string{
		"list-credentials", "get-credential", "list-keys", "get-key", "list-s3-keys", "get-s3-key", "explain",
		"get-comfy-cloud", "list-events", "follow-events", "verify-export", "export-events", "list-usage", "list-transfers", "follow-transfers",
		"list-members", "list-tokens", "get-token", "create-token", "regenerate-token", "delete-token",
	}
	members = []string{
		"create-credential", "preview-credential", "update-credential", "delete-credential", "validate-credential", "rotate-credential", "revoke-credential",
		"create-key", "update-key", "revoke-key", "regenerate-key", "delete-key",
		"create-s3-key", "update-s3-key", "revoke-s3-key", "regenerate-s3-key", "delete-s3-key",
		"link", "unlink", "probe", "set-comfy-cloud", "delete-comfy-cloud",
	}
	owners    = []string{"put-member", "remove-member"}
	operators = []string{"verify-events", "rotate-root", "get-kek", "rotate-kek", "backup",
		"create-user", "list-users", "get-user", "update-user", "disable-user", "enable-user", "delete-user", "create-team", "update-team", "delete-team"}
	// untokened are those of the lists above that no access token may call,
	// and local those for the socket alone.
	untokened = []string{"create-token", "regenerate-token", "update-user"}
	local     = []string{"reset-password"}
)

// denials are the codes with which a caller is turned away.
var denials = []string{"unauthenticated", "token_invalid", "session_invalid", "wrong_credential", "forbidden", "ROUTE_FORBIDDEN", "scope_forbidden", "team_required"}

func TestEveryOperationForEveryCaller(t *testing.T) {
	p := newPeople(t)
	past := func(tok *auth.AccessToken) { tok.ExpiresAt = time.Now().Add(-time.Second) }
	read := func(tok *auth.AccessToken) { tok.Scope = auth.ScopeRead }
	elsewhere := func(tok *auth.AccessToken) { tok.Route = "/api/v1/nothing" }
	_, err := p.st.UpdateUser(t.Context(), p.users["clerk"].ID, func(u *auth.User) error { u.DisabledAt = time.Now(); return nil }, auth.Event{Action: auth.ActionUserDisable})
	must(t, err)
	left := p.token("member", "red", nil)
	leaver, err := p.st.CreateUser(t.Context(), auth.User{Email: "leaver@example.com"}, []store.Place{{Team: p.teams["red"].ID, Role: auth.RoleOwner}}, auth.Event{Action: auth.ActionUserCreate})
	must(t, err)
	p.users["leaver"] = leaver
	leaverToken := p.token("leaver", "red", nil)
	must(t, p.st.RemoveMember(t.Context(), p.teams["red"].ID, leaver.ID, auth.Event{Action: auth.ActionMemberRemove}))

	const anywhere, nowhere = 9, -1
	callers := []struct {
		name, bearer, team string
		rank               int // 1 viewer, 2 member, 3 owner; nowhere: turned away
		operator, inPerson bool
		readOnly           bool
		code               string // the one code of all refusals, where there is one
	}{
		{name: "nobody", rank: nowhere, code: "unauthenticated"},
		{name: "an API key", bearer: auth.NewAPIKey().Reveal(), rank: nowhere, code: "wrong_credential"},
		{name: "an API key in its other form", bearer: "hf_" + strings.TrimPrefix(auth.NewAPIKey().Reveal(), "wbk_"), rank: nowhere, code: "wrong_credential"},
		{name: "a URL key", bearer: auth.NewURLKey().Reveal(), rank: nowhere, code: "wrong_credential"},
		{name: "an unknown token", bearer: auth.NewAccessToken().Reveal(), rank: nowhere, code: "token_invalid"},
		{name: "an unknown session", bearer: "a.b.c", rank: nowhere, code: "session_invalid"},
		{name: "boss in default", bearer: "jwt-boss", team: "default", rank: 3, operator: true, inPerson: true},
		{name: "owner", bearer: "jwt-owner", team: "red", rank: 3, inPerson: true},
		{name: "member", bearer: "jwt-member", team: "red", rank: 2, inPerson: true},
		{name: "viewer", bearer: "jwt-viewer", team: "red", rank: 1, inPerson: true},
		{name: "a token of the boss", bearer: p.token("boss", "default", nil), rank: 3, operator: true},
		{name: "a reading token of the boss", bearer: p.token("boss", "default", read), rank: 3, operator: true, readOnly: true},
		{name: "a token of the owner", bearer: p.token("owner", "red", nil), rank: 3},
		{name: "a token of the owner that names another team", bearer: p.token("owner", "red", nil), team: "blue", rank: 3},
		{name: "a token of the member", bearer: left, rank: 2},
		{name: "a reading token of the owner", bearer: p.token("owner", "red", read), rank: 3, readOnly: true},
		{name: "a token of the viewer", bearer: p.token("viewer", "red", nil), rank: 1},
		{name: "a token for elsewhere", bearer: p.token("owner", "red", elsewhere), rank: nowhere, code: "ROUTE_FORBIDDEN"},
		{name: "an expired token", bearer: p.token("owner", "red", past), rank: nowhere, code: "token_invalid"},
		{name: "a token of a disabled user", bearer: p.token("clerk", "default", nil), rank: nowhere, code: "token_invalid"},
		{name: "a token of who left", bearer: leaverToken, rank: nowhere, code: "token_invalid"},
	}
	for _, op := range operations(p.api) {
		var least int
		operator, person, public, any := slices.Contains(operators, op.id), slices.Contains(inPerson, op.id), slices.Contains(withoutCaller, op.id), slices.Contains(everybody, op.id)
		switch {
		case slices.Contains(viewers, op.id):
			least = 1
		case slices.Contains(members, op.id):
			least = 2
		case slices.Contains(owners, op.id):
			least = 3
		case !operator && !person && !public && !any && !slices.Contains(local, op.id):
			t.Errorf("%s is in no list: who may call it?", op.id)
			continue
		}
		for _, c := range callers {
			may := public || c.rank != nowhere && (!c.readOnly || op.method == "GET") &&
				!(strings.HasPrefix(c.bearer, "wbt_") && slices.Contains(untokened, op.id)) &&
				(any || operator && c.operator || person && c.inPerson || least > 0 && c.rank >= least)
			status, out := p.as(c.bearer, p.teams[c.team].ID, op.method, op.fill("none"), "")
			code, _ := out["code"].(string)
			turnedAway := slices.Contains(denials, code)
			switch {
			case may && (turnedAway || status == 401 || status == 403):
				t.Errorf("%s, %s: %d %v", op.id, c.name, status, out)
			case !may && (!turnedAway || status != 401 && status != 403):
				t.Errorf("%s, %s: %d %v, want a refusal", op.id, c.name, status, out)
			case !may && c.code != "" && code != c.code:
				t.Errorf("%s, %s: %s, want %s", op.id, c.name, code, c.code)
			}
		}
		// A user says which team; one that is not theirs is not there.
		if least > 0 {
			if status, out := p.as("jwt-boss", "", op.method, op.fill("none"), ""); status != 400 || out["code"] != "team_required" {
				t.Errorf("%s without a team: %d %v", op.id, status, out)
			}
			_, unknown := p.as("jwt-boss", auth.NewID(time.Now()), op.method, op.fill("none"), "")
			status, other := p.as("jwt-boss", p.teams["red"].ID, op.method, op.fill("none"), "")
			if status != 404 || other["detail"] != unknown["detail"] || other["code"] != unknown["code"] {
				t.Errorf("%s about another team: %d %v, about none %v", op.id, status, other, unknown)
			}
		}
		// The socket may do all but what is about a user's own account.
		status, out := p.through(p.api.Local(), "", "", op.method, op.fill("none"), "")
		if code, _ := out["code"].(string); slices.Contains(denials, code) != person {
			t.Errorf("%s over the socket: %d %v", op.id, status, out)
		}
	}
}

// What belongs to one team is not there for another, whatever is asked of it,
// and by the same words as what is nowhere.
func TestAnotherTeamsThingsAreNotThere(t *testing.T) {
	p := newPeople(t)
	red := p.teams["red"].ID
	create := func(path, body string) string {
		status, out := p.as("jwt-owner", red, "POST", path, body)
		if status != 201 {
			t.Fatalf("%s: %d %v", path, status, out)
		}
		return out["id"].(string)
	}
	things := map[string]string{
		"/api/v1/credentials/": create("/api/v1/credentials", `{"name":"c","provider":"http_bearer","fields":{"token":"`+canary+`"},"patterns":["models.example.com/*"]}`),
		"/api/v1/keys/":        create("/api/v1/keys", `{"name":"k"}`),
		"/api/v1/s3-keys/":     create("/api/v1/s3-keys", `{"name":"s"}`),
	}
	things["/api/v1/links/"] = things["/api/v1/credentials/"]
	tried := 0
	for _, op := range operations(p.api) {
		for prefix, id := range things {
			if !strings.HasPrefix(op.path, prefix+"{") {
				continue
			}
			tried++
			body := map[string]string{"PATCH": `{"name":"stolen"}`}[op.method]
			if op.id == "rotate-credential" {
				body = `{"fields":{"token":"x"}}`
			}
			nowhere := auth.NewID(time.Now())
			for _, who := range []struct{ bearer, team string }{{"jwt-stranger", p.teams["blue"].ID}, {"jwt-boss", p.teams["default"].ID}, {p.token("stranger", "blue", nil), red}} {
				status, there := p.as(who.bearer, who.team, op.method, op.fill(id), body)
				_, none := p.as(who.bearer, who.team, op.method, op.fill(nowhere), body)
				if status != 404 || there["code"] != "not_found" || strings.ReplaceAll(there["detail"].(string), id, nowhere) != none["detail"] {
					t.Errorf("%s as %s: %d %v, nowhere %v", op.id, who.bearer[:8], status, there, none)
				}
			}
		}
	}
	if tried < 17 {
		t.Errorf("tried %d operations", tried)
	}
	for _, list := range []string{"/api/v1/credentials", "/api/v1/keys", "/api/v1/s3-keys", "/api/v1/audit"} {
		status, out := p.as("jwt-stranger", p.teams["blue"].ID, "GET", list, "")
		text, _ := json.Marshal(out)
		for _, id := range things {
			if status != 200 || strings.Contains(string(text), id) {
				t.Errorf("%s: %d %s", list, status, text)
			}
		}
	}
	p.clean()
}

// A stream ends when its caller may not see it any more.
func TestStreamsEndWithTheRightToSeeThem(t *testing.T) {
	p := newPeople(t)
	p.o.Transfers = func() []admin.Transfer {
		return []admin.Transfer{{TeamID: p.teams["red"].ID, ID: "red-one", Started: time.Now()}, {TeamID: p.teams["blue"].ID, ID: "blue-one", Started: time.Now()}}
	}
	srv := httptest.NewServer(admin.New(p.o).Remote())
	defer srv.Close()
	for _, path := range []string{"/api/v1/transfers/events", "/api/v1/audit/follow"} {
		token := p.token("viewer", "red", func(tok *auth.AccessToken) { tok.Name = path[8:13] })
		r, err := http.NewRequestWithContext(t.Context(), "GET", srv.URL+path, nil)
		must(t, err)
		r.Header.Set("Authorization", "Bearer "+token)
		resp, err := srv.Client().Do(r)
		must(t, err)
		if resp.StatusCode != 200 {
			t.Fatalf("%s: %s", path, resp.Status)
		}
		tok, err := p.st.Token(t.Context(), p.teams["red"].ID, path[8:13])
		must(t, err)
		must(t, p.st.DeleteToken(t.Context(), p.teams["red"].ID, tok.ID, auth.Event{Action: auth.ActionTokenDelete}))
		all, err := io.ReadAll(resp.Body) // it ends, or the test does not
		must(t, err)
		if text := string(all); path == "/api/v1/transfers/events" && (!strings.Contains(text, "red-one") || strings.Contains(text, "blue-one")) {
			t.Errorf("%s: %s", path, all)
		}
		_ = resp.Body.Close()
	}
}

// A stream that tells of events of no team ends when its caller does not run
// weighbridge any more, though still in the team.
func TestAStreamEndsWithRunningWeighbridge(t *testing.T) {
	p := newPeople(t)
	srv := httptest.NewServer(p.remote)
	defer srv.Close()
	must(t, putMember(p, "clerk", auth.RoleOwner))
	r, err := http.NewRequestWithContext(t.Context(), "GET", srv.URL+"/api/v1/audit/follow", nil)
	must(t, err)
	r.Header.Set("Authorization", "Bearer jwt-clerk")
	r.Header.Set("X-Team-ID", p.teams["default"].ID)
	resp, err := srv.Client().Do(r)
	must(t, err)
	defer func() { _ = resp.Body.Close() }()
	must(t, putMember(p, "clerk", auth.RoleViewer))
	if _, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != 200 { // it ends, or the test does not
		t.Error(resp.Status, err)
	}
}

func putMember(p *people, user string, role auth.Role) error {
	_, err := p.st.PutMember(p.t.Context(), p.teams["default"].ID, p.users[user].ID, role, auth.Event{Action: auth.ActionMemberPut})
	return err
}
