package lifecycle

import (
	"hash/fnv"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// entry is what the engine remembers of one version of a credential.
type entry struct {
	id      string
	version uint64
	// due is when it is validated next by the timer; zero is never.
	due time.Time
	// end is when the clock ends it; zero is never.
	end time.Time
	// tried is when it was last asked about.
	tried time.Time
	// hinted says that a worker's request was refused since then.
	hinted bool
	// fails counts validations in a row that could not tell; again is when the
	// next one is due then.
	fails int
	again time.Time
	// warned is how many of warnings have been given.
	warned int
	// host is asked about it.
	host string
	// flight runs; nil where none does.
	flight *flight
}

// warnings are how long ahead of an expiry it is said.
var warnings = [...]time.Duration{7 * 24 * time.Hour, 24 * time.Hour, time.Hour, 10 * time.Minute}

// checks are how long ahead of an expiry a credential is validated once more.
var checks = [...]time.Duration{time.Hour, 10 * time.Minute}

// firstRetry is how long after it could not be told a credential that is not in
// use yet is asked about again.
const firstRetry = 5 * time.Second

// hintDue is when a refusal of a worker's request lets it be asked about.
func (en *entry) hintDue(now time.Time) time.Time {
	if en.tried.IsZero() {
		return now
	}
	return en.tried.Add(hintPause)
}

// when is the first time at which it is to be asked about; zero is never.
func (en *entry) when(now time.Time) time.Time {
	t := en.due
	if !en.again.IsZero() {
		t = en.again
	}
	if en.hinted {
		if h := en.hintDue(now); t.IsZero() || h.Before(t) {
			t = h
		}
	}
	return t
}

// next is the entry of another version, of which nothing is remembered but what
// is under way for the one before. en may be nil.
func (en *entry) next(id string, version uint64) *entry {
	fresh := &entry{id: id, version: version}
	if en != nil {
		fresh.flight = en.flight
	}
	return fresh
}

// renew enters a version that Run has not seen yet, and has it look. e.mu is
// held.
func (e *Engine) renew(id string, version uint64) *entry {
	en := e.entries[id].next(id, version)
	e.entries[id], e.dirty = en, true
	return en
}

// rebuild makes the entries anew from st, keeping what is remembered of
// versions that stand. e.mu is held.
func (e *Engine) rebuild(st *auth.State, now time.Time) {
	was := e.entries
	e.entries = make(map[string]*entry, len(st.Credentials))
	for i := range st.Credentials {
		c := &st.Credentials[i]
		if c.Status == auth.StatusRevoked {
			continue
		}
		en := was[c.ID]
		if en == nil || en.version != c.Version {
			en = en.next(c.ID, c.Version)
		}
		end := en.end
		en.end = time.Time{}
		if c.Status == auth.StatusValid || c.Status == auth.StatusPending {
			en.end = c.ExpiresAt
		}
		if !end.Equal(en.end) {
			en.warned = 0
		}
		en.host = e.o.Prober.Host(auth.Inquiry{Credential: *c})
		en.due = e.dueAt(c, now)
		e.entries[c.ID] = en
	}
	e.revision = st.Revision
}

// dueAt is when the timer validates c next; zero is never.
func (e *Engine) dueAt(c *auth.Credential, now time.Time) time.Time {
	switch {
	case c.Status == auth.StatusExpired:
		if c.ExpiresAt.IsZero() || now.Before(c.ExpiresAt) {
			return now // its end was moved, or the clock had been ahead
		}
		return time.Time{}
	case c.Report == nil:
		return now
	case c.Status == auth.StatusPending || c.Status == "":
		if c.Report.At.After(now) {
			return now
		}
		return c.Report.At.Add(firstRetry)
	case e.o.Every < 0:
		return time.Time{}
	}
	at := c.Report.At
	if at.After(now) {
		at = now // the clock had been ahead
	}
	due := at.Add(e.o.Every + spread(c.ID, e.o.Every/10))
	for _, ahead := range checks {
		if t := c.ExpiresAt.Add(-ahead); !c.ExpiresAt.IsZero() && t.After(at) && t.Before(due) {
			due = t
		}
	}
	return due
}

// spread is a part of width that depends on id alone, so that what was made at
// the same time is not validated at the same time, over restarts too.
func spread(id string, width time.Duration) time.Duration {
	if width <= 0 {
		return 0
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(id))
	return time.Duration(h.Sum64() % uint64(width))
}

// retry is how long after n validations in a row that could not tell the next
// one is due: soon where something waits for it.
func (e *Engine) retry(id string, pending bool, n int) time.Duration {
	first, most := time.Minute, max(e.o.Every, time.Hour)
	if pending {
		first, most = firstRetry, 10*time.Minute
	}
	d := most
	if n < 16 {
		d = min(first<<(n-1), most)
	}
	return d + spread(id, d/10)
}

// moved takes back every time that lies ahead by as much as the clock went
// back. e.mu is held.
func (e *Engine) moved(by time.Duration) {
	for _, en := range e.entries {
		for _, t := range []*time.Time{&en.tried, &en.again} {
			if !t.IsZero() {
				*t = t.Add(-by)
			}
		}
	}
}
