package admin_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/auth/audit"
	"github.com/weighbridge/weighbridge/store"
)

// walk follows next_cursor to the end and returns what member holds on each
// page; between two pages it calls meanwhile.
func (f *fixture) walk(path, member string, meanwhile func(page int)) [][]map[string]any {
	f.t.Helper()
	u, err := url.Parse(path)
	must(f.t, err)
	q := u.Query()
	var pages [][]map[string]any
	for {
		u.RawQuery = q.Encode()
		out := f.must(200, "GET", u.String(), "")
		var rows []map[string]any
		for _, r := range out[member].([]any) {
			rows = append(rows, r.(map[string]any))
		}
		pages = append(pages, rows)
		next, more := out["next_cursor"].(string)
		if !more {
			return pages
		}
		q.Set("cursor", next)
		if meanwhile != nil {
			meanwhile(len(pages))
		}
		if len(pages) > 1000 {
			f.t.Fatal("it never ends")
		}
	}
}

func names(pages [][]map[string]any) (out []string) {
	for _, p := range pages {
		for _, r := range p {
			out = append(out, r["name"].(string))
		}
	}
	return out
}

// Every list comes in pages, in the order of names, each thing on one of them.
func TestListsComeInPages(t *testing.T) {
	f := newFixture(t)
	want := []string{}
	for i := range 7 {
		name := fmt.Sprintf("n %d/ü", i)
		want = append(want, name)
		f.must(201, "POST", "/api/v1/keys", fmt.Sprintf(`{"name":%q}`, name))
		f.must(201, "POST", "/api/v1/s3-keys", fmt.Sprintf(`{"name":%q}`, "s"+name))
		f.must(201, "POST", "/api/v1/credentials", fmt.Sprintf(`{"name":%q,"provider":"http_bearer","fields":{"token":%q},"patterns":["m%d.example.com/*"]}`, name, canary, i))
	}
	for path, member := range map[string]string{"/api/v1/keys": "keys", "/api/v1/credentials": "credentials"} {
		for limit, pages := range map[int]int{1: 7, 3: 3, 7: 1, 1000: 1} {
			got := f.walk(fmt.Sprintf("%s?limit=%d", path, limit), member, nil)
			if len(got) != pages || !slices.Equal(names(got), want) {
				t.Errorf("%s by %d: %d pages, %v", path, limit, len(got), names(got))
			}
		}
	}
	if got := f.walk("/api/v1/s3-keys?limit=2", "s3_keys", nil); len(got) != 4 {
		t.Errorf("S3 access keys: %v", got)
	}
	srv := httptest.NewServer(f.api.Local())
	defer srv.Close()
	resp, err := http.Get(srv.URL + "/api/v1/keys?limit=2")
	must(t, err)
	_ = resp.Body.Close()
	link, ok := strings.CutSuffix(resp.Header.Get("Link"), `>; rel="next"`)
	if !ok {
		t.Fatalf("Link: %q", resp.Header.Get("Link"))
	}
	if second := f.must(200, "GET", strings.TrimPrefix(link, "<"), "")["keys"].([]any); second[0].(map[string]any)["name"] != want[2] {
		t.Errorf("the linked page: %v", second)
	}
	f.clean()
}

// What stays as it is stands on exactly one page, whatever comes, goes and is
// renamed while a list is walked.
func TestPagesAreStable(t *testing.T) {
	f := newFixture(t)
	for i := range 6 {
		f.must(201, "POST", "/api/v1/keys", fmt.Sprintf(`{"name":"k%d"}`, i))
	}
	got := names(f.walk("/api/v1/keys?limit=2", "keys", func(n int) {
		switch n {
		case 1: // what the cursor names goes, something comes before it
			f.must(204, "DELETE", "/api/v1/keys/k1", "")
			f.must(201, "POST", "/api/v1/keys", `{"name":"a"}`)
		case 2: // what the cursor names moves
			f.must(200, "PATCH", "/api/v1/keys/k3", `{"name":"b"}`)
		}
	}))
	if !slices.Equal(got, []string{"k0", "k1", "k2", "k3", "k4", "k5"}) {
		t.Errorf("%v", got)
	}
}

func TestACursorIsCheckedStrictly(t *testing.T) {
	f := newFixture(t)
	for i := range 3 {
		f.must(201, "POST", "/api/v1/keys", fmt.Sprintf(`{"name":"k%d"}`, i))
	}
	good := f.must(200, "GET", "/api/v1/keys?limit=1", "")["next_cursor"].(string)
	b64 := base64.RawURLEncoding.EncodeToString
	for name, cursor := range map[string]string{
		"no base64": "%%%", "padded": good + "=", "no JSON": b64([]byte("x")), "another list's": b64([]byte(`["credentials","k0","id"]`)),
		"no place": b64([]byte(`["keys"]`)), "other types": b64([]byte(`["keys",1]`)), "another spelling": b64([]byte(`["keys", "k0","id"]`)),
		"cut": good[:len(good)-4],
	} {
		for _, path := range []string{"/api/v1/keys", "/api/v1/audit", "/api/v1/usage"} {
			if path == "/api/v1/usage" {
				f.o.Usage = func(context.Context, time.Time) ([]audit.UsageRow, error) { return nil, nil }
				f.api = admin.New(f.o)
			}
			if p := f.must(422, "GET", path+"?cursor="+url.QueryEscape(cursor), ""); p["code"] != "invalid" {
				t.Errorf("%s: %v", name, p)
			}
		}
	}
	for _, limit := range []string{"0", "-1", "1001", "x"} {
		f.must(422, "GET", "/api/v1/keys?limit="+limit, "")
	}
	f.must(200, "GET", "/api/v1/keys?cursor="+good, "")
}

// The record is read from its newest page back, and picked from.
func TestPagesOfTheRecord(t *testing.T) {
	f := newFixture(t)
	at := time.Now().Add(-time.Hour).UTC()
	for i := range 5 {
		must(t, f.st.Record(t.Context(), auth.Event{Time: at.Add(time.Duration(i/2) * time.Second), Action: auth.ActionBackup, Actor: fmt.Sprintf("user:%d", i), TeamID: f.o.TeamID, UserName: fmt.Sprintf("u%d@example.com", i)}))
	}
	f.rec.Record(auth.Event{ID: auth.NewID(at), Time: at.Add(time.Second), Action: auth.ActionDenied, Actor: "key:w", TeamID: f.o.TeamID, Host: "hub.example.com:8443", Code: auth.CodeNotLinked})
	f.must(201, "POST", "/api/v1/keys", `{"name":"k"}`)
	of := func(pages [][]map[string]any) (out []string) {
		for _, p := range slices.Backward(pages) {
			for _, e := range p {
				out = append(out, e["actor"].(string))
			}
		}
		return out
	}
	all := of(f.walk("/api/v1/audit", "events", nil))
	if len(all) != 7 || all[0] != "user:0" || all[6] != "cli" {
		t.Fatalf("%v", all)
	}
	for _, limit := range []int{1, 2, 3} {
		before := of(f.walk("/api/v1/audit", "events", nil))
		got := f.walk(fmt.Sprintf("/api/v1/audit?limit=%d", limit), "events", func(int) {
			f.must(200, "POST", "/api/v1/keys/k/regenerate", "") // newer than what is read
		})
		if len(got) != (len(before)+limit-1)/limit || !slices.Equal(of(got), before) {
			t.Errorf("by %d: %d pages: %v, want %v", limit, len(got), of(got), before)
		}
	}
	q := func(kv ...string) string {
		v := url.Values{}
		for i := 0; i < len(kv); i += 2 {
			v.Set(kv[i], kv[i+1])
		}
		return "/api/v1/audit?" + v.Encode()
	}
	for path, want := range map[string]int{
		q("actor", "user:3"): 1, q("action", "backup"): 5, q("action", "key.*,denied", "until", at.Add(time.Minute).Format(time.RFC3339)): 1,
		q("action", "ke*"): 0, q("outcome", "denied"): 1, q("code", "not_linked,key_expired"): 1, q("code", "key_expired"): 0, q("host", "HUB.example.com"): 1, q("host", "hub.example.com:8443"): 1, q("host", "example.com"): 0,
		q("user", "u2@example.com"): 1, q("until", at.Add(time.Second).Format(time.RFC3339Nano)): 2,
		q("since", at.Add(time.Second).Format(time.RFC3339Nano), "until", at.Add(2*time.Second).Format(time.RFC3339Nano)): 3,
	} {
		if got := of(f.walk(path, "events", nil)); len(got) != want {
			t.Errorf("%s: %v, want %d", path, got, want)
		}
	}
	f.must(422, "GET", q("outcome", "fine"), "")
}

// A user is found in the record by the address that the user has now.
func TestTheRecordOfAUserWhoMoved(t *testing.T) {
	f := newFixture(t)
	u, err := f.st.CreateUser(t.Context(), auth.User{Email: "old@example.com"}, []store.Place{{Team: f.o.TeamID, Role: auth.RoleOwner}}, auth.Event{Action: auth.ActionUserCreate, TeamID: f.o.TeamID})
	must(t, err)
	_, err = f.st.UpdateUser(t.Context(), u.ID, func(u *auth.User) error { u.Email = "new@example.com"; return nil }, auth.Event{Action: auth.ActionUserUpdate, TeamID: f.o.TeamID})
	must(t, err)
	if got := f.must(200, "GET", "/api/v1/audit?user=new@example.com&action=user.create,user.update", "")["events"].([]any); len(got) != 2 {
		t.Errorf("%v", got)
	}
}

// The client walks all pages.
func TestTheClientListsEverything(t *testing.T) {
	f := newFixture(t)
	srv := httptest.NewServer(f.api.Local())
	defer srv.Close()
	const many = 1003
	for i := range many {
		secret := auth.NewAPIKey()
		h, _ := auth.HashAPIKey(secret.Reveal())
		_, err := f.st.CreateKey(t.Context(), auth.Key{TeamID: f.o.TeamID, Name: fmt.Sprintf("k%04d", i), Scope: auth.ScopeRead, Hash: h}, nil, auth.Event{})
		must(t, err)
	}
	c, err := admin.NewRemoteClient(srv.URL, "", auth.Secret{})
	must(t, err)
	all, err := admin.List[struct{ Name string }](t.Context(), c, "/api/v1/keys?x=1", "keys")
	if err != nil || len(all) != many || all[many-1].Name != "k1002" {
		t.Errorf("%d %v", len(all), err)
	}
	if _, err := admin.List[struct{}](t.Context(), c, "/api/v1/none", "none"); err == nil {
		t.Error("a list that is not there")
	}
}
