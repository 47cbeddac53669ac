package portal

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/admin"
)

// A form that stood open changes what was changed in it, and leaves what
// somebody else has changed meanwhile.
func TestWhatSomebodyElseChangedStays(t *testing.T) {
	k := newKit(t, nil)
	b := k.owner()
	_, err := k.local.CreateKey(t.Context(), admin.NewKey{Name: "gpu", Routes: []string{"huggingface.co/*"}, Limits: &admin.Limits{Rate: 3}})
	k.must(err)
	_, err = k.local.CreateS3Key(t.Context(), admin.NewS3Key{Name: "trainer", Buckets: []string{"one", "two"}, Permission: "read-write"})
	k.must(err)
	b.does(credentialsAt+"/new", with(hub("hub"), "field.xet", "hide"))
	u, err := k.local.CreateUser(t.Context(), admin.NewUser{Email: "bob@example.com"})
	k.must(err)
	user := "/t/default/teams/users/" + u.ID

	key := formWith(t, b.page("/t/default/keys/gpu"), "seen")
	s3 := formWith(t, b.page("/t/default/s3-keys/trainer"), "seen")
	credential := formWith(t, b.page(credentialsAt+"/hub/edit"), "seen")
	bob := formWith(t, b.page(user), "seen")

	narrow, deny := []string{"huggingface.co/acme/*"}, "deny"
	_, err = k.local.UpdateKey(t.Context(), "gpu", admin.KeyPatch{Routes: &narrow, Unmatched: &deny, Sources: &[]string{"10.0.0.0/8"}, Limits: &admin.LimitsPatch{Rate: new(2.5)}})
	k.must(err)
	_, err = k.local.UpdateS3Key(t.Context(), "trainer", admin.S3KeyPatch{Buckets: &[]string{"one"}, Permission: new("read"), Aliases: &map[string]string{"models": "one"}})
	k.must(err)
	_, err = k.local.UpdateCredential(t.Context(), "hub", admin.CredentialPatch{Patterns: narrow, Fields: map[string]string{"xet": "pass"}, ExpiresAt: new(day(2099, 5, 6))})
	k.must(err)
	_, err = k.local.UpdateUser(t.Context(), u.ID, admin.UserPatch{Email: new("robert@example.com")})
	k.must(err)

	b.does("/t/default/keys/gpu", with(key, "name", "gpu-1"))
	got, err := k.local.GetKey(t.Context(), "gpu-1")
	if err != nil || !slices.Equal(got.Routes, narrow) || got.Unmatched != deny || len(got.Sources) != 1 || got.Limits == nil || got.Limits.Rate != 2.5 {
		t.Errorf("the key: %+v %v", got, err)
	}
	b.does("/t/default/s3-keys/trainer", with(s3, "name", "trainer-1"))
	gotS3, err := k.local.GetS3Key(t.Context(), "trainer-1")
	if err != nil || len(gotS3.Buckets) != 1 || gotS3.Permission != "read" || gotS3.Aliases["models"] != "one" {
		t.Errorf("the S3 access key: %+v %v", gotS3, err)
	}
	b.does(credentialsAt+"/hub/edit", with(credential, "name", "hub-1"))
	if c := k.credential("hub-1"); !slices.Equal(c.Patterns, narrow) || c.Fields["xet"] == "hide" || dateOf(c.ExpiresAt) != "2099-05-06" {
		t.Errorf("the credential: %+v", c)
	}
	b.does(user, with(bob, "name", "Bob"))
	if u, err := k.local.GetUser(t.Context(), u.ID); err != nil || u.Email != "robert@example.com" || u.Name != "Bob" {
		t.Errorf("the user: %+v %v", u, err)
	}
}

// What two people have both changed is told to the second, with what the first
// made of it: what was typed stands there, and sent again it counts.
func TestAClashIsTold(t *testing.T) {
	k := newKit(t, nil)
	b := k.owner()
	_, err := k.local.CreateKey(t.Context(), admin.NewKey{Name: "gpu", Sources: []string{"10.0.0.0/8"}})
	k.must(err)
	form := with(formWith(t, b.page("/t/default/keys/gpu"), "seen"), "sources", "10.1.0.0/16\r\n10.2.0.0/16", "name", "gpu-1")
	_, err = k.local.UpdateKey(t.Context(), "gpu", admin.KeyPatch{Sources: &[]string{"192.168.0.0/16"}, Scope: new("write")})
	k.must(err)
	got := b.refuses("/t/default/keys/gpu", form, http.StatusPreconditionFailed, "precondition_failed")
	shows(t, "the form", got.body, true, "somebody else has changed the same meanwhile: Networks", "Networks: 192.168.0.0/16", `value="gpu-1"`, "10.1.0.0/16")
	if key, err := k.local.GetKey(t.Context(), "gpu"); err != nil || !slices.Equal(key.Sources, []string{"192.168.0.0/16"}) {
		t.Errorf("%+v %v", key, err)
	}
	b.does("/t/default/keys/gpu", formWith(t, got.body, "seen"))
	if key, err := k.local.GetKey(t.Context(), "gpu-1"); err != nil || !slices.Equal(key.Sources, []string{"10.1.0.0/16", "10.2.0.0/16"}) || key.Scope != "write" {
		t.Errorf("%+v %v", key, err)
	}
}

// A credential is left with no pattern by no form: that would say it is saved,
// and nothing would have changed.
func TestACredentialKeepsAPattern(t *testing.T) {
	k := newKit(t, nil)
	b := watched{k.owner()}
	b.does(credentialsAt+"/new", hub("hub"))
	was := k.credential("hub").Patterns
	form := with(formWith(t, b.at(credentialsAt+"/hub/edit"), "seen"), "patterns", " \r\n", "name", "typed")
	got := b.refuses(credentialsAt+"/hub/edit", form, http.StatusUnprocessableEntity, "invalid")
	shows(t, "the form", got.body, true, `id="flaw-patterns"`, "it needs a pattern at least", `value="typed"`)
	if c := k.credential("hub"); !slices.Equal(c.Patterns, was) {
		t.Errorf("%q", c.Patterns)
	}
}

// FuzzSince: whatever is sent in place of what a form was made with, a field that
// it has not is not made up, and one that nobody touched is as it is now.
func FuzzSince(f *testing.F) {
	f.Add("name=a&routes=x", "a", "y")
	f.Add("%", "a", "y")
	f.Add("routes=x%0Ay", "x\r\ny", "z")
	f.Fuzz(func(t *testing.T, seen, typed, is string) {
		form := url.Values{"seen": {seen}, "routes": {typed}}
		now, clashes := holding{{"routes", "Routes", is}, {"absent", "Absent", "x"}}.since(form)
		if now.Has("absent") || len(clashes) > 1 || form.Get("routes") != typed {
			t.Errorf("%v %v", now, clashes)
		}
		if got := now.Get("routes"); got != typed && got != is || len(clashes) > 0 && got != typed {
			t.Errorf("%q", got)
		}
		if made := (holding{{"routes", "Routes", is}}).seen(); !strings.Contains(made, "routes=") {
			t.Errorf("%q", made)
		}
	})
}
