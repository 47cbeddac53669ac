package portal

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/weighbridge/weighbridge/admin"
)

// s3Form is the form of an S3 access key, as it was typed.
type s3Form struct {
	Name, Permission, Buckets, Prefixes, Aliases string
	Ending                                       ending
	Bounds                                       bounds
	Reach                                        reach
	Credentials                                  []choice
	// Seen is what the key held as the form was made.
	Seen string
}

type s3KeyData struct {
	Key   admin.S3Key
	Form  s3Form
	Links []choice
	Use   usage
}

// s3KeyPages are about S3 access keys: the identities of workers that use an S3
// client.
func (p *Portal) s3KeyPages() {
	p.page("GET", "/s3-keys", func(v *visit) error {
		all, err := v.api.ListS3Keys(v.ctx())
		if err != nil {
			return err
		}
		return v.render("s3-keys.html", all)
	})
	p.page("GET", "/s3-keys/new", func(v *visit) error {
		if err := v.may("create-s3-key"); err != nil {
			return err
		}
		f, err := v.newS3Form()
		if err != nil {
			return err
		}
		return v.render("new-s3-key.html", f)
	})
	p.act("/s3-keys/new", p.createS3Key)
	p.page("GET", "/s3-keys/{key}", func(v *visit) error {
		d, err := v.s3Key()
		if err != nil {
			return err
		}
		return v.render("s3-key.html", d)
	})
	p.act("/s3-keys/{key}", p.changeS3Key)
	p.act("/s3-keys/{key}/credentials", func(v *visit, form url.Values) error {
		d, err := v.s3Key()
		if err != nil {
			return err
		}
		if err := v.linkCredentials(form, d.Key.ID); err != nil {
			d.Links = chosen(d.Links, form["credentials"])
			return v.refused(err, "s3-key.html", d)
		}
		return v.redirect(v.thing("s3-keys", d.Key.Name, d.Key.ID), "links-changed")
	})
	p.s3KeyActs()
}

// storage are the providers whose credentials the S3 protocol leads to.
var storage = [...]string{"s3"}

// s3Choices are the credentials that an S3 access key may be linked to.
func (v *visit) s3Choices(linked []admin.Ref) ([]choice, error) {
	all, err := v.api.ListCredentials(v.ctx())
	all = slices.DeleteFunc(all, func(c admin.Credential) bool {
		return !slices.Contains(storage[:], c.Provider) && !slices.ContainsFunc(linked, func(r admin.Ref) bool { return r.ID == c.ID })
	})
	return credentialChoices(all, linked), err
}

func (v *visit) newS3Form() (f s3Form, err error) {
	sys, err := v.api.GetSystem(v.ctx())
	if err != nil {
		return f, err
	}
	f = s3Form{Permission: admin.PermissionRead, Ending: v.newEnding(endsNever), Reach: v.reachOf(&sys)}
	f.Credentials, err = v.s3Choices(nil)
	return f, err
}

// read takes what was typed.
func (f s3Form) read(form url.Values) s3Form {
	f.Name, f.Permission = strings.TrimSpace(form.Get("name")), form.Get("permission")
	f.Buckets, f.Prefixes, f.Aliases = form.Get("buckets"), form.Get("prefixes"), form.Get("aliases")
	f.Ending, f.Bounds, f.Reach = f.Ending.read(form), readBounds(form), f.Reach.read(form)
	f.Credentials = chosen(f.Credentials, form["credentials"])
	return f
}

// aliases reads lines of NAME=BUCKET or NAME=BUCKET/PREFIX/; never nil.
func (v *visit) aliases(text string) (map[string]string, error) {
	out := map[string]string{}
	for _, line := range linesOf(text) {
		name, to, ok := strings.Cut(line, "=")
		if !ok {
			return nil, v.problem(http.StatusUnprocessableEntity, "invalid", "s3-keys.aliases.bad", "s3-keys.aliases.help")
		}
		out[strings.TrimSpace(name)] = strings.TrimSpace(to)
	}
	return out, nil
}

func aliasLines(aliases map[string]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(aliases)) {
		b.WriteString(name + "=" + aliases[name] + "\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func (p *Portal) createS3Key(v *visit, form url.Values) error {
	f, err := v.newS3Form()
	if err != nil {
		return err
	}
	f = f.read(form)
	in := admin.NewS3Key{Name: f.Name, Permission: f.Permission, Buckets: linesOf(f.Buckets), Prefixes: linesOf(f.Prefixes),
		Sources: linesOf(f.Bounds.Sources), Credentials: form["credentials"]}
	err = v.checkReach(f.Reach)
	if err == nil {
		in.Aliases, err = v.aliases(f.Aliases)
	}
	if err == nil {
		in.ExpiresAt, err = v.endAt(f.Ending)
	}
	if err == nil {
		in.Limits, err = v.newLimits(f.Bounds)
	}
	if err != nil {
		return v.refused(err, "new-s3-key.html", f)
	}
	k, err := v.api.Once(form.Get("once")).CreateS3Key(v.ctx(), in)
	if err != nil {
		return v.refused(err, "new-s3-key.html", f)
	}
	return v.revealS3Key(&k, f.Reach)
}

// s3Key is what the page of one shows.
func (v *visit) s3Key() (d s3KeyData, err error) {
	if d.Key, err = v.api.ETag(&v.state).GetS3Key(v.ctx(), v.r.PathValue("key")); err != nil {
		return d, err
	}
	k := &d.Key
	d.Form = s3Form{Name: k.Name, Permission: k.Permission, Buckets: strings.Join(k.Buckets, "\n"), Prefixes: strings.Join(k.Prefixes, "\n"),
		Aliases: aliasLines(k.Aliases), Ending: ending{Ends: endsAsIs, Now: k.ExpiresAt}, Bounds: boundsOf(k.Limits, k.Sources)}
	d.Form.Seen = v.s3Holds(&d.Form).seen()
	if d.Links, err = v.s3Choices(k.Credentials); err != nil {
		return d, err
	}
	d.Use, err = v.usageOf(k.ID)
	return d, err
}

// s3Holds is what an S3 access key holds, whose form f is before anybody typed
// into it.
func (v *visit) s3Holds(f *s3Form) holding {
	return append(holding{{"name", v.say("keys.name"), f.Name}, {"permission", v.say("s3-keys.permission"), f.Permission}, {"buckets", v.say("s3-keys.buckets"), f.Buckets},
		{"prefixes", v.say("s3-keys.prefixes"), f.Prefixes}, {"aliases", v.say("s3-keys.aliases"), f.Aliases}}, v.boundsHold(&f.Bounds)...)
}

func (p *Portal) changeS3Key(v *visit, form url.Values) error {
	d, err := v.s3Key()
	if err != nil {
		return err
	}
	form, clashes := v.s3Holds(&d.Form).since(form)
	d.Form = d.Form.read(form)
	buckets, prefixes, sources := linesOf(d.Form.Buckets), linesOf(d.Form.Prefixes), linesOf(d.Form.Bounds.Sources)
	in := admin.S3KeyPatch{Name: &d.Form.Name, Permission: &d.Form.Permission, Buckets: &buckets, Prefixes: &prefixes, Sources: &sources}
	aliases, err := v.aliases(d.Form.Aliases)
	if err == nil {
		in.Aliases = &aliases
		in.ExpiresAt, err = v.endAt(d.Form.Ending)
	}
	if err == nil {
		in.Limits, err = v.limitsPatch(d.Form.Bounds)
	}
	if err == nil {
		err = v.clash(clashes)
	}
	if err == nil {
		_, err = v.api.IfMatch(v.state).UpdateS3Key(v.ctx(), d.Key.ID, in)
	}
	if err != nil {
		return v.refused(err, "s3-key.html", d)
	}
	return v.redirect(v.thing("s3-keys", d.Form.Name, d.Key.ID), "key-changed")
}
