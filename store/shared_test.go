package store

import (
	"context"
	"errors"
	"maps"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// sharedRows are what several cores share in a test: each row with the commit
// that left it, and the tags of the commits, as they lie in PostgreSQL.
type sharedRows struct {
	turn    sync.Mutex
	record  memoryDriver // of the events
	rows    map[string]sharedRow
	commits []string
	floor   int
}

type sharedRow struct {
	op
	commit int
}

// put leaves ops as those of one commit more.
func (s *sharedRows) put(ops []op, tag string) {
	for _, o := range ops {
		if o.bucket != bucketEvents {
			s.rows[placeOf(o.bucket, o.key)] = sharedRow{o, len(s.commits)}
		}
	}
	s.commits = append(s.commits, tag)
	_ = s.record.commit(ops)
}

// newest is the number of the last commit.
func (s *sharedRows) newest() int { return len(s.commits) - 1 }

// rollBackTo puts the rows of another time in the place of those that are there,
// as if they were the next commit.
func (s *sharedRows) rollBackTo(old map[string]sharedRow, tag string) {
	for place, r := range s.rows {
		was, ok := old[place]
		if r.value = nil; ok {
			r.value = was.value
		}
		r.commit = len(s.commits)
		s.rows[place] = r
	}
	s.commits = append(s.commits, tag)
}

// sharedDriver is one weighbridge's driver of rows that others change.
type sharedDriver struct {
	*memoryDriver
	all *sharedRows
	// fail is what a commit, and unsettled what a turn without one, answers.
	fail, unsettled error
}

func (d *sharedDriver) exclusive() bool { return false }

func (d *sharedDriver) load(yield func(bucket, key string, value []byte) error) error {
	for _, r := range d.all.rows {
		if r.value == nil {
			continue
		}
		if err := yield(r.bucket, r.key, r.value); err != nil {
			return err
		}
	}
	return nil
}

func (d *sharedDriver) begin(context.Context) (turn, error) {
	d.all.turn.Lock()
	return sharedTurn{d}, nil
}

type sharedTurn struct{ *sharedDriver }

func (t sharedTurn) since(_ context.Context, at mark) (*news, error) {
	all := t.all
	s := standing{last: int64(all.newest()), lastTag: []byte(all.commits[all.newest()]), floor: int64(all.floor)}
	if at.commit < uint64(len(all.commits)) && int(at.commit) >= all.floor {
		s.tag = []byte(all.commits[at.commit])
	}
	more, whole, err := s.after(at)
	if err != nil || !more {
		return nil, err
	}
	n := &news{all: whole, last: mark{uint64(s.last), string(s.lastTag)}}
	for _, r := range all.rows {
		if whole && r.value != nil || !whole && r.commit > int(at.commit) {
			n.rows = append(n.rows, r.op)
		}
	}
	return n, nil
}

func (t sharedTurn) commit(ops []op, to mark) error {
	if t.fail == nil {
		t.all.put(ops, to.tag)
	}
	return t.fail
}

func (t sharedTurn) settle() error { return t.unsettled }
func (t sharedTurn) end()          { t.all.turn.Unlock() }

// newShared opens n cores on the same rows; options may change what each is
// opened with.
func newShared(t *testing.T, n int, options func(i int, o *Options)) (all *sharedRows, cores []*core) {
	t.Helper()
	kek := newKEK(t)
	first, err := firstRows(t.Context(), kek, schemaVersion)
	check(t, err)
	all = &sharedRows{rows: map[string]sharedRow{}}
	all.put(first, markOf(0, headIn(first)).tag)
	for i := range n {
		o := Options{KEK: kek}
		if options != nil {
			options(i, &o)
		}
		c, err := open(t.Context(), &sharedDriver{memoryDriver: &all.record, all: all}, o)
		check(t, err)
		cores = append(cores, c)
	}
	return all, cores
}

// shared is the driver of c.
func shared(c *core) *sharedDriver { return c.drv.(*sharedDriver) }

// look takes over what others changed, as a shared store does all along.
func look(t *testing.T, c *core) error {
	t.Helper()
	turn, err := c.drv.begin(t.Context())
	check(t, err)
	defer turn.end()
	c.writing.Lock()
	defer c.writing.Unlock()
	return c.catchUp(t.Context(), turn)
}

func revoke(t *testing.T, c *core, team, key string) error {
	t.Helper()
	revokedAt := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	_, err := c.UpdateKey(t.Context(), team, key, func(k *auth.Key) error { k.RevokedAt = revokedAt; return nil }, auth.Event{Actor: "cli"})
	return err
}

// newTeam makes the default team, and keys in it.
func newTeam(t *testing.T, c *core, keys ...string) (team string) {
	t.Helper()
	tm, err := c.EnsureTeam(t.Context(), auth.DefaultTeam)
	check(t, err)
	for _, name := range keys {
		_, err := c.CreateKey(t.Context(), sampleKey(tm.ID, name), nil, auth.Event{Actor: "cli"})
		check(t, err)
	}
	return tm.ID
}

// An act that could not be committed, and an act of another in its place, are of
// the same revision. Who compiles states ahead is asked about the one that
// counts last, so that it cannot take the one for the other.
func TestR36_ARefusedActIsNotTakenForAnothers(t *testing.T) {
	var asked, told string
	_, cores := newShared(t, 2, func(i int, o *Options) {
		if i == 0 {
			o.Check = func(s auth.State) error { asked = asJSON(s); return nil }
			o.OnChange = func(s auth.State) { told = asJSON(s) }
		}
	})
	a, b := cores[0], cores[1]
	team := newTeam(t, a, "worker")
	check(t, look(t, b))
	shared(a).fail = &Error{Kind: KindUnavailable, What: whatStore, Cause: errPassing}
	if _, err := a.CreateKey(t.Context(), sampleKey(team, "refused"), nil, auth.Event{Actor: "cli"}); !errors.Is(err, ErrUnavailable) {
		t.Fatalf("error is %v", err)
	}
	check(t, revoke(t, b, team, "worker"))
	check(t, look(t, a))
	st, err := a.State(t.Context())
	check(t, err)
	equal(t, "state", told, asJSON(st))
	equal(t, "the state asked about last", asked, told)
	equal(t, "keys", len(st.Keys), 1)
	equal(t, "revoked", st.Keys[0].RevokedAt.IsZero(), false)
}

// What is there already is acknowledged only once it is known to last.
func TestR36_NothingToChangeIsAcknowledgedOnceItLasts(t *testing.T) {
	_, cores := newShared(t, 1, nil)
	c := cores[0]
	team := newTeam(t, c, "worker")
	sync := func() error {
		return c.SyncDeclarative(t.Context(), team, nil, nil, auth.Event{Actor: "config"})
	}
	seal := func() error { _, err := c.EnsureSealed(t.Context(), "x", []byte("y")); return err }
	check(t, errors.Join(revoke(t, c, team, "worker"), sync(), seal()))
	shared(c).unsettled = &Error{Kind: KindUnavailable, What: whatStore, Cause: errPassing}
	if err := revoke(t, c, team, "worker"); !errors.Is(err, ErrUnavailable) {
		t.Errorf("what may not last is acknowledged: %v", err)
	}
	if err := c.DeleteKey(t.Context(), team, "gone", auth.Event{}); !errors.Is(err, ErrUnavailable) {
		t.Errorf("what may come back is told to be gone: %v", err)
	}
	check(t, errors.Join(sync(), seal())) // a start needs no more than what is there
	shared(c).unsettled = nil
	check(t, revoke(t, c, team, "worker"))
	if err := c.DeleteKey(t.Context(), team, "gone", auth.Event{}); !errors.Is(err, ErrNotFound) {
		t.Errorf("error is %v", err)
	}
}

// Who can write the database and does not hold the KEK puts back, as if they
// were new, rows that were there before a revocation: it stands where it is
// known, and it is said why nothing is followed.
func TestT56_OldRowsUnderNewNumbersAreNotTakenOver(t *testing.T) {
	for name, tag := range map[string]func(all *sharedRows, then int) string{
		"with a tag of theirs":     func(*sharedRows, int) string { return "any" },
		"with that of the old one": func(all *sharedRows, then int) string { return all.commits[then] },
	} {
		t.Run(name, func(t *testing.T) {
			all, cores := newShared(t, 3, nil)
			a, late, b := cores[0], cores[1], cores[2]
			team := newTeam(t, b, "worker")
			check(t, look(t, late)) // and then no more
			check(t, b.PutSealed(t.Context(), "x", []byte("y")))
			old, then := maps.Clone(all.rows), all.newest()
			check(t, revoke(t, b, team, "worker"))
			check(t, look(t, a))
			all.rollBackTo(old, tag(all, then))
			for i, c := range []*core{a, b, late} {
				before, err := c.State(t.Context())
				check(t, err)
				if err := look(t, c); !errors.Is(err, ErrWentBack) {
					t.Errorf("core %d: error is %v", i, err)
				}
				_, err = c.CreateKey(t.Context(), sampleKey(team, "k"+strconv.Itoa(i)), nil, auth.Event{Actor: "cli"})
				if !errors.Is(err, ErrWentBack) {
					t.Errorf("core %d changes what was put back: %v", i, err)
				}
				after, err := c.State(t.Context())
				check(t, err)
				equal(t, "state", asJSON(after), asJSON(before))
			}
		})
	}
}

// Who was away for longer than commits are remembered reads all rows. Not so
// who saw that the database went back: what was changed there since does not
// make it the one that was known.
func TestR36_ADatabaseThatWentBackIsNotFollowedLater(t *testing.T) {
	all, cores := newShared(t, 2, nil)
	a, b := cores[0], cores[1]
	team := newTeam(t, b, "worker")
	check(t, look(t, a))
	check(t, revoke(t, b, team, "worker"))
	all.floor = all.newest()
	a.contact.lose(wentBack("as far as one could see"))
	if err := look(t, a); !errors.Is(err, ErrWentBack) {
		t.Fatalf("error is %v", err)
	}
	a.contact.found(time.Now())
	check(t, look(t, a))
	st, err := a.State(t.Context())
	check(t, err)
	equal(t, "revoked", st.Keys[0].RevokedAt.IsZero(), false)
}

// What is to be read of a database, and what of one is not believed.
func TestR36_WhatADatabaseIsFollowed(t *testing.T) {
	at := mark{commit: 7, tag: "seven"}
	seven := []byte(at.tag)
	for name, c := range map[string]struct {
		standing
		more, all bool
		err       error
	}{
		"as it was known":                    {standing: standing{last: 7, tag: seven}},
		"changed":                            {standing: standing{last: 9, tag: seven}, more: true},
		"changed so much that it forgot":     {standing: standing{last: 90, floor: 50}, more: true, all: true},
		"behind":                             {standing: standing{last: 6}, err: ErrWentBack},
		"another of that number":             {standing: standing{last: 9, tag: []byte("other")}, err: ErrWentBack},
		"a standby that has it":              {standing: standing{last: 7, tag: seven, standby: true}, err: errPassing},
		"a standby that is behind, for now":  {standing: standing{last: 6, standby: true}, err: errPassing},
		"a standby that knows of more of it": {standing: standing{last: 9, tag: seven, standby: true}, err: errPassing},
	} {
		t.Run(name, func(t *testing.T) {
			more, all, err := c.after(at)
			equal(t, "more", more, c.more)
			equal(t, "all", all, c.all)
			if !errors.Is(err, c.err) || c.err == nil && err != nil {
				t.Fatalf("error is %v, want %v", err, c.err)
			}
			if err != nil {
				oneLine(t, err)
			}
		})
	}
}
