package proxy

import (
	"errors"
	"io"
	"strings"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/proxy/wire"
)

// Picker is a named reverse route that leads to one of several upstreams. What
// it picks is decided, recorded, signed and guarded like every other request.
type Picker interface {
	// Pick finds the upstream of a request, or says why there is none: its error
	// is an *auth.Error. It is called once more where Pick.Failed asked for it.
	Pick(w *auth.Wish) (*auth.Pick, error)
}

// picking is a request on the route of a Picker.
type picking struct {
	picker Picker
	// name is the route's.
	name string
	// rest is the path and query that follow it.
	rest string
	// pick is what was picked, nil as long as nothing is.
	pick    *auth.Pick
	without []string
	// peeked is the beginning of the request's body, where it was looked at and
	// there is more.
	peeked []byte
	loan   textLoan
}

// choose picks the upstream, once for each request that is sent.
func (x *exchange) choose() *auth.Error {
	g := x.picking
	if g == nil || g.pick != nil {
		return nil
	}
	if x.more.late {
		// The rest of an answer is where the rest of it came from, or nowhere.
		return auth.NewError(auth.CodeRouteForbidden, "the route "+g.name+" leads no more to where the answer came from", nil)
	}
	path, query, hasQuery := strings.Cut(g.rest, "?")
	w := auth.Wish{
		Identity: x.identity, Method: x.method, Path: path, RawQuery: query, HasQuery: hasQuery, Upgrade: x.upgrading,
		Without: g.without, Snapshot: x.snap, Now: x.at,
	}
	if x.length != 0 {
		w.Peek = x.peek
	}
	pick, err := g.picker.Pick(&w)
	if err != nil {
		return auth.AsError(err)
	}
	g.pick = pick
	x.back.route = &route{pick.Target.Scheme, pick.Target.Authority(), pick.Root}
	if err := x.aim(pick.Target); err != nil {
		return err
	}
	if len(g.peeked) == 0 && !x.hasBody {
		return nil
	}
	// Reading may have taken its time.
	x.refresh()
	return x.identify()
}

// stillPicked reports whether the route would still lead to what was picked. It
// is let go of where it would not, so that choose asks the route again.
func (x *exchange) stillPicked() bool {
	p := x.picked()
	if p == nil || p.Stands == nil || p.Stands(x.identity) {
		return true
	}
	x.unpick()
	return false
}

// unpick lets the upstream go that was picked.
func (x *exchange) unpick() {
	if g := x.picking; g != nil && g.pick != nil {
		if g.pick.Done != nil {
			g.pick.Done()
		}
		g.pick = nil
	}
}

// picked is what was picked, or nil.
func (x *exchange) picked() *auth.Pick {
	if x.picking == nil {
		return nil
	}
	return x.picking.pick
}

// opened reports whether the upstream is one that the operator named.
func (x *exchange) opened() bool {
	p := x.picked()
	return p != nil && p.Opened != ""
}

// peek is Wish.Peek.
func (x *exchange) peek(n int) ([]byte, *auth.Error) {
	g := x.picking
	switch {
	case x.hasBody:
		return x.body[:min(n, len(x.body))], nil
	case g.peeked != nil:
		return g.peeked, nil
	}
	size := int64(n)
	if x.length >= 0 {
		size = min(size, x.length)
	}
	if size > inMemory {
		var err error
		if g.loan, err = x.p.texts.take(x.context(), x.identity.KeyID, size); err != nil {
			return nil, auth.AsError(err)
		}
	}
	b, err := io.ReadAll(io.LimitReader(x.line.body(), size))
	switch {
	case err != nil:
		return nil, unreadable(err)
	case int64(len(b)) < size || size == x.length: // it is all
		x.body, x.hasBody = b, true
	default:
		g.peeked = b
	}
	return b, nil
}

// elsewhere reports whether a request that failed is to be given to another
// upstream of its route: nothing of it was sent, or it only asks and nothing of
// an answer has come.
func (x *exchange) elsewhere(err *auth.Error) bool {
	p := x.picked()
	if p == nil || p.Failed == nil || x.transfer == nil || x.transfer.ctx.Err() != nil {
		return false
	}
	unsent := errors.Is(err, wire.ErrUnsent)
	if !unsent && (!x.safe() || x.length != 0 || !unanswered(err)) {
		return false
	}
	if !p.Failed(err, unsent) {
		return false
	}
	x.p.o.Logger.Info().Str("request_id", x.id).Str("url", x.target.Redacted()).Str("key_id", x.identity.KeyID).
		Str("code", string(err.Code)).Str("reason", err.Reason).Msg("the request is given to another upstream of its route")
	x.picking.without = append(x.picking.without, p.Name)
	x.unpick()
	return true
}

// unanswered reports whether err is about an upstream from which no answer
// came.
func unanswered(err *auth.Error) bool {
	switch err.Code {
	case auth.CodeUpstreamUnreachable, auth.CodeUpstreamTimeout:
		return true
	}
	return false
}

// observes reports whether the answer's body is to be shown to the route.
func (x *exchange) observes() bool {
	p := x.picked()
	return p != nil && p.Observe != nil
}

// observed shows what first leaves of a body to the route, whole and before
// the worker has any of it. What is longer than the route wants streams.
func (x *exchange) observed(first auth.BodyRewrite) auth.BodyRewrite {
	if !x.observes() || x.status != 200 {
		return first
	}
	p, status := x.picked(), x.status
	look := func(dst io.Writer, src io.Reader) error {
		if limit := int64(p.ObserveMax); limit > inMemory {
			loan, err := x.p.texts.take(x.transfer.ctx, x.identity.KeyID, limit)
			if err != nil {
				return err
			}
			defer loan.giveBack()
		}
		head, err := io.ReadAll(io.LimitReader(src, int64(p.ObserveMax)+1))
		if err != nil {
			return err
		}
		if len(head) <= p.ObserveMax {
			p.Observe(status, head)
		}
		if _, err := dst.Write(head); err != nil {
			return err
		}
		_, err = io.CopyBuffer(struct{ io.Writer }{dst}, src, make([]byte, 64<<10))
		return err
	}
	if first == nil {
		return look
	}
	return func(dst io.Writer, src io.Reader) error { return inTurn(dst, src, first, look) }
}
