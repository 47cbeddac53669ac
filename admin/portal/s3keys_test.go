package portal

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/workerenv"
)

// shownOnce is what stands in the reveal under an id.
func shownOnce(t *testing.T, page, id string) string {
	t.Helper()
	m := regexp.MustCompile(`<pre id="` + id + `"[^>]*>([^<]+)</pre>`).FindStringSubmatch(page)
	if m == nil {
		t.Fatalf("%s is not shown: %s", id, page)
	}
	return html.UnescapeString(m[1])
}

// The secret of an S3 access key is shown once, with lines that S3 clients take,
// and every act on the key is there.
func TestAnS3KeyFromItsMakingToItsEnd(t *testing.T) {
	k := newKit(t, nil)
	c, err := k.local.CreateCredential(t.Context(), admin.NewCredential{Name: "models", Provider: "s3", NoValidate: true, Patterns: []string{"s3://acme-models/*"},
		Fields: map[string]string{"accessKeyId": "AKIAQ3EGPL4TKXW2MZ7R", "secretAccessKey": "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"}})
	k.must(err)
	b := k.owner()
	form := url.Values{"once": {onceOf(t, b.page("/t/default/s3-keys/new"))}, "name": {"trainer"}, "credentials": {c.ID}, "permission": {"read-write"},
		"buckets": {"acme-models\n"}, "prefixes": {"sd/"}, "aliases": {"models=acme-models/sd/"}, "ends": {"90"}, "opened": {opened()}, "rate": {"5"}}
	made := b.post("/t/default/s3-keys/new", form)
	if made.status != http.StatusOK || strings.Contains(made.body, "⟦") {
		t.Fatalf("%d %s", made.status, made.body)
	}
	secret := shownOnce(t, made.body, "secret")
	vars, err := workerenv.S3Variables(workerenv.S3Options{ProxyURL: "http://127.0.0.1:8080", AccessKeyID: shownOnce(t, made.body, "access-key-id"), Secret: auth.NewSecret(secret)})
	k.must(err)
	want, err := render("sh", vars)
	k.must(err)
	if got := shownOnce(t, made.body, "s3-shell"); got != want {
		t.Errorf("the lines are\n%s\nnot\n%s", got, want)
	}
	got, err := k.local.GetS3Key(t.Context(), "trainer")
	k.must(err)
	if got.Permission != "read-write" || len(got.Buckets) != 1 || len(got.Prefixes) != 1 || got.Aliases["models"] != "acme-models/sd/" || len(got.Credentials) != 1 || got.Limits == nil || got.ExpiresAt == nil {
		t.Errorf("%+v", got)
	}
	if to := b.does("/t/default/s3-keys/new", form); to != "/t/default/s3-keys/trainer?done=shown-once" {
		t.Errorf("the form, sent again, leads to %s", to)
	}
	at := "/t/default/s3-keys/trainer"
	for _, path := range []string{"/t/default/s3-keys", at, at + "/regenerate", at + "/revoke", at + "/delete", "/t/default"} {
		noSecret(t, path, b.page(path), secret)
	}
	b.does(at, url.Values{"name": {"trainer"}, "permission": {"read"}, "ends": {"never"}})
	if got, err = k.local.GetS3Key(t.Context(), "trainer"); err != nil || got.Permission != "read" || got.ExpiresAt != nil || got.Limits != nil || len(got.Buckets)+len(got.Aliases) != 0 {
		t.Errorf("%v %+v", err, got)
	}
	if got := b.post(at, url.Values{"name": {"trainer"}, "permission": {"read"}, "aliases": {"nonsense"}}); got.status != http.StatusUnprocessableEntity || !strings.Contains(got.body, "nonsense</textarea>") {
		t.Errorf("an alias of nothing: %d", got.status)
	}
	b.does(at+"/credentials", url.Values{"credentials-was": {c.ID}})
	if got, err = k.local.GetS3Key(t.Context(), "trainer"); err != nil || len(got.Credentials) != 0 {
		t.Errorf("%v: linked to %v", err, got.Credentials)
	}
	if again := shownOnce(t, b.post(at+"/regenerate", url.Values{"once": {"r"}}).body, "secret"); again == secret {
		t.Error("the secret is the old one")
	}
	b.does(at+"/revoke", url.Values{"name": {"trainer"}})
	if got, err = k.local.GetS3Key(t.Context(), "trainer"); err != nil || got.Status != "revoked" {
		t.Errorf("%v: %s", err, got.Status)
	}
	b.does(at+"/delete", url.Values{"name": {"trainer"}})
	if got := b.get(at); got.status != http.StatusNotFound {
		t.Errorf("deleted: %d", got.status)
	}
}

// newSecretOfToken gives a token of b, which opens the keys, a new secret: it is
// shown once, the old one is refused, and nobody else is offered or given one.
func newSecretOfToken(t *testing.T, k *kit, b *browser, id, old string) *admin.Client {
	t.Helper()
	at := "/t/default/tokens/" + id + "/regenerate"
	form := url.Values{"once": {onceOf(t, b.page(at))}}
	owner := k.user("token-owner@example.com", "", auth.RoleOwner)
	if page := owner.page("/t/default/tokens"); !strings.Contains(page, id+"/delete") || strings.Contains(page, id+"/regenerate") {
		t.Error("an owner is offered the secret of another's token, or not its end")
	}
	for _, got := range []answer{owner.get(at), owner.post(at, form)} {
		if got.status != http.StatusForbidden || !strings.Contains(got.body, "acts as its user") {
			t.Errorf("an owner, of another's token: %d", got.status)
		}
	}
	if page := b.page("/t/default/tokens"); !strings.Contains(page, at) {
		t.Error("a new secret is not offered")
	}
	fresh := shownOnce(t, b.post(at, form).body, "token")
	if to := b.does(at, form); to != "/t/default/tokens?done=shown-once" {
		t.Errorf("the form, sent again, leads to %s", to)
	}
	noSecret(t, "the list", b.page("/t/default/tokens"), fresh)
	was, err := admin.NewRemoteClient(k.url, "", auth.NewSecret(old))
	k.must(err)
	if _, err := was.ListKeys(t.Context()); err == nil {
		t.Error("the old secret still opens the API")
	}
	remote, err := admin.NewRemoteClient(k.url, "", auth.NewSecret(fresh))
	k.must(err)
	if _, err := remote.ListKeys(t.Context()); err != nil || fresh == old {
		t.Errorf("the new secret: %v", err)
	}
	return remote
}

// An access token is shown once and works as the page says; whoever makes one
// sees it, and members do not see those of others.
func TestAnAccessTokenIsShownOnce(t *testing.T) {
	k := newKit(t, nil)
	b := k.user("viewer@example.com", "", auth.RoleViewer)
	form := url.Values{"once": {onceOf(t, b.page("/t/default/tokens/new"))}, "name": {"ci <b>"}, "scope": {"read"}, "ends": {"30"}, "route": {"/api/v1/keys"}}
	made := b.post("/t/default/tokens/new", form)
	if made.status != http.StatusOK || strings.Contains(made.body, "<b>") {
		t.Fatalf("%d %s", made.status, made.body)
	}
	token := shownOnce(t, made.body, "token")
	if curl := shownOnce(t, made.body, "token-curl"); !strings.HasSuffix(curl, k.url+"/api/v1/keys") {
		t.Errorf("%s", curl)
	}
	remote, err := admin.NewRemoteClient(k.url, "", auth.NewSecret(token))
	k.must(err)
	if _, err := remote.ListKeys(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := remote.ListCredentials(t.Context()); err == nil {
		t.Error("the route does not hold")
	}
	if to := b.does("/t/default/tokens/new", form); to != "/t/default/tokens?done=shown-once" {
		t.Errorf("the form, sent again, leads to %s", to)
	}
	noSecret(t, "the list", b.page("/t/default/tokens"), token)
	all, err := k.local.ListTokens(t.Context())
	k.must(err)
	if len(all) != 1 {
		t.Fatalf("%d tokens", len(all))
	}
	member := k.user("member@example.com", "", auth.RoleMember)
	if page := member.page("/t/default/tokens"); strings.Contains(page, "ci &lt;b") {
		t.Error("a member sees another's token")
	}
	at := "/t/default/tokens/" + all[0].ID + "/delete"
	if got := member.get(at); got.status != http.StatusNotFound {
		t.Errorf("another's token: %d", got.status)
	}
	remote = newSecretOfToken(t, k, b, all[0].ID, token)
	b.does(at, url.Values{"name": {"ci <b>"}})
	if _, err := remote.ListKeys(t.Context()); err == nil {
		t.Error("the token still opens the API")
	}
}
