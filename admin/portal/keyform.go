package portal

import (
	"net/url"
	"strings"

	"github.com/weighbridge/weighbridge/admin"
)

// keyForm is the form of an API key, as it was typed.
type keyForm struct {
	Name, Scope, Routes, Unmatched, Xet string
	URLKey                              bool
	Ending                              ending
	Bounds                              bounds
	Reach                               reach
	Credentials                         []choice
	// Seen is what the key held as the form was made.
	Seen string
}

// newKeyForm is an empty one, with all credentials that there are to link.
func (v *visit) newKeyForm() (keyForm, *admin.System, error) {
	sys, err := v.api.GetSystem(v.ctx())
	if err != nil {
		return keyForm{}, nil, err
	}
	credentials, err := v.api.ListCredentials(v.ctx())
	return keyForm{Scope: "read", Ending: v.newEnding(endsNever), Reach: v.reachOf(&sys), Credentials: credentialChoices(credentials, nil)}, &sys, err
}

// read takes what was typed.
func (f keyForm) read(form url.Values) keyForm {
	f.Name, f.Scope, f.Routes = strings.TrimSpace(form.Get("name")), form.Get("scope"), form.Get("routes")
	f.Unmatched, f.Xet, f.URLKey = form.Get("unmatched"), form.Get("xet"), form.Get("url-key") != ""
	f.Ending, f.Bounds, f.Reach = f.Ending.read(form), readBounds(form), f.Reach.read(form)
	f.Credentials = chosen(f.Credentials, form["credentials"])
	return f
}

// fresh is what creating the key takes.
func (v *visit) freshKey(f *keyForm, credentials []string) (admin.NewKey, error) {
	in := admin.NewKey{Name: f.Name, Scope: f.Scope, Routes: linesOf(f.Routes), Sources: linesOf(f.Bounds.Sources),
		Unmatched: f.Unmatched, Xet: f.Xet, URLKey: f.URLKey, Credentials: credentials}
	err := v.checkReach(f.Reach)
	if err == nil {
		in.ExpiresAt, err = v.endAt(f.Ending)
	}
	if err == nil {
		in.Limits, err = v.newLimits(f.Bounds)
	}
	return in, err
}

// keyFormOf is the form of a key that there is.
func keyFormOf(k *admin.Key) keyForm {
	return keyForm{Name: k.Name, Scope: k.Scope, Routes: strings.Join(k.Routes, "\n"), Unmatched: k.Unmatched, Xet: k.Xet, URLKey: k.HasURLKey,
		Ending: ending{Ends: endsAsIs, Now: k.ExpiresAt}, Bounds: boundsOf(k.Limits, k.Sources)}
}

// keyHolds is what a key holds, whose form f is before anybody typed into it.
func (v *visit) keyHolds(f *keyForm) holding {
	return append(holding{{"name", v.say("keys.name"), f.Name}, {"scope", v.say("keys.scope"), f.Scope}, {"routes", v.say("keys.routes"), f.Routes},
		{"unmatched", v.say("keys.unmatched"), f.Unmatched}, {"xet", v.say("keys.xet"), f.Xet}}, v.boundsHold(&f.Bounds)...)
}

// keyPatch changes a key to what the form says; its URL key stays.
func (v *visit) keyPatch(f *keyForm) (admin.KeyPatch, error) {
	routes, sources := linesOf(f.Routes), linesOf(f.Bounds.Sources)
	in := admin.KeyPatch{Name: &f.Name, Scope: &f.Scope, Routes: &routes, Sources: &sources, Unmatched: &f.Unmatched, Xet: &f.Xet}
	var err error
	if in.ExpiresAt, err = v.endAt(f.Ending); err == nil {
		in.Limits, err = v.limitsPatch(f.Bounds)
	}
	return in, err
}
