package audit

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

const (
	// usageEvery is how often usage is written; a crash counts anew what was
	// recorded since.
	usageEvery = time.Minute
	// maxUsageHosts is how many hosts one day tells apart, and maxUsageRows how
	// many (credential, key, host). What is beyond counts as Other.
	maxUsageHosts = 500
	maxUsageRows  = 10_000

	usagePrefix = "usage-"
	usageSuffix = ".json"

	// Other is the host, and in the end the key and the credential, of what is
	// not told apart.
	Other = "other"
)

// UsageRow is what came of one credential, key and host on one day (UTC), or of
// one credential and key in one hour of it.
type UsageRow struct {
	Day string `json:"day"`
	// Hour is when the hour began (RFC 3339, UTC); empty in a row of a whole day.
	Hour           string `json:"hour,omitempty"`
	TeamID         string `json:"team_id,omitempty"`
	CredentialID   string `json:"credential_id,omitempty"`
	CredentialName string `json:"credential_name,omitempty"`
	KeyID          string `json:"key_id,omitempty"`
	KeyName        string `json:"key_name,omitempty"`
	Host           string `json:"host,omitempty"`
	// Requests that were let through, Bytes of body that workers got of them,
	// Errors of them that did not end well, and Denied: requests that were
	// refused.
	Requests int64 `json:"requests"`
	Bytes    int64 `json:"bytes"`
	Errors   int64 `json:"errors"`
	Denied   int64 `json:"denied"`
}

// usageID is what rows are told apart by: those of days have no hour, and those
// of hours no host.
type usageID struct{ hour, team, credential, key, host string }

func (r *UsageRow) id() usageID {
	return usageID{r.Hour, r.TeamID, r.CredentialID, r.KeyID, r.Host}
}

// usageDay is one file: the rows of a day, also by the hour as long as those are
// kept, and up to where the record is counted in them. All are written at once,
// so that nothing counts twice.
type usageDay struct {
	Day    string     `json:"day"`
	Cursor Cursor     `json:"cursor"`
	Rows   []UsageRow `json:"rows"`
	Hours  []UsageRow `json:"hours,omitempty"`
}

// Usage counts what the record tells, by day, in small files that outlive it.
// It reads the record behind its writer and holds nobody up. All methods are
// safe for concurrent use.
type Usage struct {
	record *File
	dir    string
	report func(error)

	stop    context.CancelFunc
	stopped sync.WaitGroup

	mu     sync.Mutex
	day    string
	cursor Cursor
	rows   map[usageID]*UsageRow
	hours  map[usageID]*UsageRow
	hosts  map[string]bool
	dirty  bool
}

// OpenUsage goes on counting where the newest file in dir ends. report is told
// of errors; it must not block.
func OpenUsage(record *File, dir string, report func(error)) (*Usage, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	u := &Usage{record: record, dir: dir, report: report}
	u.begin("")
	days, err := u.days()
	if err != nil {
		return nil, err
	}
	if len(days) > 0 {
		d, err := u.read(days[len(days)-1])
		if err != nil {
			return nil, err
		}
		u.begin(d.Day)
		u.cursor = record.within(d.Cursor)
		for i := range d.Rows {
			r := d.Rows[i]
			u.rows[r.id()] = &r
			u.hosts[r.Host] = true
		}
		for i := range d.Hours {
			r := d.Hours[i]
			u.hours[r.id()] = &r
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	u.stop = stop
	u.stopped.Go(func() { u.run(ctx) })
	return u, nil
}

func (u *Usage) begin(day string) {
	u.day, u.rows, u.hours, u.hosts = day, map[usageID]*UsageRow{}, map[usageID]*UsageRow{}, map[string]bool{}
}

func (u *Usage) run(ctx context.Context) {
	tick := time.NewTicker(usageEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := u.catchUp(ctx, true); err != nil && ctx.Err() == nil {
				u.report(err)
			}
		}
	}
}

// Close counts and writes what is on record, and ends. It comes before the
// record's own Close.
func (u *Usage) Close() error {
	u.stop()
	u.stopped.Wait()
	return u.catchUp(context.Background(), true)
}

// catchUp counts what is durable, and writes it where write says so.
func (u *Usage) catchUp(ctx context.Context, write bool) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	var failed error
	err := u.record.From(ctx, u.cursor, func(line []byte, behind Cursor) bool {
		failed = u.count(line)
		if failed == nil {
			u.cursor, u.dirty = behind, true
		}
		return failed == nil
	})
	if err = errors.Join(err, failed); err != nil || !write || !u.dirty || u.day == "" {
		return err
	}
	return u.write(u.today())
}

var counted = [][]byte{
	[]byte(`"action":"` + auth.ActionFinished + `"`), []byte(`"action":"` + auth.ActionSummary + `"`), []byte(`"action":"` + auth.ActionDenied + `"`),
}

// count adds a line; most are of no interest, and not decoded. An error is one
// of writing the day that is over.
func (u *Usage) count(line []byte) error {
	head := line[:min(len(line), 128)] // the action comes third
	if !slices.ContainsFunc(counted, func(a []byte) bool { return bytes.Contains(head, a) }) {
		return nil
	}
	var e auth.Event
	if json.Unmarshal(line, &e) != nil {
		return nil // for verify to tell
	}
	// An event that is late counts for the day on which it was written.
	if day := e.Time.UTC().Format(time.DateOnly); day > u.day {
		if u.day != "" {
			if err := u.write(u.today()); err != nil {
				return err
			}
			u.thin()
		}
		u.begin(day)
	}
	u.row(&e).add(&e)
	u.hour(&e).add(&e)
	return nil
}

// add counts an event. Names are the last ones: of what a stop broke off only
// ids are on record.
func (r *UsageRow) add(e *auth.Event) {
	if r.CredentialID == e.CredentialID {
		r.CredentialName = cmp.Or(e.CredentialName, r.CredentialName)
	}
	if r.KeyID == e.KeyID {
		r.KeyName = cmp.Or(e.KeyName, r.KeyName)
	}
	r.Bytes += e.Bytes
	n := max(e.Count, 1)
	switch {
	case e.Action == auth.ActionDenied:
		r.Denied += n
	case e.Outcome == auth.OutcomeFailed:
		r.Requests += n
		r.Errors += n
	default:
		r.Requests += n
	}
}

func (u *Usage) row(e *auth.Event) *UsageRow {
	row := UsageRow{Day: u.day, TeamID: e.TeamID, CredentialID: e.CredentialID, CredentialName: e.CredentialName, KeyID: e.KeyID, KeyName: e.KeyName, Host: e.Host}
	if !u.hosts[row.Host] && len(u.hosts) >= maxUsageHosts {
		row.Host = Other
	}
	r := within(u.rows, row, UsageRow{Day: u.day, CredentialID: Other, CredentialName: Other, KeyID: Other, KeyName: Other, Host: Other})
	u.hosts[r.Host] = true
	return r
}

// within is the row of rows that is told apart as row is; where there are too
// many it is other.
func within(rows map[usageID]*UsageRow, row, other UsageRow) *UsageRow {
	if rows[row.id()] == nil && len(rows) >= maxUsageRows {
		row = other
	}
	r := rows[row.id()]
	if r == nil {
		r = &row
		rows[row.id()] = r
	}
	return r
}

// today is the day that is counted; u.mu is held.
func (u *Usage) today() usageDay { return usageDay{u.day, u.cursor, sorted(u.rows), sorted(u.hours)} }

// write replaces a day's file whole; u.mu is held.
func (u *Usage) write(d usageDay) error {
	b, err := json.Marshal(d)
	if err != nil {
		return err
	}
	if err := replaceFile(u.path(d.Day), b); err != nil {
		return err
	}
	if d.Day == u.day {
		u.dirty = false
	}
	return nil
}

func sorted(of map[usageID]*UsageRow) []UsageRow {
	rows := make([]UsageRow, 0, len(of))
	for _, r := range of {
		rows = append(rows, *r)
	}
	slices.SortFunc(rows, func(a, b UsageRow) int {
		return cmp.Or(cmp.Compare(a.Hour, b.Hour), cmp.Compare(a.TeamID, b.TeamID), cmp.Compare(a.CredentialID, b.CredentialID), cmp.Compare(a.KeyID, b.KeyID), cmp.Compare(a.Host, b.Host))
	})
	return rows
}

func (u *Usage) path(day string) string { return filepath.Join(u.dir, usagePrefix+day+usageSuffix) }

// days lists the files, oldest first.
func (u *Usage) days() ([]string, error) {
	entries, err := os.ReadDir(u.dir)
	if err != nil {
		return nil, err
	}
	var days []string
	for _, e := range entries {
		day, ok := strings.CutPrefix(e.Name(), usagePrefix)
		day, whole := strings.CutSuffix(day, usageSuffix)
		if _, err := time.Parse(time.DateOnly, day); ok && whole && err == nil {
			days = append(days, day)
		}
	}
	slices.Sort(days)
	return days, nil
}

func (u *Usage) read(day string) (d usageDay, err error) {
	b, err := os.ReadFile(u.path(day))
	if err == nil {
		err = json.Unmarshal(b, &d)
	}
	return d, err
}

// Rows are those of the days from since's on, up to now.
func (u *Usage) Rows(ctx context.Context, since time.Time) ([]UsageRow, error) {
	return u.gather(ctx, since, func(d usageDay) []UsageRow { return d.Rows })
}

// gather takes rows from each of the days from since's on, up to now.
func (u *Usage) gather(ctx context.Context, since time.Time, of func(usageDay) []UsageRow) ([]UsageRow, error) {
	if err := u.catchUp(ctx, false); err != nil {
		return nil, err
	}
	u.mu.Lock()
	today := u.today()
	u.mu.Unlock()
	first := since.UTC().Format(time.DateOnly)
	days, err := u.days()
	if err != nil {
		return nil, err
	}
	out := []UsageRow{}
	for _, day := range days {
		if day < first || day >= today.Day {
			continue
		}
		d, err := u.read(day)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, of(d)...)
	}
	if today.Day >= first {
		out = append(out, of(today)...)
	}
	return out, nil
}
