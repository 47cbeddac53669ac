package standin

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"

	"github.com/weighbridge/weighbridge/bench/internal/batch"
)

// Relay is the floor: it knows no HTTP and moves bytes between a worker's
// connection and one of its own to the origin. Between two plain connections
// the kernel moves them (splice); where there is TLS on a side, system calls
// are batched.
func Relay(ctx context.Context, o Options) error {
	down, err := o.down()
	if err != nil {
		return err
	}
	up, err := o.up()
	if err != nil {
		return err
	}
	ln, err := o.listen(ctx)
	if err != nil {
		return err
	}
	for {
		c, err := ln.Accept()
		if err != nil {
			return ended(ctx, err)
		}
		go relay(ctx, c.(*net.TCPConn), o.To, down, up)
	}
}

// ended is err, or nil where the end was asked for.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func relay(ctx context.Context, worker *net.TCPConn, to string, down, up *tls.Config) {
	defer func() { _ = worker.Close() }()
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", to)
	if err != nil {
		return
	}
	defer func() { _ = c.Close() }()
	server := c.(*net.TCPConn)
	if down == nil && up == nil {
		go func() {
			_, _ = io.Copy(server, worker)
			_ = server.CloseWrite()
		}()
		_, _ = io.Copy(worker, server)
		return
	}
	var wc, sc net.Conn = worker, server
	var wb, sb *batch.Conn
	if down != nil {
		wb = batch.New(worker)
		t := tls.Server(wb, down)
		if t.HandshakeContext(ctx) != nil {
			return
		}
		wb.Lend(false, true)
		defer wb.GiveBack()
		wc = t
	}
	if up != nil {
		sb = batch.New(server)
		t := tls.Client(sb, up)
		if t.HandshakeContext(ctx) != nil {
			return
		}
		sb.Lend(true, false)
		defer sb.GiveBack()
		sc = t
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(sc, wc) // requests: nothing worth a batch
		_ = server.CloseWrite()
	}()
	_ = batch.Copy(wc, sc, wb, sb)
	_ = worker.Close() // ends the other direction, before the batches go
	<-done
}
