package portal

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/auth/audit"
	"github.com/weighbridge/weighbridge/signer"
	"github.com/weighbridge/weighbridge/store"
)

// secretCanary is a token that must stand in no page; otherCanary is another.
const (
	secretCanary = "hf_CanaryOfTheFirstSecret0123456789abc"
	otherCanary  = "hf_CanaryOfTheOtherSecret0123456789xyz"
)

// upstream is what validations find.
type upstream struct{ auth.Report }

func (u *upstream) Check(context.Context, auth.Inquiry) auth.Report { return u.Report }

func (u *upstream) Validate(_ context.Context, id, resource string, _ auth.Event) (auth.Credential, auth.Report, error) {
	r := u.Report
	r.Resource = resource
	return auth.Credential{ID: id}, r, nil
}

func (u *upstream) Judge(c *auth.Credential, r auth.Report) {
	c.Report, c.Status, c.Reason = &r, auth.StatusPending, r.Meaning
	switch r.Verdict {
	case auth.VerdictValid, auth.VerdictUnasked:
		c.Status = auth.StatusValid
	case auth.VerdictInvalid:
		c.Status = auth.StatusInvalid
	}
}

// watched is a browser that fails the test where a page holds a secret.
type watched struct{ *browser }

func (w watched) clean(a answer) answer {
	w.t.Helper()
	for _, secret := range []string{secretCanary, otherCanary} {
		if strings.Contains(a.body+a.location+fmt.Sprint(a.header), secret[12:30]) {
			w.t.Errorf("an answer holds a secret: %d %s", a.status, a.location)
		}
	}
	return a
}

func (w watched) at(path string) string {
	w.t.Helper()
	return w.clean(answer{body: w.page(path)}).body
}

func (w watched) send(path string, form url.Values) answer {
	w.t.Helper()
	return w.clean(w.post(path, form))
}

const credentialsAt = "/t/default/credentials"

// hub is a filled-in form of a Hugging Face credential.
func hub(name string) url.Values {
	return url.Values{"provider": {"huggingface"}, "name": {name}, "field.token": {secretCanary}, "field.xet": {""},
		"patterns": {"huggingface.co/*\r\n*.hf.co/*\r\n"}, "once": {once()}}
}

// A credential is made of the form, linked, validated at once, and its page
// says in words what came of it.
func TestAddACredential(t *testing.T) {
	u := &upstream{auth.Report{At: time.Now(), Verdict: auth.VerdictValid, Asked: "GET https://huggingface.co/api/whoami-v2", Answer: "200", Meaning: "it is the token of ada", Facts: []string{"role: read"}}}
	k := newKit(t, func(o *admin.Options) { o.Validator = u })
	b := watched{k.owner()}
	key, err := k.local.CreateKey(t.Context(), admin.NewKey{Name: "worker"})
	k.must(err)
	if got := b.at(credentialsAt + "/new"); !strings.Contains(got, "provider=huggingface") || strings.Count(got, `class="card pick"`) != len(signer.Providers()) {
		t.Error("not every provider can be chosen")
	}
	form := b.at(credentialsAt + "/new?provider=huggingface&key=worker")
	for _, want := range []string{
		`type="password"`, `autocomplete="off"`, "huggingface.co/settings/tokens", "accept the model&#39;s licence first", "huggingface.co/*\n*.hf.co/*</textarea>",
		`value="` + key.ID + `" checked`, `name="name" value="huggingface"`,
	} {
		if !strings.Contains(form, want) {
			t.Errorf("the form does not hold %s", want)
		}
	}
	in := hub("hub")
	in["keys"] = []string{key.ID}
	got := b.send(credentialsAt+"/new", in)
	if got.status != http.StatusSeeOther || got.location != credentialsAt+"/hub?done=credential-created" {
		t.Fatalf("%d to %s: %s", got.status, got.location, got.body)
	}
	// Sent again it makes none, and leads to the same page.
	if again := b.send(credentialsAt+"/new", in); again.location != got.location {
		t.Errorf("sent again: %d to %s", again.status, again.location)
	}
	page := b.at(got.location)
	for _, want := range []string{"It works and is used.", "it is the token of ada", "GET https://huggingface.co/api/whoami-v2", "hf_Canar...9abc", ">worker</a>", "linked to"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %s", want)
		}
	}
	if list := b.at(credentialsAt); strings.Count(list, "<tbody") != 1 || strings.Count(list, `href="/t/default/credentials/hub"`) != 1 || !strings.Contains(list, "hf_Canar...9abc") {
		t.Error("the list does not hold it once")
	}
	if to := b.send(credentialsAt+"/new", with(hub("second"), "guide", "1")).location; to != "/t/default/guide?done=credential-added" {
		t.Errorf("the guide goes on at %s", to)
	}
	// What the upstream refuses is there, is not used, and says so with what to do.
	u.Report = auth.Report{At: time.Now(), Verdict: auth.VerdictInvalid, Meaning: "the Hub does not know the token", Next: "Make a new one."}
	page = b.at(b.send(credentialsAt+"/new", with(hub("third"), "guide", "1")).location)
	for _, want := range []string{"The upstream refuses its secret, so it is not used.", "the Hub does not know the token", "Make a new one."} {
		if !strings.Contains(page, want) {
			t.Errorf("the page of a refused one does not say %s", want)
		}
	}
	if list := b.at(credentialsAt + "?q=third"); strings.Count(list, `" hidden><td>`)+strings.Count(list, "\" hidden>\n<td>") != strings.Count(list, "<tr data-words=")-1 || !strings.Contains(list, "1 of them should be looked at: it ends") {
		t.Error("the search finds the others, or the list marks nothing")
	}
}

func with(form url.Values, pairs ...string) url.Values {
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return form
}

// A form that is refused shows what was typed but the secrets, and says beside
// each field what is wrong with it; sent again it has a key of its own.
func TestARefusedCredentialKeepsNoSecret(t *testing.T) {
	k := newKit(t, nil)
	b := watched{k.owner()}
	in := with(hub("hub"), "field.token", "Bearer "+secretCanary, "patterns", "huggingface.co/*\n*.com/*", "ends", "2031-02-03")
	got := b.send(credentialsAt+"/new", in)
	if got.status != http.StatusUnprocessableEntity {
		t.Fatalf("%d %s", got.status, got.body)
	}
	for _, want := range []string{`id="flaw-token"`, "without the word Bearer", `aria-invalid="true"`, "*.com/*</textarea>", `value="2031-02-03"`, `name="name" value="hub"`} {
		if !strings.Contains(got.body, want) {
			t.Errorf("no %s", want)
		}
	}
	once := regexp.MustCompile(`name="once" value="([^"]+)"`).FindStringSubmatch(got.body)
	if once == nil || once[1] == in.Get("once") {
		t.Error("the form is sent under the same key again")
	}
	got = b.send(credentialsAt+"/new", with(hub("hub"), "patterns", "*.com/*", "once", "o2"))
	if got.status != http.StatusUnprocessableEntity || !strings.Contains(got.body, `id="flaw-patterns"`) {
		t.Errorf("a pattern for everybody: %d", got.status)
	}
	got = b.send(credentialsAt+"/new", with(hub("hub"), "ends", "soon", "once", "o3"))
	if got.status != http.StatusUnprocessableEntity || !strings.Contains(got.body, `id="flaw-ends"`) {
		t.Errorf("no date: %d", got.status)
	}
	got = b.send(credentialsAt+"/new", url.Values{"provider": {"nobody"}, "name": {"x"}})
	if got.status != http.StatusUnprocessableEntity {
		t.Errorf("a provider that is not there: %d", got.status)
	}
	if all, err := k.local.ListCredentials(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("%d credentials, %v", len(all), err)
	}
}

// What is typed is read while it is, and not repeated.
func TestReadingAsItIsTyped(t *testing.T) {
	k := newKit(t, nil)
	b := watched{k.owner()}
	told := func(form url.Values) string {
		t.Helper()
		got := b.send(credentialsAt+"/new/preview", form)
		if got.status != http.StatusOK || strings.Contains(got.body, "<html") {
			t.Fatalf("%d %s", got.status, got.body)
		}
		return got.body
	}
	const signature = "Q2FuYXJ5%2B2FuYXJ5%2F2FuYXJ5%2BUNhbmFyeUNhbmFyeTE%3D"
	got := told(url.Values{"provider": {"azure_blob"}, "field.sasToken": {"?sv=2022-11-02&sr=c&sp=rw&se=2099-01-01&sig=" + signature}, "patterns": {"acme.blob.core.windows.net/*"}})
	for _, want := range []string{"It ends on 2099-01-01 00:00 UTC", "permissions: read, write", "it can do more than read"} {
		if !strings.Contains(got, want) {
			t.Errorf("of a SAS it does not say %s: %s", want, got)
		}
	}
	if strings.Contains(got, "2FuYXJ5") {
		t.Error("the signature is repeated")
	}
	got = told(url.Values{"provider": {"s3"}, "patterns": {"s3://acme-models/flux/*\r\ns3://"}, "field.accessKeyId": {""}})
	if !strings.Contains(got, "arn:aws:s3:::acme-models/flux/*") || !strings.Contains(got, `hx-swap-oob="true"`) || strings.Contains(got, "required") {
		t.Errorf("of S3: %s", got)
	}
	if got = told(url.Values{"provider": {"huggingface"}, "field.token": {"Bearer " + secretCanary}}); !strings.Contains(got, "<strong>Access token</strong> must be the token alone") {
		t.Errorf("of a token: %s", got)
	}
}

// A pattern that the test of a URL proposes is filled in, and says which
// provider it is for.
func TestAPatternIsProposed(t *testing.T) {
	k := newKit(t, nil)
	b := k.owner()
	got := b.page(credentialsAt + "/new?pattern=" + url.QueryEscape("huggingface.co/acme/secret/*") + "&key=worker&guide=1")
	first := strings.Index(got, `class="card pick"`)
	if suggested := strings.Index(got, "for your pattern"); suggested < first || !strings.Contains(got[first:suggested], "Hugging Face") {
		t.Error("the Hub is not suggested first")
	}
	if !strings.Contains(got, "guide=1&amp;key=worker&amp;pattern=huggingface.co%2Facme%2Fsecret%2F%2A&amp;provider=huggingface") {
		t.Error("what it is for is forgotten on the way")
	}
	got = b.page(credentialsAt + "/new?provider=http_bearer&pattern=" + url.QueryEscape(`</textarea><script>alert(1)</script>`))
	if strings.Contains(got, "<script>alert") {
		t.Error("a pattern is read as a page")
	}
}

// Every provider says how to get its secret, and where there are ways each is
// called something.
func TestEveryProviderHasSteps(t *testing.T) {
	k := newKit(t, nil)
	b := k.owner()
	for _, p := range signer.Providers() {
		s := p.Schema()
		page := b.page(credentialsAt + "/new?provider=" + s.Name)
		if !strings.Contains(page, "<ol>") {
			t.Errorf("%s: no steps", s.Name)
		}
		for _, f := range s.Fields {
			if n := strings.Count(page, `name="field.`+f.Name+`"`); n != 1 {
				t.Errorf("%s: %d inputs for %s", s.Name, n, f.Name)
			}
			if f.Secret != strings.Contains(page, `name="field.`+f.Name+`" spellcheck="false" autocapitalize="off" type="password" autocomplete="new-password"`) {
				t.Errorf("%s: %s is shown as it is typed, or hidden for nothing", s.Name, f.Name)
			}
		}
	}
}

// Names, patterns, and whatever an upstream says are text.
func TestT60_HostileTextInACredentialIsText(t *testing.T) {
	const evil = `"><script>alert('x')</script><img src=x onerror=alert(1)>`
	u := &upstream{auth.Report{At: time.Now(), Verdict: auth.VerdictInvalid, Asked: evil, Answer: evil, Meaning: evil, Next: evil, Facts: []string{evil + ": " + evil}, Warnings: []string{evil}}}
	k := newKit(t, func(o *admin.Options) {
		o.Validator = u
		o.Usage = func(context.Context, time.Time) ([]audit.UsageRow, error) { return nil, nil }
	})
	b := k.owner()
	_, err := k.local.CreateKey(t.Context(), admin.NewKey{Name: evil})
	k.must(err)
	b.does(credentialsAt+"/new", hub(evil))
	at := credentialsAt + "/" + admin.Segment(evil)
	for _, path := range []string{credentialsAt, credentialsAt + "?q=" + url.QueryEscape(evil), at, at + "/edit", at + "/rotate", at + "/keys", at + "/revoke", at + "/delete", credentialsAt + "/new?provider=s3&pattern=" + url.QueryEscape(evil)} {
		if page := b.page(path); strings.Contains(page, "<script>alert") || strings.Contains(page, "<img") {
			t.Errorf("%s: it is read as a page", path)
		}
	}
}

// A credential of another team, or of nobody, is not there.
func TestCredentialsOfAnotherTeamAreNotThere(t *testing.T) {
	k := newKit(t, nil)
	owner := k.owner()
	owner.does(credentialsAt+"/new", hub("hub"))
	_, err := k.store.CreateTeam(t.Context(), "blue", nil, auth.Event{Action: auth.ActionTeamCreate})
	k.must(err)
	other := k.user("eve@example.com", "blue", auth.RoleOwner)
	c, err := k.local.GetCredential(t.Context(), "hub")
	k.must(err)
	for _, ref := range []string{"hub", c.ID, "nothing"} {
		for _, page := range []string{"", "/edit", "/rotate", "/keys", "/revoke", "/delete"} {
			if got := other.get("/t/blue/credentials/" + ref + page); got.status != http.StatusNotFound {
				t.Errorf("%s%s: %d", ref, page, got.status)
			}
			if got := other.get(credentialsAt + "/" + ref + page); got.status != http.StatusNotFound {
				t.Errorf("in the other team %s%s: %d", ref, page, got.status)
			}
		}
		for _, act := range []string{"/edit", "/rotate", "/keys", "/revoke", "/delete", "/validate"} {
			if got := other.post("/t/blue/credentials/"+ref+act, with(hub("x"), "name", "hub")); got.status != http.StatusNotFound {
				t.Errorf("%s%s: %d", ref, act, got.status)
			}
		}
	}
	if now, err := k.local.GetCredential(t.Context(), "hub"); err != nil || now.Version != c.Version || now.Status != c.Status {
		t.Errorf("%+v %v", now, err)
	}
}

// Who may only look is offered nothing to do, and can do nothing.
func TestAViewerOfCredentialsOnlyLooks(t *testing.T) {
	k := newKit(t, nil)
	k.owner().does(credentialsAt+"/new", hub("hub"))
	b := k.user("eve@example.com", "", auth.RoleViewer)
	acts := []string{"/edit", "/rotate", "/keys", "/revoke", "/delete", "/validate"}
	for _, path := range []string{credentialsAt, credentialsAt + "/hub"} {
		page := b.page(path)
		for _, act := range append(slices.Clone(acts), "/new") {
			if strings.Contains(page, "/hub"+act+`"`) || strings.Contains(page, credentialsAt+act+`"`) {
				t.Errorf("%s offers %s", path, act)
			}
		}
	}
	for _, act := range acts {
		if got := b.post(credentialsAt+"/hub"+act, with(hub("x"), "name", "hub")); got.status != http.StatusForbidden {
			t.Errorf("%s: %d", act, got.status)
		}
		if got := b.get(credentialsAt + "/hub" + act); act != "/validate" && got.status != http.StatusForbidden {
			t.Errorf("the page of %s: %d", act, got.status)
		}
	}
	for _, path := range []string{"/new", "/new/preview"} {
		if got := b.post(credentialsAt+path, hub("mine")); got.status != http.StatusForbidden {
			t.Errorf("%s: %d", path, got.status)
		}
	}
	if all, err := k.local.ListCredentials(t.Context()); err != nil || len(all) != 1 || all[0].Version != 1 || len(all[0].Keys) != 0 {
		t.Errorf("%+v %v", all, err)
	}
}

// What the configuration declares is shown with where it comes from, and is
// changed nowhere else.
func TestDeclaredCredentialsAreReadOnly(t *testing.T) {
	k := newKit(t, nil)
	team, err := k.store.EnsureTeam(t.Context(), auth.DefaultTeam)
	k.must(err)
	k.must(k.store.SyncDeclarative(t.Context(), team.ID, []store.DeclaredCredential{{
		Credential: auth.Credential{Name: "declared", Provider: "huggingface", Patterns: []string{"huggingface.co/*"}, Status: auth.StatusValid},
		Secrets:    auth.Fields{"token": auth.NewSecret(secretCanary)},
	}}, nil, auth.Event{}))
	b := watched{k.owner()}
	page := b.at(credentialsAt + "/declared")
	if !strings.Contains(page, "comes from the configuration and is read-only here") {
		t.Error("it does not say where it comes from")
	}
	for _, act := range []string{"/edit", "/rotate", "/revoke", "/delete"} {
		if strings.Contains(page, "/declared"+act+`"`) {
			t.Errorf("%s is offered", act)
		}
		if got := b.send(credentialsAt+"/declared"+act, with(hub("declared"), "field.token", otherCanary)); got.status != http.StatusConflict {
			t.Errorf("%s: %d", act, got.status)
		}
	}
	if c, err := k.local.GetCredential(t.Context(), "declared"); err != nil || c.Version != 1 || c.Status != "valid" {
		t.Errorf("%+v %v", c, err)
	}
}

// A credential of many keys names some of them, and counts the rest.
func TestTheRowOfACredentialOfManyKeys(t *testing.T) {
	k := newKit(t, nil)
	b := k.owner()
	var keys []string
	for i := range shownKeys + 3 {
		name := fmt.Sprintf("gpu-%d", i)
		_, err := k.local.CreateKey(t.Context(), admin.NewKey{Name: name})
		k.must(err)
		keys = append(keys, name)
	}
	for name, linked := range map[string][]string{"many": keys, "few": keys[:shownKeys]} {
		_, err := k.local.CreateCredential(t.Context(), admin.NewCredential{Name: name, Provider: "http_bearer", NoValidate: true, Keys: linked,
			Fields: map[string]string{"token": "tok-123456789"}, Patterns: []string{name + ".example.com/*"}})
		k.must(err)
	}
	page := b.page("/t/default/credentials")
	if !strings.Contains(page, `href="/t/default/credentials/many#keys">and 3 more</a>`) || strings.Contains(page, "credentials/few#keys") || strings.Count(page, `href="/t/default/keys/gpu-0"`) != 2 {
		t.Errorf("%s", page)
	}
	// It is found by a key that it does not name, with scripts and without.
	last := keys[len(keys)-1]
	shows(t, "what scripts search", between(t, page, `data-words="`, `">`+"\n<td>"+`<a class="name" href="/t/default/credentials/many"`), true, last)
	shows(t, "found", b.page("/t/default/credentials?q="+last), true, `id="none-found" class="muted" hidden`)
	shows(t, "not found", b.page("/t/default/credentials?q=elsewhere"), true, `id="none-found" class="muted">None of them`)
}
