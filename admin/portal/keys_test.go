package portal

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/workerenv"
)

// hub makes a credential for the Hub, and returns it.
func (k *kit) hub(name string) admin.Credential {
	k.t.Helper()
	c, err := k.local.CreateCredential(k.t.Context(), admin.NewCredential{Name: name, Provider: "huggingface", Fields: map[string]string{"token": "hf_qWeRtYuIoPaSdFgHjKlZxCvBnM12345678"}, NoValidate: true})
	k.must(err)
	return c
}

// once takes the key out of a form.
func onceOf(t *testing.T, page string) string {
	t.Helper()
	m := regexp.MustCompile(`name="once" value="([^"]+)"`).FindStringSubmatch(page)
	if m == nil {
		t.Fatalf("the form has no key: %s", page)
	}
	return m[1]
}

// opened is when a form that is sent again was opened: the same both times.
func opened() string { return time.Now().UTC().Truncate(time.Hour).Format(time.RFC3339) }

// keySecret finds an API key in a page.
var keySecret = regexp.MustCompile(`wbk_[A-Za-z0-9]{40,}`)

// noSecret fails where a page shows any secret of ours; previews are shorter.
func noSecret(t *testing.T, path, page, secret string) {
	t.Helper()
	for _, form := range []string{secret, strings.TrimPrefix(secret, auth.KeyPrefix)} {
		if strings.Contains(page, form) {
			t.Errorf("%s shows the secret", path)
		}
	}
}

// The secret of a key is in the answer that made it, with what to export, and in
// no page after it; the form that is sent again makes no second key.
func TestAKeyIsShownOnce(t *testing.T) {
	k := newKit(t, nil)
	c := k.hub("hub")
	b := k.owner()
	form := url.Values{"once": {onceOf(t, b.page("/t/default/keys/new"))}, "name": {"gpu"}, "scope": {"read"}, "credentials": {c.ID}, "url-key": {"true"},
		"ends": {"30"}, "opened": {opened()}, "rate": {"2.5"}, "bandwidth": {"0.5"}, "transfers": {"4"}, "sources": {"10.0.0.0/8\n\n127.0.0.1"}, "routes": {"huggingface.co/acme/*"}}
	made := b.post("/t/default/keys/new", form)
	secret := keySecret.FindString(made.body)
	if made.status != http.StatusOK || secret == "" || strings.Contains(made.body, "⟦") {
		t.Fatalf("%d %s", made.status, made.body)
	}
	got, err := k.local.GetKey(t.Context(), "gpu")
	k.must(err)
	if l := got.Limits; l == nil || *l != (admin.Limits{Rate: 2.5, Transfers: 4, Bandwidth: 1 << 19}) || len(got.Sources) != 2 || len(got.Credentials) != 1 || !got.HasURLKey || got.ExpiresAt == nil || len(got.Routes) != 1 {
		t.Errorf("%+v", got)
	}
	text := html.UnescapeString(made.body)
	for _, mode := range []workerenv.Mode{workerenv.Forward, workerenv.Reverse} {
		o := workerenv.Options{Mode: mode, ProxyURL: "http://127.0.0.1:8080", Key: auth.NewSecret(secret), Placeholder: kitPlaceholder}
		vars, err := workerenv.Variables(o)
		k.must(err)
		for _, shell := range []string{"sh", "docker", "k8s", "python", "powershell"} {
			want, err := render(shell, vars)
			k.must(err)
			if !strings.Contains(text, want) {
				t.Errorf("%s: the lines for %s are not in the page:\n%s", o.Mode, shell, want)
			}
		}
	}
	urlKey := regexp.MustCompile(`/\.weighbridge/k/([A-Za-z0-9_]{40,})/`).FindStringSubmatch(made.body)
	if urlKey == nil || !strings.Contains(text, `Environment="HF_ENDPOINT=http://127.0.0.1:8080/.weighbridge/k/`+urlKey[1]+`/huggingface.co"`) {
		t.Error("ComfyUI is not given the URL key")
	}
	if to := b.does("/t/default/keys/new", form); to != "/t/default/keys/gpu?done=shown-once" {
		t.Errorf("the form, sent again, leads to %s", to)
	}
	form.Set("name", "gpu-2")
	if again := b.post("/t/default/keys/new", form); again.status != http.StatusUnprocessableEntity || !strings.Contains(again.body, "has been sent before") || onceOf(t, again.body) == form.Get("once") {
		t.Errorf("the form, sent with something else: %d", again.status)
	}
	all, err := k.local.ListKeys(t.Context())
	k.must(err)
	if len(all) != 1 {
		t.Errorf("%d keys", len(all))
	}
	for _, path := range []string{"/t/default", "/t/default/keys", "/t/default/keys/gpu", "/t/default/keys/gpu?done=shown-once", "/t/default/guide", "/t/default/keys/gpu/regenerate", "/t/default/keys/gpu/revoke", "/t/default/keys/gpu/delete"} {
		page := b.page(path)
		noSecret(t, path, page, secret)
		noSecret(t, path, page, urlKey[1])
	}
}

// Every act on a key, through its forms.
func TestTheActsOnAKey(t *testing.T) {
	k := newKit(t, nil)
	first, second := k.hub("first"), k.hub("second")
	b := k.owner()
	_, err := k.local.CreateKey(t.Context(), admin.NewKey{Name: "gpu", Credentials: []string{first.ID}, Limits: &admin.Limits{Rate: 3, Burst: 9}})
	k.must(err)
	now := func() admin.Key {
		t.Helper()
		all, err := k.local.ListKeys(t.Context())
		k.must(err)
		if len(all) != 1 {
			t.Fatalf("%d keys", len(all))
		}
		return all[0]
	}
	if page := b.page("/t/default/keys/gpu"); !strings.Contains(page, `name="rate" type="number" value="3"`) || !strings.Contains(page, `name="burst" type="number" value="9"`) {
		t.Error("the form does not say what the limits are")
	}
	if to := b.does("/t/default/keys/gpu", url.Values{"name": {"a/b ü"}, "scope": {"write"}, "ends": {"keep"}, "routes": {"huggingface.co/x/*"}, "unmatched": {"deny"}, "xet": {"hide"}}); to != "/t/default/keys/a%2Fb%20%C3%BC?done=key-changed" {
		t.Errorf("changing leads to %s", to)
	}
	if g := now(); g.Limits != nil || g.Scope != "write" || g.Unmatched != "deny" || g.Xet != "hide" || len(g.Routes) != 1 || g.ExpiresAt != nil {
		t.Errorf("%+v", g)
	}
	at := "/t/default/keys/a%2Fb%20%C3%BC"
	b.page(at)
	b.does(at+"/credentials", url.Values{"credentials-was": {first.ID}, "credentials": {second.ID}})
	if g := now(); len(g.Credentials) != 1 || g.Credentials[0].Name != "second" {
		t.Errorf("linked to %v", g.Credentials)
	}
	was := now().Preview
	fresh := b.post(at+"/regenerate", url.Values{"once": {"r1"}, "overlap": {"1h"}})
	if secret := keySecret.FindString(fresh.body); fresh.status != http.StatusOK || secret == "" || now().Preview == was || now().OldUntil == nil {
		t.Errorf("a new secret: %d", fresh.status)
	}
	if to := b.does(at+"/regenerate", url.Values{"once": {"r1"}, "overlap": {"1h"}}); !strings.HasSuffix(to, "?done=shown-once") {
		t.Errorf("sent again it leads to %s", to)
	}
	if got := b.post(at+"/url-key", url.Values{"once": {"u1"}}); got.status != http.StatusOK || !strings.Contains(got.body, "/.weighbridge/k/") || !now().HasURLKey || keySecret.MatchString(got.body) {
		t.Errorf("a URL key: %d", got.status)
	}
	b.does(at+"/url-key/end", url.Values{"name": {"a/b ü"}})
	if now().HasURLKey {
		t.Error("the URL key is still there")
	}
	if got := b.post(at+"/revoke", url.Values{"name": {"another"}}); got.status != http.StatusUnprocessableEntity || now().Status != "active" {
		t.Errorf("revoked without its name: %d", got.status)
	}
	b.does(at+"/revoke", url.Values{"name": {"a/b ü"}, "now": {"true"}})
	if now().Status != "revoked" {
		t.Error("it is not revoked")
	}
	if page := b.page(at); strings.Contains(page, "/regenerate") || strings.Contains(page, `action="`+at+`"`) {
		t.Error("a revoked key can be changed")
	}
	b.does(at+"/delete", url.Values{"name": {"a/b ü"}})
	if all, _ := k.local.ListKeys(t.Context()); len(all) != 0 {
		t.Error("it is still there")
	}
}

// What was typed wrong is said in the words of the API, with what was typed.
func TestARefusedKeyShowsWhatWasTyped(t *testing.T) {
	k := newKit(t, nil)
	b := k.owner()
	for name, c := range map[string]struct{ field, value, says string }{
		"a route":   {"routes", "*.com/*", "body.routes"},
		"a network": {"sources", "10.0.0.1/8", "10.0.0.0/8"},
		"a burst":   {"burst", "5", "no rate"},
		"a number":  {"rate", "fast", "a limit is a number"},
		"a proxy":   {"proxy", "nonsense", "is not the URL of a proxy"},
		"a date":    {"ends", "date", "the date is missing"},
	} {
		form := url.Values{"name": {"typed-name"}, "once": {c.field}, c.field: {c.value}}
		got := b.post("/t/default/keys/new", form)
		if got.status != http.StatusUnprocessableEntity && got.status != http.StatusBadRequest || !strings.Contains(got.body, `value="typed-name"`) {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
		if text := html.UnescapeString(got.body); !strings.Contains(text, c.says) && name != "a route" {
			t.Errorf("%s: the page does not say %q", name, c.says)
		}
	}
	if all, _ := k.local.ListKeys(t.Context()); len(all) != 0 {
		t.Errorf("%d keys were made", len(all))
	}
}

// Viewers look: nothing is offered to them, and what they send is refused. A
// member of another team finds nothing.
func TestKeysAreOfTheirTeam(t *testing.T) {
	k := newKit(t, nil)
	k.hub("hub")
	_, err := k.local.CreateKey(t.Context(), admin.NewKey{Name: "gpu", Credentials: []string{"hub"}})
	k.must(err)
	_, err = k.local.CreateS3Key(t.Context(), admin.NewS3Key{Name: "s3", Credentials: []string{"hub"}})
	k.must(err)
	viewer := k.user("viewer@example.com", "", auth.RoleViewer)
	acting := regexp.MustCompile(`href="[^"]*/(new|regenerate|revoke|delete|end)"|<form method="post" action="/t/`)
	for _, path := range []string{"/t/default/keys", "/t/default/keys/gpu", "/t/default/s3-keys", "/t/default/s3-keys/s3", "/t/default/guide"} {
		if m := acting.FindString(viewer.page(path)); m != "" {
			t.Errorf("%s offers a viewer %s", path, m)
		}
	}
	acts := []string{"/keys/new", "/keys/gpu", "/keys/gpu/credentials", "/keys/gpu/regenerate", "/keys/gpu/url-key", "/keys/gpu/revoke", "/keys/gpu/delete",
		"/s3-keys/new", "/s3-keys/s3", "/s3-keys/s3/credentials", "/s3-keys/s3/regenerate", "/s3-keys/s3/revoke", "/s3-keys/s3/delete", "/guide"}
	form := url.Values{"name": {"gpu"}, "once": {"v"}, "credentials": {"hub"}, "ends": {"never"}, "scope": {"read"}, "permission": {"read"}}
	for _, path := range acts {
		if strings.HasPrefix(path, "/s3-keys/s3") {
			form.Set("name", "s3")
		}
		if got := viewer.post("/t/default"+path, form); got.status != http.StatusForbidden || !strings.Contains(got.body, "forbidden") {
			t.Errorf("%s: %d", path, got.status)
		}
	}
	for _, path := range []string{"/keys/new", "/keys/gpu/regenerate", "/keys/gpu/revoke", "/s3-keys/new", "/s3-keys/s3/delete"} {
		if got := viewer.get("/t/default" + path); got.status != http.StatusForbidden {
			t.Errorf("%s asks a viewer: %d", path, got.status)
		}
	}
	_, err = k.local.CreateTeam(t.Context(), admin.NewTeam{Name: "other"})
	k.must(err)
	other := k.user("other@example.com", "other", auth.RoleOwner)
	for _, path := range []string{"/t/other/keys/gpu", "/t/other/s3-keys/s3", "/t/other/keys/gpu/revoke", "/t/other/live/first-use/gpu", "/t/default/keys/gpu", "/t/default/guide"} {
		if got := other.get(path); got.status != http.StatusNotFound {
			t.Errorf("%s: %d for another team", path, got.status)
		}
	}
	if got := other.post("/t/other/keys/gpu/revoke", url.Values{"name": {"gpu"}}); got.status != http.StatusNotFound {
		t.Errorf("another team revokes: %d", got.status)
	}
}

// Names that are meant to be markup are text, everywhere.
func TestHostileNamesOfKeysAreText(t *testing.T) {
	k := newKit(t, nil)
	const evil = `"><script>alert(1)</script><img src=x onerror=alert(1)>'`
	k.hub(evil)
	key, err := k.local.CreateKey(t.Context(), admin.NewKey{Name: evil, Credentials: []string{evil}})
	k.must(err)
	s3, err := k.local.CreateS3Key(t.Context(), admin.NewS3Key{Name: "s3" + evil, Credentials: []string{evil}, Prefixes: []string{evil}})
	k.must(err)
	b := k.owner()
	check := func(path, page string) {
		t.Helper()
		if strings.Contains(page, "<script>alert") || strings.Contains(page, "<img src=x") {
			t.Errorf("%s: a name is markup", path)
		}
	}
	for _, path := range []string{"/keys", "/keys/" + key.ID, "/keys/new", "/keys/" + key.ID + "/regenerate", "/keys/" + key.ID + "/revoke", "/keys/" + key.ID + "/delete",
		"/s3-keys", "/s3-keys/" + s3.ID, "/s3-keys/" + s3.ID + "/regenerate", "/s3-keys/" + s3.ID + "/delete", "/guide"} {
		check(path, b.page("/t/default"+path))
	}
	check("a new secret", b.post("/t/default/keys/"+key.ID+"/regenerate", url.Values{"once": {"e"}, "bundle": {evil}}).body)
	check("a new secret", b.post("/t/default/s3-keys/"+s3.ID+"/regenerate", url.Values{"once": {"e"}}).body)
	check("a refused form", b.post("/t/default/keys/new", url.Values{"name": {evil}, "routes": {evil}, "sources": {evil}, "rate": {evil}, "once": {"f"}}).body)
}

// The record names keys of both kinds: the name of an S3 access key leads to its
// page from where API keys are.
func TestTheNameOfAnS3KeyLeadsToIt(t *testing.T) {
	k := newKit(t, nil)
	b := k.owner()
	_, err := k.local.CreateS3Key(t.Context(), admin.NewS3Key{Name: "trainer", Buckets: []string{"models"}})
	k.must(err)
	if got := b.get("/t/default/keys/trainer"); got.status != http.StatusSeeOther || got.location != "/t/default/s3-keys/trainer" {
		t.Errorf("%d %s", got.status, got.location)
	}
	if got := b.get("/t/default/keys/nobody"); got.status != http.StatusNotFound {
		t.Errorf("nobody's key: %d", got.status)
	}
}

// The page of a key has what to set on a worker, with a stand-in for the key,
// and says where only a worker on the same machine gets through.
func TestLinesOfAKeyThatThereIs(t *testing.T) {
	k := newKit(t, nil)
	b := k.owner()
	made, err := k.local.CreateKey(t.Context(), admin.NewKey{Name: "gpu-1"})
	k.must(err)
	page := b.page("/t/default/keys/gpu-1")
	for _, want := range []string{"http://weighbridge:wbk_KEY@127.0.0.1:8080", "A worker on this machine is all"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q", want)
		}
	}
	if strings.Contains(page, made.Key[len("wbk_"):]) || strings.Contains(page, "0000000000") {
		t.Errorf("%s", page)
	}
	page = b.page("/t/default/keys/gpu-1?proxy=http%3A%2F%2Fgpu.example.com%3A8080")
	if !strings.Contains(page, "http://weighbridge:wbk_KEY@gpu.example.com:8080") || strings.Contains(page, "A worker on this machine is all") {
		t.Errorf("%s", page)
	}
	for _, bad := range []string{"", "ftp%3A%2F%2Fx", "http%3A%2F%2Fa%0Ab"} {
		if got := b.get("/t/default/keys/gpu-1?proxy=" + bad); got.status == 500 || bad != "" && (got.status != 422 || !strings.Contains(got.body, "scheme://host:port")) {
			t.Errorf("%s: %d %s", bad, got.status, got.body)
		}
	}
	_, err = k.local.RevokeKey(t.Context(), "gpu-1", admin.RevokeKeyQuery{})
	k.must(err)
	if page := b.page("/t/default/keys/gpu-1"); strings.Contains(page, "wbk_KEY") {
		t.Errorf("a key that was revoked: %s", page)
	}
}
