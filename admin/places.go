package admin

import (
	"net/http"
	"sync"

	"github.com/danielgtaylor/huma/v2"
)

// places are taken and given back by whoever has some at a time. The zero value
// has none taken.
type places struct {
	mu    sync.Mutex
	taken map[string]int
}

// take takes one of most places for who, or reports that all are taken. Whoever
// gets one gives it back by calling free.
func (p *places) take(who string, most int) (free func(), ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken[who] >= most {
		return nil, false
	}
	if p.taken == nil {
		p.taken = map[string]int{}
	}
	p.taken[who]++
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.taken[who]--; p.taken[who] == 0 {
			delete(p.taken, who)
		}
	}, true
}

// streamsAtOnce bounds the streams that a user or an access token follows at a
// time, each of which asks the store twice a second: more than anybody looks at.
// A browser has six connections to one place.
const streamsAtOnce = 32

// streams are the operations whose answers go on.
var streams = map[string]bool{"follow-events": true, "follow-transfers": true}

// following bounds how much one caller follows. The socket is the operator's.
func (a *API) following(hc huma.Context, next func(huma.Context)) {
	c := callerOf(hc.Context())
	if !streams[hc.Operation().OperationID] || c.Kind == KindLocal {
		next(hc)
		return
	}
	free, ok := a.followers.take(c.User.ID+" "+c.Token.ID, streamsAtOnce)
	if !ok {
		a.refuse(hc, problem(http.StatusTooManyRequests, codeTooManyStreams, "as many streams are followed as one user, or one access token, may follow at a time",
			"End one of them: close a page that follows something, or a program."))
		return
	}
	defer free()
	next(hc)
}

// codeTooManyStreams is for a stream beyond what a caller may follow.
const codeTooManyStreams = "too_many_streams"
