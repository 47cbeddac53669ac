package store

import (
	"context"
	"sync"
)

// absentKEK stands for a KEK that another weighbridge rotated to and that is not
// at hand here. Each use looks for it again: once it is there, it is used.
type absentKEK struct {
	id, uri string
	open    func(ctx context.Context, uri string) (KEK, error)

	mu    sync.Mutex
	found KEK
}

// look is the KEK, nil as long as it is not there.
func (k *absentKEK) look(ctx context.Context) KEK {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.found == nil && k.open != nil && k.uri != "" {
		if there, err := k.open(ctx, k.uri); err == nil && there.ID() == k.id {
			k.found = there
		}
	}
	return k.found
}

// ID implements KEK.
func (k *absentKEK) ID() string { return k.id }

// Wrap implements KEK.
func (k *absentKEK) Wrap(ctx context.Context, dek, aad []byte) ([]byte, error) {
	there := k.look(ctx)
	if there == nil {
		return nil, absentError{}
	}
	return there.Wrap(ctx, dek, aad)
}

// Unwrap implements KEK.
func (k *absentKEK) Unwrap(ctx context.Context, wrapped, aad []byte) ([]byte, error) {
	there := k.look(ctx)
	if there == nil {
		return nil, absentError{}
	}
	return there.Unwrap(ctx, wrapped, aad)
}

// absentError is the error of a KEK that is not at hand: it says nothing of what
// it was to open.
type absentError struct{}

// Error implements error.
func (absentError) Error() string {
	return "another weighbridge rotated to it, and it is not at hand here; make it available under the same URI, from where it is used at once, and name it in the setting kek"
}

// OutOfReach marks it as one that may pass.
func (absentError) OutOfReach() bool { return true }

// Unwrap gives what it is a case of.
func (absentError) Unwrap() error { return ErrWrongKEK }
