package proxy

import (
	"context"
	"strconv"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/proxy/box"
	"github.com/weighbridge/weighbridge/proxy/scrub"
	"github.com/weighbridge/weighbridge/proxy/wire"
)

// road is the one way that every request takes from here on, in both modes.
// The exchange knows its target and the evidence of who asks. The error is
// what the request is refused with.
func (x *exchange) road() *auth.Error {
	for whole := false; ; {
		if err := x.judge(); err != nil {
			return err
		}
		out, err := x.outgoing(whole)
		if err != nil {
			return err
		}
		again, learned := false, false
		send := x.line.send
		if x.upgrading {
			send = x.sendUpgrade
		}
		body, mask, err := x.carry(out, send)
		if err == nil && x.switched != nil {
			return x.websocket(mask)
		}
		if err != nil && x.elsewhere(err) {
			x.restart(err)
			continue
		}
		if err == nil {
			learned, err = x.learn(out, body)
		}
		if err == nil && !learned {
			again, err = x.relay(out, body, mask)
		}
		switch {
		case learned && err == nil:
			// Once more, as what was learned has it.
			x.restart(nil)
		case err != nil && x.outdated(err):
			// Once more, with what the credential is by now.
			x.restart(err)
		case err != nil && x.repeats(err):
			// Once more, as it was.
		case !again || err != nil:
			return err
		default:
			// The answer is a part of a text that has to be masked as a whole.
			// It is asked for again without Range: a new request, decided,
			// recorded and signed as such.
			whole = true
			x.restart(nil)
		}
	}
}

// judge identifies and decides, and enters what is allowed into the registry.
// A revocation comes into the snapshot first and cuts what the registry holds
// then: so where the snapshot is another one once we are in the registry, what
// was decided by the old one does not count.
func (x *exchange) judge() *auth.Error {
	for {
		if err := x.identify(); err != nil {
			return err
		}
		if err := x.meter(); err != nil {
			return err
		}
		if err := x.choose(); err != nil {
			return err
		}
		err := x.decide()
		x.traceDecision(err)
		if err != nil {
			return err
		}
		x.p.transfers.enter(x)
		if x.p.o.Snapshot() == x.snap && x.stillPicked() {
			return nil
		}
		x.refresh()
	}
}

// sender sends a request and reads the head of its answer.
type sender func(ctx context.Context, c *wire.Client, d wire.Dest, out *outgoing) (*wire.Body, error)

// decide asks the snapshot what to do, afresh.
func (x *exchange) decide() *auth.Error {
	if x.entry != nil {
		return x.frontDecide()
	}
	q := x.question()
	if x.box != nil {
		if err := x.box.CheckIdentity(x.identity); err != nil {
			return auth.AsError(err)
		}
	}
	x.decision, x.decided = x.snap.Decide(q), true
	if x.decision.NeedBody {
		if !x.hasBody {
			if err := x.classifiable(); err != nil {
				return err
			}
			// That may have taken its time.
			x.refresh()
			if err := x.identify(); err != nil {
				return err
			}
			q.Identity, q.Now = x.identity, x.at
		}
		q.Body, q.HasBody, q.ContentEncoding = x.body, true, x.contentEncoding()
		x.decision = x.snap.Decide(q)
	}
	switch {
	case x.decision.Outcome == auth.Deny:
		return x.decision.Denial()
	case x.decision.Outcome == auth.Inject && x.box != nil && x.box.Kind != box.KindURL:
		// A prefix lets the worker choose the path, so it never leads to where
		// a credential is put on.
		return auth.NewError(auth.CodeBoxInvalid, "the sealed URL leads to where a credential is put on by now", nil)
	}
	return nil
}

// question is what the snapshot is asked.
func (x *exchange) question() auth.Question {
	q := auth.Question{
		Identity: x.identity, Method: x.method, Target: x.target,
		Unmatched: x.policy.unmatched(x.mode), Now: x.at,
	}
	if x.box != nil {
		q.Boxed, q.Origin = true, x.box.Origin
	}
	if p := x.picked(); p != nil {
		// What a route picks is there for its team by name, or by a credential.
		q.Unmatched, q.Opened, q.Write = auth.UnmatchedDeny, p.Opened, p.Write
	}
	return q
}

// contentEncoding is the request's, as one list.
func (x *exchange) contentEncoding() string {
	list := ""
	x.fields.tokens("Content-Encoding", func(t string) bool {
		if list != "" {
			list += ", "
		}
		list += t
		return true
	})
	return list
}

// carry puts the use on record, signs and sends. The use is durable before
// anything of the answer can leave: for methods that only read while the
// upstream works, for all others before the request is sent. So it is for a
// request with a body, whatever its method: a worker may be waiting for the
// 100 Continue that the first reading of it sends.
func (x *exchange) carry(out *outgoing, send sender) (*wire.Body, *scrub.Masker, *auth.Error) {
	if err := x.occupy(); err != nil {
		return nil, nil, err
	}
	use, err := x.admit()
	if err != nil {
		return nil, nil, err
	}
	if use != nil && (!x.safe() || x.length != 0) {
		if err := x.await(use); err != nil {
			return nil, nil, err
		}
		use = nil
	}
	ctx := x.transfer.ctx
	mask, err := x.sign(ctx, out)
	if err != nil {
		return nil, nil, err
	}
	if h, ok := use.(auth.Hastened); ok {
		out.sent = h.Hasten
	}
	t := &out.Target
	x.sent = true
	x.beginLeg(t)
	body, e := send(ctx, x.p.client, wire.Dest{Team: x.identity.TeamID, Scheme: t.Scheme, Host: t.Host, Port: t.Port, Opened: x.opened()}, out)
	switch {
	case x.more.late:
		x.headOfLeg(x.more.status)
	case e != nil:
		x.firstByte = 0
	default:
		x.firstByte = x.p.o.Now().Sub(x.started)
		x.headOfLeg(x.line.status())
	}
	if use != nil {
		if err := x.await(use); err != nil {
			if e == nil {
				x.drop(body)
			}
			return nil, nil, err
		}
	}
	if e != nil {
		return nil, nil, auth.AsError(e)
	}
	return body, mask, nil
}

// sign puts the credential on. Nothing touches the request afterwards. What
// cannot be signed is not sent.
func (x *exchange) sign(ctx context.Context, out *outgoing) (*scrub.Masker, *auth.Error) {
	d := &x.decision
	if d.Outcome != auth.Inject {
		return nil, nil
	}
	was := out.Target
	applied, err := x.p.o.Signer.Sign(ctx, *d, &out.Outgoing)
	if err == nil {
		err = out.unchanged(x.method, was)
	}
	if err != nil {
		return nil, unsigned(d, err)
	}
	return x.p.masks.of(d, applied.Mask).With(applied.Once), nil
}

// unsigned is the error for a request that cannot be signed.
func unsigned(d *auth.Decision, err error) *auth.Error {
	e := auth.AsError(err)
	if e.Code != auth.CodeCredentialFailed {
		e = auth.NewError(auth.CodeCredentialFailed, "the credential "+strconv.Quote(d.CredentialName)+" could not be put on the request", err)
	}
	return e
}

// unchanged verifies that a signer changed nothing but the header and the
// query, and that what it put there can stand in a header.
func (o *outgoing) unchanged(method string, was auth.Target) error {
	is := o.Target
	is.RawQuery, is.HasQuery = was.RawQuery, was.HasQuery
	if !isQuery(o.Target.RawQuery) {
		return auth.NewError(auth.CodeCredentialFailed, "the credential cannot stand in a query", nil)
	}
	if is != was || o.Method != method || o.Header != auth.Header(&o.fields) {
		return auth.NewError(auth.CodeCredentialFailed, "signing changed where the request goes", nil)
	}
	for i := range o.fields {
		f := &o.fields[i]
		if !isToken(f.name) || !isFieldValue(f.value) {
			return auth.NewError(auth.CodeCredentialFailed, "the credential cannot stand in a header field", nil)
		}
		if k := kindOf(f.name); k == hopByHop || k == ours {
			return auth.NewError(auth.CodeCredentialFailed, "the credential would set the header field "+f.name, nil)
		}
	}
	return nil
}

// isQuery allows visible ASCII but "#": what else a request line could hold
// ends the query or the line.
func isQuery(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '#' {
			return false
		}
	}
	return true
}

// isToken is RFC 9110, section 5.6.2.
func isToken(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c >= 0x80 || !tokenByte[c] {
			return false
		}
	}
	return s != ""
}

var tokenByte = func() (t [128]bool) {
	for _, c := range "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" {
		t[c] = true
	}
	return t
}()

// isFieldValue allows what RFC 9110, section 5.5 does: visible ASCII, space,
// tab, and obs-text.
func isFieldValue(v string) bool {
	for i := 0; i < len(v); i++ {
		if c := v[i]; (c < ' ' && c != '\t') || c == 0x7f {
			return false
		}
	}
	return true
}
