package admin

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// Limits bound what one key may take. 0 is no limit of the key's own.
type Limits struct {
	Rate      float64 `json:"rate,omitempty" doc:"Requests a second, in the long run. What is beyond gets 429 with too_many_requests."`
	Burst     int     `json:"burst,omitempty" doc:"How many of them may come at once; 0 is one second's worth, and one at least."`
	Transfers int     `json:"transfers,omitempty" doc:"Transfers under way at a time, in place of limits.transfers_per_key. What is beyond gets 429 with too_many_transfers."`
	Bandwidth int64   `json:"bandwidth,omitempty" doc:"Bytes of bodies a second, of all its transfers together and in either direction: they are slowed down."`
}

// LimitsPatch changes limits; what is left out stays, and 0 lifts one.
type LimitsPatch struct {
	Rate      *float64 `json:"rate,omitempty"`
	Burst     *int     `json:"burst,omitempty"`
	Transfers *int     `json:"transfers,omitempty"`
	Bandwidth *int64   `json:"bandwidth,omitempty"`
}

// checkLimits gives l in the words of the records; nil is no limits.
func checkLimits(l *Limits) (auth.Limits, error) {
	if l == nil {
		return auth.Limits{}, nil
	}
	out := auth.Limits(*l)
	if err := out.Check(); err != nil {
		return auth.Limits{}, invalid("body.limits", err.Error(), "")
	}
	return out, nil
}

// apply changes the limits of a row. Without a rate there is no burst.
func (p *LimitsPatch) apply(row *auth.Limits) error {
	if p == nil {
		return nil
	}
	out := *row
	if p.Rate != nil {
		if out.Rate = *p.Rate; out.Rate == 0 {
			out.Burst = 0
		}
	}
	if p.Burst != nil {
		out.Burst = *p.Burst
	}
	if p.Transfers != nil {
		out.Transfers = *p.Transfers
	}
	if p.Bandwidth != nil {
		out.Bandwidth = *p.Bandwidth
	}
	if err := out.Check(); err != nil {
		return invalid("body.limits", err.Error(), "")
	}
	*row = out
	return nil
}

// boundsPatch are the bounds of a key of either kind that a change names.
type boundsPatch struct {
	ExpiresAt *time.Time
	Limits    *LimitsPatch
	Sources   *[]string
}

// read gives what the bounds make of a row.
func (p boundsPatch) read(a *API) (func(*auth.Key) error, error) {
	var sources []netip.Prefix
	if p.Sources != nil {
		var err error
		if sources, err = readSources(*p.Sources); err != nil {
			return nil, err
		}
	}
	end, err := a.keyEnd(p.ExpiresAt)
	if err != nil {
		return nil, err
	}
	return func(row *auth.Key) error {
		if p.ExpiresAt != nil {
			row.ExpiresAt = end
		}
		if p.Sources != nil {
			row.Sources = sources
		}
		return p.Limits.apply(&row.Limits)
	}, nil
}

// showLimits is nil where there are none.
func showLimits(l auth.Limits) *Limits {
	if l == (auth.Limits{}) {
		return nil
	}
	out := Limits(l)
	return &out
}

// readSources parses every network.
func readSources(texts []string) ([]netip.Prefix, error) {
	out := make([]netip.Prefix, 0, len(texts))
	for i, text := range texts {
		p, err := auth.ParseSource(text)
		if err != nil {
			return nil, invalid(fmt.Sprintf("body.sources[%d]", i), err.Error(), "")
		}
		out = append(out, p)
	}
	return out, nil
}

func showSources(sources []netip.Prefix) []string {
	var out []string
	for _, p := range sources {
		out = append(out, p.String())
	}
	return out
}

// keyEnd is ends for a key, which lives as long as auth.CheckLife allows. The
// zero time is no end.
func (a *API) keyEnd(t *time.Time) (time.Time, error) {
	if t == nil {
		return time.Time{}, nil
	}
	if err := auth.CheckLife(*t, a.o.Now()); err != nil {
		return time.Time{}, invalid("body.expires_at", err.Error(), "Give a time from 1 to 365 days from now, or none for a key that does not end.")
	}
	return t.UTC(), nil
}
