package store

import (
	"context"
	"os"
)

// driver keeps rows. It knows nothing of what they mean; all rules are core's.
type driver interface {
	// load yields every row but the events, all as they stand at one moment.
	// The value is only valid during the call.
	load(yield func(bucket, key string, value []byte) error) error
	// begin waits until nobody else may change the rows.
	begin(ctx context.Context) (turn, error)
	// exclusive says that no other process changes the rows while this one has
	// them open.
	exclusive() bool
	// scan returns at most limit rows of bucket in order of their keys,
	// beginning with the first key that is not less than from.
	scan(ctx context.Context, bucket, from string, limit int) ([]op, error)
	// snapshot copies everything as it stands at one moment into a file of its
	// own, which the caller closes and removes. Nobody waits for it.
	snapshot() (*os.File, error)
	close() error
}

// turn is the time in which nobody else changes the rows.
type turn interface {
	// since says what others changed after the commit at, nil where nothing.
	since(ctx context.Context, at mark) (*news, error)
	// commit makes all of ops durable, as the commit to, or none of them. Where
	// it cannot tell which, the error is an *uncertainError, or, where the next
	// turn will tell, one of ErrUnknown.
	commit(ops []op, to mark) error
	// settle makes sure that what since has told, and what was known before, is
	// durable, where nothing is committed after it. Nothing else is done in the
	// turn then.
	settle() error
	// end ends the turn. It is called once.
	end()
}

// mark names a commit: its number, and the tag of its head, which no other
// commit of that number has.
type mark struct {
	commit uint64
	tag    string
}

// markOf is the mark of the commit whose head is row.
func markOf(commit uint64, row []byte) mark {
	return mark{commit, string(row[max(0, len(row)-tagSize):])}
}

// news is what others changed.
type news struct {
	// rows are those that were put or deleted, those of bucketMeta among them,
	// and the events not.
	rows []op
	// all says that rows are all there are.
	all bool
	// last is the newest commit, which the head among rows is to be of.
	last mark
}

// op puts a row, or deletes it where value is nil.
type op struct {
	bucket, key string
	value       []byte
}

// uncertainError is the answer of a commit that may or may not be there after
// the next start.
type uncertainError struct{ cause error }

func (e *uncertainError) Error() string { return "uncertain: " + e.cause.Error() }
func (e *uncertainError) Unwrap() error { return e.cause }

// ownTurn is the turn of a driver whose rows this process alone changes: core
// makes one change at a time.
type ownTurn struct{ put func([]op) error }

var _ turn = ownTurn{}

func (ownTurn) since(context.Context, mark) (*news, error) { return nil, nil }
func (t ownTurn) commit(ops []op, _ mark) error            { return t.put(ops) }
func (ownTurn) settle() error                              { return nil }
func (ownTurn) end()                                       {}
