package audit

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// probeBytes must find room before a tripped sink admits anything again: the
// rest of a last block would take a few lines on a disk that is full.
const probeBytes = 64 << 10

// healing tries the file until it takes lines again; false means that the
// sink ends first. While it tries, reports gather in f.pending.
func (f *File) healing(stopping bool) bool {
	retry := time.NewTimer(f.o.Retry)
	defer retry.Stop()
	for {
		if !stopping {
			select {
			case <-retry.C:
				retry.Reset(f.o.Retry)
			case <-f.stop:
				stopping = true
			}
		}
		f.writing.Lock()
		err := f.heal(stopping)
		f.writing.Unlock()
		if err == nil {
			f.o.Notify(nil)
			if stopping {
				return false
			}
			f.mu.Lock()
			f.pending.hurry() // what was reported meanwhile
			f.mu.Unlock()
			return true
		}
		if stopping {
			f.mu.Lock()
			n := len(f.pending.rows)
			f.mu.Unlock()
			f.final = fmt.Errorf("%d reports of the audit record were not written: %w", n, err)
			return false
		}
	}
}

// heal repairs the file and writes what was reported meanwhile. The sink is
// open again when it returns nil; otherwise it is as it was.
func (f *File) heal(closing bool) error {
	begun := f.o.Now()
	start := time.Now()
	if err := f.repair(); err != nil {
		return err
	}

	f.mu.Lock()
	b := f.pending
	f.pending = f.newPending(nil)
	own := newBatch(nil)
	resumed := auth.Event{
		ID: auth.NewID(begun), Time: begun, Action: ActionResumed, Actor: "system",
		Duration: begun.Sub(f.trippedAt), Count: f.refused, Reason: f.tripped.Load().Reason,
	}
	own.add(appendEvent(nil, &resumed), "", "")
	lost, refused := f.lost, f.refused
	if lost > 0 {
		e := auth.Event{ID: auth.NewID(begun), Time: begun, Action: ActionLost, Actor: "system", Count: lost}
		own.add(appendEvent(nil, &e), "", "")
	}
	head := f.checkpoint(begun)
	name := f.target(begun)
	f.mu.Unlock()

	out := newBatch(nil)
	b.reports(out)
	own.reports(out)
	out.head, out.full, out.name = head, true, name
	err := f.put(out)
	if err == nil && time.Since(start) > f.o.CommitLimit && !closing {
		err = errSlow
	}

	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		next := f.newPending(nil)
		b.reports(next)
		f.pending.reports(next)
		f.pending = next
		return err
	}
	f.publish(out)
	f.lost -= lost
	f.refused -= refused
	f.tripped.Store(nil)
	return nil
}

// repair opens the file anew (after a failed sync the old handle may lie:
// fsync(2) reports an error once), takes off what no ticket has confirmed, and
// makes sure that there is room.
func (f *File) repair() error {
	name, confirmed := f.name, f.size
	if f.out != nil {
		_ = f.out.Close()
		f.out = nil
	}
	h, err := f.o.Disk.Append(f.path(name))
	if err != nil {
		return err
	}
	size, err := h.Size()
	if err == nil && size > confirmed {
		size, err = cut(h, size, confirmed)
	}
	if err == nil {
		size, err = room(h, size)
	}
	if err != nil {
		return errors.Join(err, h.Close())
	}
	if size != confirmed {
		// What could not be cut off is before the next batch.
		if size, err = begin(h, size); err != nil {
			return errors.Join(err, h.Close())
		}
	}
	f.out, f.size = h, size
	if size != confirmed {
		f.from, f.moved = size, true
		return f.adopt(name, confirmed, size)
	}
	return nil
}

// adopt lets the chains go on behind what stands between two offsets of a file.
func (f *File) adopt(name string, from, to int64) error {
	lines := make([]byte, max(to-from, 0))
	r, err := f.o.Disk.Open(f.path(name))
	if err != nil {
		return err
	}
	_, err = r.ReadAt(lines, from)
	if err = errors.Join(err, r.Close()); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.chains.adopt(lines)
	return nil
}

// room checks that probeBytes can be made durable behind size, and returns
// the size that is left: the same, or more where the file system does not
// truncate. Empty lines mean nothing to readers.
func room(h Handle, size int64) (int64, error) {
	n, err := h.Write(bytes.Repeat([]byte{'\n'}, probeBytes))
	if err == nil {
		err = h.Datasync()
	}
	if h.Truncate(size) != nil {
		return size + int64(n), err
	}
	return size, errors.Join(err, h.Datasync())
}
