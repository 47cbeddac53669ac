package comfyui

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weighbridge/weighbridge/auth"
)

// server is one of the operator's ComfyUI servers. Its state is guarded by the
// route's lock.
type server struct {
	// name is its base URL in canonical form.
	name              string
	scheme, authority string
	// root is the path of the base URL without a slash at its end.
	root string

	// down says that it is not available. One that was never asked is taken for
	// available: whether it is shows at the first request.
	down     bool
	failures int // of checks, in a row
	inFlight int
}

func newServer(base string) (*server, error) {
	t, err := auth.ParseURL(base)
	switch {
	case err != nil:
		return nil, fmt.Errorf("the server %q: %w", base, err)
	case t.HasQuery:
		return nil, fmt.Errorf("the server %q: its URL has a query", base)
	}
	s := &server{scheme: t.Scheme, authority: t.Authority(), root: strings.TrimSuffix(t.Path, "/")}
	s.name = s.scheme + "://" + s.authority + s.root
	return s, nil
}

// target is where a request goes on s.
func (s *server) target(w *auth.Wish) (auth.Target, error) {
	return target(s.scheme, s.authority, s.root+w.Path, w)
}

func target(scheme, authority, path string, w *auth.Wish) (auth.Target, error) {
	if w.HasQuery {
		path += "?" + w.RawQuery
	}
	return auth.ParseTarget(scheme, authority, path)
}

// choose takes the server at a spot, where that is available, and otherwise
// the one with the fewest requests under way, in turn where there are several.
// It is nil where there is none; what it returns is to be released.
func (r *Route) choose(at spot, without []string) *server {
	r.mu.Lock()
	defer r.mu.Unlock()
	usable := func(s *server) bool { return s != nil && !s.down && !slices.Contains(without, s.name) }
	if at.name != "" {
		if s := r.find(at.name); usable(s) {
			s.inFlight++
			return s
		}
		if at.firm {
			return nil
		}
	}
	var best *server
	n := len(r.servers)
	for i := range n {
		s := r.servers[(r.turn+i)%n]
		if usable(s) && (best == nil || s.inFlight < best.inFlight) {
			best = s
		}
	}
	if best != nil {
		r.turn = (slices.Index(r.servers, best) + 1) % n
		best.inFlight++
	}
	return best
}

func (r *Route) release(s *server) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.inFlight--
}
