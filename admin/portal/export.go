package portal

import (
	"strings"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
)

// standIn is what lines are made with for a key whose secret is not kept, behind
// the prefix; keyWord is what they then show in its place.
const (
	standIn = "0000000000000000000000000000000000000000"
	keyWord = "KEY"
)

// export fills in what to set on a worker that has the key already.
func (v *visit) export(d *keyData) error {
	if d.Key.Status != "active" {
		return nil
	}
	sys, err := v.api.GetSystem(v.ctx())
	if err == nil {
		d.Export, d.Asked, err = v.exportOf(&d.Key, &sys)
	}
	return err
}

// exportOf is what to set on a worker that has the key k already, for the proxy
// that the query names, or the one that it probably reaches. Without ways the
// proxy has to be said first. asked says that somebody wants to see it; with an
// error it is of what the query says.
func (v *visit) exportOf(k *admin.Key, sys *admin.System) (out *revealed, asked bool, err error) {
	q := v.r.URL.Query()
	asked = q.Has("proxy")
	out = &revealed{Reach: v.reachOf(sys)}
	if out.Reach.Proxy == "" && !asked {
		return out, asked, nil
	}
	wanted := out.Reach.read(q)
	if err := v.checkReach(wanted); err != nil {
		return out, asked, err
	}
	out.Reach = wanted
	out.Ways, err = v.linesFor(k, wanted, sys)
	return out, asked, err
}

// linesFor are the export lines of a key with a stand-in for it.
func (v *visit) linesFor(k *admin.Key, r reach, sys *admin.System) ([]way, error) {
	w, err := v.workerOf(k, r, sys)
	if err != nil {
		return nil, err
	}
	w.key = auth.NewSecret(auth.KeyPrefix + standIn)
	ways, err := v.ways(w)
	for i := range ways {
		for j := range ways[i].Panes {
			for n := range ways[i].Panes[j].Lines {
				l := &ways[i].Panes[j].Lines[n]
				l.Text = strings.ReplaceAll(l.Text, standIn, keyWord)
			}
		}
	}
	return ways, err
}
