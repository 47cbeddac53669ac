package portal

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/weighbridge/weighbridge/admin"
)

// The choices of an end beside spans of days.
const (
	endsNever  = "never"
	endsOnDate = "date"
	endsAsIs   = "keep"
)

// spans are the lives that a form offers, in days: a key and an access token
// live for 365 days at most.
var spans = [...]string{"7", "30", "90", "180", "365"}

// ending is when a key or an access token ends, as a form has it.
type ending struct {
	// Ends is a number of days, or one of the choices above; On is the date that
	// counts where Ends says so.
	Ends, On string
	// Opened is when the form was made: a form that is sent twice says the same.
	Opened string
	// Now is the end that is changed; New says that there is none to keep, Must
	// that there has to be one.
	Now       *time.Time
	New, Must bool
}

// Spans are the lives that the part ending offers.
func (ending) Spans() []string { return spans[:] }

// newEnding is that of a form for something new.
func (v *visit) newEnding(ends string) ending {
	return ending{Ends: ends, New: true, Opened: v.p.o.Now().UTC().Format(time.RFC3339)}
}

// read takes what a form says.
func (e ending) read(form url.Values) ending {
	e.Ends, e.On = form.Get("ends"), strings.TrimSpace(form.Get("ends-on"))
	if opened, err := time.Parse(time.RFC3339, form.Get("opened")); err == nil {
		e.Opened = opened.UTC().Format(time.RFC3339)
	}
	return e
}

// endAt is what the API takes: nil where it stays, or where there is none.
func (v *visit) endAt(e ending) (*time.Time, error) {
	switch e.Ends {
	case endsAsIs:
		return nil, nil
	case endsNever, "":
		if e.New {
			return nil, nil
		}
		return &time.Time{}, nil
	case endsOnDate:
		at, err := time.Parse(time.DateOnly, e.On)
		if err != nil {
			return nil, v.problem(http.StatusUnprocessableEntity, "invalid", "bounds.date", "bounds.date.next")
		}
		return &at, nil
	}
	days, err := strconv.Atoi(e.Ends)
	opened, oerr := time.Parse(time.RFC3339, e.Opened)
	if err != nil || days < 1 || days > 365 {
		return nil, v.problem(http.StatusUnprocessableEntity, "invalid", "bounds.ends.bad", "bounds.ends.bad.next")
	}
	if now := v.p.o.Now(); oerr != nil || opened.After(now) || now.Sub(opened) > 24*time.Hour {
		opened = now
	}
	at := opened.UTC().AddDate(0, 0, days)
	return &at, nil
}

// bounds are what a key may take, and from where, as a form has them; Bandwidth
// is in MiB a second.
type bounds struct {
	Rate, Burst, Transfers, Bandwidth, Sources string
}

// mib is the unit in which people write bandwidths.
const mib = 1 << 20

func readBounds(form url.Values) bounds {
	return bounds{Rate: form.Get("rate"), Burst: form.Get("burst"), Transfers: form.Get("transfers"),
		Bandwidth: form.Get("bandwidth"), Sources: form.Get("sources")}
}

// boundsOf writes limits into a form; what is not limited is empty.
func boundsOf(l *admin.Limits, sources []string) bounds {
	b := bounds{Sources: strings.Join(sources, "\n")}
	if l == nil {
		return b
	}
	number := func(f float64) string {
		if f == 0 {
			return ""
		}
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	b.Rate, b.Burst, b.Transfers = number(l.Rate), number(float64(l.Burst)), number(float64(l.Transfers))
	b.Bandwidth = number(float64(l.Bandwidth) / mib)
	return b
}

// boundsHold is what b holds, before anybody typed into it.
func (v *visit) boundsHold(b *bounds) holding {
	return holding{{"rate", v.say("bounds.rate"), b.Rate}, {"burst", v.say("bounds.burst"), b.Burst}, {"transfers", v.say("bounds.transfers"), b.Transfers},
		{"bandwidth", v.say("bounds.bandwidth"), b.Bandwidth}, {"sources", v.say("bounds.sources"), b.Sources}}
}

// limits are what the API takes; nothing is no limit.
func (v *visit) limits(b bounds) (admin.Limits, error) {
	var out admin.Limits
	var err error
	number := func(s string) float64 {
		if s = strings.TrimSpace(s); s == "" {
			return 0
		}
		f, perr := strconv.ParseFloat(s, 64)
		if perr != nil || !(f >= 0 && f <= 1<<40) { // neither what is no number, nor what overflows in bytes
			err = v.problem(http.StatusUnprocessableEntity, "invalid", "bounds.number", "bounds.number.next")
			return 0
		}
		return f
	}
	out.Rate, out.Burst, out.Transfers = number(b.Rate), int(number(b.Burst)), int(number(b.Transfers))
	out.Bandwidth = int64(number(b.Bandwidth) * mib)
	return out, err
}

// limitsPatch changes all limits to what a form says.
func (v *visit) limitsPatch(b bounds) (*admin.LimitsPatch, error) {
	l, err := v.limits(b)
	if err != nil {
		return nil, err
	}
	return &admin.LimitsPatch{Rate: &l.Rate, Burst: &l.Burst, Transfers: &l.Transfers, Bandwidth: &l.Bandwidth}, nil
}

// newLimits are limits of something new, nil where there are none.
func (v *visit) newLimits(b bounds) (*admin.Limits, error) {
	l, err := v.limits(b)
	if err != nil || l == (admin.Limits{}) {
		return nil, err
	}
	return &l, nil
}

// linesOf are the lines of a text area that say something; never nil.
func linesOf(text string) []string {
	out := []string{}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			out = append(out, line)
		}
	}
	return out
}
