package proxy

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/proxy/guard"
)

// lockedBuffer is a bytes.Buffer for many goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b.Reset()
}

func (l *lockedBuffer) Bytes() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Clone(l.b.Bytes())
}

func (l *lockedBuffer) String() string { return string(l.Bytes()) }

// clock is the time, which can be moved.
type clock struct{ offset atomic.Int64 }

func (c *clock) now() time.Time { return time.Now().Add(time.Duration(c.offset.Load())) }

func (c *clock) advance(d time.Duration) { c.offset.Add(int64(d)) }

// countingDialer is the real guard, with every dial counted.
type countingDialer struct {
	mu    sync.Mutex
	table map[string]string
	dials []string
	own   atomic.Pointer[[]netip.AddrPort]
	look  *noNames
}

func newDialer(testing.TB) *countingDialer {
	d := &countingDialer{table: map[string]string{}, look: &noNames{}}
	d.own.Store(&[]netip.AddrPort{})
	return d
}

func (d *countingDialer) resolve(hostPort, addr string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.table[hostPort] = addr
}

func (d *countingDialer) guard() (*guard.Dialer, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	table := map[string]string{}
	for k, v := range d.table {
		table[k] = v
	}
	return guard.New(guard.Options{Resolve: table, Own: func() []netip.AddrPort { return *d.own.Load() }, Resolver: d.look})
}

func (d *countingDialer) Check(host string, port uint16) error {
	g, err := d.guard()
	if err != nil {
		return err
	}
	return g.Check(host, port)
}

func (d *countingDialer) Dial(ctx context.Context, host string, port uint16) (net.Conn, error) {
	g, err := d.guard()
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	d.dials = append(d.dials, fmt.Sprintf("%s:%d", host, port))
	d.mu.Unlock()
	return g.Dial(ctx, host, port)
}

func (d *countingDialer) Recheck(host string, port uint16, c net.Conn) error {
	g, err := d.guard()
	if err != nil {
		return err
	}
	return g.Recheck(host, port, c)
}

func (d *countingDialer) dialled() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.dials)
}

// noNames knows no name, and keeps who asked for one.
type noNames struct {
	mu    sync.Mutex
	asked []string
}

func (n *noNames) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked = append(n.asked, host)
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}
