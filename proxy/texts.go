package proxy

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

const (
	// textBudget bounds the memory that texts which are looked into take
	// together, in bytes, from before they are read until their workers have
	// them.
	textBudget = 64 << 20
	// textShare is how much of it is for one key at most: a quarter, so that
	// the workers of one key that take nothing do not hold up those of others.
	textShare = textBudget / 4
	// textPatience is how long a request waits for its part of the budget. An
	// upstream whose answer is not read for so long does not mind yet.
	textPatience = 5 * time.Second
)

// texts is the budget of the texts that are held in memory. A text of at most
// inMemory bytes is not counted: wire holds every small body, looked into or
// not, and the buffers of a worker's socket take more.
type texts struct {
	limit, share int64
	patience     time.Duration

	mu      sync.Mutex
	used    int64
	byKey   map[string]int64
	waiting []*textWaiter
}

type textWaiter struct {
	key   string
	size  int64
	ready chan struct{} // closed once it is granted
}

func newTexts() *texts {
	return &texts{limit: textBudget, share: textShare, patience: textPatience, byKey: map[string]int64{}}
}

// textLoan is what one text takes. The zero loan is of nothing.
type textLoan struct {
	from *texts
	key  string
	size int64
}

// take waits for size bytes for a key. The error is CodeOverloaded where there
// was no room in time, or that of ctx.
func (t *texts) take(ctx context.Context, key string, size int64) (textLoan, error) {
	loan := textLoan{t, key, size}
	t.mu.Lock()
	if len(t.waiting) == 0 && t.fits(key, size) {
		t.add(key, size)
		t.mu.Unlock()
		return loan, nil
	}
	w := &textWaiter{key, size, make(chan struct{})}
	t.waiting = append(t.waiting, w)
	t.grant() // those before it may be waiting for the share of their key
	t.mu.Unlock()

	timer := time.NewTimer(t.patience)
	defer timer.Stop()
	var err error
	select {
	case <-w.ready:
		return loan, nil
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-timer.C:
		err = auth.NewError(auth.CodeOverloaded, "as many texts as weighbridge may hold wait for workers that do not take them", nil)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	i := slices.Index(t.waiting, w)
	if i < 0 {
		return loan, nil // it was granted at the last moment
	}
	t.waiting = slices.Delete(t.waiting, i, i+1)
	t.grant()
	return textLoan{}, err
}

// fits is called with t.mu held.
func (t *texts) fits(key string, size int64) bool {
	return t.used+size <= t.limit && t.byKey[key]+size <= t.share
}

// add is called with t.mu held.
func (t *texts) add(key string, size int64) {
	t.used += size
	if t.byKey[key] += size; t.byKey[key] == 0 {
		delete(t.byKey, key)
	}
}

// grant lets those go on that fit, in the order in which they came; one whose
// key has had its share does not hold up the others. It is called with t.mu
// held.
func (t *texts) grant() {
	left := t.waiting[:0]
	full := false
	for _, w := range t.waiting {
		if full || !t.fits(w.key, w.size) {
			full = full || t.used+w.size > t.limit
			left = append(left, w)
			continue
		}
		t.add(w.key, w.size)
		close(w.ready)
	}
	clear(t.waiting[len(left):])
	t.waiting = left
}

// resize makes the loan one of size bytes, without waiting.
func (l *textLoan) resize(size int64) {
	if l.from == nil || l.size == size {
		return
	}
	l.from.mu.Lock()
	defer l.from.mu.Unlock()
	l.from.add(l.key, size-l.size)
	l.size = size
	l.from.grant()
}

// giveBack ends the loan; it may be called more than once.
func (l *textLoan) giveBack() { l.resize(0); l.from = nil }

// held is the number of bytes that are taken.
func (t *texts) held() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.used
}
