package portal

import (
	"cmp"
	"net/url"
	"path"
	"time"

	"github.com/weighbridge/weighbridge/admin"
)

// moving is a download in progress as a page shows it.
type moving struct {
	admin.Transfer
	// Name is what the upstream calls the file, or else the last part of the
	// path, as people write it.
	Name string
	// Rate is in bytes a second; -1 where it is not known yet.
	Rate int64
	// Left is for how long it goes on at that rate; zero where that is unknown.
	Left time.Duration
}

// pace knows how far transfers were when they were last looked at.
type pace struct {
	at   time.Time
	were map[string]int64
}

// of says how fast each transfer goes: by what came since it was looked at last,
// and on average where it is new here.
func (p *pace) of(now admin.TransfersNow) []moving {
	out := make([]moving, len(now.Transfers))
	are := make(map[string]int64, len(now.Transfers))
	for i, t := range now.Transfers {
		m := moving{Transfer: t, Name: cmp.Or(t.File, fileOf(t.URL)), Rate: -1}
		since, was := now.Time.Sub(t.Started), int64(0)
		if n, known := p.were[t.ID]; known {
			since, was = now.Time.Sub(p.at), n
		}
		if since > 0 && t.Bytes >= was {
			m.Rate = int64(float64(t.Bytes-was) / since.Seconds())
		}
		if left := t.Total - t.Bytes; m.Rate > 0 && left > 0 {
			m.Left = time.Duration(float64(left) / float64(m.Rate) * float64(time.Second))
		}
		out[i], are[t.ID] = m, t.Bytes
	}
	p.at, p.were = now.Time, are
	return out
}

// fileOf is the last part of a URL's path, or its host where there is none.
func fileOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return raw
	}
	if name := path.Base(u.Path); name != "/" && name != "." {
		return name
	}
	return u.Host
}

// Named is the page of a credential of which the name alone is known. One that
// is called as another page is found in the list.
func (w *view) Named(credential string) string {
	if credential == "new" {
		return w.At("credentials") + "?q=new"
	}
	return w.At("credentials", credential)
}

// liveTransfers is the part of the overview that shows what is going on, anew
// whenever that changes.
func (p *Portal) liveTransfers(v *visit) error {
	body, err := v.api.FollowTransfers(v.ctx())
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	var going pace
	return v.stream(body, func(out *stream) error {
		return events(body, func(data []byte) error {
			now, err := decode[admin.TransfersNow](data)
			if err != nil {
				return err
			}
			return v.send(out, "transfers", "overview.html", "transfers", going.of(now))
		})
	})
}
