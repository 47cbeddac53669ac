package audit

import "github.com/weighbridge/weighbridge/auth"

var _ auth.Hastened = (*batch)(nil)

// Hasten implements auth.Hastened: it commits b in the caller's goroutine where
// the file lies in memory. A commit is over there before the goroutine that
// writes would have been woken; on a disk the caller could be held up for as
// long as the disk likes, and must be able to give up after CommitLimit.
//
// Where somebody writes just now it does nothing: b may be among what is
// written, or shares the next commit with others.
func (b *batch) Hasten() {
	f := b.file
	if f == nil || !f.quick.Load() || f.tripped.Load() != nil || !f.writing.TryLock() {
		return
	}
	defer f.writing.Unlock()
	f.mu.Lock()
	waits := f.pending == b && f.begun && !f.closed
	f.mu.Unlock()
	if !waits {
		return
	}
	b.wanted.Store(true)
	if next := f.take(false); next != nil && !f.commit(next) {
		select {
		case f.wake <- struct{}{}: // so that it heals
		default:
		}
	}
}
