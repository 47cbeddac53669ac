package audit

import (
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

const (
	// summaryEvery is how often summaries are written.
	summaryEvery = time.Minute
	// maxSummaries bounds the distinct (team, key, host) of one minute; what is
	// beyond is summed up by team and key under no host.
	maxSummaries = 10_000
)

// summaryKey is what a summary is kept for.
type summaryKey struct{ action, team, key, host string }

// summary is what came of one key in the running minute.
type summary struct {
	first auth.Event
	count int64
	bytes int64
}

// summarise takes an event of [auth.ActionSummary].
func (f *File) summarise(e auth.Event) auth.Ticket {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return settled{auth.NewError(auth.CodeAuditUnavailable, "the audit record is closed", nil)}
	}
	f.sum(summaryKey{auth.ActionSummary, e.TeamID, e.KeyID, plainHost(e.Host)}, &e)
	if err := f.tripped.Load(); err != nil {
		return settled{err}
	}
	return settled{}
}

// sum adds e to the running minute.
func (f *File) sum(k summaryKey, e *auth.Event) {
	f.stats.Summarised++
	s := f.summaries[k]
	if s == nil && len(f.summaries) >= maxSummaries {
		k.host = ""
		s = f.summaries[k]
	}
	if s == nil {
		// Strings of the event are copies already; only what a summary says is
		// kept.
		s = &summary{first: auth.Event{
			Action: k.action, TeamID: e.TeamID, KeyID: e.KeyID, KeyName: e.KeyName,
			Mode: e.Mode, Host: k.host, Actor: e.Actor,
		}}
		f.summaries[k] = s
	}
	s.count += max(e.Count, 1)
	s.bytes += e.Bytes
}

// flushSummaries queues one line for each summary. It is called with the lock
// held.
func (f *File) flushSummaries(now time.Time) {
	for k, s := range f.summaries {
		e := s.first
		e.Time, e.Count, e.Bytes = now, s.count, s.bytes
		if k.action == auth.ActionDenied {
			e.Reason = "refusals that were not written one by one, because the team has used up half its share of the record"
		}
		f.report(e)
	}
	clear(f.summaries)
}

// tidy writes the summaries and a signed head once a minute, looks at the size
// as often, and at the age once a day.
func (f *File) tidy() {
	defer f.stopped.Done()
	tick := time.NewTicker(summaryEvery)
	defer tick.Stop()
	f.prune()
	pruned := time.Now()
	for {
		select {
		case <-f.stop:
			return
		case <-f.grown:
			f.prune()
			continue
		case <-tick.C:
		}
		f.mu.Lock()
		f.flushSummaries(f.o.Now())
		f.headDue = true
		b := f.pending
		f.mu.Unlock()
		b.hurry()
		if f.o.MaxSize > 0 || time.Since(pruned) >= day {
			pruned = time.Now()
			f.prune()
		}
	}
}
