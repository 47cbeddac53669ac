package wire

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

func TestUnder(t *testing.T) {
	a, b := pair(t)
	c := NewConn(a)
	if NewConn(c) != c {
		t.Error("a Conn was wrapped again")
	}
	if Under(tls.Client(c, &tls.Config{})) != c || Under(tls.Server(tls.Client(c, &tls.Config{}), &tls.Config{})) != c {
		t.Error("not found under TLS")
	}
	if Under(b) != nil || Under(nil) != nil {
		t.Error("found where there is none")
	}
	if c.NetConn() != a || c.tcp == nil {
		t.Error("not the connection below")
	}
}

func TestReset(t *testing.T) {
	a, b := pair(t)
	_, _ = a.Write([]byte("x"))
	Reset(tls.Client(NewConn(a), &tls.Config{}))
	_, err := io.ReadAll(b)
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%v, want a reset", err)
	}
	p, _ := net.Pipe()
	Reset(p) // no TCP: just closed
}

func TestIdleDeadlines(t *testing.T) {
	t.Parallel()
	const limit = 80 * time.Millisecond
	t.Run("nothing to read", func(t *testing.T) {
		a, _ := pair(t)
		c := NewConn(a)
		c.SetIdle(limit, 0)
		_, err := c.Read(make([]byte, 1))
		var stall *stallError
		if !errors.As(err, &stall) || !errors.Is(err, os.ErrDeadlineExceeded) || !stall.Timeout() {
			t.Errorf("%v", err)
		}
	})
	t.Run("nobody takes what is written", func(t *testing.T) {
		a, _ := pair(t)
		c := NewConn(a)
		c.SetIdle(0, limit)
		start := time.Now()
		_, err := c.Write(make([]byte, 32<<20))
		var stall *stallError
		if !errors.As(err, &stall) {
			t.Errorf("%v", err)
		}
		if time.Since(start) < limit {
			t.Error("sooner than the limit")
		}
	})
	t.Run("reading is given up", func(t *testing.T) {
		a, _ := pair(t)
		c := NewConn(a)
		c.SetIdle(time.Hour, 0)
		time.AfterFunc(5*time.Millisecond, c.abandonRead)
		for range 2 {
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, errAbandoned) {
				t.Errorf("%v", err)
			}
		}
	})
	t.Run("off again", func(t *testing.T) {
		a, b := pair(t)
		c := NewConn(a)
		_ = c.SetDeadline(time.Time{})
		c.SetIdle(limit, limit)
		c.pushRead()
		c.pushWrite()
		c.SetIdle(0, 0)
		time.AfterFunc(3*limit, func() { _, _ = b.Write([]byte("x")) })
		if n, err := c.Read(make([]byte, 1)); n != 1 {
			t.Errorf("%v", err)
		}
	})
}

// deadlines counts how often a read deadline is moved.
type deadlines struct {
	net.Conn
	moved int
	last  time.Time
}

func (d *deadlines) SetReadDeadline(t time.Time) error {
	d.moved++
	d.last = t
	return d.Conn.SetReadDeadline(t)
}

func TestBoundRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		defer func() { _, _ = a.Close(), b.Close() }()
		d := &deadlines{Conn: a}
		c := NewConn(d)
		want := func(moved int, in time.Duration) {
			t.Helper()
			if d.moved != moved || in > 0 && !d.last.Equal(time.Now().Add(in)) {
				t.Errorf("moved %d times, now to %v, want %d and %v", d.moved, time.Until(d.last), moved, in)
			}
		}
		c.boundRead(time.Minute)
		want(1, time.Minute)
		time.Sleep(999 * time.Millisecond)
		c.boundRead(time.Minute)
		want(1, time.Minute-999*time.Millisecond)
		time.Sleep(time.Millisecond)
		c.boundRead(time.Minute)
		want(2, time.Minute)
		c.boundRead(time.Second) // another bound
		want(3, time.Second)
		time.Sleep(130 * time.Millisecond) // more than an eighth of it
		c.boundRead(time.Second)
		want(4, time.Second)
		_ = c.SetReadDeadline(time.Time{}) // somebody else's
		c.boundRead(time.Second)
		want(6, time.Second)
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%v", err)
		}
	})
}

// TestDry reads what TLS holds, never from the socket, and leaves TLS usable.
func TestDry(t *testing.T) {
	ca := newAuthority(t, nil)
	a, b := pair(t)
	server := tls.Server(b, &tls.Config{Certificates: []tls.Certificate{ca.issue(t, nil)}})
	base := NewConn(a)
	client := tls.Client(base, &tls.Config{RootCAs: ca.pool, ServerName: "127.0.0.1"})
	served := make(chan error, 1)
	go func() {
		_, err := io.WriteString(server, "abc")
		served <- err
	}()
	var one [1]byte
	if _, err := io.ReadFull(client, one[:]); err != nil || one[0] != 'a' {
		t.Fatal(string(one[:]), err)
	}
	if err := <-served; err != nil {
		t.Fatal(err)
	}
	if n, err := base.dry(client, one[:]); n != 1 || err != nil || one[0] != 'b' {
		t.Errorf("%d bytes, %q, %v: what is decrypted was not found", n, one, err)
	}
	_, _ = base.dry(client, one[:])
	for range 3 {
		if n, err := base.dry(client, one[:]); n != 0 || !errors.Is(err, errDry) {
			t.Errorf("%d bytes, %v", n, err)
		}
	}
	go func() { _, _ = io.WriteString(server, "d") }()
	if _, err := io.ReadFull(client, one[:]); err != nil || one[0] != 'd' {
		t.Errorf("%q, %v after it was dry", one, err)
	}
}

func TestGoneAndUnread(t *testing.T) {
	a, b := pair(t)
	c := NewConn(b)
	if c.sys == nil {
		return
	}
	if c.gone() || c.unread() {
		t.Error("a quiet connection is neither")
	}
	_, _ = a.Write([]byte("x"))
	eventually(t, "a byte is there", c.unread)
	if c.gone() {
		t.Error("gone")
	}
	if n, _ := c.Read(make([]byte, 2)); n != 1 {
		t.Error("the byte was taken by looking")
	}
	// A half-close is no disconnect (RFC 9112, section 9.6): whoever ended its
	// own side may still wait for the answer.
	_ = closeWrite(a)
	eventually(t, "the end is there", c.unread)
	if c.gone() {
		t.Error("a half-close counts as gone")
	}
	Reset(a)
	eventually(t, "gone", func() bool { return c.gone() && c.unread() })
}

// TestBatches: whatever the sizes, what goes in comes out.
func TestBatches(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pieces := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 300), 0, 20).Draw(t, "pieces")
		wbuf := rapid.IntRange(0, 200).Draw(t, "write batch")
		rbuf := rapid.IntRange(0, 200).Draw(t, "read batch")
		step := rapid.IntRange(1, 250).Draw(t, "step")
		var wire bytes.Buffer
		w := NewConn(memory{buf: &wire})
		w.lendWrite(make([]byte, wbuf))
		var want []byte
		for _, p := range pieces {
			if n, err := w.Write(p); n != len(p) || err != nil {
				t.Fatal(n, err)
			}
			want = append(want, p...)
		}
		if err := w.Flush(); err != nil || !w.endWrite() {
			t.Fatal(err)
		}
		if !bytes.Equal(wire.Bytes(), want) {
			t.Fatal("written differently")
		}
		r := NewConn(memory{buf: &wire})
		r.lendRead(make([]byte, rbuf))
		var got []byte
		p := make([]byte, step)
		for {
			n, err := r.Read(p)
			got = append(got, p[:n]...)
			if err != nil {
				break
			}
		}
		if !bytes.Equal(got, want) || !r.endRead() {
			t.Fatalf("read %d bytes, want %d", len(got), len(want))
		}
	})
}

// memory is a net.Conn over a buffer.
type memory struct {
	net.Conn
	buf *bytes.Buffer
}

func (m memory) Read(p []byte) (int, error)  { return m.buf.Read(p) }
func (m memory) Write(p []byte) (int, error) { return m.buf.Write(p) }

func TestBuffersBudget(t *testing.T) {
	b := NewBuffers(2 * (smallCopy + fullRead + fullWrite))
	var loans []loan
	for range 4 {
		loans = append(loans, b.lend(true, true))
	}
	for i, want := range []int{fullWrite, fullWrite, smallWrite, smallWrite} {
		if n := len(*loans[i].writ); n != want {
			t.Errorf("loan %d writes batches of %d bytes, want %d", i, n, want)
		}
	}
	if n := b.Lent(); n != 2*(smallCopy+fullRead+fullWrite)+2*(smallCopy+smallRead+smallWrite) {
		t.Errorf("%d bytes lent", n)
	}
	for i := range loans {
		loans[i].giveBack()
		loans[i].giveBack() // again does nothing
	}
	if b.Lent() != 0 || b.full.Load() != 0 {
		t.Errorf("%d bytes lent", b.Lent())
	}
	l := b.lend(false, false)
	if len(*l.copy) != plainCopy || l.read != nil || l.writ != nil {
		t.Error("plain to plain has one buffer of 1 MiB")
	}
	l.giveBack()
	var none *Buffers
	l = none.lend(true, false)
	if len(*l.copy) != smallCopy || len(*l.read) != smallRead || l.writ != nil {
		t.Error("without a pool there are small buffers")
	}
	l.giveBack()
}
