//go:build realclients

package portal

import (
	"slices"
	"testing"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/internal/house"
)

// Without scripts every page can be read, and what a form says is done: a
// credential is added, a key made, linked and revoked.
func TestWithoutScripts(t *testing.T) {
	t.Parallel()
	s := newSite(t, house.Options{})
	s.user(owner, "", "owner")
	b := s.tab()
	b.scripts(false)
	b.open("/t/default/credentials")
	b.signIn(owner)
	b.at("/t/default/credentials")
	for _, page := range b.navigation() {
		b.open(page)
	}
	ctx, api := t.Context(), s.API()

	b.open("/t/default/credentials")
	b.follow("Add credential")
	b.follow("HTTP Bearer Token")
	b.fill("Name", "registry")
	b.fill("Token", s.secret("registry-token-").Value())
	b.fill("URL patterns", "models.example.com/*")
	b.tick("Do not ask the upstream", true)
	b.follow("Create")
	b.shows()
	b.at("/t/default/credentials/registry")
	b.sees("It counts as valid")

	b.open("/t/default/keys")
	b.follow("New API key")
	b.fill("Name", "plain")
	b.tick("registry", true)
	b.follow("Create and show it once")
	b.shows()
	b.revealed()
	b.follow("I have copied it")
	b.at("/t/default/keys/plain")
	linked := func() bool {
		k, err := api.GetKey(ctx, "plain")
		s.must(err)
		return slices.ContainsFunc(k.Credentials, func(c admin.Ref) bool { return c.Name == "registry" })
	}
	if !linked() {
		t.Error("the key is not linked to what was ticked")
	}
	b.tick("registry", false)
	b.follow("Save the links")
	b.sees("The links are saved.")
	if linked() {
		t.Error("the key is linked to what is ticked no more")
	}

	status := func() string { k, err := api.GetKey(ctx, "plain"); s.must(err); return k.Status }
	b.follow("Revoke")
	b.fill("Type “plain” to confirm", "another")
	b.follow("Revoke")
	b.sees("not_confirmed")
	if status() != "active" {
		t.Errorf("it is %s after another name", status())
	}
	b.fill("Type “plain” to confirm", "plain")
	b.follow("Revoke")
	b.shows()
	b.sees("The key is revoked.")
	if status() != "revoked" {
		t.Errorf("it is %s", status())
	}
}
