package admin_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
)

// A route is refused in the words of its mistake, as a pattern is.
func TestARouteIsRefusedInWords(t *testing.T) {
	f := newFixture(t)
	for route, want := range map[string]string{
		"https://*/x":         "right of its *",
		"*.com/*":             "public suffix",
		"a.example.com/../b":  "dot segment",
		"user@a.example.com/": "userinfo",
	} {
		p := f.must(422, "POST", "/api/v1/keys", fmt.Sprintf(`{"name":"k","routes":[%q]}`, route))
		if detail := p["detail"].(string); !strings.Contains(detail, want) || !strings.HasPrefix(detail, "routes[0]: ") {
			t.Errorf("%s: %s", route, detail)
		}
	}
	f.must(201, "POST", "/api/v1/keys", `{"name":"k"}`)
	if p := f.must(422, "PATCH", "/api/v1/keys/k", `{"routes":["*.com/*"]}`); !strings.Contains(p["detail"].(string), "public suffix") {
		t.Errorf("update: %v", p)
	}
}

// A route that parses and does not expand would leave a state that nothing can
// be decided by, for anybody: it is refused, and everybody else goes on.
func TestARouteThatDoesNotExpandStopsNobody(t *testing.T) {
	f := newFixture(t)
	f.must(201, "POST", "/api/v1/keys", `{"name":"worker"}`)
	long := "huggingface.co/" + strings.Repeat("x", 2020) + "/*"
	if _, err := auth.ParsePattern(long); err != nil {
		t.Fatal(err)
	}
	f.must(422, "POST", "/api/v1/keys", `{"name":"boom","routes":["`+long+`"]}`)
	f.must(422, "PATCH", "/api/v1/keys/worker", `{"routes":["`+long+`"]}`)
	if e := f.must(200, "POST", "/api/v1/explain", `{"url":"https://free.example.com/x","key":"worker"}`); e["outcome"] != "allow bare" {
		t.Errorf("another key: %v", e)
	}
}

// What a key that has ended gets is explained, not answered with an error.
func TestExplainAKeyThatHasEnded(t *testing.T) {
	f := newFixture(t)
	f.must(201, "POST", "/api/v1/keys", `{"name":"k"}`)
	f.must(200, "POST", "/api/v1/keys/k/revoke", "")
	e := f.must(200, "POST", "/api/v1/explain", `{"url":"https://models.example.com/x","key":"k"}`)
	if e["outcome"] != "deny" || e["code"] != "key_revoked" || !strings.Contains(e["connect"].(string), "key_revoked") {
		t.Errorf("revoked: %v", e)
	}
}

// What the proxy never connects to is not explained as allowed.
func TestExplainTheWayOut(t *testing.T) {
	f := newFixture(t)
	f.o.Passable = func(host string, port uint16, blind bool) error {
		switch {
		case host == "127.0.0.1":
			return auth.NewError(auth.CodeAddressForbidden, host+" is a loopback address", nil)
		case blind && port != 443:
			return auth.NewError(auth.CodePortForbidden, "CONNECT to this port is not allowed", nil)
		}
		return nil
	}
	f.api = admin.New(f.o)
	f.must(201, "POST", "/api/v1/keys", `{"name":"k"}`)
	f.must(201, "POST", "/api/v1/credentials", `{"name":"reg","provider":"http_bearer","fields":{"token":"`+canary+`"},"patterns":["models.example.com:8443/*"],"keys":["k"]}`)
	for _, c := range []struct{ url, mode, outcome, code string }{
		{"http://127.0.0.1/x", "forward", "deny", "address_forbidden"},
		{"https://free.example.com:22/x", "forward", "deny", "port_forbidden"},
		{"https://free.example.com/x", "forward", "allow bare", ""},
		{"https://models.example.com:8443/x", "forward", "allow", ""},
		{"https://free.example.com:22/x", "reverse", "deny", "no_credential_matched"},
	} {
		e := f.must(200, "POST", "/api/v1/explain", fmt.Sprintf(`{"url":%q,"key":"k","mode":%q}`, c.url, c.mode))
		if code, _ := e["code"].(string); e["outcome"] != c.outcome || code != c.code {
			t.Errorf("%s %s: %v", c.mode, c.url, e)
		}
	}
	if e := f.must(200, "POST", "/api/v1/explain", `{"url":"https://free.example.com:22/x","key":"k"}`); !strings.HasPrefix(e["connect"].(string), "refused (port_forbidden)") {
		t.Errorf("connect: %v", e["connect"])
	}
	f.clean()
}

// Every name that the store takes leads to its thing, whatever stands in it.
func TestNamesInPaths(t *testing.T) {
	f := newFixture(t)
	for _, name := range []string{".", ".."} { // which a browser would take for a way up
		f.must(422, "POST", "/api/v1/keys", fmt.Sprintf(`{"name":%q}`, name))
	}
	for _, name := range []string{"../x", "...", "a/b", "a b", "%2F", "?q#f", "模型"} {
		f.must(201, "POST", "/api/v1/keys", fmt.Sprintf(`{"name":%q}`, name))
		if k := f.must(200, "GET", "/api/v1/keys/"+admin.Segment(name), ""); k["name"] != name {
			t.Errorf("%q leads to %v", name, k["name"])
		}
		f.must(204, "DELETE", "/api/v1/keys/"+admin.Segment(name), "")
	}
}

// The end of a secret can be set later than now, and lifted.
func TestCredentialExpiry(t *testing.T) {
	f := newFixture(t)
	f.must(201, "POST", "/api/v1/credentials", `{"name":"reg","provider":"http_bearer","fields":{"token":"`+canary+`"},"patterns":["models.example.com/*"]}`)
	next := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	if c := f.must(200, "PATCH", "/api/v1/credentials/reg", `{"expires_at":"`+next+`"}`); c["expires_at"] != next {
		t.Errorf("set: %v", c)
	}
	f.must(422, "PATCH", "/api/v1/credentials/reg", `{"expires_at":"2020-01-01T00:00:00Z"}`)
	if c := f.must(200, "PATCH", "/api/v1/credentials/reg", `{"expires_at":"0001-01-01T00:00:00Z"}`); c["expires_at"] != nil || c["status"] != "valid" {
		t.Errorf("lifted: %v", c)
	}
}

// The record of a key is found by the name that it has now, and by one that
// nothing bears any more.
func TestRecordAfterARename(t *testing.T) {
	f := newFixture(t)
	f.must(201, "POST", "/api/v1/keys", `{"name":"before"}`)
	f.must(200, "PATCH", "/api/v1/keys/before", `{"name":"after"}`)
	f.must(201, "POST", "/api/v1/keys", `{"name":"gone"}`)
	f.must(204, "DELETE", "/api/v1/keys/gone", "")
	for name, want := range map[string]int{"after": 2, "before": 1, "gone": 2, "never": 0} {
		if got := f.must(200, "GET", "/api/v1/audit?key="+name, "")["events"].([]any); len(got) != want {
			t.Errorf("%s: %d events, want %d: %v", name, len(got), want, got)
		}
	}
}

// rotating is an authority that fails where err is set.
type rotating struct{ err error }

func (r *rotating) Roots() []*x509.Certificate   { return nil }
func (r *rotating) Rotate(context.Context) error { return r.err }

// A rotation of the root is on record, and an error of which the answer says
// nothing is in the log.
func TestRotationIsOnRecord(t *testing.T) {
	f := newFixture(t)
	authority := &rotating{}
	f.o.Authority = authority
	f.o.System = func() admin.System { return admin.System{Intercept: true} }
	f.api = admin.New(f.o)
	f.must(200, "POST", "/api/v1/ca/rotate", "")
	found := false
	for _, e := range f.must(200, "GET", "/api/v1/audit", "")["events"].([]any) {
		found = found || e.(map[string]any)["action"] == auth.ActionCARotate
	}
	if !found {
		t.Error("the rotation is not on record")
	}
	authority.err = errors.New("the disk burns")
	if p := f.must(500, "POST", "/api/v1/ca/rotate", ""); strings.Contains(fmt.Sprint(p), "burns") {
		t.Errorf("the answer tells the cause: %v", p)
	}
	// Each is on record before it is tried, and what failed says so.
	outcomes := ""
	for _, e := range f.must(200, "GET", "/api/v1/audit", "")["events"].([]any) {
		outcomes += e.(map[string]any)["outcome"].(string) + " "
	}
	if outcomes != "ok ok failed " {
		t.Errorf("one rotation and one that failed are %s", outcomes)
	}
	if len(f.log) != 1 || !strings.Contains(f.log[0].Error(), "burns") {
		t.Errorf("the log tells %v", f.log)
	}
}
