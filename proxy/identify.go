package proxy

import (
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// evidence is what is remembered of how a caller showed who it is: enough to
// look it up again, in the snapshot of the moment, for each request.
type evidence struct {
	key auth.KeyHash
	url auth.KeyHash
	// id names the key directly: that of a sealed URL, or the default one.
	id string
	// implied says that id is the listener's default key, with scope.
	implied bool
	scope   auth.Scope
	// holder, where it is set, names the key of whoever showed a token.
	holder Holder
	// front, where it is set, looks up who authenticated to the front.
	front func(*auth.Snapshot, time.Time) (auth.Identity, error)
	// boxed says that id stands in a sealed URL, writes that the URL may be
	// written to.
	boxed, writes bool
}

// identify looks the caller up. The error is that of the lookup, or
// CodeBadRequest where two keys disagree.
func (e *evidence) identify(s *auth.Snapshot, now time.Time) (auth.Identity, error) {
	switch {
	case e.front != nil:
		return e.front(s, now)
	case e.holder != nil:
		keyID, err := e.holder(now)
		if err != nil {
			return auth.Identity{}, err
		}
		return s.IdentifyID(keyID, now)
	case e.boxed:
		id, err := s.IdentifyID(e.id, now)
		if !e.writes {
			// Most sealed URLs are a capability to read, whatever their key may.
			id.Scope, id.ViaURLKey = auth.ScopeRead, true
		}
		return id, err
	case e.implied:
		id, err := s.IdentifyID(e.id, now)
		id.Implied = true
		if e.scope != auth.ScopeWrite {
			id.Scope = auth.ScopeRead
		}
		return id, err
	case !e.url.IsZero():
		id, err := s.IdentifyURLKey(e.url, now)
		if err != nil || e.key.IsZero() {
			return id, err
		}
		other, err := s.Identify(e.key, now)
		if err == nil && other.KeyID != id.KeyID {
			err = errTwoKeys()
		}
		return id, err
	default:
		return s.Identify(e.key, now)
	}
}

// recognise takes what the request presents as evidence. Where nothing is
// presented it is the listener's default key, if it may be implied.
func (x *exchange) recognise(shown presented) *auth.Error {
	if shown.misplaced {
		return x.wrongKey(auth.WrongWorld())
	}
	implied := x.mayImply()
	if err := shown.settle(x.snap, x.at, !shown.url.IsZero() || implied); err != nil {
		return err
	}
	if shown.bearer != "" && x.p.holdsToken(shown.bearer) {
		shown.authorization = true
		if err := shown.addToken(shown.bearer); err != nil {
			return err
		}
	}
	switch {
	case shown.token != "" && (!shown.key.IsZero() || !shown.url.IsZero()):
		return errTwoKeys()
	case !shown.key.IsZero() || !shown.url.IsZero():
		x.who = evidence{key: shown.key, url: shown.url}
	case shown.token != "" && x.p.o.Tokens != nil:
		if err := x.verify(shown.token); err != nil {
			return err
		}
	case shown.shown:
		return x.wrongKey(auth.NewError(auth.CodeKeyInvalid, "what was presented as API key does not have the form of one", nil))
	case implied:
		if err := x.fromProgram(); err != nil {
			return err
		}
		x.who = evidence{id: x.policy.defaultKey, implied: true, scope: x.policy.defaultScope}
	default:
		return auth.NewError(auth.CodeKeyMissing, "no API key was presented", nil)
	}
	if shown.authorization {
		x.fields.Del("Authorization")
	}
	return nil
}

// imply takes the default key of the moment. The error says that there is none
// any more.
func (e *evidence) imply(p *policy) *auth.Error {
	if p.defaultKey == "" {
		return auth.NewError(auth.CodeKeyMissing, "no API key was presented, and callers without one count as nobody by now", nil)
	}
	e.id, e.scope = p.defaultKey, p.defaultScope
	return nil
}

// identify finds out who asks, by what holds at this moment: a default key may
// have been taken away since a tunnel was opened with it.
func (x *exchange) identify() *auth.Error {
	if x.who.implied {
		if err := x.who.imply(x.policy); err != nil {
			x.identity = auth.Identity{}
			return err
		}
	}
	id, err := x.who.identify(x.snap, x.at)
	x.identity = id
	if err != nil {
		e := auth.AsError(err)
		if e.Code == auth.CodeKeyInvalid && !x.who.implied && !x.who.boxed && x.tunnel == nil {
			return x.wrongKey(e)
		}
		return e
	}
	if err := id.From(x.peer); err != nil {
		return err
	}
	x.p.shares.Seen(id.KeyID)
	if x.p.o.Seen != nil {
		x.p.o.Seen(id.KeyID, x.peer, x.at)
	}
	return nil
}

// wrongKey counts a wrong key or signature against the worker's address and returns what
// is answered: e, or that there were too many. Only wrong keys are ever
// answered so: a right one passes from any address at any time.
func (x *exchange) wrongKey(e *auth.Error) *auth.Error {
	if wait := x.p.failures.add(x.peer, x.at); wait > 0 {
		return auth.NewError(auth.CodeTooManyAttempts, "too many unknown keys and wrong signatures came from "+x.peer, &retryAfter{wait, e})
	}
	return e
}

// mayImply reports whether the request came to a listener that implies the
// default key.
func (x *exchange) mayImply() bool {
	if x.policy.defaultKey == "" || x.tunnel != nil {
		return false
	}
	_, ok := x.p.implied.Load(listenerName(x.line.localAddr()))
	return ok
}

// fromProgram refuses what a web page could have made a browser send to a
// loopback listener: a foreign name in the Host field (DNS rebinding), or the
// fields in which browsers tell of a page (Fetch Metadata, section 2).
func (x *exchange) fromProgram() *auth.Error {
	if x.mode != reverse {
		return nil
	}
	forbid := func(reason string) *auth.Error {
		return auth.NewError(auth.CodeBrowserForbidden, reason, nil)
	}
	site, _ := x.fields.lookup("Sec-Fetch-Site")
	switch {
	case x.fields.has("Origin"):
		return forbid("the request carries an Origin field, as web pages send it")
	case site != "" && site != "none" && site != "same-origin":
		return forbid("the request was made by a web page of another site")
	case x.authority == "" && x.http10:
		return nil
	case !x.policy.own(x.authority):
		return forbid("the Host field names neither a loopback name nor an allowed host")
	}
	return nil
}
