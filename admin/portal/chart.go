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

// wanted is what the visitor wants to see in the chart. One day is one by the
// hour.
type wanted struct {
	by, show string
	days     int
}

// chartDays are how many days back the chart may go.
var chartDays = [...]int{1, 14, 30, 90}

func wantedOf(q url.Values) wanted {
	w := wanted{by: "credential", show: "bytes", days: 14}
	if q.Get("by") == "key" {
		w.by = "key"
	}
	if q.Get("show") == "requests" {
		w.show = "requests"
	}
	if n, err := strconv.Atoi(q.Get("days")); err == nil && slices.Contains(chartDays[:], n) {
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
	for _, n := range chartDays {
		text := v.say("chart.days", n)
		if n == 1 {
			text = v.say("chart.hours", hoursBack)
		}
		days.Links = append(days.Links, link(text, with(func(to *wanted) { to.days = n })))
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

// chart is bars over days or hours, each of parts, and the same as a table.
type chart struct {
	// Title says what is drawn, and When what each bar is of.
	Title, When string
	Bars        []bar
	Rules       []tick
	Marks       []tick
	// Legend are the parts, the largest first.
	Legend []part
	Rows   []row
}

// bar is one part of one slot: X and W in percent, Y and H in pixels.
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
	When  string
	Cells []string
}

// chart draws rows of usage, by day or by hour, up to now.
func (w wanted) chart(v *visit, now time.Time, rows []admin.Usage) chart {
	format := formatBytes
	if w.show == "requests" {
		format = formatCount
	}
	parts, values := w.parts(v, rows)
	slots := w.slots(now)
	c := chart{Title: v.say("chart.title."+w.show+".day."+w.by, w.days), When: v.say("chart.day")}
	if w.hourly() {
		c.Title, c.When = v.say("chart.title."+w.show+".hour."+w.by, hoursBack), v.say("chart.hour")
	}
	if len(parts) == 0 {
		return c
	}
	for i := range parts {
		parts[i].Class, parts[i].Total = "s"+strconv.Itoa(i+1), format(parts[i].sum)
	}
	c.Legend = parts
	highest := int64(1)
	for i := range slots {
		sum := int64(0)
		for j := range parts {
			sum += values[slots[i].id][parts[j].id]
		}
		highest = max(highest, sum)
	}
	top := roundUp(highest, w.show == "bytes")
	height := func(n int64) float64 { return float64(n) / float64(top) * (chartBottom - chartTop) }
	for _, n := range slices.Compact([]int64{0, top / 2, top}) {
		c.Rules = append(c.Rules, tick{At: pixels(chartBottom - height(n)), Text: format(n)})
	}
	width := 100 / float64(len(slots))
	for i, s := range slots {
		base := float64(chartBottom)
		cells := make([]string, len(parts))
		for j := range parts {
			n := values[s.id][parts[j].id]
			if cells[j] = format(n); n == 0 {
				continue
			}
			h := max(height(n), 1)
			base -= h
			c.Bars = append(c.Bars, bar{
				Class: parts[j].Class, Tip: v.say("chart.tip", s.label, parts[j].Name, format(n)),
				X: percent((float64(i) + 0.12) * width), W: percent(0.76 * width), Y: pixels(base), H: pixels(h),
			})
		}
		c.Rows = append(c.Rows, row{s.label, cells})
		switch i {
		case 0:
			c.Marks = append(c.Marks, tick{"0%", s.mark, "first"})
		case len(slots) / 2:
			c.Marks = append(c.Marks, tick{percent((float64(i) + 0.5) * width), s.mark, "middle"})
		case len(slots) - 1:
			c.Marks = append(c.Marks, tick{"100%", s.mark, "last"})
		}
	}
	slices.Reverse(c.Rows) // the newest first
	return c
}

// parts are what bars are made of, and how much of each there was in each slot:
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
		slot := r.Day
		if w.hourly() {
			slot = r.Hour
		}
		if values[slot] == nil {
			values[slot] = map[string]int64{}
		}
		values[slot][id] += n
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
		for _, slot := range values {
			slot[rest] += slot[p.id]
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
