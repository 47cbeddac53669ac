package audit

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/auth/chain"
)

// write is the writer goroutine: it alone touches the file, but for who hastens
// a batch of a file in memory.
func (f *File) write() {
	defer f.stopped.Done()
	defer func() {
		if f.out != nil {
			f.final = errors.Join(f.final, f.out.Close())
		}
	}()
	for {
		stopping := false
		select {
		case <-f.wake:
		case <-f.stop:
			stopping = true
		}
		for f.tripped.Load() == nil {
			f.writing.Lock()
			b := f.take(stopping)
			done := b != nil && f.commit(b)
			f.writing.Unlock()
			if !done || stopping {
				break
			}
		}
		if f.tripped.Load() != nil && !f.healing(stopping) {
			return
		}
		if stopping {
			return
		}
	}
}

// take hands the queued lines to the writer, or nil where there are none or
// they are left to gather.
func (f *File) take(closing bool) *batch {
	now := f.o.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.headDue = f.headDue && f.chains.since > 0
	if f.begun && !closing && len(f.pending.buf) == 0 && !f.headDue {
		f.pending.wanted.Store(false) // whoever puts a line in wakes us again
		return nil
	}
	name := f.target(now)
	full := !f.begun || closing || name != f.name || f.since >= f.o.checkpoint
	if !full && !f.headDue && (len(f.pending.buf) == 0 || !f.pending.wanted.Load()) {
		return nil
	}
	f.clock(now)
	b := f.pending
	b.name = name
	switch {
	case full:
		// The first line of a file, so that those before it can be removed.
		b.headLast = f.begun && name == f.name
		b.head, b.full = f.checkpoint(now), true
	case f.headDue:
		b.headLast = true
		b.head = bare(now, auth.ActionAuditHead)
	}
	f.headDue = false
	f.pending = f.newPending(f.spare)
	f.spare = nil
	if b.admissions >= crowd {
		f.crowded = now.Add(crowdTime)
		f.pending.enough.Store(int32(b.admissions / 2)) //nolint:gosec // bounded by the queue's bytes
	}
	return b
}

// commit makes b durable and completes its tickets. It reports false where it
// tripped the sink, or the watchdog did.
func (f *File) commit(b *batch) bool {
	watchdog := time.AfterFunc(f.o.CommitLimit, func() { f.trip(b, errSlow) })
	err := f.put(b)
	watchdog.Stop()
	if err != nil {
		f.trip(b, err)
	}

	f.mu.Lock()
	defer f.mu.Unlock()
	if b.settled { // by a trip: whatever the disk says now comes too late
		next := f.newPending(nil)
		b.reports(next)
		f.pending.reports(next)
		f.pending.settle(f.tripped.Load())
		f.pending = next
		return false
	}
	f.publish(b)
	b.settle(nil)
	if cap(b.buf) <= maxSpare && f.spare == nil {
		f.spare, b.buf = b.buf, nil
	}
	return true
}

// maxSpare is the largest buffer that is kept for the next batch.
const maxSpare = 1 << 20

// publish counts b as durable and lets followers see it.
func (f *File) publish(b *batch) {
	n := int64(len(f.chains.buf))
	f.chains.confirm()
	f.size += n
	f.since += n
	if b.full {
		f.since = 0
	}
	f.stats.Events += int64(len(b.rows))
	f.stats.Bytes += n
	f.stats.Commits++
	if f.moved {
		f.segments = append(f.segments, segment{name: f.name, from: f.from})
		f.moved = false
	}
	f.segments[len(f.segments)-1].to = f.size
	close(f.changed)
	f.changed = make(chan struct{})
}

// put seals, writes and syncs b at the end of its file.
func (f *File) put(b *batch) error {
	if f.out == nil || f.name != b.name || !f.out.Current() {
		if err := f.open(b.name); err != nil {
			return err
		}
	}
	data := f.chains.seal(b)
	if len(data) > 0 && f.out.Marked() {
		data = append(data[:len(data)-1], mark...)
		f.chains.buf = data
	}
	n, err := f.out.Write(data)
	if err == nil && n < len(data) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return err
	}
	return f.out.Datasync()
}

// open opens the file called name behind its last whole line.
func (f *File) open(name string) error {
	if f.out != nil {
		_ = f.out.Close()
		f.out = nil
	}
	h, err := f.o.Disk.Append(f.path(name))
	if err != nil {
		return err
	}
	size, err := f.mended(h, name)
	if err == nil {
		size, err = begin(h, size)
	}
	if err != nil {
		_ = h.Close()
		return err
	}
	f.out, f.name, f.size = h, name, size
	f.from, f.moved = size, true
	if f.memory {
		f.look()
	}
	f.quick.Store(h.InMemory())
	return nil
}

// mended is the size of the file that h appends to, without a torn last line.
func (f *File) mended(h Handle, name string) (int64, error) {
	size, err := h.Size()
	if err != nil || size == 0 {
		return size, err
	}
	r, err := f.o.Disk.Open(f.path(name))
	if err != nil {
		return 0, err
	}
	whole, err := WholeLines(r, size)
	if err = errors.Join(err, r.Close()); err != nil || whole == size {
		return size, err
	}
	return cut(h, size, whole)
}

// begin puts a mark of its own behind size, so that there is one before the first
// batch that is added. It returns the new size.
func begin(h Handle, size int64) (int64, error) {
	if size == 0 || !h.Marked() {
		return size, nil
	}
	if n, err := h.Write([]byte(mark)); err != nil || n != len(mark) {
		return 0, cmp.Or(err, io.ErrShortWrite)
	}
	return size + int64(len(mark)), h.Datasync()
}

// cut takes off what follows the first whole bytes of a file of size bytes.
// Where the file system refuses (an append-only attribute), the torn line is
// ended, so that the next one is whole. It returns the new size.
func cut(h Handle, size, whole int64) (int64, error) {
	if err := h.Truncate(whole); err == nil {
		return whole, h.Datasync()
	}
	if n, err := h.Write([]byte("\n")); err != nil || n != 1 {
		return 0, errors.Join(errors.New("a torn line can be neither cut off nor ended"), err)
	}
	return size + 1, h.Datasync()
}

// trip refuses all admissions that wait and all that come, until the file
// takes lines again. It does nothing where b was settled in the meantime.
func (f *File) trip(b *batch, cause error) {
	f.mu.Lock()
	if b.settled {
		f.mu.Unlock()
		return
	}
	e := unavailable(cause, f.o.CommitLimit)
	f.tripped.Store(e)
	f.trippedAt = f.o.Now()
	f.stats.Trips++
	f.forget(b)
	b.settle(e)
	waiting := f.pending
	f.forget(waiting)
	f.pending = f.newPending(nil)
	waiting.reports(f.pending)
	waiting.settle(e)
	f.mu.Unlock()
	f.o.Notify(fmt.Errorf("%w (%w)", e, cause))
}

// forget counts the admissions of b as refused.
func (f *File) forget(b *batch) {
	for _, r := range b.rows {
		if r.admits != "" {
			delete(f.live, r.admits)
		}
	}
	f.refused += int64(b.admissions)
	f.stats.Refused += int64(b.admissions)
}

// checkpoint is a head that also lists the admissions without outcome. It is
// due at the start, at the head of a new file, at the end, and by the number of
// bytes since the last.
func (f *File) checkpoint(now time.Time) []byte {
	f.begun = true
	var b strings.Builder
	for request, a := range f.live {
		fmt.Fprintf(&b, "%s %s %s %s\n", dash(request), dash(a.team), dash(a.key), dash(a.credential))
	}
	line := append(bare(now, chain.ActionCheckpoint), `,"reason":`...)
	return appendQuoted(line, b.String())
}

// bare is the beginning of a line of the sink's own.
func bare(now time.Time, action string) []byte {
	line := append([]byte(nil), `{"id":`...)
	line = appendQuoted(line, auth.NewID(now))
	line = append(line, `,"time":"`...)
	line = now.UTC().AppendFormat(line, timeLayout)
	return append(append(append(line, `","action":"`...), action...), '"')
}

func dash(s string) string {
	if s == "" || strings.ContainsAny(s, " \n") {
		return "-"
	}
	return s
}
