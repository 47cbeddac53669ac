package audit

import (
	"context"
	"slices"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// Hours are rows by the hour, told apart by credential and key and not by host:
// those of the hours from since's on, up to now. They are kept of the newest day
// (UTC) on which anything was counted, and of the one before that.
func (u *Usage) Hours(ctx context.Context, since time.Time) ([]UsageRow, error) {
	rows, err := u.gather(ctx, since, func(d usageDay) []UsageRow { return d.Hours })
	first := hourOf(since)
	return slices.DeleteFunc(rows, func(r UsageRow) bool { return r.Hour < first }), err
}

// hourOf is when the hour of a time began. Such hours sort as times do.
func hourOf(at time.Time) string {
	return at.UTC().Truncate(time.Hour).Format(time.RFC3339)
}

// hour is the row of an event's hour; u.mu is held. What comes late from a day
// that is over is of the first hour, as it counts for this day.
func (u *Usage) hour(e *auth.Event) *UsageRow {
	at := max(hourOf(e.Time), u.day+"T00:00:00Z")
	return within(u.hours,
		UsageRow{Day: u.day, Hour: at, TeamID: e.TeamID, CredentialID: e.CredentialID, CredentialName: e.CredentialName, KeyID: e.KeyID, KeyName: e.KeyName},
		UsageRow{Day: u.day, Hour: at, CredentialID: Other, CredentialName: Other, KeyID: Other, KeyName: Other})
}

// thin takes the hours out of the newest file before the day that is over: no
// chart goes back that far, and what is kept for good stays small. u.mu is held.
func (u *Usage) thin() {
	days, err := u.days()
	before, _ := slices.BinarySearch(days, u.day)
	if err != nil || before == 0 {
		return // the next day tries again
	}
	d, err := u.read(days[before-1])
	if err == nil && d.Hours != nil {
		d.Hours = nil
		err = u.write(d)
	}
	if err != nil {
		u.report(err) // the hours stay, and harm nobody
	}
}
