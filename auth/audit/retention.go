package audit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/auth/chain"
)

// Prune deletes the files of months that ended at or before the given time,
// never the one that is being written, and returns the names of the deleted
// ones. That they go is on record first. After an error the rest is still
// there.
func (f *File) Prune(before time.Time) ([]string, error) {
	return f.remove(func(name string, _ int64) bool {
		month, _, _ := fileMonth(name)
		return !month.AddDate(0, 1, 0).After(before)
	}, "they are older than audit.retention")
}

// Shrink deletes the oldest files as long as all have more than size bytes
// together, as Prune does.
func (f *File) Shrink(size int64) ([]string, error) {
	names, err := files(f.o.Disk, f.dir)
	if err != nil {
		return nil, err
	}
	end := f.position()
	total := end.to
	for _, name := range names {
		if name == end.name {
			continue // it is longer than its lines: see aheadMost
		}
		if n, err := sizeOf(f.o.Disk, f.path(name)); err == nil {
			total += n
		}
	}
	return f.remove(func(_ string, n int64) bool {
		if total <= size {
			return false
		}
		total -= n
		return true
	}, "the record was larger than audit.max_size")
}

// remove deletes the oldest files as long as gone says so. What is left begins
// with a checkpoint, which says what it follows, and holds the event that tells
// of the removal.
func (f *File) remove(gone func(name string, size int64) bool, why string) ([]string, error) {
	names, err := files(f.o.Disk, f.dir)
	if err != nil {
		return nil, err
	}
	current := f.position().name
	last, end := 0, Cursor{}
	for _, name := range names {
		n, err := sizeOf(f.o.Disk, f.path(name))
		if err != nil || name >= current || f.held(name) || !gone(name, n) {
			break
		}
		last, end = last+1, Cursor{name, n}
	}
	if last == 0 {
		return nil, nil
	}
	names = names[:last]
	ticket := f.Record(auth.Event{Action: chain.ActionPruned, Actor: "system", Path: names[last-1], Count: int64(last),
		Reason: fmt.Sprintf("%d files up to this one are removed: %s", last, why)})
	ctx, stop := context.WithTimeout(context.Background(), f.o.CommitLimit)
	defer stop()
	// On a full disk the files go all the same: their room is what it lacks, and
	// the event is written as soon as it is there.
	if err := ticket.Wait(ctx); err != nil && f.tripped.Load() == nil {
		return nil, err
	}
	f.mu.Lock()
	f.removed = end
	f.mu.Unlock()
	for i, name := range names {
		if err := f.o.Disk.Remove(f.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return names[:i], err
		}
	}
	return names, nil
}

// prune removes what is too old or too much.
func (f *File) prune() {
	if f.o.Retention > 0 {
		if _, err := f.Prune(f.o.Now().Add(-f.o.Retention)); err != nil {
			f.o.Notify(err)
		}
	}
	if f.o.MaxSize > 0 {
		if _, err := f.Shrink(f.o.MaxSize); err != nil {
			f.o.Notify(err)
		}
	}
}
