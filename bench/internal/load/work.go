package load

import (
	"bufio"
	"errors"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/weighbridge/weighbridge/bench/internal/body"
)

// work is a plan whose connections are open.
type work struct {
	p     *Plan
	d     *dialer
	conns []*conn
}

// dialing bounds the handshakes that run at once while connecting.
const dialing = 16

// prepare opens the connections that the work begins with, and gets the small
// object once over each, so that the peer's own connections are there too.
func prepare(p *Plan) (*work, error) {
	d, err := newDialer(p)
	if err != nil {
		return nil, err
	}
	w := &work{p: p, d: d}
	if p.Kind == Connects {
		return w, nil
	}
	w.conns = make([]*conn, p.Conns)
	slots := make(chan struct{}, dialing)
	err = each(p.Conns, func(i int) error {
		slots <- struct{}{}
		defer func() { <-slots }()
		c, err := d.dial()
		w.conns[i] = c
		return err
	})
	if err == nil && p.Kind != Kept {
		_, err = w.once()
	}
	return w, err
}

// each runs f for 0 to n-1 at once.
func each(n int, f func(i int) error) error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = f(i) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err // one is enough: the others say the same
		}
	}
	return nil
}

func (w *work) run() (Result, error) {
	start := time.Now()
	var r Result
	var err error
	switch w.p.Kind {
	case Streams:
		r.Ops, r.Bytes = int64(w.p.Conns), int64(w.p.Conns)*w.p.Bytes
		err = each(w.p.Conns, func(i int) error { return w.conns[i].stream(w.p.Bytes) })
	case Kept:
		r, err = w.once()
	case Requests:
		r, err = w.repeat(func(i int, scratch *[body.SmallSize]byte) (time.Duration, error) {
			began := time.Now()
			_, err := w.conns[i].small(w.p.request(body.SmallPath), scratch)
			return time.Since(began), err
		})
	case First:
		request := w.p.request(body.SmallPath)
		r, err = w.repeat(func(i int, scratch *[body.SmallSize]byte) (time.Duration, error) {
			began := time.Now()
			first, err := w.conns[i].small(request, scratch)
			return first.Sub(began), err
		})
	case Connects:
		r, err = w.repeat(func(_ int, scratch *[body.SmallSize]byte) (time.Duration, error) {
			began := time.Now()
			c, err := w.d.dial()
			if err != nil {
				return 0, err
			}
			defer c.close()
			_, err = c.small(w.p.request(body.SmallPath), scratch)
			return time.Since(began), err
		})
	default:
		err = errors.New("no such kind of work: " + string(w.p.Kind))
	}
	r.Seconds = time.Since(start).Seconds()
	return r, err
}

// once gets the small object over every connection at once.
func (w *work) once() (Result, error) {
	request := w.p.request(body.SmallPath)
	err := each(len(w.conns), func(i int) error {
		var scratch [body.SmallSize]byte
		_, err := w.conns[i].small(request, &scratch)
		return err
	})
	return Result{Ops: int64(len(w.conns)), Bytes: int64(len(w.conns)) * body.SmallSize}, err
}

// repeat runs f in Conns goroutines until Time is over.
func (w *work) repeat(f func(i int, scratch *[body.SmallSize]byte) (time.Duration, error)) (Result, error) {
	end := time.Now().Add(w.p.Time)
	took := make([][]time.Duration, w.p.Conns)
	err := each(w.p.Conns, func(i int) error {
		var scratch [body.SmallSize]byte
		for time.Now().Before(end) {
			d, err := f(i, &scratch)
			if err != nil {
				return err
			}
			took[i] = append(took[i], d)
		}
		return nil
	})
	all := slices.Concat(took...)
	slices.Sort(all)
	r := Result{Ops: int64(len(all)), Bytes: int64(len(all)) * body.SmallSize}
	if len(all) > 0 {
		r.P50, r.P99 = all[len(all)/2].Seconds(), all[len(all)*99/100].Seconds()
	}
	return r, err
}

// lines reads lines.
type lines struct{ br *bufio.Reader }

func newLines(r io.Reader) *lines { return &lines{bufio.NewReader(r)} }

// next waits for a line that says something.
func (l *lines) next() error {
	for {
		s, err := l.br.ReadString('\n')
		if err != nil || s != "\n" {
			return err
		}
	}
}
