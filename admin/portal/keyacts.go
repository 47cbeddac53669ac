package portal

import (
	"net/url"

	"github.com/weighbridge/weighbridge/admin"
)

// overlaps are how long an old secret may go on beside the new one.
var overlaps = [...]string{"", "1h", "24h", "168h"}

type regenerateData struct {
	Key      admin.Key
	Reach    reach
	Overlaps []string
	Overlap  string
}

// keyActs are what ends a key or its secret.
func (p *Portal) keyActs() {
	p.page("GET", "/keys/{key}/regenerate", func(v *visit) error {
		d, _, err := v.regenerating()
		if err != nil {
			return err
		}
		return v.render("regenerate-key.html", d)
	})
	p.act("/keys/{key}/regenerate", func(v *visit, form url.Values) error {
		d, sys, err := v.regenerating()
		if err != nil {
			return err
		}
		d.Overlap, d.Reach = form.Get("overlap"), d.Reach.read(form)
		if err := v.checkReach(d.Reach); err != nil {
			return v.refused(err, "regenerate-key.html", d)
		}
		k, err := v.api.Once(form.Get("once")).RegenerateKey(v.ctx(), d.Key.ID, admin.RegenerateKeyQuery{Overlap: d.Overlap})
		if err != nil {
			return v.refused(err, "regenerate-key.html", d)
		}
		return v.revealKey(&k, d.Reach, sys, false)
	})
	p.act("/keys/{key}/url-key", func(v *visit, form url.Values) error {
		sys, err := v.api.GetSystem(v.ctx())
		if err != nil {
			return err
		}
		yes := true
		k, err := v.api.Once(form.Get("once")).UpdateKey(v.ctx(), v.r.PathValue("key"), admin.KeyPatch{URLKey: &yes})
		if err != nil {
			return err
		}
		return v.revealKey(&k, v.reachOf(&sys), &sys, false)
	})
	p.confirm("/keys/{key}/url-key/end", func(v *visit) (confirmation, error) {
		k, err := v.api.GetKey(v.ctx(), v.r.PathValue("key"))
		return confirmation{Title: v.say("keys.url-key.end.title", k.Name), Happens: []string{v.say("keys.url-key.end.happens")},
			Name: k.Name, Needs: "update-key", Action: v.say("keys.url-key.end"), Back: v.thing("keys", k.Name, k.ID)}, err
	}, func(v *visit, _ url.Values) error {
		no := false
		k, err := v.api.UpdateKey(v.ctx(), v.r.PathValue("key"), admin.KeyPatch{URLKey: &no})
		if err != nil {
			return err
		}
		return v.redirect(v.thing("keys", k.Name, k.ID), "url-key-ended")
	})
	p.confirm("/keys/{key}/revoke", func(v *visit) (confirmation, error) {
		k, err := v.api.GetKey(v.ctx(), v.r.PathValue("key"))
		c := v.endingKey(k.Name, v.thing("keys", k.Name, k.ID), "revoke-key")
		return c, err
	}, func(v *visit, form url.Values) error {
		k, err := v.api.RevokeKey(v.ctx(), v.r.PathValue("key"), admin.RevokeKeyQuery{Now: form.Get("now") != ""})
		if err != nil {
			return err
		}
		return v.redirect(v.thing("keys", k.Name, k.ID), "key-revoked")
	})
	p.confirm("/keys/{key}/delete", func(v *visit) (confirmation, error) {
		k, err := v.api.GetKey(v.ctx(), v.r.PathValue("key"))
		return v.deletingKey(k.Name, v.thing("keys", k.Name, k.ID), "delete-key"), err
	}, func(v *visit, _ url.Values) error {
		if err := v.api.DeleteKey(v.ctx(), v.r.PathValue("key")); err != nil {
			return err
		}
		return v.redirect(v.at("keys"), "key-deleted")
	})
}

// endingKey asks before a key of either kind is revoked.
func (v *visit) endingKey(name, back, operation string) confirmation {
	return confirmation{Title: v.say("keys.revoke.title", name), Happens: []string{v.say("keys.revoke.happens"), v.say("keys.revoke.running"), v.say("keys.revoke.final")},
		Name: name, Needs: operation, Action: v.say("keys.revoke"), Back: back, Option: "now", OptionText: v.say("keys.revoke.now")}
}

// deletingKey asks before a key of either kind is deleted.
func (v *visit) deletingKey(name, back, operation string) confirmation {
	return confirmation{Title: v.say("keys.delete.title", name), Happens: []string{v.say("keys.delete.happens"), v.say("keys.delete.record")},
		Name: name, Needs: operation, Action: v.say("keys.delete"), Back: back}
}

func (v *visit) regenerating() (d regenerateData, sys *admin.System, err error) {
	if err := v.may("regenerate-key"); err != nil {
		return d, nil, err
	}
	s, err := v.api.GetSystem(v.ctx())
	if err != nil {
		return d, nil, err
	}
	d.Key, err = v.api.GetKey(v.ctx(), v.r.PathValue("key"))
	d.Reach, d.Overlaps = v.reachOf(&s), overlaps[:]
	return d, &s, err
}
