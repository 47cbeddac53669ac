package proxy

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

const (
	// helloTimeout bounds the TLS handshake inside a tunnel, or the wait for
	// its first message.
	helloTimeout = 10 * time.Second
	established  = "HTTP/1.1 200 Connection established\r\n\r\n"
	tooEarly     = "HTTP/1.1 400 Bad Request\r\nX-Weighbridge-Error: bad_request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
)

// tunnel is an intercepted tunnel: where it leads and who opened it. What may
// be done in it is not part of it, because that is decided for each request.
type tunnel struct {
	host      string
	port      uint16
	authority string
	who       evidence
	peer      string // as of exchange
	// provider is that of the host, for the words of refusals.
	provider auth.Provider
}

// connect takes a CONNECT. It also takes the form of HTTP/1.0 without a Host
// field, in which Python's http.client sends it.
func (x *exchange) connect() *auth.Error {
	x.mode = forward
	host, port, err := auth.ParseAuthority(x.uri, 0)
	if err != nil {
		return auth.AsError(err)
	}
	x.target = auth.Target{Scheme: "https", Host: host, Port: port, Path: "/"}
	if x.authority != "" {
		// Some clients leave the port out of Host.
		h, p, err := auth.ParseAuthority(x.authority, port)
		if err != nil {
			return auth.AsError(err)
		}
		if h != host || p != port {
			return auth.NewError(auth.CodeMisdirected, "the CONNECT is for "+x.target.Authority()+", but its Host field names another host", nil)
		}
	}
	shown, e := forwardCarriers(&x.fields)
	if e != nil {
		return e
	}
	if e := x.recognise(shown); e != nil {
		return e
	}
	if e := x.identify(); e != nil {
		// A key that has ended still has a team, and with it hosts that are
		// intercepted: there the refusal is given inside, where clients show
		// it.
		if p, ok := x.snap.Intercepts(x.identity.TeamID, host, port); ok {
			return x.intercept(p)
		}
		return e
	}
	d := x.snap.Connect(x.identity, host, port, x.policy.forward, x.at)
	x.decision.Provider = d.Provider
	switch d.Passage {
	case auth.Intercept:
		return x.intercept(d.Provider)
	case auth.Tunnel:
		return x.blindTunnel(d)
	}
	x.decision.Code, x.decision.Reason, x.decision.Detail = d.Code, d.Reason, d.Detail
	denial := d.Denial()
	x.traceDecision(denial)
	return denial
}

// intercept ends the worker's TLS here and serves the requests inside.
func (x *exchange) intercept(provider auth.Provider) *auth.Error {
	p := x.p
	t := &tunnel{host: x.target.Host, port: x.target.Port, authority: x.target.Authority(), who: x.who, peer: x.peer, provider: provider}
	if err := p.o.Dialer.Check(t.host, t.port); err != nil {
		return auth.AsError(err)
	}
	if p.o.Minter == nil {
		return auth.NewError(auth.CodeCredentialFailed, "a credential could apply to "+t.authority+", but interception is off", nil)
	}
	cfg, err := p.o.Minter.ConfigFor(x.context(), x.identity.TeamID, t.host, x.snap.InterceptHosts(x.identity.TeamID))
	if err != nil {
		return auth.AsError(err)
	}
	x.line.hijack(func(c net.Conn, early []byte) {
		if !answerConnect(c, early) {
			return
		}
		inner := tls.Server(c, cfg)
		ctx, cancel := context.WithTimeout(context.Background(), helloTimeout)
		err := inner.HandshakeContext(ctx)
		cancel()
		if err != nil {
			x.handshakeFailed(err)
			return
		}
		p.serveInside(inner, t)
	})
	// The requests inside are exchanges of their own; this one has nothing to
	// tell beside them.
	x.ended = true
	p.o.Logger.Debug().Str("request_id", x.id).Str("host", t.authority).Str("key", x.identity.KeyName).Str("address", x.peer).Msg("tunnel opened")
	return nil
}

// answerConnect says that the tunnel stands. Bytes that came before that were
// not sent to the host of the tunnel by a client that waits for its answer:
// nothing good can come of guessing what they are.
func answerConnect(c net.Conn, early []byte) bool {
	answer := established
	if len(early) > 0 {
		answer = tooEarly
	}
	_ = c.SetWriteDeadline(time.Now().Add(helloTimeout))
	_, err := io.WriteString(c, answer)
	_ = c.SetWriteDeadline(time.Time{})
	return err == nil && len(early) == 0
}

// handshakeFailed tells of a handshake that did not come about. A server name
// other than the tunnel's host goes on record.
func (x *exchange) handshakeFailed(err error) {
	e := auth.AsError(err)
	if e.Code == auth.CodeMisdirected {
		x.recordDenial(e)
		if m := x.p.o.Metrics; m != nil {
			m.Observe(Sample{Mode: "forward", Outcome: "refused", Code: e.Code})
		}
	}
	x.p.o.Logger.Info().Str("request_id", x.id).Str("host", x.target.Authority()).Str("key", x.identity.KeyName).
		Str("address", x.peer).Str("code", string(e.Code)).Str("cause", withoutQueries(err.Error())).
		Str("next", "A worker that ends the handshake does not trust our root: give it what `weighbridge env` prints.").Msg("TLS handshake in a tunnel failed")
}
