package portal

import (
	"context"
	"html"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
)

// answers is an upstream that says the same to everybody.
type answers struct {
	auth.Answered
	asked int
}

func (a *answers) Ask(context.Context, auth.Decision, auth.Target) auth.Answered {
	a.asked++
	return a.Answered
}

// The page says what would be used and why, why the rest is not, and what the
// upstream answers; it shows no query, and nothing of an upstream as markup.
func TestTestAURL(t *testing.T) {
	up := &answers{Answered: auth.Answered{Status: 403, Size: -1, Words: hostile, ContentType: hostile}}
	k := newKit(t, func(o *admin.Options) { o.Asker = up })
	b := k.owner()
	_, err := k.local.CreateKey(t.Context(), admin.NewKey{Name: "gpu-1"})
	k.must(err)
	for name, patterns := range map[string][]string{"wide": {"models.example.com/*"}, "narrow": {"models.example.com/org/*"}} {
		in := admin.NewCredential{Name: name, Provider: "http_bearer", Fields: map[string]string{"token": "tok-" + name + "-123456"}, Patterns: patterns}
		if name == "wide" {
			in.Keys = []string{"gpu-1"}
		}
		_, err := k.local.CreateCredential(t.Context(), in)
		k.must(err)
	}
	page := b.page("/t/default/test?url=https%3A%2F%2Fmodels.example.com%2Forg%2Fm.bin&key=gpu-1")
	for _, want := range []string{`value="https://models.example.com/org/m.bin"`, "let through with a credential", "not linked to the API key", "Link it to gpu-1", `name="live" value="true" checked`} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q", want)
		}
	}
	if up.asked != 0 {
		t.Error("reading the page asks the upstream")
	}
	form := url.Values{"url": {"https://models.example.com/org/m.bin?token=query-canary"}, "key": {"gpu-1"}, "mode": {"reverse"}, "live": {"true"}}
	got := b.post("/t/default/test", form)
	if got.status != 200 || up.asked != 1 || strings.Contains(got.body, "query-canary") || strings.Contains(got.body, "<img src=x") ||
		!strings.Contains(got.body, "the account of the credential may not have it") || !strings.Contains(got.body, "is not shown again") {
		t.Errorf("%d %d %s", got.status, up.asked, got.body)
	}
	// Linking what would match leads back, and counts.
	back := b.does("/t/default/test/link", url.Values{"url": form["url"], "key": {"gpu-1"}, "credential": {"narrow"}})
	if strings.Contains(back, "query-canary") {
		t.Errorf("%s", back)
	}
	if page := b.page(back); !strings.Contains(page, "The credential is linked to the key") || !strings.Contains(page, "its literal path is shorter") {
		t.Errorf("%s", page)
	}
	// What nothing matches leads to a credential that would.
	for raw, want := range map[string]string{
		"https://huggingface.co/org/model/resolve/main/a.bin": "/t/default/credentials/new?key=gpu-1&amp;pattern=huggingface.co%2Forg%2F%2A&amp;provider=huggingface",
		"http://other.example.com:8080/x":                     "/t/default/credentials/new?key=gpu-1&amp;pattern=http%3A%2F%2Fother.example.com%3A8080%2F%2A\"",
	} {
		got := b.post("/t/default/test", url.Values{"url": {raw}, "key": {"gpu-1"}, "mode": {"reverse"}})
		if !strings.Contains(got.body, want) {
			t.Errorf("%s: no %s in %s", raw, want, got.body)
		}
	}
	for _, raw := range []string{"https://user:password-canary@a.example.com/x", "user:password-canary@a.example.com/x", "https:/user:password-canary@a.example.com/x", "https://a.example.com/x y@password-canary", `"><script>alert(1)</script>`} {
		if got := b.post("/t/default/test", url.Values{"url": {raw}, "key": {"gpu-1"}}); got.status == 200 || strings.Contains(got.body, "password-canary") || strings.Contains(got.body, "<script>alert") {
			t.Errorf("%s: %d %s", raw, got.status, got.body)
		}
	}
	// A viewer sees the decision, and makes no request.
	asked := up.asked
	viewer := k.user("eve@example.com", auth.DefaultTeam, auth.RoleViewer)
	if got := viewer.post("/t/default/test", form); got.status != 200 || up.asked != asked || strings.Contains(got.body, `name="live"`) || strings.Contains(got.body, "test/link") {
		t.Errorf("%d", got.status)
	}
	if got := viewer.post("/t/default/test/link", url.Values{"key": {"gpu-1"}, "credential": {"narrow"}}); got.status != 403 {
		t.Errorf("a viewer links: %d", got.status)
	}
}

// What nothing matches may be one pattern more of a credential for the same
// upstream; without a key there is nothing to test yet.
func TestAPatternMore(t *testing.T) {
	k := newKit(t, nil)
	b := k.owner()
	if page := b.page("/t/default/test"); strings.Contains(page, `name="url"`) || !strings.Contains(page, `href="/t/default/keys/new"`) {
		t.Errorf("without a key: %s", page)
	}
	_, err := k.local.CreateKey(t.Context(), admin.NewKey{Name: "gpu-1"})
	k.must(err)
	for name, patterns := range map[string][]string{"files": {"files.example.com/org/*"}, "elsewhere": {"other.example.com/*"}} {
		_, err := k.local.CreateCredential(t.Context(), admin.NewCredential{Name: name, Provider: "http_bearer", Fields: map[string]string{"token": "tok-" + name + "-123456"}, Patterns: patterns})
		k.must(err)
	}
	form := url.Values{"url": {"https://files.example.com/team/m.bin"}, "key": {"gpu-1"}, "mode": {"reverse"}}
	const edit = "/t/default/credentials/files/edit?pattern=files.example.com%2Fteam%2F%2A"
	page := b.post("/t/default/test", form).body
	if !strings.Contains(page, `href="`+edit+`"`) || strings.Contains(page, "credentials/elsewhere/edit") {
		t.Errorf("%s", page)
	}
	if page := b.page(edit); !strings.Contains(page, "files.example.com/org/*\nfiles.example.com/team/*</textarea>") {
		t.Errorf("%s", page)
	}
	if page := b.page("/t/default/credentials/files/edit?pattern=files.example.com%2Forg%2F%2A"); strings.Count(page, "files.example.com/org/*") != 1 {
		t.Errorf("%s", page)
	}
	// A link or a route is what is missing here, and no credential.
	_, err = k.local.CreateKey(t.Context(), admin.NewKey{Name: "narrow", Routes: []string{"other.example.com/*"}})
	k.must(err)
	for key, raw := range map[string]string{"gpu-1": "https://files.example.com/org/m.bin", "narrow": "https://files.example.com/team/m.bin"} {
		page := b.post("/t/default/test", url.Values{"url": {raw}, "key": {key}, "mode": {"reverse"}}).body
		if strings.Contains(page, "Add a credential for this URL") || strings.Contains(page, "Add the pattern") || strings.Contains(page, ">CONNECT<") {
			t.Errorf("%s with %s: %s", raw, key, page)
		}
	}
	viewer := k.user("eve@example.com", auth.DefaultTeam, auth.RoleViewer)
	if page := viewer.post("/t/default/test", form).body; strings.Contains(page, "/edit?") {
		t.Errorf("a viewer is offered it: %s", page)
	}
}

// What was refused of a plain URL is tested as one, and leads to the pattern of
// one; what has no scheme on record is of https.
func TestARefusalOfAPlainURLIsTestedAsOne(t *testing.T) {
	k := newKit(t, nil)
	b := k.owner()
	key, err := k.local.CreateKey(t.Context(), admin.NewKey{Name: "gpu-1"})
	k.must(err)
	team, err := k.store.EnsureTeam(t.Context(), auth.DefaultTeam)
	k.must(err)
	for scheme, want := range map[string][2]string{
		"http": {"url=http%3A%2F%2F10.0.0.5%3A9000%2Fm%2Fx.bin", "pattern=http%3A%2F%2F10.0.0.5%3A9000%2Fm%2F%2A"},
		"":     {"url=https%3A%2F%2F10.0.0.5%3A9000%2Fm%2Fx.bin", "pattern=10.0.0.5%3A9000%2Fm%2F%2A"},
	} {
		k.must(k.record.Record(auth.Event{ID: auth.NewID(time.Now()), Time: time.Now(), TeamID: team.ID, Action: auth.ActionDenied, Code: auth.CodeNoCredentialMatched,
			KeyID: key.ID, KeyName: key.Name, Mode: "reverse", Method: "GET", Scheme: scheme, Host: "10.0.0.5:9000", Path: "/m/x.bin"}).Wait(t.Context()))
		page := b.page("/t/default/audit")
		href := regexp.MustCompile(`href="(/t/default/test\?[^"]*` + regexp.QuoteMeta(want[0]) + `[^"]*)"`).FindStringSubmatch(page)
		if href == nil {
			t.Fatalf("%q: the audit leads to no test of %s: %s", scheme, want[0], page)
		}
		if page := b.page(html.UnescapeString(href[1])); !strings.Contains(page, want[1]) {
			t.Errorf("%q: the test does not propose %s: %s", scheme, want[1], page)
		}
	}
}

// What an S3 access key was refused is tested as that key, too.
func TestAURLIsTestedAsAnS3Key(t *testing.T) {
	k := newKit(t, nil)
	b := k.owner()
	_, err := k.local.CreateS3Key(t.Context(), admin.NewS3Key{Name: "trainer"})
	k.must(err)
	page := b.page("/t/default/test?key=trainer&url=https%3A%2F%2Fmodels.s3.amazonaws.com%2Fm.bin")
	if !strings.Contains(page, "<option selected>trainer</option>") || !strings.Contains(page, "/credentials/new?key=trainer") {
		t.Errorf("%s", page)
	}
}
