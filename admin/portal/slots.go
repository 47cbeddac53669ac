package portal

import (
	"time"

	"github.com/weighbridge/weighbridge/admin"
)

// hoursBack is how many hours the chart by the hour has, the one that runs
// among them.
const hoursBack = 24

// slot is a day or an hour of the chart: how the API names it, what a table and
// a tip say, and what the axis does.
type slot struct{ id, label, mark string }

func (w wanted) hourly() bool { return w.days == 1 }

// slots are what the chart has a bar for, the oldest first.
func (w wanted) slots(now time.Time) (out []slot) {
	at := w.since(now)
	if w.hourly() {
		for range hoursBack {
			out = append(out, slot{at.Format(time.RFC3339), at.Format("2006-01-02 15:04"), at.Format("15:04")})
			at = at.Add(time.Hour)
		}
		return out
	}
	for range w.days {
		day := at.Format(time.DateOnly)
		out = append(out, slot{day, day, at.Format("01-02")})
		at = at.AddDate(0, 0, 1)
	}
	return out
}

// since is when the first slot begins.
func (w wanted) since(now time.Time) time.Time {
	if w.hourly() {
		return now.UTC().Truncate(time.Hour).Add((1 - hoursBack) * time.Hour)
	}
	return now.UTC().Truncate(24*time.Hour).AddDate(0, 0, 1-w.days)
}

// query asks for what the chart is drawn of.
func (w wanted) query(now time.Time) admin.ListUsageQuery {
	span := "-day"
	if w.hourly() {
		span = "-hour"
	}
	return admin.ListUsageQuery{By: w.by + span, Since: w.since(now)}
}
