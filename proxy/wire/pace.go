package wire

import (
	"context"
	"io"
	"sync"
	"time"
)

// Pace bounds how many bytes the streams that share it move in a second, all
// of them together. Who wants to move some waits until those before are paid
// for: they take turns in the order in which they came, in pieces small enough
// that none rests for long. Nothing is kept meanwhile: what is not read stays
// with its sender.
//
// It goes by the machine's own time, which nobody sets. The nil Pace bounds
// nothing and costs nothing. All methods may be called by any number of
// goroutines.
type Pace struct {
	// now and sleep are the machine's, but in tests.
	now   func() time.Time
	sleep func(ctx context.Context, d time.Duration) error

	mu sync.Mutex
	// rate is in bytes a second.
	rate float64
	// paid is until when everything that was moved is paid for.
	paid    time.Time
	streams int
}

const (
	// paceAhead is how far behind its rate a stream may have been and make up
	// for it at once.
	paceAhead = 100 * time.Millisecond
	// paceRound is how long it takes, about, until a stream has its next turn.
	paceRound = 125 * time.Millisecond
	// Bounds of one piece: what is smaller costs more than it smoothes, and
	// what is larger does not fit a pipe or a buffer.
	minPiece = 1 << 10
	maxPiece = 256 << 10
)

// NewPace makes a Pace of rate bytes a second.
func NewPace(rate int64) *Pace {
	return &Pace{now: time.Now, sleep: Sleep, rate: float64(max(rate, 1))}
}

// SetRate changes the rate, of streams in progress too.
func (p *Pace) SetRate(rate int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rate = float64(max(rate, 1))
}

// begin and end count a stream.
func (p *Pace) begin() {
	if p != nil {
		p.mu.Lock()
		p.streams++
		p.mu.Unlock()
	}
}

func (p *Pace) end() {
	if p != nil {
		p.mu.Lock()
		p.streams--
		p.mu.Unlock()
	}
}

// take waits until bytes may be moved and returns how many, at most want. What
// is not moved of them goes back by giveBack. The error is that of ctx.
func (p *Pace) take(ctx context.Context, want int64) (int64, error) {
	if p == nil {
		return want, nil
	}
	p.mu.Lock()
	now := p.now()
	piece := int64(p.rate * paceRound.Seconds() / float64(max(p.streams, 1)))
	n := min(want, max(min(piece, maxPiece), minPiece))
	if least := now.Add(-paceAhead); p.paid.Before(least) {
		p.paid = least
	}
	wait := p.paid.Sub(now)
	p.paid = p.paid.Add(p.lasts(n))
	p.mu.Unlock()
	if wait <= 0 {
		return n, ctx.Err()
	}
	if err := p.sleep(ctx, wait); err != nil {
		p.giveBack(n)
		return 0, err
	}
	return n, nil
}

// giveBack takes back that n bytes would be moved.
func (p *Pace) giveBack(n int64) {
	if p != nil && n > 0 {
		p.mu.Lock()
		p.paid = p.paid.Add(-p.lasts(n))
		p.mu.Unlock()
	}
}

// lasts is for how long n bytes are. p.mu is held.
func (p *Pace) lasts(n int64) time.Duration {
	return time.Duration(float64(n) / p.rate * float64(time.Second))
}

// Writer is w, at the pace of p, until ctx ends. The nil Pace leaves w as it
// is.
func (p *Pace) Writer(ctx context.Context, w io.Writer) io.Writer {
	if p == nil {
		return w
	}
	return &pacedWriter{ctx, p, w}
}

type pacedWriter struct {
	ctx context.Context
	p   *Pace
	w   io.Writer
}

// Write implements io.Writer. An empty Write is one of w, too.
func (w *pacedWriter) Write(b []byte) (total int, err error) {
	w.p.begin()
	defer w.p.end()
	for {
		n, err := w.p.take(w.ctx, int64(len(b)-total))
		if err != nil {
			return total, err
		}
		m, err := w.w.Write(b[total : total+int(n)])
		total += m
		if err != nil || total == len(b) {
			return total, err
		}
	}
}

// Reader is r, at the pace of p, until ctx ends. The nil Pace leaves r as it
// is.
func (p *Pace) Reader(ctx context.Context, r io.Reader) io.Reader {
	if p == nil || r == nil {
		return r
	}
	return &pacedReader{ctx, p, r}
}

var _ abandoner = (*pacedReader)(nil)

type pacedReader struct {
	ctx context.Context
	p   *Pace
	r   io.Reader
}

// Read implements io.Reader.
func (r *pacedReader) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	r.p.begin()
	defer r.p.end()
	n, err := r.p.take(r.ctx, int64(len(b)))
	if err != nil {
		return 0, err
	}
	m, err := r.r.Read(b[:n])
	r.p.giveBack(n - int64(m))
	return m, err
}

// abandonBody makes a Read that waits for the worker fail.
func (r *pacedReader) abandonBody() {
	if a, ok := r.r.(abandoner); ok {
		a.abandonBody()
	}
}

// Sleep waits for d by the machine's clock, or returns why ctx ended.
func Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
