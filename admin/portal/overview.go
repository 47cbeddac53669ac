package portal

import (
	"context"
	"fmt"
	"hash/fnv"
	"html/template"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
)

// today is what came of the day so far (UTC).
type today struct {
	Since time.Time
	admin.Usage
	// needs is what was shown of the credentials that need somebody.
	needs string
}

// Known is what a page knows, as a query for what it does not.
func (t today) Known() template.URL {
	return template.URL(url.Values{"wrong": {t.wrong()}, "needs": {t.needs}}.Encode())
}

// wrong is how much went wrong.
func (t today) wrong() string { return strconv.FormatInt(t.Errors+t.Denied, 10) }

// nowData is what a page is told that shows the overview.
type nowData struct {
	Today today
	// NeedsOthers and WentWrong say that these have changed since.
	NeedsOthers, WentWrong bool
	Attention              []attention
	Trouble                trouble
}

type overviewData struct {
	// New says that the team has nothing yet: no credential and no key.
	New bool
	// Hint leads to the guide who has not come to the first download yet.
	Hint      *hint
	Transfers []moving
	Today     today
	Attention []attention
	Trouble   trouble
	Chart     chart
	Toggles   []toggle
}

// overviewPages are the first page of a team, and its parts that change while
// somebody looks.
func (p *Portal) overviewPages() {
	p.page("GET", "", func(v *visit) error {
		p.setCookie(v.w, v.r, teamCookie, v.me.Team.ID, deviceLife)
		d, err := v.overview(v.ctx())
		if err != nil {
			return err
		}
		return v.render("overview.html", d)
	})
	p.page("GET", "/live/transfers", p.liveTransfers)
	p.page("GET", "/live/today", func(v *visit) error {
		d, err := v.now(v.ctx(), v.r.URL.Query())
		if err != nil {
			return err
		}
		return v.part("overview.html", "now", d)
	})
}

// midnight is when the day (UTC) began, by which usage is counted.
func (v *visit) midnight() time.Time { return v.p.o.Now().UTC().Truncate(24 * time.Hour) }

func (v *visit) overview(ctx context.Context) (d overviewData, err error) {
	credentials, err := v.api.ListCredentials(ctx)
	if err != nil {
		return d, err
	}
	keys, err := v.api.ListKeys(ctx)
	if err != nil {
		return d, err
	}
	d.New = len(credentials) == 0 && len(keys) == 0
	transfers, err := v.api.ListTransfers(ctx)
	if err != nil {
		return d, err
	}
	now, day := v.p.o.Now(), v.midnight()
	d.Transfers = (&pace{}).of(admin.TransfersNow{Time: now, Transfers: transfers.Transfers})
	d.Attention = v.attention(credentials)
	wanted := wantedOf(v.r.URL.Query())
	drawn, err := v.api.ListUsage(ctx, wanted.query(now))
	if err != nil {
		return d, err
	}
	rows := drawn
	if wanted.hourly() { // of which there may be fewer than there were requests today
		if rows, err = v.api.ListUsage(ctx, admin.ListUsageQuery{By: "day", Since: day}); err != nil {
			return d, err
		}
	}
	d.Hint = firstRun(credentials, keys, rows)
	d.Today, d.Toggles = todayOf(day, rows), wanted.toggles(v)
	d.Today.needs = digest(d.Attention)
	d.Chart = wanted.chart(v, now, drawn)
	// Reading a day of the record takes time where there was much: it is not
	// read where usage says that nothing went wrong.
	if d.Today.Errors+d.Today.Denied > 0 || len(rows) == 0 && !d.New {
		d.Trouble, err = v.trouble(ctx, day)
	}
	return d, err
}

// now is what has changed for a page that knows of what its query says.
func (v *visit) now(ctx context.Context, known url.Values) (d nowData, err error) {
	day := v.midnight()
	rows, err := v.api.ListUsage(ctx, admin.ListUsageQuery{By: "day", Since: day})
	if err != nil {
		return d, err
	}
	credentials, err := v.api.ListCredentials(ctx)
	if err != nil {
		return d, err
	}
	d.Attention = v.attention(credentials)
	d.Today = todayOf(day, rows)
	d.Today.needs = digest(d.Attention)
	d.NeedsOthers, d.WentWrong = known.Get("needs") != d.Today.needs, known.Get("wrong") != d.Today.wrong()
	if d.WentWrong {
		d.Trouble, err = v.trouble(ctx, day)
	}
	return d, err
}

// digest tells what is shown of credentials from what was shown before.
func digest(all []attention) string {
	h := fnv.New64a()
	for i := range all {
		_, _ = fmt.Fprintf(h, "%q %q %q %q\n", all[i].ID, all[i].Name, all[i].Status, all[i].Why)
	}
	return strconv.FormatUint(h.Sum64(), 36)
}

// todayOf sums up the rows of a day.
func todayOf(day time.Time, rows []admin.Usage) today {
	t := today{Since: day}
	for i := range rows {
		if r := &rows[i]; r.Day == day.Format(time.DateOnly) {
			t.Requests, t.Bytes = t.Requests+r.Requests, t.Bytes+r.Bytes
			t.Errors, t.Denied = t.Errors+r.Errors, t.Denied+r.Denied
		}
	}
	return t
}

// soon is how long before its end a credential is shown as ending.
const soon = 14 * 24 * time.Hour

// attention is a credential that somebody should look at.
type attention struct {
	admin.Credential
	// Bad says that it is not used any more.
	Bad bool
	// Why are sentences.
	Why []string
}

// attention picks those that are not used, that end soon, and that can do more
// than they should; what cannot be used any more comes first.
func (v *visit) attention(all []admin.Credential) (out []attention) {
	now := v.p.o.Now()
	for i := range all {
		c := &all[i]
		a := attention{Credential: *c}
		ended := c.ExpiresAt != nil && !c.ExpiresAt.After(now)
		switch status := auth.Status(c.Status); {
		case status == auth.StatusRevoked:
			continue
		case status == auth.StatusExpired, status == auth.StatusValid && ended:
			a.Bad, a.Status, a.Why = true, string(auth.StatusExpired), append(a.Why, v.say("attention.expired"))
		case status == auth.StatusInvalid:
			a.Bad, a.Why = true, append(a.Why, v.say("attention.invalid"))
			if c.Reason != "" {
				a.Why = append(a.Why, c.Reason)
			}
		case c.ExpiresAt != nil && c.ExpiresAt.Sub(now) < soon:
			a.Why = append(a.Why, v.say("attention.ends", ago(v.p.pages().text, now, c.ExpiresAt)))
		}
		a.Why = append(a.Why, warningsOf(c)...)
		if len(a.Why) > 0 {
			out = append(out, a)
		}
	}
	slices.SortStableFunc(out, func(a, b attention) int {
		switch {
		case a.Bad == b.Bad:
			return 0
		case a.Bad:
			return -1
		default:
			return 1
		}
	})
	return out
}
