package auth

import "time"

// A route with a name may lead to one of several upstreams, which is picked for
// each request. The types here are what the road and such a route say to each
// other.

// Wish is a request on a route that picks its upstream. Its strings are copies.
type Wish struct {
	// Identity is who asks. Whether it may ask on this route at all is the
	// route's to say; everything else is decided afterwards, about what it picks.
	Identity Identity
	Method   string
	// Path is what follows the route's name, byte for byte; it begins with a
	// slash. RawQuery is without its "?".
	Path, RawQuery string
	HasQuery       bool
	// Upgrade says that the request asks for a WebSocket (RFC 6455).
	Upgrade bool
	// Peek returns the first n bytes of the body at most; what follows is not
	// waited for. It is nil where the request has no body. The body travels
	// whole all the same.
	Peek func(n int) ([]byte, *Error)
	// Without are the names of the upstreams that were picked for this request
	// already and failed.
	Without []string
	// Snapshot and Now are what the request is decided by.
	Snapshot *Snapshot
	Now      time.Time
}

// Pick is the upstream of one request.
type Pick struct {
	// Name is that of the upstream, for Wish.Without and the log.
	Name string
	// Target is where the request goes.
	Target Target
	// Root is the path of the upstream that the route's own root stands for,
	// without a slash at its end.
	Root string
	// Opened is as in Question: it is set for upstreams that the operator named,
	// and empty for those that only a credential opens. The former are dialled by
	// the operator's permission for exactly that host and port.
	Opened string
	// Write is as in Question.
	Write bool
	// Fields are set on the upstream's answer.
	Fields []HeaderField
	// Observe, where it is set, is shown the body of an answer that is no longer
	// than ObserveMax bytes, before anything of it goes to the worker.
	Observe    func(status int, body []byte)
	ObserveMax int
	// Failed, where it is set, is told that the upstream could not be reached or
	// broke off. It is asked only where another one may be given the request:
	// nothing of it was sent, or asking twice does no harm. It reports whether
	// another one is to be picked.
	Failed func(err *Error, unsent bool) bool
	// Stands, where it is set, says at any later time whether the route would
	// still lead id to the upstream. Where it would not, a request that was not
	// sent yet is picked for again, and a WebSocket ends.
	Stands func(id Identity) bool
	// Done, where it is set, is called once, when the upstream is not needed any
	// more.
	Done func()
}
