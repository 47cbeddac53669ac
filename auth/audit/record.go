package audit

import (
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/auth/chain"
)

// maxLive bounds how many admissions without outcome are remembered. Beyond
// it a crash leaves some without the line that marks them aborted.
const maxLive = 1 << 20

// admission is what a crash must be able to tell of a request without outcome.
type admission struct{ team, key, credential string }

// Record queues e and returns its ticket at once; it never waits for the
// disk. ID and Time are filled in where they are empty.
//
// What the ticket says depends on the action:
//   - [auth.ActionUsed] admits a request: nil means durable, an error means
//     that the request must be refused and that no line tells of it.
//   - [auth.ActionSummary] is not written itself: the events of one team, key
//     and host are summed up, Count (zero counts as one) and Bytes, and
//     written once a minute. The ticket says nil while the sink takes lines.
//   - Everything else reports what has happened. An error means that it is
//     not durable yet: it is written once the record takes lines again.
//     [auth.ActionDenied] of a team that has used up half its quota is
//     counted and summed up once a minute like a summary.
func (f *File) Record(e auth.Event) auth.Ticket {
	now := f.o.Now()
	if e.Time.IsZero() {
		e.Time = now
	}
	if e.Action == auth.ActionSummary {
		return f.summarise(e)
	}
	admits := e.Action == auth.ActionUsed
	if admits {
		if err := f.tripped.Load(); err != nil {
			return f.refuse(err)
		}
	}
	if e.ID == "" {
		e.ID = auth.NewID(now)
	}
	p := f.bufs.Get().(*[]byte)
	line := appendEvent((*p)[:0], &e)

	f.mu.Lock()
	ticket := f.enqueue(&e, line, admits, now)
	b, hurry := f.pending, f.hurries(admits, now)
	f.mu.Unlock()

	*p = line[:0]
	f.bufs.Put(p)
	if hurry {
		b.hurry()
	}
	return ticket
}

// hurries reports whether the writer is woken for what was just queued, or may
// leave it for a while: also where whoever waits for it hastens it. It is called
// with the lock held.
func (f *File) hurries(admits bool, now time.Time) bool {
	if admits && !f.quick.Load() && (f.pending.enough.Load() == 0 || now.After(f.crowded)) || len(f.pending.buf) >= commitBytes {
		return true
	}
	if !f.lingering && len(f.pending.rows) > 0 {
		f.lingering = true
		f.linger.Reset(f.o.linger)
	}
	return false
}

// lingered wakes the writer for what nobody waits for.
func (f *File) lingered() {
	f.mu.Lock()
	f.lingering = false
	b := f.pending
	waits := len(b.rows) > 0 && !f.closed
	f.mu.Unlock()
	if waits {
		b.hurry()
	}
}

// refuse counts and refuses an admission.
func (f *File) refuse(err *auth.Error) auth.Ticket {
	f.mu.Lock()
	f.refused++
	f.stats.Refused++
	f.mu.Unlock()
	return settled{err}
}

// enqueue is Record under the lock.
func (f *File) enqueue(e *auth.Event, line []byte, admits bool, now time.Time) auth.Ticket {
	tripped := f.tripped.Load()
	switch {
	case f.closed:
		return settled{auth.NewError(auth.CodeAuditUnavailable, "the audit record is closed", nil)}
	case admits:
		err := tripped
		if err == nil && len(f.pending.buf)+len(line) > f.o.QueueBytes {
			err = auth.NewError(auth.CodeAuditUnavailable, "the audit record does not keep up", nil)
		}
		if err == nil && !f.quota(e.TeamID, now).admit(len(line)+chain.Overhead) {
			err = errOverQuota
		}
		if err != nil {
			if tripped != nil {
				f.refused++
			}
			f.stats.Refused++
			return settled{err}
		}
		id := e.RequestID
		if id == "" {
			id = e.ID
		} else if len(f.live) < maxLive {
			f.live[id] = admission{team: e.TeamID, key: e.KeyID, credential: e.CredentialID}
		}
		f.pending.add(line, e.TeamID, id)
		return f.pending
	case e.Action == auth.ActionDenied && !f.quota(e.TeamID, now).deny(len(line)+chain.Overhead):
		f.sum(summaryKey{auth.ActionDenied, e.TeamID, e.KeyID, ""}, e)
		return settled{}
	}
	if e.Action == auth.ActionFinished {
		delete(f.live, e.RequestID)
		f.quota(e.TeamID, now).spend(len(line) + chain.Overhead)
	}
	room := 2 * f.o.QueueBytes
	if e.Action == auth.ActionDenied {
		room = f.o.QueueBytes
	}
	if len(f.pending.buf)+len(line) > room {
		f.lost++
		return settled{auth.NewError(auth.CodeAuditUnavailable, "the audit record does not keep up", nil)}
	}
	f.pending.add(line, e.TeamID, "")
	if tripped != nil {
		return settled{tripped}
	}
	return f.pending
}

// report queues a line of the sink's own. It is called with the lock held or
// before the writer runs.
func (f *File) report(e auth.Event) {
	if e.ID == "" {
		e.ID = auth.NewID(e.Time)
	}
	line := appendEvent(nil, &e)
	if len(f.pending.buf)+len(line) > 2*f.o.QueueBytes {
		f.lost++
		return
	}
	f.pending.add(line, e.TeamID, "")
}
