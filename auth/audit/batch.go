package audit

import (
	"sync/atomic"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// batch is the lines that one write and one sync make durable, and at the
// same time the ticket of every event in it.
//
// Until it is handed to the writer it belongs to File.mu; from then on buf
// and rows belong to the writer, and settled, err and done stay with File.mu.
type batch struct {
	// head is a line that says where the chains stand, without its end; it is
	// written before buf, or behind it (headLast), and belongs to this attempt
	// alone. A full one lists all chains.
	head           []byte
	headLast, full bool
	// name is the file that it is written to.
	name string
	buf  []byte
	rows []row
	// admissions counts the used events.
	admissions int

	// wanted says that the writer was woken for this batch; until then it
	// leaves it to gather more.
	wanted atomic.Bool
	// wake is the writer's; nil in a batch that nobody waits for. file is that
	// of the batch where it may be hastened.
	wake chan<- struct{}
	file *File
	// enough is how many have to wait before the writer is woken for them;
	// waiting is how many do.
	enough, waiting atomic.Int32

	done    chan struct{}
	settled bool
	err     error
}

// row is where one line lies in a batch's buf.
type row struct {
	end int
	// team is whose chain it belongs to.
	team string
	// admits is the request id of a used event. Such a line is dropped when the
	// batch fails, because its request is refused; all other lines report
	// something that has happened, and are written once the file takes lines
	// again.
	admits string
}

func newBatch(buf []byte) *batch { return &batch{buf: buf[:0], done: make(chan struct{})} }

// isDone reports whether err says what became of b.
func (b *batch) isDone() bool {
	select {
	case <-b.done:
		return true
	default:
		return false
	}
}

// hurry wakes the writer for b, once.
func (b *batch) hurry() {
	if b.wake == nil || b.wanted.Load() || !b.wanted.CompareAndSwap(false, true) {
		return
	}
	select {
	case b.wake <- struct{}{}:
	default: // the writer is about to look
	}
}

// await wakes the writer for somebody who waits, at once or in a moment.
func (b *batch) await() {
	if b.wake == nil || b.wanted.Load() {
		return
	}
	n := b.waiting.Add(1)
	switch enough := b.enough.Load(); {
	case n >= enough:
		b.hurry()
	case n == 1:
		time.AfterFunc(gatherTime, b.hurry)
	}
}

// add appends a line, which is not in a chain yet.
func (b *batch) add(line []byte, team, admits string) {
	b.buf = append(b.buf, line...)
	b.rows = append(b.rows, row{end: len(b.buf), team: team, admits: admits})
	if admits != "" {
		b.admissions++
	}
}

// reports appends to dst the lines of b that outlive its failure.
func (b *batch) reports(dst *batch) {
	start := 0
	for _, r := range b.rows {
		if r.admits == "" {
			dst.add(b.buf[start:r.end], r.team, "")
		}
		start = r.end
	}
}

// settle completes the tickets, once.
func (b *batch) settle(err *auth.Error) {
	if b.settled {
		return
	}
	b.settled = true
	if err != nil {
		b.err = err
	}
	close(b.done)
}
