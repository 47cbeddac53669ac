package proxy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/weighbridge/weighbridge/auth"
)

// Front is another protocol that workers may speak to our own listener. What
// it lets in goes the same road as every other request.
type Front interface {
	// Name is the mode of its requests in the record, the log and metrics.
	Name() string
	// Speaks sorts a request in origin form. It is asked of each one and must be
	// quick.
	Speaks(method, uri, host string, h auth.Header) auth.Speech
	// Enter authenticates a request, checks what the key may ask for, and says
	// what is to be asked upstream. With an error the entry may be nil; where
	// it has Identify the caller is authenticated, and the refusal goes on
	// record as its own. It may read of the body what it has to know to decide.
	Enter(ctx context.Context, a *auth.Arrival) (*auth.Entry, error)
	// Refuse words a refusal as the protocol's clients understand it. resource
	// is the path that was asked for, without query.
	Refuse(err *auth.Error, resource, requestID string) auth.Reply
}

// speaksFront reports whether a request on our own listener is one of the
// front's.
func (x *exchange) speaksFront() bool {
	f := x.p.o.Front
	if f == nil || x.tunnel != nil || !strings.HasPrefix(x.uri, "/") || x.method == "CONNECT" {
		return false
	}
	switch f.Speaks(x.method, x.uri, x.authority, &x.fields) {
	case auth.Native:
		return true
	case auth.Perhaps:
		return !x.namesUpstream()
	default:
		return false
	}
}

// namesUpstream reports whether a path begins as those of reverse mode do.
func (x *exchange) namesUpstream() bool {
	seg, _ := splitSegment(x.uri)
	if strings.ContainsAny(seg, ".:[") {
		return true
	}
	_, ok := x.policy.routes[seg]
	return ok || x.policy.pickers[seg] != nil
}

// frontRequest takes a request in the front's protocol.
func (x *exchange) frontRequest() *auth.Error {
	x.mode = fronted
	if err := x.early(); err != nil {
		return err
	}
	a := x.arrival()
	entry, err := x.p.o.Front.Enter(x.context(), &a)
	if entry != nil && entry.Identify != nil {
		x.who = evidence{front: entry.Identify}
		// Whoever it is is authenticated; whether it may ask is the road's to say.
		x.identity, _ = entry.Identify(x.snap, x.at)
		if err := x.identity.From(x.peer); err != nil {
			return err
		}
		if err != nil && entry.Target.Host != "" {
			_ = x.aim(entry.Target) // for the record
		}
	}
	if err != nil {
		e := auth.AsError(err)
		stranger := entry == nil || entry.Identify == nil
		if e.Code == auth.CodeKeyInvalid || stranger && errors.Is(e, auth.ErrWrongSecret) {
			return x.wrongKey(e)
		}
		return e
	}
	// A body that was read may have taken its time.
	x.refresh()
	x.entry = entry
	x.fields = make(fields, len(entry.Fields))
	for i, f := range entry.Fields {
		x.fields[i] = field{f.Name, f.Value}
	}
	if entry.Reply != nil {
		return x.frontReply(entry.Reply)
	}
	x.body, x.hasBody, x.length = entry.Bytes, entry.Bytes != nil, 0
	if entry.Body != nil {
		x.length = entry.Length
	}
	if err := x.aim(entry.Target); err != nil {
		return err
	}
	return x.road()
}

// arrival is the request as the front sees it.
func (x *exchange) arrival() auth.Arrival {
	a := auth.Arrival{
		Method: x.method, URI: x.uri, Host: x.authority, Fields: make([]auth.HeaderField, len(x.fields)),
		Length: x.length, Snapshot: x.snap, Now: x.at, RequestID: x.id,
	}
	for i := range x.fields {
		a.Fields[i] = auth.HeaderField{Name: x.fields[i].name, Value: x.fields[i].value}
	}
	if x.length != 0 {
		a.Body = x.line.body()
	}
	return a
}

// frontReply gives the front's own answer. It goes the road as far as there is
// one without an upstream: the caller may still ask, counts among the requests
// of its key, can be cut off, and is on record before it learns anything.
func (x *exchange) frontReply(r *auth.Reply) *auth.Error {
	for {
		if err := x.identify(); err != nil {
			return err
		}
		if err := x.meter(); err != nil {
			return err
		}
		x.decision, x.decided = auth.Decision{Outcome: auth.Bare, Reason: "weighbridge answers it itself"}, true
		x.p.transfers.enter(x)
		if x.p.o.Snapshot() == x.snap {
			break
		}
		x.refresh()
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
	x.status = r.Status
	x.sendReply(r, false)
	x.end(int64(len(r.Body)), nil)
	return nil
}

func (x *exchange) sendReply(r *auth.Reply, closing bool, more ...field) {
	out := reply{status: r.Status, body: r.Body, close: closing}
	for _, f := range r.Fields {
		out.fields.Add(f.Name, visible(f.Value))
	}
	out.fields = append(out.fields, more...)
	x.line.reply(out)
}

// frontDecide is decide for what a front let in. Every object that the request
// names is decided by itself, and all of them by one credential: the request
// is signed with that.
func (x *exchange) frontDecide() *auth.Error {
	ask := func(method string, t auth.Target) (auth.Decision, *auth.Error) {
		d := x.snap.Decide(auth.Question{
			Identity: x.identity, Method: method, Target: t, Unmatched: auth.UnmatchedDeny, Now: x.at,
		})
		switch {
		case d.Outcome == auth.Deny:
			return d, d.Denial()
		case d.Outcome != auth.Inject:
			return d, auth.NewError(auth.CodeNoCredentialMatched, "no credential would be put on a request for "+t.Redacted(), nil)
		}
		return d, nil
	}
	var err *auth.Error
	subject := x.entry.Subject
	if subject.Method == "" {
		subject = auth.Object{Method: x.method, Target: x.target}
	}
	x.decision, err = ask(subject.Method, subject.Target)
	x.decided = true
	if err != nil {
		x.decision.Outcome = auth.Deny
		return err
	}
	for _, o := range x.entry.Also {
		d, err := ask(o.Method, o.Target)
		if err == nil && (d.CredentialID != x.decision.CredentialID || d.Version != x.decision.Version) {
			err = &auth.Error{
				Code: auth.CodeNotLinked, Reason: "the request names " + o.Target.Redacted() + ", which another credential opens than " + x.target.Redacted(),
				Next: "Ask for what different credentials open in different requests.",
			}
		}
		if err != nil {
			x.decision.Outcome = auth.Deny
			return err
		}
		r := auth.Ruling{Method: o.Method, Rule: d.Rule}
		if r != (auth.Ruling{Method: subject.Method, Rule: x.decision.Rule}) && !slices.Contains(x.decision.Also, r) {
			x.decision.Also = append(x.decision.Also, r)
		}
	}
	return nil
}

// frontRewrite puts the front's response half behind the provider's.
func (x *exchange) frontRewrite(a *auth.Answer, first auth.BodyRewrite) (auth.BodyRewrite, error) {
	if x.entry == nil || x.entry.Rewrite == nil {
		return first, nil
	}
	second, err := x.entry.Rewrite(a)
	switch {
	case err != nil || second == nil:
		return first, err
	case first == nil:
		return second, nil
	}
	return func(dst io.Writer, src io.Reader) error { return inTurn(dst, src, first, second) }, nil
}

// inTurn lets second change what first has made of src, while it is made.
func inTurn(dst io.Writer, src io.Reader, first, second auth.BodyRewrite) error {
	r, w := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.CloseWithError(first(w, src))
	}()
	err := second(dst, r)
	_ = r.CloseWithError(io.ErrClosedPipe)
	<-done
	return err
}

// requestBody is the request's body as it travels.
func (x *exchange) requestBody() io.Reader {
	if x.entry != nil {
		return x.entry.Body
	}
	if g := x.picking; g != nil && len(g.peeked) > 0 {
		return io.MultiReader(bytes.NewReader(g.peeked), x.line.body())
	}
	return x.line.body()
}
