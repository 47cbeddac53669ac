package portal

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
)

// editForm asks for what can be changed without the secret, and where secret is
// set for all fields.
func (v *visit) editForm(c admin.Credential, values map[string]string, secret bool) (changeData, error) {
	d, err := v.changeForm(c, values, func(f auth.Field) bool { return secret || f.Policy })
	d.Name, d.Patterns, d.Secret = c.Name, strings.Join(c.Patterns, "\n"), secret
	d.Ends, d.Seen = dateOf(c.ExpiresAt), v.credentialHolds(&c, d.Schema, secret).seen()
	return d, err
}

// credentialHolds is what a credential holds in the fields of editForm: no
// secret.
func (v *visit) credentialHolds(c *admin.Credential, s auth.Schema, secret bool) holding {
	out := holding{{"name", v.say("credential.name"), c.Name}, {"patterns", v.say("credential.patterns"), strings.Join(c.Patterns, "\n")},
		{"ends", v.say("credential.ends"), dateOf(c.ExpiresAt)}}
	for _, f := range s.Fields {
		if !f.Secret && (secret || f.Policy) {
			out = append(out, held{"field." + f.Name, f.Title, c.Fields[f.Name]})
		}
	}
	return out
}

// editCredential changes what was changed in the form.
func (v *visit) editCredential(c admin.Credential) error {
	form, s, err := v.sent(c.Provider)
	if err != nil {
		return err
	}
	secret := form.Get("secret") != ""
	form, clashes := v.credentialHolds(&c, s, secret).since(form)
	in, err := v.credentialPatch(&c, s, form, secret)
	if err == nil {
		err = v.clash(clashes)
	}
	now := c
	if err == nil && (in.Name != nil || in.Patterns != nil || in.Fields != nil || in.ExpiresAt != nil) {
		api := v.api.Once(form.Get("once"))
		if !secret { // which would make another request of a form that is sent again
			api = api.IfMatch(v.state)
		}
		now, err = api.UpdateCredential(v.ctx(), c.ID, in)
	}
	if err == nil {
		return v.redirect(v.at("credentials", refOf(now)), "credential-updated")
	}
	prob, ok := asProblem(err)
	wanted := secret || ok && prob.Code == "secret_required"
	values := maps.Clone(c.Fields)
	maps.Copy(values, typedFields(s, form))
	d, broken := v.editForm(c, values, wanted)
	if broken != nil {
		return broken
	}
	d.Name, d.Patterns, d.Ends, d.NoValidate = form.Get("name"), form.Get("patterns"), form.Get("ends"), in.NoValidate
	if wanted && !secret && d.Ends == dateOf(c.ExpiresAt) && endsWithItsSecret(&c) {
		d.Ends = "" // of the old secret: a new one says for itself when it ends
	}
	d.mark(err)
	return v.refused(err, "credential-edit.html", d)
}

// credentialPatch is what a form changes of c; with the secret all that it says,
// so that it is the same request where it is sent again. The error is a
// *admin.Problem.
func (v *visit) credentialPatch(c *admin.Credential, s auth.Schema, form url.Values, secret bool) (in admin.CredentialPatch, err error) {
	in.Fields, in.NoValidate = changedFields(s, c, form, secret), form.Get("no_validate") != ""
	if name := strings.TrimSpace(form.Get("name")); secret || name != c.Name {
		in.Name = &name
	}
	patterns := linesOf(form.Get("patterns"))
	if len(patterns) == 0 {
		return in, &admin.Problem{Status: http.StatusUnprocessableEntity, Code: "invalid", Detail: v.say("credential.patterns.none"), Next: v.say("credential.patterns.none.next"),
			Errors: []admin.Flaw{{Location: "body.patterns", Message: v.say("credential.patterns.none")}}}
	}
	if secret || !slices.Equal(patterns, c.Patterns) {
		in.Patterns = patterns
	}
	in.ExpiresAt, err = v.movedEnd(form.Get("ends"), c, secret)
	return in, err
}

// changedFields are the fields of a form that differ; all of them where the
// secret is given again.
func changedFields(s auth.Schema, c *admin.Credential, form url.Values, secret bool) map[string]string {
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

// movedEnd is what an end in a form changes: nothing where it is the one that c
// has, and to the zero time where there is to be none. What is given with the
// secret is always said: the API would go by the new secret alone.
func (v *visit) movedEnd(date string, c *admin.Credential, secret bool) (*time.Time, error) {
	if date == dateOf(c.ExpiresAt) {
		if secret {
			return c.ExpiresAt, nil // to the second; nil where there is none
		}
		return nil, nil
	}
	end, err := v.endOn(date)
	if end == nil && err == nil && !secret {
		end = &time.Time{}
	}
	return end, err
}

// endsWithItsSecret reports whether the end of c is the one that its secret has
// by itself, and none that somebody set.
func endsWithItsSecret(c *admin.Credential) bool {
	return c.ExpiresAt != nil && c.OwnExpiresAt != nil && c.ExpiresAt.Equal(*c.OwnExpiresAt)
}
