package portal

import (
	"slices"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
)

// changeData is a form that changes a credential.
type changeData struct {
	credentialForm
	Credential admin.Credential
	Ref        string
	// Secret says that the secret has to be given again.
	Secret bool
	// Seen is what the credential held as the form was made.
	Seen string
}

// linksData are the API keys of a credential.
type linksData struct {
	Credential admin.Credential
	Ref        string
	Keys       []choice
}

// changeCredentialPages edit, rotate and link a credential.
func (p *Portal) changeCredentialPages() {
	p.onCredential("GET", "/edit", "update-credential", func(v *visit, c admin.Credential) error {
		d, err := v.editForm(c, c.Fields, false)
		if err != nil {
			return err
		}
		for _, proposed := range v.r.URL.Query()["pattern"] {
			if !slices.Contains(c.Patterns, proposed) {
				d.Patterns += "\n" + proposed
			}
		}
		return v.render("credential-edit.html", d)
	})
	p.onCredential("POST", "/edit", "update-credential", (*visit).editCredential)
	p.onCredential("GET", "/rotate", "rotate-credential", func(v *visit, c admin.Credential) error {
		d, err := v.changeForm(c, c.Fields, notPolicy)
		if err != nil {
			return err
		}
		return v.render("credential-rotate.html", d)
	})
	p.onCredential("POST", "/rotate", "rotate-credential", (*visit).rotateCredential)
	p.onCredential("GET", "/keys", "link", func(v *visit, c admin.Credential) error {
		d, err := v.linksOf(c)
		if err != nil {
			return err
		}
		return v.render("credential-keys.html", d)
	})
	p.onCredential("POST", "/keys", "link", (*visit).linkCredential)
}

func notPolicy(f auth.Field) bool { return !f.Policy }

// changeForm is a form about the fields of c that are wanted, filled with
// values.
func (v *visit) changeForm(c admin.Credential, values map[string]string, wanted func(auth.Field) bool) (changeData, error) {
	schemas, err := v.schemas()
	if err != nil {
		return changeData{}, err
	}
	d := changeData{credentialForm: v.formOf(schemaOf(schemas, c.Provider), values, wanted), Credential: c, Ref: refOf(c)}
	return d, nil
}

// rotateCredential replaces the secret, once the upstream has taken the new one.
func (v *visit) rotateCredential(c admin.Credential) error {
	form, err := v.form()
	if err != nil {
		return err
	}
	d, err := v.changeForm(c, c.Fields, notPolicy)
	if err != nil {
		return err
	}
	in := admin.Rotation{Fields: typedFields(d.Schema, form), NoValidate: form.Get("no_validate") != ""}
	if in.ExpiresAt, err = v.endOn(form.Get("ends")); err == nil {
		_, err = v.api.Once(form.Get("once")).RotateCredential(v.ctx(), c.ID, in)
	}
	if err != nil {
		if d, broken := v.changeForm(c, in.Fields, notPolicy); broken == nil {
			d.Ends, d.NoValidate = form.Get("ends"), in.NoValidate
			d.mark(err)
			return v.refused(err, "credential-rotate.html", d)
		}
		return err
	}
	return v.redirect(v.at("credentials", refOf(c)), "credential-rotated")
}

func (v *visit) linksOf(c admin.Credential) (linksData, error) {
	keys, err := v.api.ListKeys(v.ctx())
	return linksData{c, refOf(c), keyChoices(keys, c.Keys)}, err
}

// linkCredential changes the links that were changed in the form.
func (v *visit) linkCredential(c admin.Credential) error {
	form, err := v.form()
	if err != nil {
		return err
	}
	err = relink(form, "keys",
		func(id string) error { _, err := v.api.Link(v.ctx(), c.ID, id); return err },
		func(id string) error { _, err := v.api.Unlink(v.ctx(), c.ID, id); return err })
	if err != nil {
		return refusedAsItIs(v, err, "credential-keys.html", v.linksOf)
	}
	return v.redirect(v.at("credentials", refOf(c)), "credential-linked")
}
