package admin

import (
	"net/http"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"golang.org/x/time/rate"

	"github.com/weighbridge/weighbridge/auth"
)

// Denials go on record one by one up to this many in a row and so many a
// second on; what comes faster is counted, and the next one on record says how
// many it stands for. A refused caller cannot fill the disk.
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

// deny answers with err and puts it on record.
func (a *API) deny(hc huma.Context, c *Caller, err error) {
	p := a.problemOf(err)
	if p.Status == http.StatusUnauthorized {
		hc.SetHeader("WWW-Authenticate", `Bearer realm="weighbridge"`) // RFC 6750, section 3
	}
	a.recordDenial(hc, c, p)
	a.refuse(hc, p)
}

// recordDenial records what was refused to whom. It names the operation and
// not the path, in which anything may stand.
func (a *API) recordDenial(hc huma.Context, c *Caller, p *Problem) {
	count, ok := a.denials.next(func() bool { return a.denials.limit.AllowN(a.o.Now(), 1) })
	if !ok {
		return
	}
	ev := a.eventOf(c, auth.ActionAPIDenied)
	ev.Method, ev.Path, ev.Code, ev.Reason = hc.Method(), hc.Operation().Path, auth.Code(p.Code), p.Detail
	ev.Outcome, ev.Status = auth.OutcomeDenied, p.Status
	if count > 1 {
		ev.Count = count
	}
	if err := a.o.Store.Record(hc.Context(), ev); err != nil && a.o.Log != nil {
		a.o.Log(err) // nothing was allowed that is not on record
	}
}
