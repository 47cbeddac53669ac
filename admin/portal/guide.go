package portal

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
)

// guideData is how far a team is on the way from nothing to the first download.
type guideData struct {
	// Usable are the credentials that count now, Others those that do not.
	Usable, Others []admin.Credential
	// Key is the API key that is set up, nil before there is one.
	Key  *admin.Key
	Form keyForm
	// Revealed is set in the answer that made the key.
	Revealed *revealed
	// Working says that a key with a credential has been used.
	Working bool
}

// hint is what the overview says to who has not come to the first download yet:
// nil where there has been one.
type hint struct{ Credential, Key bool }

// firstRun is the hint for a team with these credentials and keys, of which this
// came lately; the part guide-hint shows it.
func firstRun(credentials []admin.Credential, keys []admin.Key, use []admin.Usage) *hint {
	h := &hint{Credential: len(usable(credentials)) > 0}
	used := slices.ContainsFunc(use, func(u admin.Usage) bool { return u.Requests > 0 })
	for i := range keys {
		used = used || keys[i].LastUsedAt != nil
		h.Key = h.Key || keys[i].Status == "active" && len(keys[i].Credentials) > 0
	}
	if h.Credential && used {
		return nil
	}
	return h
}

func usable(all []admin.Credential) []admin.Credential {
	return slices.DeleteFunc(slices.Clone(all), func(c admin.Credential) bool { return auth.Status(c.Status) != auth.StatusValid })
}

// guidePages lead from nothing to the first download, in three steps.
func (p *Portal) guidePages() {
	p.page("GET", "/guide", func(v *visit) error {
		d, _, err := v.guide(v.r.URL.Query().Get("key"))
		if err != nil {
			return err
		}
		return v.render("guide.html", d)
	})
	p.act("/guide", p.guideKey)
	p.page("GET", "/live/first-use/{key}", p.liveFirstUse)
	p.page("GET", "/ca-bundle.pem", func(v *visit) error {
		body, err := v.api.GetBundle(v.ctx())
		if err != nil {
			return err
		}
		return v.download("weighbridge-ca.pem", "application/x-pem-file", body)
	})
}

// guide is how far the team is. ref names the key that is set up; without it it
// is the newest one that is linked and waits for its first request.
func (v *visit) guide(ref string) (d guideData, sys *admin.System, err error) {
	if d.Form, sys, err = v.newKeyForm(); err != nil {
		return d, nil, err
	}
	credentials, err := v.api.ListCredentials(v.ctx())
	if err != nil {
		return d, nil, err
	}
	keys, err := v.api.ListKeys(v.ctx())
	if err != nil {
		return d, nil, err
	}
	d.Usable = usable(credentials)
	for i := range credentials {
		if c := &credentials[i]; c.Status != string(auth.StatusValid) && c.Status != string(auth.StatusRevoked) {
			d.Others = append(d.Others, *c)
		}
	}
	taken := map[string]bool{}
	for i := range keys {
		k := &keys[i]
		taken[k.Name] = true
		if k.Status != "active" || len(k.Credentials) == 0 {
			continue
		}
		d.Working = d.Working || k.LastUsedAt != nil
		switch {
		case ref != "":
			if k.Name == ref || k.ID == ref {
				d.Key = k
			}
		case d.Key == nil || k.CreatedAt.After(d.Key.CreatedAt):
			d.Key = k
		}
	}
	d.Form.Name = "worker"
	for n := 2; taken[d.Form.Name]; n++ {
		d.Form.Name = "worker-" + strconv.Itoa(n)
	}
	for i := range d.Form.Credentials {
		c := &d.Form.Credentials[i]
		c.Chosen = c.Status == string(auth.StatusValid)
	}
	return d, sys, nil
}

// guideKey makes the key of the guide, and shows it with what to export.
func (p *Portal) guideKey(v *visit, form url.Values) error {
	d, sys, err := v.guide("")
	if err != nil {
		return err
	}
	ended := d.Form.Ending
	d.Form = d.Form.read(form)
	d.Form.Ending = ended // the guide asks for no end, and no limits
	in, err := v.freshKey(&d.Form, form["credentials"])
	if err != nil {
		return v.refused(err, "guide.html", d)
	}
	k, err := v.api.Once(form.Get("once")).CreateKey(v.ctx(), in)
	if err != nil {
		return v.refused(err, "guide.html", d)
	}
	d.Key = &k
	if d.Revealed, err = v.reveal(&k, d.Form.Reach, sys); err != nil {
		return err
	}
	if d.Revealed == nil {
		return v.redirect(v.at("guide"), "shown-once")
	}
	return v.render("guide.html", d)
}

// firstPage is where the first user goes on: the guide of the team.
func (p *Portal) firstPage(r *http.Request, g *admin.Grant) string {
	me, err := p.client(r, "", auth.NewSecret(g.AccessToken)).GetCaller(r.Context())
	if err != nil || len(me.Teams) == 0 {
		return "/"
	}
	return teamPath(me.Teams[0].Name, "guide")
}
