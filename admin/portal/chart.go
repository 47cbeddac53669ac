package portal

import (
	"cmp"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/weighbridge/weighbridge/admin"
)

// The chart is drawn in pixels from top to bottom and in percent from left to
// right, so that its letters are as large on a telephone as elsewhere.
const (
	chartTop    = 16
	chartBottom = 196
	chartSeries = 5 // told apart; the rest is one more
)

// wanted is what the visitor wants to see in the chart.
type wanted struct {
	by, show string
	days     int
}

func wantedOf(q url.Values) wanted {
	w := wanted{by: "credential", show: "bytes", days: 14}
	if q.Get("by") == "key" {
		w.by = "key"
	}
	if q.Get("show") == "requests" {
		w.show = "requests"
	}
	if n, err := strconv.Atoi(q.Get("days")); err == nil && (n == 30 || n == 90) {
		w.days = n
	}
	return w
}

// toggle is one way to switch the chart: links, of which one is taken.
type toggle struct {
	Label string
	Links []switchLink
}

type switchLink struct {
	Text, Href string
	Now        bool
}

func (w wanted) toggles(v *visit) []toggle {
	link := func(text string, to wanted) switchLink {
		q := url.Values{"by": {to.by}, "show": {to.show}, "days": {strconv.Itoa(to.days)}}
		return switchLink{text, v.at() + "?" + q.Encode() + "#over-time", to == w}
	}
	with := func(change func(*wanted)) wanted { to := w; change(&to); return to }
	days := toggle{Label: v.say("chart.range")}
	for _, n := range []int{14, 30, 90} {
		days.Links = append(days.Links, link(v.say("chart.days", n), with(func(to *wanted) { to.days = n })))
	}
	return []toggle{
		{v.say("chart.what"), []switchLink{
			link(v.say("chart.bytes"), with(func(to *wanted) { to.show = "bytes" })), link(v.say("chart.requests"), with(func(to *wanted) { to.show = "requests" })),
		}},
		{v.say("chart.by"), []switchLink{
			link(v.say("chart.by.credential"), with(func(to *wanted) { to.by = "credential" })), link(v.say("chart.by.key"), with(func(to *wanted) { to.by = "key" })),
		}},
		days,
	}
}

// chart is bars over days, each of parts, and the same as a table.
type chart struct {
	Title string
	Bars  []bar
	Rules []tick
	Days  []tick
	// Legend are the parts, the largest first.
	Legend []part
	Rows   []row
}

// bar is one part of one day: X and W in percent, Y and H in pixels.
type bar struct {
	Class, Tip string
	X, W, Y, H string
}

// tick is a mark on an axis.
type tick struct {
	At, Text string
	// Class says on which side of the place the text stands.
	Class string
}

type part struct {
	Class, Name, Total string
	id                 string
	sum                int64
}

type row struct {
	Day   string
	Cells []string
}

// chart draws rows of usage, by day, up to today.
func (w wanted) chart(v *visit, today time.Time, rows []admin.Usage) chart {
	format := formatBytes
	if w.show == "requests" {
		format = formatCount
	}
	parts, values := w.parts(v, rows)
	c := chart{Title: v.say("chart.title."+w.show, v.say("chart.by."+w.by), w.days)}
	if len(parts) == 0 {
		return c
	}
	for i := range parts {
		parts[i].Class, parts[i].Total = "s"+strconv.Itoa(i+1), format(parts[i].sum)
	}
	c.Legend = parts
	days := make([]string, w.days)
	highest := int64(1)
	for i := range days {
		days[i] = today.AddDate(0, 0, i+1-w.days).Format(time.DateOnly)
		sum := int64(0)
		for j := range parts {
			sum += values[days[i]][parts[j].id]
		}
		highest = max(highest, sum)
	}
	top := roundUp(highest, w.show == "bytes")
	height := func(n int64) float64 { return float64(n) / float64(top) * (chartBottom - chartTop) }
	for _, n := range slices.Compact([]int64{0, top / 2, top}) {
		c.Rules = append(c.Rules, tick{At: pixels(chartBottom - height(n)), Text: format(n)})
	}
	slot := 100 / float64(w.days)
	for i, day := range days {
		base := float64(chartBottom)
		cells := make([]string, len(parts))
		for j := range parts {
			n := values[day][parts[j].id]
			if cells[j] = format(n); n == 0 {
				continue
			}
			h := max(height(n), 1)
			base -= h
			c.Bars = append(c.Bars, bar{
				Class: parts[j].Class, Tip: v.say("chart.tip", day, parts[j].Name, format(n)),
				X: percent((float64(i) + 0.12) * slot), W: percent(0.76 * slot), Y: pixels(base), H: pixels(h),
			})
		}
		c.Rows = append(c.Rows, row{day, cells})
		switch i {
		case 0:
			c.Days = append(c.Days, tick{"0%", day[5:], "first"})
		case w.days / 2:
			c.Days = append(c.Days, tick{percent((float64(i) + 0.5) * slot), day[5:], "middle"})
		case w.days - 1:
			c.Days = append(c.Days, tick{"100%", day[5:], "last"})
		}
	}
	slices.Reverse(c.Rows) // the newest first
	return c
}

// parts are what bars are made of, and how much of each there was on each day:
// the largest ones, and the rest as one.
func (w wanted) parts(v *visit, rows []admin.Usage) ([]part, map[string]map[string]int64) {
	const rest = "\x00rest"
	sums, values := map[string]*part{}, map[string]map[string]int64{}
	for i := range rows {
		r := &rows[i]
		id, name := w.of(v, r)
		n := r.Bytes
		if w.show == "requests" {
			n = r.Requests
		}
		if n == 0 {
			continue
		}
		if sums[id] == nil {
			sums[id] = &part{id: id}
		}
		sums[id].Name, sums[id].sum = name, sums[id].sum+n
		if values[r.Day] == nil {
			values[r.Day] = map[string]int64{}
		}
		values[r.Day][id] += n
	}
	out := make([]part, 0, len(sums))
	for _, p := range sums {
		out = append(out, *p)
	}
	slices.SortFunc(out, func(a, b part) int { return cmp.Or(cmp.Compare(b.sum, a.sum), cmp.Compare(a.id, b.id)) })
	if len(out) <= chartSeries+1 {
		return out, values
	}
	other := part{id: rest, Name: v.say("chart.others", len(out)-chartSeries)}
	for _, p := range out[chartSeries:] {
		other.sum += p.sum
		for _, day := range values {
			day[rest] += day[p.id]
		}
	}
	return append(out[:chartSeries], other), values
}

// of is the credential or the key of a row.
func (w wanted) of(v *visit, r *admin.Usage) (id, name string) {
	if w.by == "key" {
		return r.KeyID, cmp.Or(r.KeyName, r.KeyID, v.say("chart.no-key"))
	}
	return r.CredentialID, cmp.Or(r.CredentialName, r.CredentialID, v.say("chart.bare"))
}

// roundUp is the next round number, of which the half is round, too: 2, 4 or 10
// times a power of ten, or of 1024 where it is bytes.
func roundUp(n int64, bytes bool) int64 {
	unit := int64(1)
	if bytes {
		for unit <= n/1024 {
			unit *= 1024
		}
	}
	for {
		for _, m := range []int64{2, 4, 10} {
			if n <= m*unit || unit > math.MaxInt64/100 {
				return m * unit
			}
		}
		unit *= 10
	}
}

func pixels(f float64) string  { return strconv.FormatFloat(f, 'f', 1, 64) }
func percent(f float64) string { return fmt.Sprintf("%.2f%%", f) }
