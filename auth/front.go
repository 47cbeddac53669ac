package auth

import (
	"errors"
	"io"
	"time"
)

// A front is another protocol in which workers may ask our own listener: it
// turns a request in that protocol into one for an upstream, which then goes
// the same road as every other. The types here are what the road and a front
// say to each other.

// ErrWrongSecret is in the error of a front where a key that exists was
// presented with a proof of another secret: somebody guesses, and it is counted
// as an unknown key is.
var ErrWrongSecret = errors.New("the proof is not of the key's secret")

// Arrival is a request to our own listener, as a front sees it. Its strings
// are copies.
type Arrival struct {
	Method string
	// URI is the request target in origin form, byte for byte.
	URI string
	// Host is the Host field, byte for byte.
	Host string
	// Fields is the header, in order and with names as they came.
	Fields []HeaderField
	// Body is nil where there is none. Length is its length in bytes, -1 where
	// it is not known.
	Body   io.Reader
	Length int64
	// Snapshot and Now are what the request is decided by.
	Snapshot *Snapshot
	Now      time.Time
	// RequestID is by what the request is found in log and record.
	RequestID string
}

// Entry is a request that a front has understood and authenticated.
type Entry struct {
	// Identify looks the caller up afresh, and says whether it may still ask
	// for what it asked. It is called for every request to an upstream that the
	// answer takes.
	Identify func(s *Snapshot, now time.Time) (Identity, error)
	// Target is where the request goes. Only a credential opens it: without one
	// that matches the request is refused, whatever the policy for unmatched
	// URLs.
	Target Target
	// Subject is what is decided in place of the request itself, where its URL
	// does not say what it is about (a batch that names objects in its body).
	// Zero is the request itself.
	Subject Object
	// Also are the further objects that the request names. Each has to be opened
	// by the same credential.
	Also []Object
	// Fields is the header that travels on, before what never does is removed.
	Fields []HeaderField
	// Bytes is the request's body where it is in memory; else Body is, of
	// Length bytes, -1 where that is not known. A Body that ends with an error
	// other than io.EOF has broken, and so does the request upstream.
	Bytes  []byte
	Body   io.Reader
	Length int64
	// Wants and Rewrite are the response half, as those of Rewriter; Rewrite
	// works on what the provider's own has left, and may be nil.
	Wants   Wants
	Rewrite func(a *Answer) (BodyRewrite, error)
	// Reply, where it is set, is the answer: nothing is asked upstream.
	Reply *Reply
}

// Object is something that a request names.
type Object struct {
	// Method is how it is used: GET for what is read.
	Method string
	Target Target
}

// Reply is an answer of our own. To HEAD the body is left out.
type Reply struct {
	Status int
	Fields []HeaderField
	Body   []byte
}

// Speech says whether a request speaks a front's protocol. The zero value is
// that it does not.
type Speech int

// The answers of a front.
const (
	// Foreign requests are none of the front's.
	Foreign Speech = iota
	// Perhaps is a request in the protocol that shows nothing of ours: it is
	// the front's where its path names no upstream in the way of reverse mode.
	Perhaps
	// Native requests are the front's.
	Native
)

// EachLinked calls yield with the credentials of a provider that are linked to
// the caller's key, in no order that means anything, until yield returns
// false. They are shared and not to be changed.
func (s *Snapshot) EachLinked(id Identity, provider string, yield func(*Credential) bool) {
	k := s.keys[id.KeyID]
	if k == nil || k.record.TeamID != id.TeamID {
		return
	}
	for _, c := range k.linked {
		if c.record.Provider == provider && !yield(&c.record) {
			return
		}
	}
}

// Foremost finds which of several targets, all of which would serve, the most
// specific rule of a linked credential is about. found is false where no rule
// matches any of them. It decides nothing: whether the credential may be used,
// Decide says. Target of q is not looked at.
func (s *Snapshot) Foremost(q Question, targets []Target) (best int, found bool) {
	k, refused := s.caller(&q.Identity, q.Now)
	if refused != nil {
		return 0, false
	}
	var winner *rule
	for i := range targets {
		if targets[i].check() != "" {
			continue
		}
		v := see(&targets[i])
		r, _, ambiguous := k.book.best(q.Method, &v, q.Now)
		if r == nil || ambiguous || r.bare || winner != nil && !before(r, winner, q.Now) {
			continue
		}
		best, found, winner = i, true, r
	}
	return best, found
}
