package admin_test

import (
	"context"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
)

// upstreams answers by URL, and remembers what it was asked with.
type upstreams struct {
	answers map[string]auth.Answered
	asked   []string
}

func (u *upstreams) Ask(_ context.Context, d auth.Decision, to auth.Target) auth.Answered {
	u.asked = append(u.asked, d.Outcome.String()+" "+d.CredentialName+" "+to.String())
	return u.answers[to.Redacted()]
}

// T12: what a redirect leads to is decided afresh: the credential stays behind,
// no query is shown, and every request is on record before it is made.
func TestT12_AProbeDecidesEachHopAfresh(t *testing.T) {
	f := newFixture(t)
	up := &upstreams{answers: map[string]auth.Answered{
		"https://models.example.com/a.bin": {Status: 302, Size: -1, Location: "https://cdn.example.net/blob?sig=" + canary},
		"https://cdn.example.net/blob":     {Status: 206, Size: 7, ContentType: "application/octet-stream"},
	}}
	f.o.Asker = up
	f.o.Passable = func(host string, _ uint16, _ bool) error {
		if host == "10.0.0.1" {
			return auth.NewError(auth.CodeAddressForbidden, "no", nil)
		}
		return nil
	}
	f.api = admin.New(f.o)
	f.must(201, "POST", "/api/v1/keys", `{"name":"worker"}`)
	f.must(201, "POST", "/api/v1/credentials", `{"name":"reg","provider":"http_bearer","fields":{"token":"`+canary+`"},"patterns":["models.example.com/*"],"keys":["worker"]}`)
	probe := func(url, mode string) map[string]any {
		return f.must(200, "POST", "/api/v1/explain/probe", `{"url":"`+url+`","key":"worker","mode":"`+mode+`"}`)
	}
	got := probe("models.example.com/a.bin?token="+canary, "forward")
	hops := got["hops"].([]any)
	if got["ok"] != true || len(hops) != 2 || hops[1].(map[string]any)["credential"] != nil || hops[1].(map[string]any)["url"] != "https://cdn.example.net/blob" {
		t.Fatalf("%v", got)
	}
	if len(up.asked) != 2 || !strings.HasPrefix(up.asked[0], "allow reg ") || !strings.HasPrefix(up.asked[1], "allow bare  https://cdn.example.net/blob?sig=") {
		t.Errorf("%v", up.asked)
	}
	events := f.must(200, "GET", "/api/v1/audit?action=url.probe", "")["events"].([]any)
	if len(events) != 2 || events[0].(map[string]any)["credential_name"] != "reg" || events[1].(map[string]any)["host"] != "cdn.example.net" {
		t.Errorf("%v", events)
	}
	// Nothing is asked of whom the data plane would not ask.
	up.asked = nil
	for url, code := range map[string]string{"other.example.com/x": "no_credential_matched", "https://10.0.0.1/x": "no_credential_matched"} {
		if got := probe(url, "reverse"); got["ok"] != false || got["hops"].([]any)[0].(map[string]any)["code"] != code {
			t.Errorf("%s: %v", url, got)
		}
	}
	if got := probe("https://10.0.0.1/x", "forward"); got["hops"].([]any)[0].(map[string]any)["code"] != "address_forbidden" {
		t.Errorf("%v", got)
	}
	f.must(200, "POST", "/api/v1/keys/worker/revoke", "")
	if got := probe("models.example.com/a.bin", "forward"); got["hops"].([]any)[0].(map[string]any)["code"] != "key_revoked" {
		t.Errorf("%v", got)
	}
	if len(up.asked) != 0 {
		t.Errorf("%v", up.asked)
	}
	f.must(404, "POST", "/api/v1/explain/probe", `{"url":"a.example.com","key":"nobody"}`)
	f.must(400, "POST", "/api/v1/explain/probe", `{"url":"https://u:p@a.example.com","key":"worker"}`)
	f.clean()
}

// A circle of redirects ends, and what fails is said in words.
func TestAProbeEnds(t *testing.T) {
	f := newFixture(t)
	up := &upstreams{answers: map[string]auth.Answered{
		"https://a.example.com/": {Status: 301, Size: -1, Location: "https://a.example.com/"},
		"https://b.example.com/": {Failure: "b.example.com could not be reached", Size: -1},
		"https://c.example.com/": {Status: 401, Size: -1, Words: "no"},
		"https://d.example.com/": {Status: 302, Size: -1, Location: "https://u:p@d.example.com/"},
	}}
	f.o.Asker = up
	f.api = admin.New(f.o)
	f.must(201, "POST", "/api/v1/keys", `{"name":"worker"}`)
	for host, want := range map[string]string{"a": "leads no further", "b": "could not be reached", "c": "it wants a credential", "d": "redirects to a URL that is refused"} {
		got := f.must(200, "POST", "/api/v1/explain/probe", `{"url":"https://`+host+`.example.com/","key":"worker"}`)
		if got["ok"] != false || !strings.Contains(got["meaning"].(string), want) || len(got["hops"].([]any)) > 6 {
			t.Errorf("%s: %v", host, got)
		}
	}
	f.o.Asker = nil
	f.api = admin.New(f.o)
	f.must(503, "POST", "/api/v1/explain/probe", `{"url":"https://a.example.com/","key":"worker"}`)
}

// A URL is explained and tested as an S3 access key, too, which the record names
// like any other: with what is linked to it alone, and nothing bare.
func TestAProbeAsAnS3Key(t *testing.T) {
	f := newFixture(t)
	up := &upstreams{answers: map[string]auth.Answered{"https://models.s3.us-east-1.amazonaws.com/m.bin": {Status: 206, Size: 7}}}
	f.o.Asker = up
	f.api = admin.New(f.o)
	f.must(201, "POST", "/api/v1/s3-keys", `{"name":"trainer","buckets":["models"]}`)
	f.must(201, "POST", "/api/v1/credentials", `{"name":"aws","provider":"s3","fields":{"accessKeyId":"AKIAIOSFODNN7EXAMPLE","secretAccessKey":"`+canary+`","region":"us-east-1"},"patterns":["models.s3.us-east-1.amazonaws.com/*"],"no_validate":true}`)
	const in = `{"url":"https://models.s3.us-east-1.amazonaws.com/m.bin","key":"trainer"}`
	if got := f.must(200, "POST", "/api/v1/explain", in); got["outcome"] != "deny" || got["code"] != "not_linked" {
		t.Errorf("%v", got)
	}
	f.must(200, "PUT", "/api/v1/links/aws/trainer", "")
	if got := f.must(200, "POST", "/api/v1/explain", in); got["outcome"] != "allow" || !strings.Contains(got["reason"].(string), "may touch") {
		t.Errorf("%v", got)
	}
	if got := f.must(200, "POST", "/api/v1/explain/probe", in); got["ok"] != true || len(up.asked) != 1 || !strings.HasPrefix(up.asked[0], "allow aws") {
		t.Errorf("%v %v", got, up.asked)
	}
	f.must(200, "POST", "/api/v1/s3-keys/trainer/revoke", "")
	if got := f.must(200, "POST", "/api/v1/explain/probe", in); got["ok"] != false || len(up.asked) != 1 {
		t.Errorf("%v %v", got, up.asked)
	}
	f.clean()
}
