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

// export fills in what to set on a worker that has the key already, for the
// proxy that the query names, or the one that it probably reaches.
func (v *visit) export(d *keyData) error {
	if d.Key.Status != "active" {
		return nil
	}
	sys, err := v.api.GetSystem(v.ctx())
	if err != nil {
		return err
	}
	q := v.r.URL.Query()
	d.Asked = q.Has("proxy")
	d.Export = &revealed{Reach: v.reachOf(&sys)}
	if d.Export.Reach.Proxy == "" && !d.Asked {
		return nil // it has to be said first
	}
	wanted := d.Export.Reach.read(q)
	if err := v.checkReach(wanted); err != nil {
		return err
	}
	d.Export.Reach = wanted
	d.Export.Ways, err = v.linesFor(&d.Key, wanted, &sys)
	return err
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
