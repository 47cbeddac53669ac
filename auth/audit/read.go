package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/auth/chain"
)

// ErrDamaged says that lines of the record could not be read. Everything else
// was yielded.
var ErrDamaged = errors.New("damaged lines in the audit record")

// Events yields what is durable and happened at or after since, in the order
// in which it was written, until yield returns false. An error that is
// ErrDamaged names the first unreadable line.
func (f *File) Events(ctx context.Context, since time.Time, yield func(auth.Event) bool) error {
	_, err := f.history(ctx, since, f.position(), yield)
	return err
}

// Follow is Events that goes on with every event that becomes durable, until
// yield returns false or ctx ends; the latter is no error. With a zero since it
// begins with what is recorded from now on.
func (f *File) Follow(ctx context.Context, since time.Time, yield func(auth.Event) bool) error {
	f.mu.Lock()
	at := len(f.segments) - 1
	pos := f.segments[at].to
	end := f.segments[at]
	f.mu.Unlock()

	var damaged error
	if !since.IsZero() {
		more, err := f.history(ctx, since, end, yield)
		if err != nil && !errors.Is(err, ErrDamaged) {
			return unlessDone(ctx, err)
		}
		damaged = err
		if !more {
			return damaged
		}
	}
	for {
		f.mu.Lock()
		seg, last, changed := f.segments[at], at == len(f.segments)-1, f.changed
		f.mu.Unlock()
		if seg.to > pos {
			more, err := scan(ctx, f.o.Disk, f.path(seg.name), pos, seg.to, "", yield)
			if err != nil && !errors.Is(err, ErrDamaged) {
				return unlessDone(ctx, err)
			}
			damaged = errors.Join(damaged, err)
			if !more {
				return damaged
			}
			pos = seg.to
			continue
		}
		if !last {
			at++
			f.mu.Lock()
			pos = f.segments[at].from
			f.mu.Unlock()
			continue
		}
		select {
		case <-ctx.Done():
			return damaged
		case <-changed:
		}
	}
}

func unlessDone(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// history yields up to end. more is false where yield has had enough.
func (f *File) history(ctx context.Context, since time.Time, end segment, yield func(auth.Event) bool) (more bool, err error) {
	return read(ctx, f.o.Disk, f.dir, since, &end, yield)
}

// ReadDir is File.Events for a record that nobody writes.
func ReadDir(ctx context.Context, dir string, since time.Time, yield func(auth.Event) bool) error {
	_, err := read(ctx, osDisk{}, dir, since, nil, yield)
	return err
}

// read yields the events of all files, of the one that end names only up to
// there.
func read(ctx context.Context, d Disk, dir string, since time.Time, end *segment, yield func(auth.Event) bool) (more bool, err error) {
	names, err := files(d, dir)
	if err != nil {
		return false, err
	}
	var damaged error
	for _, name := range names {
		month, _, _ := fileMonth(name)
		// An event may stand in the file of the month after its own (it is
		// committed later), never in one before, as far as the clock is right:
		// a day covers a clock that was set.
		if month.AddDate(0, 1, 1).Before(since) {
			continue
		}
		limit := int64(-1)
		if end != nil && name == end.name {
			limit = end.to
		}
		if end == nil && name == names[len(names)-1] {
			if limit, err = wholeAt(d, filepath.Join(dir, name)); err != nil {
				return false, err
			}
		}
		more, err := scan(ctx, d, filepath.Join(dir, name), 0, limit, stamp(since), yield)
		switch {
		case errors.Is(err, ErrDamaged):
			damaged = errors.Join(damaged, err)
		case errors.Is(err, fs.ErrNotExist): // pruned meanwhile
		case err != nil:
			return false, err
		}
		if !more {
			return false, damaged
		}
	}
	return true, damaged
}

// scan yields the events of one file between two offsets, to the end of the
// file where to is negative, that are not before since.
func scan(ctx context.Context, d Disk, path string, from, to int64, since string, yield func(auth.Event) bool) (more bool, err error) {
	bad, firstBad, at := 0, int64(0), from
	more, err = eachLine(ctx, d, path, from, to, func(line []byte, behind int64) bool {
		begins := at
		at = behind
		if len(line) < 2 {
			return true
		}
		e, ok := decode(line, since)
		if !ok {
			if bad == 0 {
				firstBad = begins
			}
			bad++
			return true
		}
		return e == nil || yield(*e)
	})
	if err == nil && bad > 0 {
		err = fmt.Errorf("%w: %s: %d, the first at byte %d", ErrDamaged, filepath.Base(path), bad, firstBad)
	}
	return more, err
}

// decode reads one line. It returns nil, true for lines that are not to be
// yielded.
func decode(line []byte, since string) (*auth.Event, bool) {
	if t := lineTime(line); t != "" && t < since {
		return nil, true
	}
	var e auth.Event
	if err := json.Unmarshal(line, &e); err != nil || e.Action == "" {
		return nil, false
	}
	if e.Action == chain.ActionCheckpoint || e.Action == auth.ActionAuditHead || stamp(e.Time) < since {
		return nil, true
	}
	return &e, true
}
