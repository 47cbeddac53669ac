package store

import "os"

// driver keeps rows. It knows nothing of what they mean; all rules are core's.
type driver interface {
	// load yields every row but the events. The value is only valid during
	// the call.
	load(yield func(bucket, key string, value []byte) error) error
	// commit makes all of ops durable, or none of them. Where it cannot tell
	// which, the error is an *uncertainError.
	commit(ops []op) error
	// scan returns at most limit rows of bucket in order of their keys,
	// beginning with the first key that is not less than from.
	scan(bucket, from string, limit int) ([]op, error)
	// snapshot copies everything as it stands at one moment into a file of its
	// own, which the caller closes and removes. Nobody waits for it.
	snapshot() (*os.File, error)
	close() error
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
