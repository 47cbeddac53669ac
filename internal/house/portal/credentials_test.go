//go:build realclients

package portal

import (
	"testing"

	"github.com/weighbridge/weighbridge/internal/house"
)

// What is typed into the form of a credential is read out beside it; the
// credential is made, and revoked by its name.
func TestACredentialFromItsFormToItsEnd(t *testing.T) {
	t.Parallel()
	s := newSite(t, house.Options{})
	s.user(owner, "", "owner")
	b := s.tab()
	b.open("/t/default/credentials")
	b.signIn(owner)
	b.follow("Add credential")
	b.follow("Azure Blob Storage")
	b.fill("SAS token", "?sv=2022-11-02&sr=c&sp=rw&se=2099-01-01&sig=Q2FuYXJ5%2B2FuYXJ5%2F2FuYXJ5%2BUNhbmFyeUNhbmFyeTE%3D")
	b.until("the end and the permissions are read out", `/It ends on 2099-01-01[^]*permissions: read, write[^]*more than read/.test(document.querySelector("#told").innerText)`)
	b.until("the signature is not repeated", `!document.querySelector("#told").innerHTML.includes("2FuYXJ5")`)

	b.open("/t/default/credentials/new?provider=s3")
	b.fill("URL patterns", "s3://acme-models/flux/*")
	b.until("the policy names the bucket", `document.querySelector("#grant-text").innerText.includes("arn:aws:s3:::acme-models/flux/*")`)

	b.open("/t/default/credentials/new?provider=http_bearer")
	b.fill("Name", "registry")
	b.fill("Token", s.secret("registry-token-").Value())
	b.fill("URL patterns", "*.com/*")
	b.until("the mistake is told", `document.querySelector("#told .bad")`)
	b.fill("URL patterns", "models.example.com/*")
	b.until("it is a mistake no more", `!document.querySelector("#told .bad")`)
	b.tick("Do not ask the upstream", true)
	b.follow("Create")
	b.at("/t/default/credentials/registry")
	b.sees("It counts as valid")

	b.follow("Revoke")
	b.until("the button waits for the name", `document.querySelector("main form button").disabled`)
	b.fill("Type “registry” to confirm", "registry")
	b.follow("Revoke")
	b.at("/t/default/credentials/registry")
	b.sees("It was revoked.")
}
