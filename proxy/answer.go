package proxy

import (
	"bytes"
	"io"
	"strconv"
	"strings"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/proxy/scrub"
	"github.com/weighbridge/weighbridge/proxy/wire"
)

// maxAnswerFields bounds the fields of an answer's head, as those of a
// request's are: what is done with them takes time for each pair.
const maxAnswerFields = 256

// relay brings an upstream's answer to the worker. again asks for the same
// request once more, without Range.
func (x *exchange) relay(out *outgoing, body *wire.Body, mask *scrub.Masker) (again bool, _ *auth.Error) {
	x.status = x.line.status()
	if x.status == 101 {
		_ = body.Close()
		return false, auth.NewError(auth.CodeUpstreamProtocol, "the upstream changed the protocol without being asked to", nil)
	}
	h := x.line.header()
	if n := h.count(); n > maxAnswerFields {
		_ = body.Close()
		return false, auth.NewError(auth.CodeUpstreamProtocol, "the head of the upstream's answer has more than "+strconv.Itoa(maxAnswerFields)+" fields", nil)
	}
	x.strip(h)
	if mask != nil {
		h.mask(mask.Mask)
		x.line.maskPhrase(mask.Mask)
	}
	x.astray = false
	rewrite, err := x.rewrite(out, h)
	if err != nil {
		_ = body.Close()
		return false, auth.AsError(err)
	}
	x.rewriteReferences(h)
	if x.astray {
		_ = body.Close()
		return false, auth.NewError(auth.CodeUpstreamProtocol, "the upstream's answer refers to a URL that cannot be led back through weighbridge", nil)
	}
	x.explain(h)
	x.limits(h)
	x.tell(h)
	if x.bodiless() {
		// There is nothing but the header; its fields speak of a body that
		// would have been, so they stay.
		return false, x.pass(h, body)
	}
	verdict := scrub.Stream
	if mask != nil {
		verdict = mask.Judge(h.Get("Content-Type"), h.Get("Content-Encoding"), wholeLength(h, x.status, body.Len()))
	}
	if mask != nil && !out.ranged && inParts(h, x.status) {
		again, err := x.parts(h, body, mask)
		if again && out.stream != nil {
			return false, auth.NewError(auth.CodeUpstreamProtocol, "the upstream answered in parts, which cannot be looked into", nil)
		}
		return again, err
	}
	switch {
	case verdict == scrub.Refuse:
		_ = body.Close()
		return false, auth.NewError(auth.CodeUpstreamProtocol, "the upstream answered a text in a content coding that was not asked for", nil)
	case (verdict == scrub.Scan || verdict == scrub.Follow) && x.status == 206:
		_ = body.Close()
		if out.ranged || out.stream != nil {
			return false, auth.NewError(auth.CodeUpstreamProtocol, "the upstream answered with a part where the whole was asked for", nil)
		}
		return true, nil
	case verdict == scrub.Follow && rewrite == nil && x.status != 206:
		return false, x.lines(h, body, mask)
	case verdict == scrub.Scan || verdict == scrub.Follow:
		return false, x.scan(out, h, body, mask, rewrite)
	case rewrite != nil:
		return false, x.remake(h, body, rewrite)
	}
	return false, x.pass(h, body)
}

// bodiless reports whether the answer has no body (RFC 9112, section 6.3).
func (x *exchange) bodiless() bool {
	return x.method == "HEAD" || x.status == 204 || x.status == 304
}

// wholeLength is the length of the complete representation, -1 where it is
// not known.
func wholeLength(h answerHeader, status int, length int64) int64 {
	if status != 206 {
		return length
	}
	if _, _, total, ok := scrub.ContentRange(h.Get("Content-Range")); ok {
		return total
	}
	return -1
}

// strip removes what is between the upstream and us, what only we may say,
// and what an upstream that was given a credential may not leave behind at a
// worker.
func (x *exchange) strip(h answerHeader) {
	named := connectionNamed(h)
	injected := x.decision.Outcome == auth.Inject
	h.remove(func(name []byte) bool {
		switch {
		case foldPrefix(name, "x-weighbridge-"), foldPrefix(name, "proxy-"),
			same(name, "alt-svc"), same(name, "keep-alive"), same(name, "upgrade"):
			return true
		case same(name, "authentication-info"):
			return injected
		case same(name, "set-cookie"), same(name, "set-cookie2"):
			// In reverse mode a cookie of one upstream would be sent to all.
			return injected || x.toUs()
		case same(name, "strict-transport-security"):
			return x.toUs() // it speaks of another host than ours
		}
		for _, n := range named {
			if same(name, n) {
				return true
			}
		}
		return false
	})
}

// connectionNamed are the fields that an answer's Connection lists, except
// those by which the body is framed.
func connectionNamed(h answerHeader) (named []string) {
	for _, v := range h.Values("Connection") {
		for _, n := range strings.Split(v, ",") {
			switch n = trimOWS(n); strings.ToLower(n) {
			case "", "close", "keep-alive", "content-length", "transfer-encoding":
			default:
				named = append(named, n)
			}
		}
	}
	return named
}

func foldPrefix(b []byte, prefix string) bool {
	return len(b) >= len(prefix) && same(b[:len(prefix)], prefix)
}

// asked is the request as a provider's response half sees it.
func (x *exchange) asked() auth.Asked {
	d := &x.decision
	return auth.Asked{Method: x.method, Target: x.target, Reverse: x.mode == reverse, Injected: d.Outcome == auth.Inject, Params: d.Params, Xet: d.Xet}
}

// rewrite lets the response halves of the provider and of the front work.
func (x *exchange) rewrite(out *outgoing, h answerHeader) (auth.BodyRewrite, error) {
	rw, ok := x.decision.Provider.(auth.Rewriter)
	if !ok && x.entry == nil {
		return x.observed(nil), nil
	}
	a := auth.Answer{
		Request: x.asked(), Status: x.status, Header: h,
		Return: x.returnURL, ReturnPrefix: x.returnPrefix,
	}
	var body auth.BodyRewrite
	var err error
	if ok {
		body, err = rw.Rewrite(&a)
	}
	if err == nil {
		body, err = x.frontRewrite(&a, body)
		body = x.observed(body)
	}
	if err == nil && a.Status != x.status && x.bodiless() {
		x.status = a.Status
		x.line.setStatus(a.Status)
	}
	return body, err
}

// rewriteReferences leads the URLs in Location and Link back through us.
func (x *exchange) rewriteReferences(h answerHeader) {
	if x.mode != reverse {
		return
	}
	if v := h.Get("Location"); v != "" {
		if n := x.returnURL(v); n != v {
			h.Set("Location", n)
		}
	}
	links := h.Values("Link")
	changed := false
	for i, v := range links {
		links[i] = x.returnLink(v)
		changed = changed || links[i] != v
	}
	if changed {
		h.Del("Link")
		for _, v := range links {
			h.Add("Link", v)
		}
	}
}

// explain says on a refusal by the upstream what it had been given, and on
// every answer to a worker that asks: whoever tries a download out, before a
// machine is paid for, would otherwise hear of its credential only where it
// fails. It is told no more than the name and the pattern, as it is there.
func (x *exchange) explain(h answerHeader) {
	d := &x.decision
	// That a read conflicts with something is how Azure Storage words the want of
	// a credential (409 PublicAccessNotPermitted).
	want := x.status == 409 && d.Outcome != auth.Inject && (x.method == "GET" || x.method == "HEAD")
	refused := x.status == 401 || x.status == 403 || want
	if !refused && x.fields.Get(headerExplain) != "1" {
		return
	}
	what := "nothing was put on the request: " + d.Reason
	if d.Outcome == auth.Inject {
		what = "used credential " + strconv.Quote(d.CredentialName) + " by " + d.Written
		if refused {
			what += ": the upstream refused it"
			if x.p.o.Refused != nil {
				x.p.o.Refused(d.CredentialID, d.Version)
			}
		}
	}
	what = visible(what)
	h.Set(headerDecision, what)
	if !refused {
		return
	}
	if p, ok := d.Provider.(auth.Explainer); ok {
		p.Explain(h, what)
	}
}

// limits hands on what the upstream says is left of the credential's limits.
func (x *exchange) limits(h answerHeader) {
	if x.p.o.Limits == nil || x.decision.Outcome != auth.Inject {
		return
	}
	if v := h.Get("RateLimit"); v != "" {
		x.p.o.Limits(x.decision.CredentialID, v)
	}
}

// visible is s with everything that cannot stand in a header field replaced.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f {
			return '?'
		}
		return r
	}, s)
}

// pass sends the body on as it is.
func (x *exchange) pass(h answerHeader, body *wire.Body) *auth.Error {
	n := body.Len()
	switch {
	case n == 0: // the fields of the header stay, whatever they say
		_ = body.Close()
		x.transfer.total.Store(0)
		x.end(0, nil)
		return nil
	case n > 0:
		if b, ok := body.Memory(); ok {
			x.hold(b, body, textLoan{})
			return nil
		}
		x.transfer.total.Store(n)
	}
	if d := h.Get("Content-Disposition"); d != "" {
		x.transfer.disposition.Store(&d)
	}
	body.Share(x.identity.KeyID)
	body.Pace(x.pace)
	x.line.stream(body, x.progress, x.resume(h, n), x.end)
	return nil
}

func (x *exchange) progress(n int64) { x.transfer.bytes.Add(n) }

// scan masks a text, which is read whole where it is not longer than
// scrub.MaxBody, and in its head otherwise.
func (x *exchange) scan(out *outgoing, h answerHeader, body *wire.Body, mask *scrub.Masker, rewrite auth.BodyRewrite) *auth.Error {
	coding := h.Get("Content-Encoding")
	size := body.Len()
	if size < 0 {
		size = scrub.MaxBody + 1
	}
	t, err := x.readText(body, size)
	if err != nil {
		return auth.AsError(err)
	}
	if len(t.bytes) > scrub.MaxBody {
		mask.Head(t.bytes, coding)
		// Equal length: Content-Length, where there is one, still holds.
		h.removeNames(scrub.StaleFields())
		return x.rest(h, t, body, rewrite)
	}
	if err := x.masked(out, h, &t, mask, coding, rewrite); err != nil {
		t.drop()
		return auth.AsError(err)
	}
	x.line.setStatus(x.status)
	x.hold(t.bytes, t.body, t.loan)
	return nil
}

// masked makes of a whole text what the worker gets.
func (x *exchange) masked(out *outgoing, h answerHeader, t *wholeText, mask *scrub.Masker, coding string, rewrite auth.BodyRewrite) error {
	if coding != "" {
		// What it is decoded to counts as long as it is not known how much
		// that is.
		if err := t.reserve(x, int64(len(t.bytes))+scrub.MaxBody); err != nil {
			return err
		}
	}
	r, err := mask.Body(t.bytes, coding)
	if err != nil {
		return err
	}
	if r.Changed || r.Decoded {
		h.removeNames(scrub.StaleFields())
	}
	if r.Decoded {
		h.Del("Content-Encoding")
		t.become(r.Body)
	}
	t.loan.resize(t.counted())
	if rewrite != nil {
		var b bytes.Buffer
		if err := rewrite(&b, bytes.NewReader(t.bytes)); err != nil {
			return err
		}
		t.become(b.Bytes())
		x.remade(h)
		t.loan.resize(t.counted())
	} else if out.ranged && x.status == 200 && !r.Decoded {
		// Positions count in the coded text, where it is coded. A text that
		// had to be decoded is sent whole, as any server may (RFC 9110,
		// section 14.2).
		t.bytes = x.part(h, t.bytes)
	}
	return nil
}

// lines masks a text line by line while it comes.
func (x *exchange) lines(h answerHeader, body *wire.Body, mask *scrub.Masker) *auth.Error {
	h.removeNames(scrub.StaleFields())
	x.line.make(func(w io.Writer) error {
		return firstError(mask.Lines(x.progressing(w), body), body.Err())
	}, func(sent int64, err error) {
		_ = body.Close()
		x.end(sent, err)
	})
	return nil
}

// part answers the worker's Range from a whole text.
func (x *exchange) part(h answerHeader, text []byte) []byte {
	ranges := strings.Join(x.fields.Values("Range"), ", ")
	p := scrub.Slice(ranges, x.fields.Get("If-Range"), h.Get("ETag"), h.Get("Last-Modified"), int64(len(text)))
	x.status = p.Status
	if p.ContentRange != "" {
		h.Set("Content-Range", p.ContentRange)
	}
	return text[p.First:p.End]
}

// remake sends a body that the provider changes while it passes.
func (x *exchange) remake(h answerHeader, body *wire.Body, rewrite auth.BodyRewrite) *auth.Error {
	x.remade(h)
	x.line.make(func(w io.Writer) error {
		return firstError(rewrite(x.progressing(w), body), body.Err())
	}, func(sent int64, err error) {
		_ = body.Close()
		x.end(sent, err)
	})
	return nil
}

// rest sends a text of which the beginning was read, and what follows.
func (x *exchange) rest(h answerHeader, head wholeText, body *wire.Body, rewrite auth.BodyRewrite) *auth.Error {
	if rewrite == nil {
		rewrite = func(dst io.Writer, src io.Reader) error {
			_, err := io.CopyBuffer(dst, src, make([]byte, 64<<10))
			return err
		}
	} else {
		x.remade(h)
	}
	x.line.make(func(w io.Writer) error {
		return firstError(rewrite(x.progressing(w), io.MultiReader(bytes.NewReader(head.bytes), body)), body.Err())
	}, func(sent int64, err error) {
		_ = body.Close()
		head.drop()
		x.end(sent, err)
	})
	return nil
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// remade drops the fields that speak of the bytes the upstream sent.
func (x *exchange) remade(h answerHeader) {
	for _, n := range [...]string{"Content-Length", "Content-Range", "Accept-Ranges"} {
		h.Del(n)
	}
	h.removeNames(scrub.StaleFields())
}
