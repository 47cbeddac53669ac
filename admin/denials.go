package admin

import (
	"context"
	"net/http"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"golang.org/x/time/rate"

	"github.com/weighbridge/weighbridge/auth"
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

// denials holds back what comes too fast.
type denials struct {
	limit *rate.Limiter

	mu   sync.Mutex
	held int64
}

func newDenials() *denials {
	return &denials{limit: rate.NewLimiter(denialsPerSecond, denialsAtOnce)}
}

// next says whether one more goes on record, and how many it stands for.
func (d *denials) next(now func() bool) (count int64, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !now() {
		d.held++
		return 0, false
	}
	count, d.held = d.held+1, 0
	return count, true
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
// and not the one that was sent, in which anything may stand.
func (a *API) recordDenial(ctx context.Context, method, path string, c *Caller, p *Problem) {
	d := a.strangers
	if c.Kind != "" {
		d = a.denials
	}
	count, ok := d.next(func() bool { return d.limit.AllowN(a.o.Now(), 1) })
	if !ok {
		return
	}
	ev := a.eventOf(c, auth.ActionAPIDenied)
	ev.Method, ev.Path, ev.Code, ev.Reason = method, path, auth.Code(p.Code), p.Detail
	ev.Outcome, ev.Status = auth.OutcomeDenied, p.Status
	if count > 1 {
		ev.Count = count
	}
	if err := a.o.Store.Record(ctx, ev); err != nil && a.o.Log != nil {
		a.o.Log(err) // nothing was allowed that is not on record
	}
}
