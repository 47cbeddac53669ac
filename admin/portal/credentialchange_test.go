package portal

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/auth/audit"
)

// What is edited changes what was changed; where the secret would go to a new
// host it is asked for once more, and stands in no page.
func TestEditACredential(t *testing.T) {
	k := newKit(t, nil)
	b := watched{k.owner()}
	b.does(credentialsAt+"/new", with(hub("hub"), "patterns", "huggingface.co/acme/*"))
	was, err := k.local.GetCredential(t.Context(), "hub")
	k.must(err)
	edit := func(pairs ...string) answer {
		return b.send(credentialsAt+"/hub/edit", with(url.Values{"name": {"hub"}, "patterns": {"huggingface.co/acme/*"}, "field.xet": {""}, "ends": {""}, "once": {once()}}, pairs...))
	}
	if got := b.at(credentialsAt + "/hub/edit"); strings.Contains(got, "password") || !strings.Contains(got, "huggingface.co/acme/*</textarea>") {
		t.Error("the form asks for the secret, or does not show what is there")
	}
	if got := edit(); got.status != http.StatusSeeOther {
		t.Errorf("nothing changed: %d %s", got.status, got.body)
	}
	if now, err := k.local.GetCredential(t.Context(), "hub"); err != nil || !now.UpdatedAt.Equal(was.UpdatedAt) {
		t.Errorf("nothing was changed, and it was: %v", err)
	}
	if got := edit("name", "hub-production", "field.xet", "hide", "ends", "2099-05-06"); got.location != credentialsAt+"/hub-production?done=credential-updated" {
		t.Fatalf("%d %s", got.status, got.body)
	}
	now, err := k.local.GetCredential(t.Context(), "hub-production")
	if err != nil || now.Fields["xet"] != "hide" || dateOf(now.ExpiresAt) != "2099-05-06" || now.ID != was.ID {
		t.Errorf("%+v %v", now, err)
	}
	_, err = k.local.UpdateCredential(t.Context(), was.ID, admin.CredentialPatch{Name: new("hub")})
	k.must(err)
	if edit("field.xet", "hide", "ends", ""); k.credential("hub").ExpiresAt != nil {
		t.Error("the end cannot be taken away")
	}
	got := edit("field.xet", "hide", "patterns", "huggingface.co/acme/*\nmirror.example.com/*")
	if got.status != http.StatusConflict || !strings.Contains(got.body, "secret_required") || !strings.Contains(got.body, `name="field.token"`) || strings.Contains(got.body, "--set") ||
		!strings.Contains(got.body, "mirror.example.com/*</textarea>") || !strings.Contains(got.body, `value="hide" selected`) {
		t.Fatalf("a new host: %d %s", got.status, got.body)
	}
	got = edit("field.xet", "hide", "patterns", "huggingface.co/acme/*\nmirror.example.com/*", "secret", "1", "field.token", otherCanary)
	if now = k.credential("hub"); got.status != http.StatusSeeOther || len(now.Patterns) != 2 || now.Fields["xet"] != "hide" || now.Fields["token"] == was.Fields["token"] {
		t.Errorf("%d %s: %+v", got.status, got.body, now)
	}
}

// An end that somebody set outlives the secret that is given once more; one that
// the old secret had by itself does not.
func TestTheEndOfAnEditedCredential(t *testing.T) {
	k := newKit(t, nil)
	b := watched{k.owner()}
	jwt := "eyJhbGciOiJub25lIn0." + base64.RawURLEncoding.EncodeToString([]byte(`{"exp":4081536000}`)) + ".c2ln" // 2099-05-04
	for _, one := range []struct{ name, token, set, shown, kept string }{
		{"set", "tok-of-no-end-123456", "2099-05-06", "2099-05-06", "2099-05-06"},
		{"its own", jwt, "", "", ""},
		{"set before its own", jwt, "2098-05-06", "2098-05-06", "2098-05-06"},
	} {
		t.Run(one.name, func(t *testing.T) {
			b.does(credentialsAt+"/new", url.Values{"provider": {"http_bearer"}, "name": {one.name}, "field.token": {one.token}, "patterns": {"a.example.com/*"}, "ends": {one.set}, "once": {once()}})
			if k.credential(one.name).ExpiresAt == nil {
				t.Fatal("it has no end")
			}
			at := teamPath(auth.DefaultTeam, "credentials", one.name, "edit")
			form := with(formWith(t, b.at(at), "seen"), "patterns", "a.example.com/*\r\nb.example.com/*")
			got := b.refuses(at, form, http.StatusConflict, "secret_required")
			form = formWith(t, got.body, "secret")
			if form.Get("ends") != one.shown {
				t.Errorf("the form has the end %q", form.Get("ends"))
			}
			b.does(at, with(form, "field.token", otherCanary))
			if c := k.credential(one.name); dateOf(c.ExpiresAt) != one.kept || len(c.Patterns) != 2 {
				t.Errorf("it ends %v: %q", c.ExpiresAt, c.Patterns)
			}
			if got := b.post(at, with(form, "field.token", otherCanary)); got.status != http.StatusSeeOther {
				t.Errorf("sent again: %d %s", got.status, got.body)
			}
		})
	}
}

// day is when a day begins.
func day(year int, month time.Month, d int) time.Time {
	return time.Date(year, month, d, 0, 0, 0, 0, time.UTC)
}

// credential is the one of that name.
func (k *kit) credential(name string) admin.Credential {
	k.t.Helper()
	c, err := k.local.GetCredential(k.t.Context(), name)
	k.must(err)
	return c
}

// A secret is rotated once the upstream takes the new one; neither stands in a
// page.
func TestRotateACredential(t *testing.T) {
	u := &upstream{auth.Report{At: time.Now(), Verdict: auth.VerdictValid, Meaning: "it works"}}
	k := newKit(t, func(o *admin.Options) { o.Validator = u })
	b := watched{k.owner()}
	b.does(credentialsAt+"/new", hub("hub"))
	if got := b.at(credentialsAt + "/hub/rotate"); strings.Contains(got, "field.xet") || !strings.Contains(got, "field.token") {
		t.Error("the form asks for what is no secret, or not for the secret")
	}
	rotate := func(token string, pairs ...string) answer {
		return b.send(credentialsAt+"/hub/rotate", with(url.Values{"field.token": {token}, "once": {once()}}, pairs...))
	}
	if got := rotate(""); got.status != http.StatusUnprocessableEntity || !strings.Contains(got.body, `id="flaw-token"`) || strings.Contains(got.body, "--set") {
		t.Errorf("no secret: %d", got.status)
	}
	u.Report = auth.Report{At: time.Now(), Verdict: auth.VerdictUnknown, Meaning: "nobody answers"}
	if got := rotate(otherCanary); got.status != http.StatusConflict || !strings.Contains(got.body, "nobody answers") || strings.Contains(got.body, "--no-validate") {
		t.Errorf("nobody answers: %d %s", got.status, got.body)
	}
	if c := k.credential("hub"); c.Version != 1 {
		t.Errorf("version %d", c.Version)
	}
	in := url.Values{"field.token": {otherCanary}, "no_validate": {"true"}, "ends": {"2099-01-01"}, "once": {once()}}
	for range 2 {
		if got := b.send(credentialsAt+"/hub/rotate", in); got.location != credentialsAt+"/hub?done=credential-rotated" {
			t.Errorf("%d %s", got.status, got.body)
		}
	}
	if c := k.credential("hub"); c.Version != 2 || dateOf(c.ExpiresAt) != "2099-01-01" {
		t.Errorf("version %d, ends %v", c.Version, c.ExpiresAt)
	}
	b.at(credentialsAt + "/hub")
}

// Keys are linked and unlinked as the boxes say.
func TestManageTheKeysOfACredential(t *testing.T) {
	k := newKit(t, nil)
	b := watched{k.owner()}
	var ids []string
	for _, name := range []string{"one", "two", "three"} {
		key, err := k.local.CreateKey(t.Context(), admin.NewKey{Name: name})
		k.must(err)
		ids = append(ids, key.ID)
	}
	b.does(credentialsAt+"/new", with(hub("hub"), "keys", ids[0]))
	if got := b.at(credentialsAt + "/hub/keys"); strings.Count(got, " checked") != 1 || strings.Count(got, `name="keys"`) != 3 {
		t.Error("the boxes are not what is linked")
	}
	b.does(credentialsAt+"/hub/keys", url.Values{"keys-was": {ids[0]}, "keys": {ids[1], ids[2]}})
	got := k.credential("hub").Keys
	if len(got) != 2 || got[0].Name != "three" || got[1].Name != "two" {
		t.Errorf("%+v", got)
	}
	if got := b.send(credentialsAt+"/hub/keys", url.Values{"keys": {"nothing"}}); got.status != http.StatusNotFound {
		t.Errorf("a key that is not there: %d", got.status)
	}
}

// A revocation says what happens, asks for the name, and cuts what is in
// progress where that is wanted; what is deleted is gone.
func TestEndACredential(t *testing.T) {
	var cut []admin.Cut
	k := newKit(t, func(o *admin.Options) {
		o.Cut = func(c admin.Cut) int { cut = append(cut, c); return 1 }
		o.Transfers = func() []admin.Transfer { return []admin.Transfer{{TeamID: o.TeamID, ID: "1", Credential: "hub"}} }
	})
	b := watched{k.owner()}
	b.does(credentialsAt+"/new", hub("hub"))
	id := k.credential("hub").ID
	page := b.at(credentialsAt + "/hub/revoke")
	for _, want := range []string{"refused at once", "Its sealed secret is destroyed", "1 download with it is in progress: it finishes, unless it is cut", "Also cut the downloads in progress"} {
		if !strings.Contains(page, want) {
			t.Errorf("it does not say %s", want)
		}
	}
	if got := b.send(credentialsAt+"/hub/revoke", url.Values{"name": {"hut"}, "now": {"true"}}); got.status != http.StatusUnprocessableEntity || len(cut) != 0 {
		t.Errorf("another name: %d", got.status)
	}
	b.does(credentialsAt+"/hub/revoke", url.Values{"name": {"hub"}, "now": {"true"}})
	if c := k.credential("hub"); c.Status != "revoked" || len(cut) != 1 || cut[0].CredentialID != id {
		t.Errorf("%s, cut %+v", c.Status, cut)
	}
	page = b.at(credentialsAt + "/hub")
	for _, act := range []string{"edit", "rotate", "revoke", "keys", "validate"} {
		if strings.Contains(page, "/hub/"+act+`"`) {
			t.Errorf("what is revoked can still %s", act)
		}
	}
	if to := b.does(credentialsAt+"/hub/delete", url.Values{"name": {"hub"}}); to != credentialsAt+"?done=credential-deleted" {
		t.Errorf("deleting leads to %s", to)
	}
	if got := b.get(credentialsAt + "/hub"); got.status != http.StatusNotFound {
		t.Errorf("deleted: %d", got.status)
	}
}

// A credential's page shows what came of it and its past, and asks about a
// repository by its URL as well.
func TestThePageOfACredential(t *testing.T) {
	yesterday := time.Now().UTC().AddDate(0, 0, -1).Format(time.DateOnly)
	u := &upstream{auth.Report{At: time.Now(), Verdict: auth.VerdictValid, Meaning: "it works"}}
	var id string
	k := newKit(t, func(o *admin.Options) {
		o.Validator = u
		o.Usage = func(context.Context, time.Time) ([]audit.UsageRow, error) {
			return []audit.UsageRow{
				{Day: yesterday, TeamID: o.TeamID, CredentialID: id, KeyID: "k", Requests: 1234, Bytes: 5 << 30},
				{Day: yesterday, TeamID: o.TeamID, CredentialID: "another", KeyID: "k", Requests: 1, Bytes: 7 << 30},
			}, nil
		}
	})
	b := watched{k.owner()}
	b.does(credentialsAt+"/new", hub("hub"))
	c := k.credential("hub")
	id = c.ID
	team, err := k.store.EnsureTeam(t.Context(), auth.DefaultTeam)
	k.must(err)
	k.must(k.record.Record(auth.Event{ID: "1", Time: time.Now(), TeamID: team.ID, Action: auth.ActionFinished, CredentialID: id, CredentialName: "hub", KeyName: "worker",
		Method: "GET", Host: "huggingface.co", Path: "/acme/secret/resolve/main/x.safetensors", Status: 200, Bytes: 3 << 20, Outcome: "ok"}).Wait(t.Context()))
	page := b.at(credentialsAt + "/hub")
	for _, want := range []string{"5.0 GiB", "1\u202f234", "created", "<td>" + ownerEmail + "</td>", "/acme/secret/resolve/main/x.safetensors", "3.0 MiB", "/t/default/audit?credential=hub"} {
		if !strings.Contains(page, want) {
			t.Errorf("it does not show %s", want)
		}
	}
	if strings.Contains(page, "7.0 GiB") {
		t.Error("it shows what came of another one")
	}
	if to := b.does(credentialsAt+"/hub/validate", url.Values{"repository": {"acme/secret"}}); to != credentialsAt+"/hub?done=credential-validated" {
		t.Errorf("validating leads to %s", to)
	}
	for typed, want := range map[string]string{
		"acme/secret": "acme/secret", " datasets/a/b ": "datasets/a/b", "https://huggingface.co/acme/secret/resolve/main/x?y=1": "acme/secret",
		"https://huggingface.co/datasets/a/b/tree/main": "datasets/a/b", "https://huggingface.co/gpt2": "gpt2", "https://huggingface.co": "", "": "",
	} {
		if got := repositoryOf(typed); got != want {
			t.Errorf("%q is the repository %q", typed, got)
		}
	}
}
