package portal

import (
	"cmp"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

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
	// Was is the date on which it ended as the form was made.
	Was string
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

// editForm asks for what can be changed without the secret, and where secret is
// set for all fields.
func (v *visit) editForm(c admin.Credential, values map[string]string, secret bool) (changeData, error) {
	d, err := v.changeForm(c, values, func(f auth.Field) bool { return secret || f.Policy })
	d.Name, d.Patterns, d.Secret = c.Name, strings.Join(c.Patterns, "\n"), secret
	d.Ends, d.Was = dateOf(c.ExpiresAt), dateOf(c.ExpiresAt)
	return d, err
}

// editCredential changes what was changed in the form.
func (v *visit) editCredential(c admin.Credential) error {
	form, s, err := v.sent(c.Provider)
	if err != nil {
		return err
	}
	var in admin.CredentialPatch
	if name := strings.TrimSpace(form.Get("name")); name != c.Name {
		in.Name = &name
	}
	if patterns := linesOf(form.Get("patterns")); !slices.Equal(patterns, c.Patterns) {
		in.Patterns = patterns
	}
	secret := form.Get("secret") != ""
	in.Fields, in.NoValidate = v.changed(s, c, form, secret), form.Get("no_validate") != ""
	in.ExpiresAt, err = v.movedEnd(form)
	now := c
	if err == nil && (in.Name != nil || in.Patterns != nil || in.Fields != nil || in.ExpiresAt != nil) {
		now, err = v.api.Once(form.Get("once")).UpdateCredential(v.ctx(), c.ID, in)
	}
	if err != nil {
		prob, ok := asProblem(err)
		secret = secret || ok && prob.Code == "secret_required"
		values := maps.Clone(c.Fields)
		maps.Copy(values, typedFields(s, form))
		d, broken := v.editForm(c, values, secret)
		if broken != nil {
			return broken
		}
		d.Name, d.Patterns, d.Ends, d.NoValidate = form.Get("name"), form.Get("patterns"), form.Get("ends"), in.NoValidate
		d.mark(err)
		return v.refused(err, "credential-edit.html", d)
	}
	return v.redirect(v.at("credentials", refOf(now)), "credential-updated")
}

// changed are the fields of a form that differ; all of them where the secret
// is given again.
func (v *visit) changed(s auth.Schema, c admin.Credential, form url.Values, secret bool) map[string]string {
	given := typedFields(s, form)
	if secret {
		return given
	}
	maps.DeleteFunc(given, func(name, value string) bool {
		i := slices.IndexFunc(s.Fields, func(f auth.Field) bool { return f.Name == name })
		return !s.Fields[i].Policy || value == c.Fields[name]
	})
	if len(given) == 0 {
		return nil
	}
	return given
}

// movedEnd is the end in a form where it is another than the form was made
// with; the zero time for none.
func (v *visit) movedEnd(form url.Values) (*time.Time, error) {
	if form.Get("ends") == form.Get("ends-was") {
		return nil, nil
	}
	end, err := v.endOn(form.Get("ends"))
	if err != nil {
		return nil, err
	}
	return cmp.Or(end, &time.Time{}), nil
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
