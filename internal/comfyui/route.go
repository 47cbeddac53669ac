package comfyui

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// Name is the first path segment of the route.
const Name = "comfyui"

// Options of a Route. Ask is required.
type Options struct {
	// Ask sends a GET and returns an error unless the answer is 200.
	Ask func(ctx context.Context, url string) error
	// File is where it is kept which prompt is where; empty keeps it in memory.
	File string
	// Now defaults to time.Now, Wait to waiting by the machine's clock.
	Now  func() time.Time
	Wait func(ctx context.Context, d time.Duration) error
	// Changed is told when a server is available and was not, or the other way
	// round; err is why. It may be nil.
	Changed func(server string, available bool, err error)
}

// Settings are what an operator may change while requests run.
type Settings struct {
	// TeamID is that of the one team whose keys may use the route.
	TeamID string
	// Servers are base URLs, without query.
	Servers []string
	// Path is asked of each server every Interval, with Timeout to answer.
	Path              string
	Interval, Timeout time.Duration
	// Remember is how long it is known where a prompt is.
	Remember time.Duration
}

// Route picks a server for each request. All methods may be used by any number
// of goroutines.
type Route struct {
	o      Options
	places *places

	mu      sync.Mutex
	set     Settings
	servers []*server
	turn    int            // where the next choice begins
	sockets map[string]int // WebSockets to the cloud that are open, by client
	changed chan struct{}  // closed when set is replaced
}

// New makes a Route that leads nowhere until Set was called.
func New(o Options) (*Route, error) {
	if o.Ask == nil {
		return nil, errors.New("comfyui: Ask is required")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Wait == nil {
		o.Wait = wait
	}
	p, err := openPlaces(o.File, o.Now())
	if err != nil {
		return nil, err
	}
	return &Route{o: o, places: p, sockets: map[string]int{}, changed: make(chan struct{})}, nil
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close ends the keeping. Nothing is picked afterwards.
func (r *Route) Close() error { return r.places.close() }

// Set replaces the settings. What is known of servers that stay is kept. With
// an error, which names every mistake, the old ones stand.
func (r *Route) Set(n Settings) error {
	var mistakes []error
	servers := make([]*server, 0, len(n.Servers))
	for _, base := range n.Servers {
		s, err := newServer(base)
		if err != nil {
			mistakes = append(mistakes, err)
			continue
		}
		servers = append(servers, s)
	}
	if err := errors.Join(mistakes...); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, s := range servers {
		if old := r.find(s.name); old != nil {
			servers[i] = old
		}
	}
	r.set, r.servers = n, servers
	close(r.changed)
	r.changed = make(chan struct{})
	return nil
}

// find is the server called name, or nil. It is called with r.mu held.
func (r *Route) find(name string) *server {
	for _, s := range r.servers {
		if s.name == name {
			return s
		}
	}
	return nil
}

// Pick implements proxy.Picker.
func (r *Route) Pick(w *auth.Wish) (*auth.Pick, error) {
	r.mu.Lock()
	set := r.set
	r.mu.Unlock()
	if w.Identity.TeamID != set.TeamID {
		return nil, &auth.Error{
			Code: auth.CodeRouteForbidden, Reason: "the route " + Name + " is there for the keys of another team than that of the API key " + strconv.Quote(w.Identity.KeyName),
			Next: "Use a key of the team that comfyui.team names.",
		}
	}
	c, err := readCall(w)
	if err != nil {
		return nil, err
	}
	at := r.where(c)
	if at.name == cloudName && !at.firm && c.submits && !r.listens(c.client) {
		at = spot{} // nobody waits there to be told of it
	}
	if at.name == cloudName {
		if p, err := r.toCloud(w, c, "what is asked for is at Comfy Cloud, "); err == nil || at.firm {
			return p, err
		}
		at = spot{}
	}
	s := r.choose(at, w.Without)
	switch {
	case s != nil:
		return r.toServer(s, w, c)
	case at.firm:
		return nil, unavailable("the ComfyUI server that has what is asked for is not available", "Wait until it is there again: nobody else has it.")
	}
	return r.toCloud(w, c, "no ComfyUI server of the route is available, ")
}

// unavailable is the refusal where no server is left. The code has a next step
// of its own, where next is empty.
func unavailable(reason, next string) *auth.Error {
	return &auth.Error{Code: auth.CodeRouteUnavailable, Reason: reason, Next: next}
}

// toServer sends a request to one of the operator's servers.
func (r *Route) toServer(s *server, w *auth.Wish, c *call) (*auth.Pick, error) {
	t, err := s.target(w)
	if err != nil {
		r.release(s)
		return nil, err
	}
	p := &auth.Pick{
		Name: s.name, Target: t, Root: s.root,
		Opened: "the configuration names the server for the team's keys (comfyui.servers); nothing is put on",
		Write:  c.writes, Done: func() { r.release(s) },
		Stands: func(id auth.Identity) bool { return r.leads(id, s) },
		Failed: func(err *auth.Error, unsent bool) bool { return r.failed(s, c, err, unsent) },
	}
	r.keep(p, w, c)
	return p, nil
}

// leads reports whether the route is there for id, with s among its servers
// where s is not nil.
func (r *Route) leads(id auth.Identity, s *server) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return id.TeamID == r.set.TeamID && (s == nil || r.find(s.name) != nil)
}

// failed takes note of a server that gave no answer. What only that server
// could answer goes nowhere else.
func (r *Route) failed(s *server, c *call, err *auth.Error, unsent bool) bool {
	if unsent {
		r.note(s, false, err)
	}
	return !r.where(c).firm
}

// keep remembers where the request goes for those that belong to it.
func (r *Route) keep(p *auth.Pick, w *auth.Wish, c *call) {
	r.mu.Lock()
	until := w.Now.Add(r.set.Remember)
	r.mu.Unlock()
	put := func(what, server string, until, now time.Time) {
		r.places.put(w.Identity.KeyID, what, server, until, now)
	}
	switch {
	case c.client == "":
	case p.Name != cloudName:
		put(ofClient(c.client), p.Name, until, w.Now)
	case r.places.get(ofClient(c.client), w.Now) != cloudName:
		put(ofClient(c.client), p.Name, w.Now.Add(cloudLife), w.Now)
	}
	switch {
	case c.uploads:
		put(ofUpload(w.Identity.KeyID), p.Name, w.Now.Add(uploadLife), w.Now)
	case c.submits:
		p.ObserveMax = maxSubmitted
		p.Observe = func(status int, body []byte) {
			if id := submittedID(body); status == 200 && id != "" {
				put(ofPrompt(id), p.Name, until, w.Now)
				put(ofKey(w.Identity.KeyID), p.Name, until, w.Now)
			}
		}
	case c.history:
		p.ObserveMax = maxHistory
		p.Observe = func(status int, body []byte) {
			for _, f := range filesIn(body) {
				put(ofFile(w.Identity.KeyID, f), p.Name, until, w.Now)
			}
		}
	}
}

// uploadLife is how long the prompts of a key follow a file that it uploaded:
// they name it, and only the server that took it has it.
const uploadLife = 10 * time.Minute

// spot is where a request belongs. The zero spot is anywhere.
type spot struct {
	name string
	// firm says that nowhere else will do.
	firm bool
}

// where finds out where a request belongs: by what it names, and otherwise by
// where its client or its key was last.
func (r *Route) where(c *call) spot {
	now := r.o.Now()
	for _, id := range c.prompts {
		if at := r.places.get(ofPrompt(id), now); at != "" && r.known(at) {
			return spot{at, true}
		}
	}
	if c.file != "" {
		if at := r.places.get(ofFile(c.key, c.file), now); at != "" && r.known(at) {
			return spot{at, true}
		}
	}
	by := []string{""}
	if c.client != "" {
		by[0] = ofClient(c.client)
	}
	switch {
	case c.submits || c.uploads:
		by = append(by, ofUpload(c.key))
	case !c.upgrade:
		by = append(by, ofKey(c.key))
	}
	for _, k := range by {
		if k == "" {
			continue
		}
		if at := r.places.get(k, now); at != "" && r.known(at) {
			return spot{name: at}
		}
	}
	return spot{}
}

// known reports whether a place is one that there still is.
func (r *Route) known(name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return name == cloudName || r.find(name) != nil
}
