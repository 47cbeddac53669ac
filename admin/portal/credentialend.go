package portal

import (
	"net/url"

	"github.com/weighbridge/weighbridge/admin"
)

// endCredentialPages revoke and delete a credential, which nothing undoes.
func (p *Portal) endCredentialPages() {
	p.confirm("/credentials/{ref}/revoke", func(v *visit) (confirmation, error) {
		c, happens, err := v.ending("revoke")
		if err != nil {
			return confirmation{}, err
		}
		return confirmation{
			Title: v.say("credential.revoke.title", c.Name), Needs: "revoke-credential", Happens: happens, Name: c.Name,
			Action: v.say("credential.revoke"), Back: v.at("credentials", refOf(c)), Option: "now", OptionText: v.say("credential.revoke.now"),
		}, nil
	}, func(v *visit, form url.Values) error {
		c, err := v.api.RevokeCredential(v.ctx(), v.r.PathValue("ref"), admin.RevokeCredentialQuery{Now: form.Get("now") != ""})
		if err != nil {
			return err
		}
		return v.redirect(v.at("credentials", refOf(c)), "credential-revoked")
	})
	p.confirm("/credentials/{ref}/delete", func(v *visit) (confirmation, error) {
		c, happens, err := v.ending("delete")
		if err != nil {
			return confirmation{}, err
		}
		return confirmation{
			Title: v.say("credential.delete.title", c.Name), Needs: "delete-credential", Happens: happens, Name: c.Name,
			Action: v.say("credential.delete"), Back: v.at("credentials", refOf(c)),
		}, nil
	}, func(v *visit, _ url.Values) error {
		if err := v.api.DeleteCredential(v.ctx(), v.r.PathValue("ref")); err != nil {
			return err
		}
		return v.redirect(v.at("credentials"), "credential-deleted")
	})
}

// ending is the credential that is about to be ended, and what will happen.
func (v *visit) ending(how string) (c admin.Credential, happens []string, err error) {
	if c, err = v.credential(); err != nil {
		return c, nil, err
	}
	if c.Declarative {
		return c, nil, declared(v, c)
	}
	now, err := v.api.ListTransfers(v.ctx())
	if err != nil {
		return c, nil, err
	}
	running := 0
	for i := range now.Transfers {
		if now.Transfers[i].Credential == c.Name {
			running++
		}
	}
	happens = v.numbered("credential-ending." + how)
	if len(c.Keys) > 0 {
		happens = append(happens, v.say("credential.ending.keys", quantity(len(c.Keys), v.say("credential.ending.key"))))
	}
	if running > 0 {
		happens = append(happens, v.p.pages().text.many("credential.ending.running", running))
	} else {
		happens = append(happens, v.say("credential.ending.idle"))
	}
	return c, happens, nil
}
