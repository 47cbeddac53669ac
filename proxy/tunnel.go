package proxy

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/proxy/wire"
)

// tunnelCheck is how often blind tunnels are decided anew. One that would not
// be opened any more is closed within a second.
const tunnelCheck = 500 * time.Millisecond

// connectTimeout bounds what a tunnel waits for its upstream: the lookup, every
// address of it, and a corporate proxy.
const connectTimeout = 10 * time.Second

// blindTunnel copies bytes between the worker and a host that nothing is put
// on for. What is seen of it is the server name in the worker's first message.
func (x *exchange) blindTunnel(d auth.ConnectDecision) *auth.Error {
	p := x.p
	x.decision = auth.Decision{Outcome: auth.Bare, Reason: d.Reason, Provider: d.Provider}
	if !x.policy.allowsPort(x.target.Port) {
		x.decision.Outcome = auth.Deny
		return auth.NewError(auth.CodePortForbidden, "CONNECT to port "+portOf(x.uri)+" is not allowed", nil)
	}
	if err := x.meter(); err != nil {
		return err
	}
	if err := x.occupy(); err != nil {
		return err
	}
	use, err := x.admit()
	if err != nil {
		return err
	}
	if err := x.await(use); err != nil {
		return err
	}
	x.traceDecision(nil)
	x.beginLeg(&x.target)
	ctx, stop := context.WithTimeout(x.context(), connectTimeout)
	upstream, e := p.o.Dialer.Dial(ctx, x.target.Host, x.target.Port)
	stop()
	if e != nil {
		return auth.AsError(e)
	}
	x.mode = blind
	x.status = 200
	x.sent, x.firstByte = true, p.o.Now().Sub(x.started)
	ctx, cancel := context.WithCancel(context.Background())
	x.transfer = p.transfers.add(ctx, cancel, x)
	b := &blindOne{who: x.who, peer: x.peer, what: "tunnel", host: x.target.Host, port: x.target.Port, transfer: x.transfer}
	p.oversee(b)
	x.line.hijack(func(c net.Conn, early []byte) {
		defer func() { _ = upstream.Close() }()
		defer p.tunnels.remove(b)
		down, err := x.copyBlindly(x.transfer.ctx, c, upstream, early)
		x.end(down, err)
	})
	return nil
}

// copyBlindly runs in the connection's goroutine once the handler is gone.
func (x *exchange) copyBlindly(ctx context.Context, c, upstream net.Conn, early []byte) (down int64, err error) {
	if !answerConnect(c, early) {
		return 0, auth.NewError(auth.CodeBadRequest, "bytes followed the CONNECT before it was answered", nil)
	}
	upstream = wire.NewConn(upstream)
	if x.target.Port == 443 {
		// Who has lost the tunnel does not get to say hello.
		stop := context.AfterFunc(ctx, func() { wire.Reset(c) })
		hello, err := readHello(c, x.target.Host)
		if !stop() {
			err = errors.Join(context.Cause(ctx), err)
		}
		if err == nil {
			_, err = upstream.Write(hello)
		}
		if err != nil {
			wire.Reset(c)
			return 0, err
		}
	}
	_, down, err = wire.Tunnel(ctx, c, upstream, wire.TunnelOptions{
		Buffers: x.p.buffers, Shares: x.p.shares, Key: x.identity.KeyID, Pace: x.pace,
		OnProgress: func(_, down int64) {
			x.transfer.bytes.Add(down)
		},
	})
	return down, err
}

func portOf(authority string) string { return authority[strings.LastIndexByte(authority, ':')+1:] }

// errSeen ends the reading of a handshake once its first message is known.
var errSeen = errors.New("seen")

// readHello reads the worker's first TLS message and returns its bytes. What
// is no TLS, or asks for another server than host, is an error: a tunnel to
// 443 carries nothing else. Without a server name the host must be an IP
// address (RFC 6066, section 3).
func readHello(c net.Conn, host string) ([]byte, error) {
	ear := &overhear{Conn: c}
	var name string
	var seen bool
	_ = c.SetReadDeadline(time.Now().Add(helloTimeout))
	err := tls.Server(ear, &tls.Config{
		GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			name, seen = h.ServerName, true
			return nil, errSeen
		},
	}).Handshake()
	_ = c.SetReadDeadline(time.Time{})
	switch {
	case !seen:
		return nil, auth.NewError(auth.CodeBadRequest, "what came through the tunnel is not TLS", err)
	case name == "" && !auth.IsIP(host), name != "" && !strings.EqualFold(name, host):
		return nil, auth.NewError(auth.CodeMisdirected, "the TLS server name in the tunnel is not the host of the CONNECT", nil)
	}
	return ear.heard.Bytes(), nil
}

// overhear keeps what is read and writes nothing: the alert with which the
// reading of the handshake ends is not the worker's to see.
type overhear struct {
	net.Conn
	heard bytes.Buffer
}

func (o *overhear) Read(p []byte) (int, error) {
	n, err := o.Conn.Read(p)
	o.heard.Write(p[:n])
	return n, err
}

func (o *overhear) Write(p []byte) (int, error)      { return len(p), nil }
func (o *overhear) SetWriteDeadline(time.Time) error { return nil }
func (o *overhear) Close() error                     { return nil }

// tunnels are the blind tunnels that are open. The zero value is ready.
type tunnels struct {
	mu   sync.Mutex
	open []*blindOne
}

// blindOne is a blind tunnel or a WebSocket: who opened it, and by what it is
// still theirs.
type blindOne struct {
	who  evidence
	peer string // as of exchange
	// what it is called.
	what string
	// host and port are where a tunnel leads.
	host string
	port uint16
	// still, where it is set, is asked in place of what would be answered to a
	// CONNECT by now.
	still    func(*auth.Snapshot, auth.Identity, time.Time) bool
	transfer *transfer
}

// end closes b, for good and on record.
func (b *blindOne) end() {
	b.transfer.cut(auth.NewError(auth.CodeTransferCut, "what the "+b.what+" was allowed by does not stand any more", nil))
}

func (t *tunnels) add(b *blindOne) {
	t.mu.Lock()
	t.open = append(t.open, b)
	t.mu.Unlock()
}

func (t *tunnels) remove(b *blindOne) {
	t.mu.Lock()
	if i := slices.Index(t.open, b); i >= 0 {
		t.open = slices.Delete(t.open, i, i+1)
	}
	t.mu.Unlock()
}

func (t *tunnels) len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.open)
}

// check closes the tunnels of those who may not have them any more.
func (t *tunnels) check(stands func(*blindOne) bool) {
	t.mu.Lock()
	open := slices.Clone(t.open)
	t.mu.Unlock()
	for _, b := range open {
		if !stands(b) {
			b.end()
		}
	}
}

// oversee enters b. What was taken away since it was decided may have been looked
// for already, so it is decided once more.
func (p *Proxy) oversee(b *blindOne) {
	p.tunnels.add(b)
	if !p.stands(b) {
		b.end()
	}
}

// stands reports whether b would be opened now: to somebody who still is one,
// who may still come from there, and by what holds at this moment. A tunnel to
// a host that is to be intercepted by now would not be: what is inside it has
// to be decided.
func (p *Proxy) stands(b *blindOne) bool {
	policy, snap, now := p.policy.Load(), p.o.Snapshot(), p.o.Now()
	if b.who.implied && b.who.id != policy.defaultKey {
		return false
	}
	id, err := b.who.identify(snap, now)
	switch {
	case err != nil || id.From(b.peer) != nil:
		return false
	case b.still != nil:
		return b.still(snap, id, now)
	}
	return policy.allowsPort(b.port) && snap.Connect(id, b.host, b.port, policy.forward, now).Passage == auth.Tunnel
}

// watchTunnels runs until Close.
func (p *Proxy) watchTunnels() {
	tick := time.NewTicker(tunnelCheck)
	defer tick.Stop()
	for {
		select {
		case <-p.closed:
			return
		case <-tick.C:
			p.tunnels.check(p.stands)
			p.repeats.close(p.o.Now(), false, p.record)
			p.meters.sweep(p.o.Snapshot())
		}
	}
}
