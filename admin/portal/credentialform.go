package portal

import (
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
)

// credentialForm is the form of a credential: what a provider declares, and
// what was typed. Of secret fields it holds no value.
type credentialForm struct {
	Schema auth.Schema
	Name   string
	// Ways are groups of fields that stand for each other, of which one is
	// filled in; More are fields that few need.
	Ways []fieldGroup
	More []formField
	// Patterns are one a line, Ends is a date.
	Patterns, Ends string
	NoValidate     bool
	// Flaws are mistakes by the name of what they are in: name, patterns,
	// expires_at.
	Flaws map[string]string
	// Steps say how to get the secret, and Uses what it is good for.
	Steps, Uses []string
	// Preview is what can be told of what is typed.
	Preview admin.CredentialPreview
}

// fieldGroup is a way to give a credential. Title is empty where there is one
// way only.
type fieldGroup struct {
	Title  string
	Fields []formField
	Open   bool
}

// formField is a field of the provider in a form.
type formField struct {
	auth.Field
	Value, Flaw string
	// Optional marks a field among others that are required.
	Optional bool
}

// ways are the fields of providers that take one of several, in this order. A
// provider that is not here is filled in from top to bottom.
var ways = map[string][][]string{
	"azure_blob":   {{"sasToken"}, {"accountName", "accountKey"}, {"tenantId", "clientId", "clientSecret", "authorityHost"}},
	"oci_registry": {{"username", "password"}, {"token"}},
}

// formOf is the form for a provider with values of fields that are not secret;
// wanted picks the fields that are asked for.
func (v *visit) formOf(s auth.Schema, values map[string]string, wanted func(auth.Field) bool) credentialForm {
	f := credentialForm{Schema: s, Flaws: map[string]string{}, Steps: v.numbered("steps." + s.Name), Uses: v.numbered("uses." + s.Name)}
	last := -1 // the last field that everybody is asked for
	for i, one := range s.Fields {
		if one.Required || one.Secret {
			last = i
		}
	}
	taken := map[string]bool{}
	field := func(one auth.Field) formField {
		taken[one.Name] = true
		value := values[one.Name]
		if one.Secret {
			value = ""
		}
		return formField{Field: one, Value: value}
	}
	titles := v.numbered("ways." + s.Name)
	for i, names := range ways[s.Name] {
		g := fieldGroup{Title: titles[i]}
		for _, one := range s.Fields {
			if slices.Contains(names, one.Name) && wanted(one) {
				g.Fields = append(g.Fields, field(one))
				g.Open = g.Open || values[one.Name] != ""
			}
		}
		if len(g.Fields) > 0 {
			f.Ways = append(f.Ways, g)
		}
	}
	if n := len(f.Ways); n > 0 && !slices.ContainsFunc(f.Ways, func(g fieldGroup) bool { return g.Open }) {
		f.Ways[0].Open = true
	}
	var plain []formField
	for i, one := range s.Fields {
		switch {
		case taken[one.Name] || !wanted(one):
		case i <= last && !one.Policy && len(f.Ways) == 0:
			plain = append(plain, field(one))
		default:
			f.More = append(f.More, field(one))
		}
	}
	if required := func(one formField) bool { return one.Required }; slices.ContainsFunc(plain, required) {
		for i := range plain {
			plain[i].Optional = !plain[i].Required
		}
	}
	if len(plain) > 0 {
		f.Ways = []fieldGroup{{Fields: plain, Open: true}}
	}
	return f
}

// numbered are the sentences key.1, key.2 and so on, as many as there are.
func (v *visit) numbered(key string) (out []string) {
	for n := 1; ; n++ {
		s := v.p.pages().text.optional(fmt.Sprintf("%s.%d", key, n))
		if s == "" {
			return out
		}
		out = append(out, s)
	}
}

// MoreTitles are what the fields are called that few need.
func (f credentialForm) MoreTitles() string {
	titles := make([]string, len(f.More))
	for i := range f.More {
		titles[i] = f.More[i].Title
	}
	return strings.Join(titles, ", ")
}

// MoreOpen reports whether one of them says something.
func (f credentialForm) MoreOpen() bool {
	return slices.ContainsFunc(f.More, func(one formField) bool { return one.Value != "" || one.Flaw != "" })
}

// Draft reports whether there is anything to tell of what is typed.
func (f credentialForm) Draft() bool {
	p := &f.Preview
	return len(p.Facts) > 0 || len(p.Warnings) > 0 || p.ExpiresAt != nil || len(p.Errors) > 0
}

// sent is a form about a credential of a provider, the one of that name or the
// one that the form names.
func (v *visit) sent(provider string) (url.Values, auth.Schema, error) {
	form, err := v.form()
	if err != nil {
		return nil, auth.Schema{}, err
	}
	schemas, err := v.schemas()
	return form, schemaOf(schemas, cmp.Or(provider, form.Get("provider"))), err
}

// typedFields are the fields in what was sent: secret ones where they are filled in,
// and all others.
func typedFields(s auth.Schema, form url.Values) map[string]string {
	out := map[string]string{}
	for _, f := range s.Fields {
		if v, there := form["field."+f.Name]; there && len(v) > 0 && (v[0] != "" || !f.Secret) {
			out[f.Name] = v[0]
		}
	}
	return out
}

// filled is typedFields without what is empty.
func filled(s auth.Schema, form url.Values) map[string]string {
	out := typedFields(s, form)
	maps.DeleteFunc(out, func(_, v string) bool { return v == "" })
	return out
}

// endOn reads a date, on which something ends as it begins (UTC). Nothing is
// no end. The error is a *admin.Problem.
func (v *visit) endOn(date string) (*time.Time, error) {
	if date == "" {
		return nil, nil
	}
	t, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return nil, &admin.Problem{Status: 422, Code: "invalid", Detail: v.say("form.date"), Next: v.say("form.date.next"),
			Errors: []admin.Flaw{{Location: "body.expires_at", Message: v.say("form.date")}}}
	}
	return &t, nil
}

// dateOf writes an end as endOn reads it.
func dateOf(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format(time.DateOnly)
}

// mark puts what the API said beside the fields that it said it of.
func (f *credentialForm) mark(err error) {
	prob, ok := asProblem(err)
	if !ok {
		return
	}
	for _, flaw := range prob.Errors {
		at := strings.TrimPrefix(flaw.Location, "body.")
		if i := strings.IndexByte(at, '['); i >= 0 {
			at = at[:i]
		}
		if name, field := strings.CutPrefix(at, "fields."); field {
			f.flaw(name, flaw.Message)
		} else {
			f.Flaws[at] = flaw.Message
		}
	}
}

func (f *credentialForm) flaw(name, message string) {
	for i := range f.Ways {
		for j := range f.Ways[i].Fields {
			if one := &f.Ways[i].Fields[j]; one.Name == name {
				one.Flaw, f.Ways[i].Open = message, true
			}
		}
	}
	for i := range f.More {
		if f.More[i].Name == name {
			f.More[i].Flaw = message
		}
	}
}
