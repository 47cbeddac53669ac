package proxy

import (
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/proxy/box"
)

// maxHops bounds the redirects of a request for the rest: from the URL that
// led to an expired one to the storage, with one stop or two between.
const maxHops = 5

// goBack aims at the URL that led to the sealed one, which is asked for
// another in its place. What comes is a request like any other there: decided
// afresh, with a credential put on where the key has one by now.
func (x *exchange) goBack() bool {
	if x.box == nil {
		return false
	}
	x.target, x.box = x.box.Origin, nil
	return true
}

// follow aims at where a redirect leads, as the worker would come back there
// by the URL that it would be given: sealed where it carries a signature or
// follows from a sealed one. Nothing follows from https to http.
func (x *exchange) follow(location string) bool {
	r, ok := x.resolve(location)
	if !ok || r.scheme != "https" && x.target.Scheme == "https" {
		return false
	}
	t, err := auth.ParseTarget(r.scheme, r.authority, r.pathAndQuery)
	if err != nil {
		return false
	}
	if x.box != nil || x.isSigned(t) {
		b := box.Box{
			Kind: box.KindURL, TeamID: x.identity.TeamID, KeyID: x.identity.KeyID,
			Target: t, Origin: x.origin(), Expires: x.at.Add(boxLife),
		}
		if end, ok := signatureEnd(t.RawQuery); ok && end.Before(b.Expires) {
			b.Expires = end
		}
		x.box = &b
	}
	return x.aim(t) == nil
}
