package admin

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/auth/audit"
)

// Denials go on record one by one up to this many in a row and so many a
// second on; what comes faster is counted, and the next one on record says how
// many it stands for. A refused caller cannot fill the disk. Who shows who it
// is and who does not are counted apart: a flood by strangers hides no refusal
// of a user or a token.
const (
	denialsAtOnce    = 50
	denialsPerSecond = 2
)

// newDenials holds back what comes too fast.
func newDenials(now func() time.Time) *audit.Sparing {
	return audit.NewSparing(now, denialsPerSecond, denialsAtOnce)
}

// challenge is what a 401 asks for (RFC 6750, section 3).
const challenge = `Bearer realm="weighbridge"`

// deny answers with err and puts it on record.
func (a *API) deny(hc huma.Context, c *Caller, err error) {
	p := a.problemOf(err)
	if p.Status == http.StatusUnauthorized {
		hc.SetHeader("WWW-Authenticate", challenge)
	}
	a.recordDenial(hc.Context(), hc.Method(), hc.Operation().Path, c, p)
	a.refuse(hc, p)
}

// denyPlain is deny for what is no operation of the document; served is the
// pattern that the mux has for it.
func (a *API) denyPlain(w http.ResponseWriter, r *http.Request, served string, c *Caller, err error) {
	p := a.problemOf(err)
	if p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", challenge)
	}
	method, path, found := strings.Cut(served, " ")
	if !found {
		method, path = "", served
	}
	a.recordDenial(r.Context(), method, path, c, p)
	writeProblem(w, p)
}

// recordDenial records what was refused to whom. path is that of the operation
// and not the one that was sent, in which anything may stand. Where it is not
// known what anybody may, nobody was denied anything.
func (a *API) recordDenial(ctx context.Context, method, path string, c *Caller, p *Problem) {
	if p.Code == string(auth.CodeStoreUnavailable) {
		return
	}
	d := a.strangers
	if c.Kind != "" {
		d = a.denials
	}
	count, ok := d.Next()
	if !ok {
		return
	}
	if !a.o.Store.Contact().IsZero() {
		d.Hold(count) // else strangers would wait here for a database that is away
		return
	}
	ev := a.eventOf(c, auth.ActionAPIDenied)
	ev.Method, ev.Path, ev.Code, ev.Reason = method, path, auth.Code(p.Code), p.Detail
	ev.Outcome, ev.Status = auth.OutcomeDenied, p.Status
	if count > 1 {
		ev.Count = count
	}
	if err := a.o.Store.Record(ctx, ev); err != nil {
		d.Hold(count) // nothing was allowed that is not on record
		if a.o.Log != nil {
			a.o.Log(err)
		}
	}
}
