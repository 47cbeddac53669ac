package admin_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
)

// TestKeysShowWhatTheyMayTake, of either kind, and what is left out of a change
// stays.
func TestKeysShowWhatTheyMayTake(t *testing.T) {
	f := newFixture(t)
	const bounds = `"limits":{"rate":2.5,"burst":7,"transfers":3,"bandwidth":1048576},"sources":["10.20.0.0/16","192.0.2.7"]`
	want := "map[bandwidth:1.048576e+06 burst:7 rate:2.5 transfers:3] [10.20.0.0/16 192.0.2.7/32]"
	shown := func(out map[string]any) string { return fmt.Sprint(out["limits"], " ", out["sources"]) }
	for _, path := range []string{"/api/v1/keys", "/api/v1/s3-keys"} {
		out := f.must(201, "POST", path, `{"name":"bound`+path[len(path)-6:len(path)-5]+`",`+bounds+`}`)
		if got := shown(out); got != want {
			t.Errorf("%s: %s", path, got)
		}
		if got := shown(f.must(200, "GET", path+"/"+out["id"].(string), "")); got != want {
			t.Errorf("%s: %s", path, got)
		}
		for body, why := range map[string]string{
			`"limits":{"rate":-1}`: "the rate is", `"limits":{"burst":1}`: "no rate", `"limits":{"bandwidth":1}`: "the bandwidth",
			`"sources":["nowhere"]`: "sources[0]", `"expires_at":"` + time.Now().Add(time.Hour).Format(time.RFC3339) + `"`: "less than a day",
			`"expires_at":"` + time.Now().Add(400*24*time.Hour).Format(time.RFC3339) + `"`: "more than 365 days", `"expires_at":"2020-01-01T00:00:00Z"`: "passed",
		} {
			if out := f.must(422, "POST", path, `{"name":"x",`+body+`}`); !strings.Contains(fmt.Sprint(out["detail"]), why) {
				t.Errorf("%s %s: %v", path, body, out)
			}
		}
	}
	key := f.must(201, "POST", "/api/v1/keys", `{"name":"changing",`+bounds+`}`)
	path := "/api/v1/keys/" + key["id"].(string)
	for _, step := range []struct{ body, want string }{
		{`{"scope":"write"}`, want},
		{`{"limits":{"transfers":0}}`, "map[bandwidth:1.048576e+06 burst:7 rate:2.5] [10.20.0.0/16 192.0.2.7/32]"},
		{`{"limits":{"rate":0},"sources":[]}`, "map[bandwidth:1.048576e+06] <nil>"},
		{`{"limits":{"bandwidth":0}}`, "<nil> <nil>"},
	} {
		if got := shown(f.must(200, "PATCH", path, step.body)); got != step.want {
			t.Errorf("%s: %s, want %s", step.body, got, step.want)
		}
	}
	f.must(422, "PATCH", path, `{"limits":{"burst":3}}`)
	f.must(422, "PATCH", path, `{"expires_at":"2020-01-01T00:00:00Z"}`)
	if got := shown(f.must(200, "GET", path, "")); got != "<nil> <nil>" {
		t.Errorf("after what was refused: %s", got)
	}
}

// TestKeysShowTheirLastUse where one is known.
func TestKeysShowTheirLastUse(t *testing.T) {
	f := newFixture(t)
	at := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	used := f.must(201, "POST", "/api/v1/keys", `{"name":"used"}`)["id"].(string)
	f.o.LastUsed = func(id string) (time.Time, string, bool) { return at, "192.0.2.7", id == used }
	f.api = admin.New(f.o)
	f.must(201, "POST", "/api/v1/keys", `{"name":"new"}`)
	for name, want := range map[string]string{"used": "2026-11-22T08:00:00Z 192.0.2.7", "new": "<nil> <nil>"} {
		out := f.must(200, "GET", "/api/v1/keys/"+name, "")
		if got := fmt.Sprint(out["last_used_at"], " ", out["last_used_from"]); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// TestRevokingNowCuts what is under way with a key of either kind, after it was
// revoked, and only where that is wanted.
func TestRevokingNowCuts(t *testing.T) {
	f := newFixture(t)
	var cuts []string
	f.o.Cut = func(c admin.Cut) int {
		k, err := f.st.Key(t.Context(), f.o.TeamID, c.KeyID)
		if err != nil || k.RevokedAt.IsZero() || c.CredentialID != "" {
			t.Errorf("cut before it was revoked: %+v, %v", k, err)
		}
		cuts = append(cuts, k.Name)
		return 1
	}
	f.api = admin.New(f.o)
	for _, path := range []string{"/api/v1/keys", "/api/v1/s3-keys"} {
		for _, query := range []string{"", "?now=true"} {
			name := path[8:10] + query[:min(len(query), 4)]
			name = strings.ReplaceAll(name, "?", "-")
			f.must(201, "POST", path, `{"name":"`+name+`"}`)
			if out := f.must(200, "POST", path+"/"+name+"/revoke"+query, ""); out["status"] != "revoked" {
				t.Errorf("%v", out)
			}
		}
	}
	if len(cuts) != 2 || slices.ContainsFunc(cuts, func(name string) bool { return !strings.HasSuffix(name, "now") }) {
		t.Errorf("cut: %v", cuts)
	}
}
