package audit

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// settled is a ticket whose answer is known from the start.
type settled struct{ err error }

var (
	_ auth.Settled = settled{}
	_ auth.Ticket  = (*batch)(nil)
)

// Wait implements auth.Ticket.
func (s settled) Wait(context.Context) error { return s.err }

// Settled implements auth.Settled.
func (s settled) Settled() error { return s.err }

// Wait implements auth.Ticket. All events of a batch share its fate, so the
// batch is the ticket of each.
func (b *batch) Wait(ctx context.Context) error {
	if b.isDone() {
		return b.err
	}
	if b.Hasten(); !b.isDone() {
		b.await()
	}
	select {
	case <-b.done:
		return b.err
	case <-ctx.Done():
		return auth.NewError(auth.CodeAuditUnavailable, "the request ended before its audit record was durable", context.Cause(ctx))
	}
}

// errSlow is the cause of a trip by time.
var errSlow = errors.New("the commit takes too long")

// unavailable gives a failed commit its public face, which names no path.
func unavailable(cause error, limit time.Duration) *auth.Error {
	what := "writing to it failed"
	switch {
	case errors.Is(cause, errSlow):
		what = fmt.Sprintf("a write takes longer than %v", limit)
	case errors.Is(cause, errFull):
		what = "a follower of it does not keep up, and there is no more room in memory"
	case errors.Is(cause, syscall.ENOSPC), errors.Is(cause, syscall.EDQUOT):
		what = "the disk is full"
	case errors.Is(cause, syscall.EROFS):
		what = "the file system is read-only"
	case errors.Is(cause, syscall.EACCES), errors.Is(cause, syscall.EPERM):
		what = "permission was denied"
	case errors.Is(cause, syscall.EIO):
		what = "the disk reports an error"
	}
	return auth.NewError(auth.CodeAuditUnavailable, "the audit record cannot be written: "+what, cause)
}
