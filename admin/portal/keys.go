package portal

import (
	"net/url"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
)

type keyData struct {
	Key   admin.Key
	Form  keyForm
	Links []choice
	Use   usage
	// Export is what to set on a worker, with a stand-in for the key; nil where
	// the key counts no more.
	Export *revealed
	// Asked says that somebody wants to see it.
	Asked bool
}

// keyPages are about API keys: the identities of workers.
func (p *Portal) keyPages() {
	p.page("GET", "/keys", func(v *visit) error {
		all, err := v.api.ListKeys(v.ctx())
		if err != nil {
			return err
		}
		return v.render("keys.html", all)
	})
	p.page("GET", "/keys/new", func(v *visit) error {
		if err := v.may("create-key"); err != nil {
			return err
		}
		f, _, err := v.newKeyForm()
		if err != nil {
			return err
		}
		return v.render("new-key.html", f)
	})
	p.act("/keys/new", func(v *visit, form url.Values) error {
		f, sys, err := v.newKeyForm()
		if err != nil {
			return err
		}
		f = f.read(form)
		in, err := v.freshKey(&f, form["credentials"])
		if err != nil {
			return v.refused(err, "new-key.html", f)
		}
		k, err := v.api.Once(form.Get("once")).CreateKey(v.ctx(), in)
		if err != nil {
			return v.refused(err, "new-key.html", f)
		}
		return v.revealKey(&k, f.Reach, sys, true)
	})
	p.page("GET", "/keys/{key}", func(v *visit) error {
		d, err := v.key()
		if err == nil {
			err = v.export(&d)
		}
		if _, said := asProblem(err); said && d.Asked {
			return v.refused(err, "key.html", d)
		}
		if notFound(err) {
			// The record names keys of both kinds, and does not say which.
			if k, err := v.api.GetS3Key(v.ctx(), v.r.PathValue("key")); err == nil {
				return v.redirect(v.thing("s3-keys", k.Name, k.ID), "")
			}
		}
		if err != nil {
			return err
		}
		return v.render("key.html", d)
	})
	p.act("/keys/{key}", func(v *visit, form url.Values) error {
		d, err := v.key()
		if err != nil {
			return err
		}
		form, clashes := v.keyHolds(&d.Form).since(form)
		d.Form = d.Form.read(form)
		in, err := v.keyPatch(&d.Form)
		if err == nil {
			err = v.clash(clashes)
		}
		if err == nil {
			_, err = v.api.IfMatch(v.state).UpdateKey(v.ctx(), d.Key.ID, in)
		}
		if err != nil {
			return v.refused(err, "key.html", d)
		}
		return v.redirect(v.thing("keys", d.Form.Name, d.Key.ID), "key-changed")
	})
	p.act("/keys/{key}/credentials", func(v *visit, form url.Values) error {
		d, err := v.key()
		if err != nil {
			return err
		}
		if err := v.linkCredentials(form, d.Key.ID); err != nil {
			d.Links = chosen(d.Links, form["credentials"])
			return v.refused(err, "key.html", d)
		}
		return v.redirect(v.thing("keys", d.Key.Name, d.Key.ID), "links-changed")
	})
	p.keyActs()
}

// key is what the page of one shows.
func (v *visit) key() (d keyData, err error) {
	if d.Key, err = v.api.ETag(&v.state).GetKey(v.ctx(), v.r.PathValue("key")); err != nil {
		return d, err
	}
	credentials, err := v.api.ListCredentials(v.ctx())
	if err != nil {
		return d, err
	}
	d.Form, d.Links = keyFormOf(&d.Key), credentialChoices(credentials, d.Key.Credentials)
	d.Form.Seen = v.keyHolds(&d.Form).seen()
	d.Use, err = v.usageOf(d.Key.ID)
	return d, err
}

// linkCredentials changes the links of a key as its form was changed.
func (v *visit) linkCredentials(form url.Values, key string) error {
	return relink(form, "credentials",
		func(id string) error { _, err := v.api.Link(v.ctx(), id, key); return err },
		func(id string) error { _, err := v.api.Unlink(v.ctx(), id, key); return err })
}

// usage is what came of a key.
type usage struct{ Today, Month admin.Usage }

// usageOf sums up a day and thirty of them (UTC).
func (v *visit) usageOf(key string) (u usage, err error) {
	today := v.p.o.Now().UTC().Truncate(24 * time.Hour)
	days, err := v.api.ListUsage(v.ctx(), admin.ListUsageQuery{By: "day", Key: key, Since: today.AddDate(0, 0, -29)})
	for i := range days {
		add(&u.Month, &days[i])
		if days[i].Day == today.Format(time.DateOnly) {
			add(&u.Today, &days[i])
		}
	}
	return u, err
}

func add(sum, one *admin.Usage) {
	sum.Requests += one.Requests
	sum.Bytes += one.Bytes
	sum.Errors += one.Errors
	sum.Denied += one.Denied
}

// hubOnly reports whether all that is linked is of the Hugging Face Hub.
func (v *visit) hubOnly(linked []admin.Ref) (bool, error) {
	all, err := v.api.ListCredentials(v.ctx())
	if err != nil || len(linked) == 0 {
		return false, err
	}
	providers := map[string]string{}
	for i := range all {
		providers[all[i].ID] = all[i].Provider
	}
	for _, l := range linked {
		if providers[l.ID] != "huggingface" {
			return false, nil
		}
	}
	return true, nil
}

// workerOf is whom a key that was just made is for.
func (v *visit) workerOf(k *admin.Key, r reach, sys *admin.System) (worker, error) {
	hub, err := v.hubOnly(k.Credentials)
	return worker{reach: r, key: auth.NewSecret(k.Key), urlKey: auth.NewSecret(k.URLKey), intercept: sys.Intercept, hub: hub}, err
}
