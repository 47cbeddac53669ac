package portal

import (
	"context"

	"github.com/weighbridge/weighbridge/admin"
)

type overviewData struct {
	System      admin.System
	Credentials []admin.Credential
	Keys        []admin.Key
	Transfers   []admin.Transfer
}

// overviewPages are the first page of a team.
func (p *Portal) overviewPages() {
	p.page("GET", "", func(v *visit) error {
		setCookie(v.w, v.r, teamCookie, v.me.Team.ID, deviceLife)
		d, err := v.overview(v.ctx())
		if err != nil {
			return err
		}
		return v.render("overview.html", d)
	})
	p.page("GET", "/live/transfers", p.liveTransfers)
}

func (v *visit) overview(ctx context.Context) (d overviewData, err error) {
	if d.System, err = v.api.GetSystem(ctx); err != nil {
		return d, err
	}
	if d.Credentials, err = v.api.ListCredentials(ctx); err != nil {
		return d, err
	}
	if d.Keys, err = v.api.ListKeys(ctx); err != nil {
		return d, err
	}
	t, err := v.api.ListTransfers(ctx)
	d.Transfers = t.Transfers
	return d, err
}

// liveTransfers is the part of the overview that shows what is going on, anew
// whenever that changes.
func (p *Portal) liveTransfers(v *visit) error {
	body, err := v.api.FollowTransfers(v.ctx())
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	return v.stream(func(out *stream) error {
		return events(body, func(data []byte) error {
			now, err := decode[admin.TransfersNow](data)
			if err != nil {
				return err
			}
			return v.send(out, "transfers", "overview.html", "transfers", now.Transfers)
		})
	})
}
