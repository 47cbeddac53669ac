package wire

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// pair is two ends of a TCP connection.
func pair(t testing.TB) (a, b net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	a, err = net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	b, err = ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close(); _ = b.Close() })
	end := time.Now().Add(60 * time.Second)
	_ = a.SetDeadline(end)
	return a, b
}

// tunnelled connects worker and upstream by a Tunnel; the ends of both are
// returned, and how it went.
func tunnelled(t testing.TB, ctx context.Context, secure bool, o TunnelOptions) (worker, upstream net.Conn, done chan error) {
	t.Helper()
	worker, w := pair(t)
	upstream, u := pair(t)
	var inner net.Conn = NewConn(w)
	if secure {
		ca := newAuthority(t, nil)
		inner = tls.Server(inner, &tls.Config{Certificates: []tls.Certificate{ca.issue(t, nil)}})
		worker = tls.Client(worker, &tls.Config{RootCAs: ca.pool, ServerName: "127.0.0.1"})
	}
	done = make(chan error, 1)
	go func() {
		_, _, err := Tunnel(ctx, inner, NewConn(u), o)
		_ = inner.Close()
		_ = u.Close()
		done <- err
	}()
	return worker, upstream, done
}

func TestTunnel(t *testing.T) {
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprintf("tls=%v", secure), func(t *testing.T) {
			var up, down atomic.Int64
			b := NewBuffers(0)
			worker, upstream, done := tunnelled(t, t.Context(), secure, TunnelOptions{Buffers: b, OnProgress: func(u, d int64) { up.Add(u); down.Add(d) }})
			there, back := make([]byte, 3<<20), make([]byte, 5<<20)
			_, _ = rand.Read(there)
			_, _ = rand.Read(back)
			var g group
			g.Go(func() { _, _ = worker.Write(there); _ = closeWrite(worker) })
			got, err := io.ReadAll(upstream) // the half-close has come through
			if err != nil || !bytes.Equal(got, there) {
				t.Fatalf("%d bytes up, %v", len(got), err)
			}
			g.Go(func() { _, _ = upstream.Write(back); _ = closeWrite(upstream) })
			got, err = io.ReadAll(worker)
			if err != nil || !bytes.Equal(got, back) {
				t.Fatalf("%d bytes down, %v", len(got), err)
			}
			g.end()
			if err := <-done; err != nil {
				t.Error(err)
			}
			if up.Load() != int64(len(there)) || down.Load() != int64(len(back)) || b.Lent() != 0 {
				t.Errorf("%d up, %d down, %d bytes lent", up.Load(), down.Load(), b.Lent())
			}
		})
	}
}

func closeWrite(c net.Conn) error {
	type closer interface{ CloseWrite() error }
	return c.(closer).CloseWrite()
}

func TestTunnelEnds(t *testing.T) {
	t.Parallel()
	t.Run("by its context", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		revoked := errors.New("the key was revoked")
		worker, upstream, done := tunnelled(t, ctx, false, TunnelOptions{})
		cancel(revoked)
		if err := <-done; !errors.Is(err, revoked) {
			t.Error(err)
		}
		for _, c := range []net.Conn{worker, upstream} {
			if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
				t.Errorf("ended with %v, want a reset", err)
			}
		}
	})
	t.Run("by silence", func(t *testing.T) {
		_, _, done := tunnelled(t, t.Context(), false, TunnelOptions{Idle: 50 * time.Millisecond})
		if err := <-done; err == nil {
			t.Error("no error")
		}
	})
	t.Run("not while one side works", func(t *testing.T) {
		const idle = time.Second
		worker, upstream, done := tunnelled(t, t.Context(), false, TunnelOptions{Idle: idle})
		for range 12 { // more than twice the limit, in one direction only
			time.Sleep(idle / 5)
			if _, err := upstream.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(worker, make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
		}
		_ = worker.Close()
		_ = upstream.Close()
		<-done
	})
	t.Run("by a broken end", func(t *testing.T) {
		worker, upstream, done := tunnelled(t, t.Context(), false, TunnelOptions{})
		_, _ = upstream.Write([]byte("x"))
		_, _ = io.ReadFull(worker, make([]byte, 1))
		Reset(upstream)
		if err := <-done; err == nil {
			t.Error("no error")
		}
		if _, err := worker.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("the worker's end: %v, want a reset", err)
		}
	})
}

// impatient is a connection that counts its reads, and fails when they are too
// many to have waited for anything.
type impatient struct {
	net.Conn
	reads int
}

func (c *impatient) NetConn() net.Conn { return c.Conn }

func (c *impatient) Read(p []byte) (int, error) {
	if c.reads++; c.reads > 1000 {
		return 0, errors.New("read without end")
	}
	return c.Conn.Read(p)
}

// TestTunnelRestsInOneDirection for longer than Idle while the other one works,
// and goes on: also through TLS, without asking for ever what there is.
func TestTunnelRestsInOneDirection(t *testing.T) {
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprintf("tls=%v", secure), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				worker, w := net.Pipe()
				upstream, u := net.Pipe()
				defer func() { _, _ = worker.Close(), upstream.Close() }()
				var inner net.Conn = NewConn(w)
				if secure {
					ca := newAuthority(t, nil)
					inner = tls.Server(inner, &tls.Config{Certificates: []tls.Certificate{ca.issue(t, nil)}, SessionTicketsDisabled: true})
					worker = tls.Client(worker, &tls.Config{RootCAs: ca.pool, ServerName: "127.0.0.1"})
				}
				rests := &impatient{Conn: inner}
				done := make(chan error, 1)
				go func() {
					_, _, err := Tunnel(t.Context(), rests, NewConn(u), TunnelOptions{Idle: time.Minute})
					_ = inner.Close()
					_ = u.Close()
					done <- err
				}()
				move := func(from, to net.Conn) {
					t.Helper()
					var got [1]byte
					if _, err := from.Write([]byte("x")); err != nil {
						t.Fatal(err)
					}
					if _, err := io.ReadFull(to, got[:]); err != nil {
						t.Fatal(err)
					}
				}
				move(worker, upstream)
				for range 20 {
					time.Sleep(30 * time.Second)
					move(upstream, worker)
				}
				move(worker, upstream)
				_ = worker.Close()
				_ = upstream.Close()
				if err := <-done; err != nil {
					t.Error(err)
				}
				if rests.reads > 30 {
					t.Errorf("ten minutes of rest took %d reads", rests.reads)
				}
			})
		})
	}
}
