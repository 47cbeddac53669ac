package audit

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/auth/chain"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// faultyDisk is the operating system's disk with a saboteur.
type faultyDisk struct {
	osDisk

	mu       sync.Mutex
	write    error         // what writes fail with, after half of the bytes
	sync     error         // what syncs fail with
	open     error         // what opening fails with
	truncate error         // what truncating fails with
	stall    chan struct{} // where syncs wait
	memory   bool          // it says that it is one
	plain    bool          // its files are not written ahead
}

func (d *faultyDisk) set(change func(*faultyDisk)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change(d)
}

func (d *faultyDisk) Append(path string) (Handle, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.open != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: d.open}
	}
	open := d.osDisk.Append
	if d.plain {
		open = func(path string) (Handle, error) { return openAppend(path, os.O_CREATE) }
	}
	h, err := open(path)
	if err != nil {
		return nil, err
	}
	return &faultyHandle{Handle: h, d: d, path: path}, nil
}

type faultyHandle struct {
	Handle
	d    *faultyDisk
	path string
}

func (h *faultyHandle) Write(p []byte) (int, error) {
	h.d.mu.Lock()
	err := h.d.write
	h.d.mu.Unlock()
	if err != nil {
		n, _ := h.Handle.Write(p[:len(p)/2])
		return n, &os.PathError{Op: "write", Path: h.path, Err: err}
	}
	return h.Handle.Write(p)
}

// InMemory does not depend on where the tests lie.
func (h *faultyHandle) InMemory() bool { return h.d.memory }

func (h *faultyHandle) Datasync() error {
	h.d.mu.Lock()
	err, stall := h.d.sync, h.d.stall
	h.d.mu.Unlock()
	if stall != nil {
		<-stall
	}
	if err != nil {
		return err
	}
	return h.Handle.Datasync()
}

func (h *faultyHandle) Truncate(size int64) error {
	h.d.mu.Lock()
	err := h.d.truncate
	h.d.mu.Unlock()
	if err != nil {
		return err
	}
	return h.Handle.Truncate(size)
}

// clock is a wall clock that stands still until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock(now time.Time) *clock { return &clock{now: now} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func openTest(t testing.TB, dir string, o FileOptions) *File {
	t.Helper()
	if o.Disk == nil {
		o.CommitLimit = time.Minute // a slow disk is no finding here
	}
	if o.Keys == nil {
		o.Keys = testKeys(t)
	}
	f, err := OpenFile(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// testKeys are the same for every test, as those of a data directory are for
// every start.
func testKeys(t testing.TB) *chain.Keys {
	t.Helper()
	k, err := chain.NewKeys([]byte("the root of the keys of all tests"))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// unchained is e without what ties it to the others.
func unchained(e auth.Event) auth.Event {
	e.Writer, e.Seq, e.MAC = "", 0, ""
	return e
}

func used(req string) auth.Event {
	return auth.Event{
		Action: auth.ActionUsed, TeamID: "team_a", RequestID: req, Actor: "key:trainer", Address: "127.0.0.1",
		KeyID: "key_a", KeyName: "trainer", CredentialID: "cred_a", CredentialName: "hub", Version: 3,
		Rule: "huggingface.co/*", Mode: "forward", Method: "GET", Host: "huggingface.co",
		Path: "/org/model/resolve/main/model.safetensors", Reason: "matched",
	}
}

func finished(req string) auth.Event {
	e := used(req)
	e.Action, e.Status, e.Bytes, e.Duration = auth.ActionFinished, 200, 1<<30, time.Second
	return e
}

func all(t testing.TB, f interface {
	Events(context.Context, time.Time, func(auth.Event) bool) error
}) []auth.Event {
	t.Helper()
	var events []auth.Event
	if err := f.Events(context.Background(), time.Time{}, func(e auth.Event) bool {
		events = append(events, e)
		return true
	}); err != nil {
		t.Fatal(err)
	}
	return events
}

// count counts events by action.
func count(events []auth.Event) map[string]int {
	n := map[string]int{}
	for _, e := range events {
		n[e.Action]++
	}
	return n
}

func wantCode(t testing.TB, err error, code auth.Code) {
	t.Helper()
	var e *auth.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Fatalf("got %v, want code %s", err, code)
	}
}

// rawLines reads a file's lines, without checkpoints' business.
func rawLines(t testing.TB, dir, name string) []string {
	t.Helper()
	r, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var lines []string
	in := bufio.NewScanner(r)
	in.Buffer(nil, 1<<26)
	for in.Scan() {
		if line := in.Text(); line != "" { // a file is written ahead with empty ones
			lines = append(lines, line)
		}
	}
	return lines
}

var faults = []error{syscall.ENOSPC, syscall.EIO, os.ErrClosed}

func lineAction(line string) string {
	var e auth.Event
	if json.Unmarshal([]byte(line), &e) != nil {
		return ""
	}
	return e.Action
}
