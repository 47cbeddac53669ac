package portal

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
)

// things are those of a team, by what stands for them in a path.
type things struct {
	team, credential, key, s3, token, user, session, root string
}

// at is the path of a page about the things.
func (h *things) at(team, path string) string {
	id := map[string]string{"/teams/all": h.team, "/teams/users": h.user, "/account": h.session}
	for prefix, value := range id {
		if strings.HasPrefix(path, prefix) {
			path = strings.ReplaceAll(path, "{id}", value)
		}
	}
	key := h.key
	if strings.HasPrefix(path, "/s3-keys") {
		key = h.s3
	}
	return "/t/" + team + strings.NewReplacer("{ref}", h.credential, "{key}", key, "{token}", h.token, "{user}", h.user, "{fingerprint}", h.root).Replace(path)
}

// form is one that would do what the path says, whatever that is.
func (h *things) form(path string) url.Values {
	name := map[string]string{"/credentials/{": h.credential, "/keys/{": h.key, "/s3-keys/{": h.s3, "/tokens": "ci", "/teams/members": "viewer@example.com",
		"/teams/users/{": "viewer@example.com", "/teams/all/{": "red", "/cloud": admin.ComfyCloud, "/settings/ca": "new root", "/settings/kek": "kek-1"}
	form := url.Values{"name": {"fresh"}, "scope": {"read"}, "permission": {"read"}, "ends": {"never"}, "provider": {"http_bearer"}, "field.token": {"tok-0123456789"},
		"patterns": {"other.example.com/*"}, "credentials": {h.credential}, "keys": {h.key}, "credential": {h.credential}, "key": {h.key}, "url": {"https://models.example.com/x"},
		"email": {"fresh@example.com"}, "role": {"viewer"}, "how": {"none"}, "to": {"file:kek2"}, "api_key": {"comfyui-0123456789"}, "fallback": {"true"},
		"present": {"nobody's password"}, "new": {"a new password of some words"}, "again": {"a new password of some words"}}
	for prefix, one := range name {
		if strings.HasPrefix(path, prefix) {
			form.Set("name", one)
		}
	}
	if strings.HasPrefix(path, "/credentials") {
		form.Del("ends") // which is a date there
	}
	return form
}

// furnish fills a team.
func (k *kit) furnish(team, operator string) *things {
	k.t.Helper()
	ctx := k.t.Context()
	t, err := k.store.Team(ctx, team)
	k.must(err)
	u, err := k.store.User(ctx, "viewer@example.com")
	k.must(err)
	o, err := k.store.User(ctx, operator)
	k.must(err)
	all, err := k.store.Sessions(ctx, o.ID)
	k.must(err)
	h := &things{team: t.ID, credential: "hub", key: "gpu", s3: "trainer", user: u.ID, session: all[0].ID}
	act := func(action string) auth.Event {
		return auth.Event{Action: action, TeamID: t.ID, Actor: "test", Time: time.Now()}
	}
	in := k.as(team)
	for _, err := range []error{
		second(in.CreateCredential(ctx, admin.NewCredential{Name: h.credential, Provider: "http_bearer", Fields: map[string]string{"token": "tok-0123456789"}, Patterns: []string{"models.example.com/*"}, NoValidate: true})),
		second(in.CreateKey(ctx, admin.NewKey{Name: h.key, Credentials: []string{h.credential}, URLKey: true})),
		second(in.CreateS3Key(ctx, admin.NewS3Key{Name: h.s3})),
		second(in.SetComfyCloud(ctx, admin.NewCloudProvider{APIKey: "comfyui-0123456789abcdef"})),
	} {
		k.must(err)
	}
	secret := auth.NewAccessToken()
	hash, _ := auth.HashAccessToken(secret.Reveal())
	m, err := k.store.User(ctx, "owner@example.com")
	k.must(err)
	token, err := k.store.CreateToken(ctx, auth.AccessToken{TeamID: t.ID, UserID: m.ID, Name: "ci", Hash: hash, Scope: auth.ScopeRead, ExpiresAt: time.Now().Add(48 * time.Hour)}, act(auth.ActionTokenCreate))
	k.must(err)
	h.token = token.ID
	roots, err := k.local.ListRoots(ctx)
	k.must(err)
	h.root = roots.Roots[0].Fingerprint
	return h
}

func second[T any](_ T, err error) error { return err }

// state is all that the store holds but sessions and the record.
func (k *kit) state() string {
	k.t.Helper()
	ctx := k.t.Context()
	st, err := k.store.State(ctx)
	k.must(err)
	users, err := k.store.Users(ctx)
	k.must(err)
	var all []any
	for _, t := range st.Teams {
		members, err := k.store.Members(ctx, t.ID)
		k.must(err)
		tokens, err := k.store.Tokens(ctx, t.ID)
		k.must(err)
		all = append(all, members, tokens)
	}
	b, err := json.Marshal([]any{st.Teams, st.Credentials, st.Keys, st.Links, len(users), all})
	k.must(err)
	return string(b)
}

// T60: every page and act asks who it is, comes from the portal alone, is of its
// team, and is for its role: nobody else sees or changes anything, by whatever
// name or id they ask.
func TestT60_EveryPageIsForWhomItIs(t *testing.T) {
	table := rows(t)
	var have []string
	for _, row := range table {
		have = append(have, row.method+" "+row.path)
	}
	want := registered(t)
	slices.Sort(have)
	slices.Sort(want)
	if !slices.Equal(have, want) {
		t.Fatalf("the table does not list what is served:\n%q\n%q", have, want)
	}
	k, _ := newHouse(t)
	operator := k.owner()
	k.team("red")
	k.team("blue")
	by := map[string]*browser{"operator": operator}
	for _, role := range []auth.Role{auth.RoleViewer, auth.RoleMember, auth.RoleOwner} {
		by[string(role)] = k.user(string(role)+"@example.com", "red", role)
	}
	_, err := k.as("red").PutMember(t.Context(), ownerEmail, admin.PutMemberRequest{Role: "owner"})
	k.must(err)
	blue, stranger := k.user("blue@example.com", "blue", auth.RoleOwner), k.stranger()
	things := k.furnish("red", ownerEmail)
	before := k.state()
	below := map[string]string{"member": "viewer", "owner": "member", "operator": "owner"}
	for _, row := range table {
		at := things.at("red", row.path)
		ask := func(who *browser, path string, headers ...string) answer {
			form := url.Values(nil)
			if row.method == http.MethodPost {
				form = things.form(row.path)
			}
			return who.send(row.method, path, form, func(h http.Header) {
				h.Set("Sec-Fetch-Site", "same-origin")
				for i := 0; i < len(headers); i += 2 {
					h.Set(headers[i], headers[i+1])
				}
			})
		}
		refused := func(what string, got answer, status int) {
			t.Helper()
			if got.status != status || strings.Contains(got.body, "tok-0123456789") {
				t.Errorf("%s %s, %s: %d %s, not %d", row.method, row.path, what, got.status, got.location, status)
			}
		}
		if got := ask(stranger, at); got.status != http.StatusSeeOther || !strings.HasPrefix(got.location, "/sign-in") {
			t.Errorf("%s %s, nobody: %d to %s", row.method, row.path, got.status, got.location)
		}
		refused("another site", ask(operator, at, "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe", "Origin", "https://evil.example"), http.StatusForbidden)
		refused("another team", ask(blue, at), http.StatusNotFound)
		// A fingerprint is of no team.
		if strings.Contains(row.path, "{") && !strings.Contains(row.path, "fingerprint") {
			status := http.StatusNotFound
			if row.least == "operator" && !strings.HasSuffix(row.path, "/delete") || strings.HasPrefix(row.path, "/teams/users") {
				status = http.StatusForbidden
			}
			if strings.HasPrefix(row.path, "/teams/all") {
				status = http.StatusNotFound
			}
			refused("things of another team", ask(blue, things.at("blue", row.path)), status)
		}
		if who := below[row.least]; who != "" {
			refused("as "+who, ask(by[who], at), http.StatusForbidden)
		}
		if row.method == http.MethodGet && !row.stream && !strings.HasPrefix(row.path, "/account/sessions/{") && !strings.HasPrefix(row.path, "/tokens/{") {
			if got := ask(by[row.least], at); got.status != http.StatusOK && got.status != http.StatusSeeOther {
				t.Errorf("GET %s, as %s: %d %s", row.path, row.least, got.status, got.body)
			}
		}
	}
	for _, path := range []string{"/account/sessions/{id}/end", "/tokens/{token}/regenerate", "/tokens/{token}/delete"} { // somebody else's
		if got := by["viewer"].post(things.at("red", path), things.form(path)); got.status != http.StatusNotFound {
			t.Errorf("%s of another user: %d", path, got.status)
		}
	}
	if after := k.state(); after != before {
		t.Errorf("something has changed:\n%s\n%s", before, after)
	}
}
