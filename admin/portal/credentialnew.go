package portal

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
)

// pickData are the providers to choose from.
type pickData struct{ Providers []providerCard }

// providerCard is one of them. Suggested says that the pattern which somebody
// comes with is for it.
type providerCard struct {
	auth.Schema
	Href      string
	Suggested bool
}

// First is the first sentence of what the provider says of itself.
func (c providerCard) First() string {
	first, _, more := strings.Cut(c.Help, ". ")
	if more {
		first += "."
	}
	return first
}

// newData is the form of a new credential.
type newData struct {
	credentialForm
	Keys []choice
	// Guide says that who fills it in goes on with the guide.
	Guide bool
	// Again leads back to the choice of the provider.
	Again string
}

// addCredentialPages make a credential: which provider, then its form.
func (p *Portal) addCredentialPages() {
	p.page("GET", "/credentials/new", func(v *visit) error {
		if err := v.may("create-credential"); err != nil {
			return err
		}
		schemas, err := v.schemas()
		if err != nil {
			return err
		}
		q := v.r.URL.Query()
		s := schemaOf(schemas, q.Get("provider"))
		if s.Fields == nil {
			return v.render("credential-pick.html", v.pick(schemas, q))
		}
		d, err := v.newForm(s, q)
		if err != nil {
			return err
		}
		return v.render("credential-new.html", d)
	})
	p.page("POST", "/credentials/new", (*visit).addCredential)
	p.page("POST", "/credentials/new/preview", (*visit).previewCredential)
}

// pick offers the providers, those first that the pattern is for.
func (v *visit) pick(schemas []auth.Schema, q url.Values) (d pickData) {
	for _, s := range schemas {
		to := carried(q)
		to.Set("provider", s.Name)
		d.Providers = append(d.Providers, providerCard{s, v.at("credentials", "new") + "?" + to.Encode(), isFor(s, q["pattern"])})
	}
	slices.SortStableFunc(d.Providers, func(a, b providerCard) int {
		return rank(a) - rank(b)
	})
	return d
}

// common are the providers that most come for, in this order; the others follow
// by name.
var common = []string{"huggingface", "s3", "azure_blob", "gcs", "civitai"}

func rank(c providerCard) int {
	if c.Suggested {
		return -1
	}
	if i := slices.Index(common, c.Name); i >= 0 {
		return i
	}
	return len(common)
}

// isFor reports whether a provider's own hosts are those of a pattern.
func isFor(s auth.Schema, patterns []string) bool {
	for _, p := range patterns {
		host, _, _ := strings.Cut(strings.TrimPrefix(p, "https://"), "/")
		for _, own := range append(slices.Clone(s.Hosts), s.DefaultPatterns...) {
			own, _, _ = strings.Cut(own, "/")
			suffix, below := strings.CutPrefix(own, "*")
			if host != "" && (host == own || below && strings.HasSuffix(host, suffix)) {
				return true
			}
		}
	}
	return false
}

// newForm is the empty form, with what the query fills in.
func (v *visit) newForm(s auth.Schema, q url.Values) (newData, error) {
	d := newData{credentialForm: v.formOf(s, nil, func(auth.Field) bool { return true }), Guide: q.Get("guide") != ""}
	d.Patterns = strings.Join(s.DefaultPatterns, "\n")
	if given := q["pattern"]; len(given) > 0 {
		d.Patterns = strings.Join(given, "\n")
	}
	all, err := v.api.ListCredentials(v.ctx())
	if err != nil {
		return d, err
	}
	d.Name = freeName(all, strings.ReplaceAll(s.Name, "_", "-"))
	if err := v.offerKeys(&d, func(k admin.Key) bool { return slices.Contains(q["key"], k.Name) || slices.Contains(q["key"], k.ID) }); err != nil {
		return d, err
	}
	d.Preview, err = v.api.PreviewCredential(v.ctx(), admin.CredentialDraft{Provider: s.Name, Patterns: linesOf(d.Patterns)})
	d.Preview.Errors = nil // nothing was typed yet
	d.Again = v.again(q)
	return d, err
}

// again leads back to the choice of the provider.
func (v *visit) again(q url.Values) string {
	if to := carried(q); len(to) > 0 {
		return v.at("credentials", "new") + "?" + to.Encode()
	}
	return v.at("credentials", "new")
}

// carried is what of a query goes on to the next page: what the form is filled
// in with, whatever the provider.
func carried(q url.Values) url.Values {
	to := url.Values{}
	for _, name := range []string{"pattern", "key", "guide"} {
		if all := q[name]; len(all) > 0 {
			to[name] = all
		}
	}
	return to
}

func (v *visit) offerKeys(d *newData, ticked func(admin.Key) bool) error {
	keys, err := v.api.ListKeys(v.ctx())
	d.Keys = keyChoices(keys, nil)
	for i := range d.Keys {
		d.Keys[i].Chosen = slices.ContainsFunc(keys, func(k admin.Key) bool { return k.ID == d.Keys[i].ID && ticked(k) })
	}
	return err
}

// keyChoices are the team's API keys, of which those in linked are linked.
func keyChoices(all []admin.Key, linked []admin.Ref) []choice {
	out := make([]choice, len(all))
	for i := range all {
		out[i] = choice{ID: all[i].ID, Name: all[i].Name, Status: all[i].Status, Note: all[i].Preview}
	}
	return linkedTo(out, linked)
}

// freeName is a name that no credential has: what is wanted, or with a number.
func freeName(all []admin.Credential, wanted string) string {
	name := wanted
	for n := 2; slices.ContainsFunc(all, func(c admin.Credential) bool { return c.Name == name }); n++ {
		name = fmt.Sprintf("%s-%d", wanted, n)
	}
	return name
}

// addCredential makes the credential of a form that was sent. Sent twice it
// makes one.
func (v *visit) addCredential() error {
	form, s, err := v.sent("")
	if err != nil {
		return err
	}
	in := admin.NewCredential{
		Name: strings.TrimSpace(form.Get("name")), Provider: s.Name, Fields: filled(s, form), Patterns: linesOf(form.Get("patterns")),
		Keys: form["keys"], NoValidate: form.Get("no_validate") != "",
	}
	var made admin.Credential
	if in.ExpiresAt, err = v.endOn(form.Get("ends")); err == nil {
		made, err = v.api.Once(form.Get("once")).CreateCredential(v.ctx(), in)
	}
	if err != nil {
		d := newData{credentialForm: v.formOf(s, in.Fields, func(auth.Field) bool { return true }), Guide: form.Get("guide") != "", Again: v.at("credentials", "new")}
		d.Name, d.Patterns, d.Ends, d.NoValidate = in.Name, form.Get("patterns"), form.Get("ends"), in.NoValidate
		d.mark(err)
		if err := v.offerKeys(&d, func(k admin.Key) bool { return slices.Contains(in.Keys, k.ID) }); err != nil {
			return err
		}
		// Of the patterns alone: secrets are not looked at again.
		if p, err := v.api.PreviewCredential(v.ctx(), admin.CredentialDraft{Provider: s.Name, Patterns: in.Patterns}); err == nil {
			d.Preview.Grant = p.Grant
		}
		return v.refused(err, "credential-new.html", d)
	}
	if form.Get("guide") != "" && made.Status != string(auth.StatusInvalid) {
		return v.redirect(v.at("guide"), "credential-added")
	}
	return v.redirect(v.at("credentials", refOf(made)), "credential-created")
}

// previewCredential is the part of a form that says what can be told of what is
// typed so far, without repeating it.
func (v *visit) previewCredential() error {
	form, s, err := v.sent("")
	if err != nil {
		return err
	}
	fields := filled(s, form)
	d := credentialForm{Schema: s}
	d.Preview, err = v.api.PreviewCredential(v.ctx(), admin.CredentialDraft{Provider: s.Name, Fields: fields, Patterns: linesOf(form.Get("patterns"))})
	if err != nil {
		return err
	}
	// What is not filled in yet is no mistake.
	d.Preview.Errors = slices.DeleteFunc(d.Preview.Errors, func(flaw admin.Flaw) bool {
		name, field := strings.CutPrefix(flaw.Location, "body.fields.")
		return field && fields[name] == "" || flaw.Location == "body.fields" && len(fields) == 0
	})
	for i := range d.Preview.Errors {
		d.Preview.Errors[i].Location = titleAt(s, d.Preview.Errors[i].Location)
	}
	return v.part("credential-new.html", "credential-told", d)
}

// titleAt is what the field is called that a flaw is in, empty where it is in
// none.
func titleAt(s auth.Schema, location string) string {
	name, _ := strings.CutPrefix(location, "body.fields.")
	for _, f := range s.Fields {
		if f.Name == name {
			return f.Title
		}
	}
	return ""
}
