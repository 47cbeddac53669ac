package proxy

import (
	"context"
	"net"
	"strings"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/proxy/scrub"
	"github.com/weighbridge/weighbridge/proxy/wire"
)

// websocketIdle ends a WebSocket on which nothing moves. Servers say nothing
// while nothing happens, which may be long, and not all of them send pings.
const websocketIdle = time.Hour

// upgrades reports whether a request asks for a WebSocket (RFC 6455, section
// 4.1) on the route of a Picker, which is where those are let through.
func (x *exchange) upgrades() bool {
	uri := x.uri
	if strings.HasPrefix(uri, urlKeys) {
		_, uri = splitSegment(uri[len(urlKeys):])
	}
	seg, _ := splitSegment(uri)
	if x.mode == fronted || x.tunnel != nil || x.method != "GET" || x.http10 || x.length != 0 || !strings.HasPrefix(uri, "/") || x.policy.pickers[seg] == nil {
		return false
	}
	if u := x.fields.Values("Upgrade"); len(u) != 1 || !strings.EqualFold(u[0], "websocket") {
		return false
	}
	x.fields.tokens("Connection", func(t string) bool {
		x.upgrading = strings.EqualFold(t, "Upgrade")
		return !x.upgrading
	})
	return x.upgrading
}

// sendUpgrade is a sender.
func (x *exchange) sendUpgrade(ctx context.Context, c *wire.Client, d wire.Dest, out *outgoing) (body *wire.Body, err error) {
	body, x.switched, err = x.line.upgrade(ctx, c, d, out)
	return body, err
}

// drop lets an answer go of which the worker gets nothing.
func (x *exchange) drop(body *wire.Body) {
	if body != nil {
		_ = body.Close()
	}
	if x.switched != nil {
		wire.Reset(x.switched.Conn)
		x.switched = nil
	}
}

// websocket gives the worker the upstream's consent, and then copies bytes
// between the two, as in a blind tunnel: it is counted, shown and cut like one,
// and ends with the key, and with what else the request was allowed by.
func (x *exchange) websocket(mask *scrub.Masker) *auth.Error {
	p, s := x.p, x.switched
	x.status = 101
	h := x.line.header()
	if n := h.count(); n > maxAnswerFields {
		x.drop(nil)
		return auth.NewError(auth.CodeUpstreamProtocol, "the head of the upstream's answer has too many fields", nil)
	}
	x.strip(h)
	if mask != nil {
		h.mask(mask.Mask)
	}
	x.tell(h)
	head := switchedHead(h)
	b := &blindOne{who: x.who, peer: x.peer, what: "WebSocket", still: x.standing(), transfer: x.transfer}
	p.oversee(b)
	x.line.hijack(func(c net.Conn, early []byte) {
		defer func() { _ = s.Conn.Close() }()
		defer p.tunnels.remove(b)
		down, err := x.copyFrames(c, s, head, early)
		x.end(down, err)
	})
	return nil
}

// switchedHead is the head of the answer 101.
func switchedHead(h answerHeader) []byte {
	out := []byte("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n")
	for k, v := range h.h.All() {
		if same(k, "Content-Length") || same(k, "Content-Type") || same(k, "Connection") {
			continue
		}
		out = append(append(append(append(out, k...), ": "...), v...), "\r\n"...)
	}
	return append(out, "\r\n"...)
}

// copyFrames runs in the connection's goroutine once the handler is gone.
func (x *exchange) copyFrames(c net.Conn, s *wire.Switched, head, early []byte) (down int64, err error) {
	if len(early) > 0 { // RFC 6455, section 4.1: a client waits for the answer
		wire.Reset(c)
		return 0, auth.NewError(auth.CodeBadRequest, "bytes followed the request for a WebSocket before it was answered", nil)
	}
	_ = c.SetWriteDeadline(time.Now().Add(helloTimeout))
	_, err = c.Write(append(head, s.Early...))
	_ = c.SetWriteDeadline(time.Time{})
	if err != nil {
		wire.Reset(c)
		return 0, err
	}
	n := int64(len(s.Early))
	x.transfer.bytes.Add(n)
	_, down, err = wire.Tunnel(x.transfer.ctx, c, s.Conn, wire.TunnelOptions{
		Buffers: x.p.buffers, Shares: x.p.shares, Key: x.identity.KeyID, Pace: x.pace, Idle: websocketIdle,
		OnProgress: func(_, down int64) { x.transfer.bytes.Add(down) },
	})
	return n + down, err
}

// standing says, at any later time, whether the request would still be decided
// as it was.
func (x *exchange) standing() func(*auth.Snapshot, auth.Identity, time.Time) bool {
	q, was, picked := x.question(), x.decision, x.picked()
	return func(s *auth.Snapshot, id auth.Identity, now time.Time) bool {
		if picked != nil && picked.Stands != nil && !picked.Stands(id) {
			return false
		}
		q := q
		q.Identity, q.Now = id, now
		d := s.Decide(q)
		return d.Outcome == was.Outcome && d.CredentialID == was.CredentialID
	}
}

// tell sets what the route has to say on the answer.
func (x *exchange) tell(h answerHeader) {
	if p := x.picked(); p != nil {
		for _, f := range p.Fields {
			h.Set(f.Name, visible(f.Value))
		}
	}
}
