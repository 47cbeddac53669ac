package store

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/weighbridge/weighbridge/auth"
)

// faultyDriver fails commits as it is told.
type faultyDriver struct {
	memoryDriver
	err error
}

func (d *faultyDriver) begin(context.Context) (turn, error) { return ownTurn{d.commit}, nil }

func (d *faultyDriver) commit(ops []op) error {
	if d.err != nil {
		return d.err
	}
	return d.memoryDriver.commit(ops)
}

func newFaulty(t *testing.T) (*core, *faultyDriver, string) {
	t.Helper()
	kek := newKEK(t)
	rows, err := firstRows(t.Context(), kek, schemaOwn)
	check(t, err)
	d := &faultyDriver{memoryDriver: memoryDriver{first: rows}}
	c, err := open(t.Context(), d, Options{KEK: kek, OnChange: func(auth.State) {
		if d.err != nil {
			t.Error("told of a change that failed")
		}
	}})
	check(t, err)
	team, err := c.EnsureTeam(t.Context(), auth.DefaultTeam)
	check(t, err)
	return c, d, team.ID
}

func TestFailedCommitChangesNothing(t *testing.T) {
	c, d, team := newFaulty(t)
	cred := create(t, c, team, "hf", "old")
	before, err := c.State(t.Context())
	check(t, err)
	d.err = boltError("x.db", &uncertainlessError{})
	for name, act := range map[string]func() error{
		"create": func() error {
			_, err := c.CreateKey(t.Context(), sampleKey(team, "k"), []string{"hf"}, auth.Event{})
			return err
		},
		"update": func() error {
			_, err := c.UpdateCredential(t.Context(), team, "hf", nil, auth.Fields{"token": auth.NewSecret("new")}, auth.Event{})
			return err
		},
		"delete": func() error { return c.DeleteCredential(t.Context(), team, "hf", auth.Event{}) },
		"seal":   func() error { return c.PutSealed(t.Context(), "x", []byte("y")) },
	} {
		if err := act(); !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	after, err := c.State(t.Context())
	check(t, err)
	equal(t, "state", asJSON(after), asJSON(before))
	f, err := c.OpenFields(t.Context(), cred.ID, 1)
	check(t, err)
	equal(t, "token", f["token"].Reveal(), "old")
	// It goes on as soon as the driver does.
	d.err = nil
	create(t, c, team, "next", "t")
}

type uncertainlessError struct{}

func (*uncertainlessError) Error() string { return "input/output error" }

// Where nobody can tell whether a commit reached the disk, what is served is
// what was acknowledged, and nothing more is acknowledged.
func TestUncertainCommitTripsTheStore(t *testing.T) {
	c, d, team := newFaulty(t)
	cred := create(t, c, team, "hf", "old")
	d.err = &uncertainError{syscall.EIO}
	_, err := c.UpdateCredential(t.Context(), team, "hf", nil, auth.Fields{"token": auth.NewSecret("new")}, auth.Event{})
	if !errors.Is(err, ErrUnavailable) || !errors.Is(err, ErrUnknown) || !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), "restart") {
		t.Fatalf("error is %v", err)
	}
	oneLine(t, err)
	d.err = nil
	_, err = c.CreateKey(t.Context(), sampleKey(team, "k"), nil, auth.Event{})
	if !errors.Is(err, ErrUnavailable) || errors.Is(err, ErrUnknown) {
		t.Fatalf("a change was taken after a write failed half way: %v", err)
	}
	f, err := c.OpenFields(t.Context(), cred.ID, 1)
	check(t, err)
	equal(t, "token", f["token"].Reveal(), "old")
	check(t, c.Close())
}

func TestBoltTellsWhetherACommitLanded(t *testing.T) {
	c, _, team := newBolt(t, newKEK(t))
	d := c.drv.(*boltDriver)
	head := func(commits uint64) []op {
		row, err := c.codec.encode(bucketMeta, metaHead, head{Commits: commits})
		check(t, err)
		return []op{{bucketMeta, metaHead, row}}
	}
	equal(t, "landed, of what was not written", d.landed(head(99)), false)
	check(t, d.commit(head(99)))
	equal(t, "landed, of what was written", d.landed(head(99)), true)
	equal(t, "landed, of another", d.landed(head(98)), false)
	_ = team
}

// A fault in bbolt becomes one error, and bbolt is left alone afterwards: its
// locks may be held for good.
func TestBoltPanicIsAnError(t *testing.T) {
	c, path, team := newBolt(t, newKEK(t))
	d := c.drv.(*boltDriver)
	err := d.guard(func() error { panic("assertion failed: page 7") })
	if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), path) {
		t.Fatalf("error is %v", err)
	}
	_, err = c.CreateCredential(t.Context(), sampleCredential(team, "hf"), nil, nil, auth.Event{})
	if !errors.Is(err, ErrDamaged) {
		t.Fatalf("error is %v", err)
	}
	oneLine(t, err)
	if _, err := c.State(t.Context()); err != nil {
		t.Fatal("what is in memory is lost too")
	}
	check(t, c.Close())
	d.broken.Store(false)
	check(t, d.close())
}

func TestFullDiskIsRecognised(t *testing.T) {
	for _, cause := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG, errors.New("file resize error: no space left on device")} {
		err := boltError("x.db", cause)
		if !errors.Is(err, ErrNoSpace) || !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "the disk is full") {
			t.Errorf("%v became %v", cause, err)
		}
	}
	for _, cause := range []error{syscall.EROFS, syscall.EACCES} {
		if err := boltError("x.db", cause); errors.Is(err, ErrNoSpace) || !strings.Contains(err.Error(), "cannot be written") {
			t.Errorf("%v became %v", cause, err)
		}
	}
}

// A state that no request could be decided by is refused before it is stored:
// it would stop everybody, and stay so over a restart.
func TestARefusedStateIsNotStored(t *testing.T) {
	kek := newKEK(t)
	path := filepath.Join(t.TempDir(), "weighbridge.db")
	refuse := errors.New("the route of it does not expand")
	bad := func(st auth.State) error {
		for _, k := range st.Keys {
			if k.Name == "bad" {
				return refuse
			}
		}
		return nil
	}
	var seen auth.State
	c, err := openBolt(t.Context(), path, Options{KEK: kek, Check: bad, OnChange: func(st auth.State) { seen = st }}, nil)
	check(t, err)
	team, err := c.EnsureTeam(t.Context(), auth.DefaultTeam)
	check(t, err)
	create(t, c, team.ID, "hf", "old")
	before, err := c.State(t.Context())
	check(t, err)
	_, err = c.CreateKey(t.Context(), sampleKey(team.ID, "bad"), []string{"hf"}, auth.Event{})
	if !errors.Is(err, ErrInvalid) || !errors.Is(err, refuse) || !strings.Contains(err.Error(), "does not expand") {
		t.Errorf("refused with %v", err)
	}
	if after, _ := c.State(t.Context()); after.Revision != before.Revision || len(after.Keys) != 0 || seen.Revision != before.Revision {
		t.Errorf("revision %d became %d with %d keys", before.Revision, after.Revision, len(after.Keys))
	}
	if _, err := c.CreateKey(t.Context(), sampleKey(team.ID, "good"), []string{"hf"}, auth.Event{}); err != nil {
		t.Errorf("the next change: %v", err)
	}
	check(t, c.Close())
	again := reopen(t, path, kek)
	if st, _ := again.State(t.Context()); len(st.Keys) != 1 || st.Keys[0].Name != "good" || len(st.Links) != 1 {
		t.Errorf("after a restart: %d keys, %d links", len(st.Keys), len(st.Links))
	}
}
