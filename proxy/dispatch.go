package proxy

import (
	"strings"

	"github.com/weighbridge/weighbridge/auth"
)

// maxFields bounds the number of header fields, and of the names in a
// Connection field: they are compared with one another, and a head of nothing
// but tiny fields must not cost more time to refuse than to send.
const maxFields = 256

// dispatch tells the ways in apart. The error is what the request is refused
// with; without one the answer stands.
func (x *exchange) dispatch() *auth.Error {
	if x.speaksFront() {
		return x.frontRequest()
	}
	if x.tunnel == nil && strings.HasPrefix(x.uri, wellKnown) {
		if done, err := x.ownEndpoint(); done {
			return err
		}
	}
	if err := x.early(); err != nil {
		return err
	}
	switch {
	case x.tunnel != nil:
		return x.inside()
	case x.method == "CONNECT":
		return x.connect()
	case strings.HasPrefix(x.uri, "/"):
		return x.reverseRequest()
	default:
		return x.forwardRequest()
	}
}

// early refuses what is refused whoever asks.
func (x *exchange) early() *auth.Error {
	switch {
	case x.p.draining.Load():
		return auth.NewError(auth.CodeDraining, "weighbridge is shutting down", nil)
	case x.method == "TRACE" || x.method == "TRACK":
		// Its answer would show the request with everything put on it (RFC
		// 9110, section 9.3.8).
		return &auth.Error{Code: auth.CodeBadRequest, Status: 405, Reason: "the method " + x.method + " is not allowed"}
	case len(x.fields) > maxFields:
		return auth.NewError(auth.CodeHeaderTooLarge, "there are more than 256 header fields", nil)
	case x.fields.has("Upgrade") && !x.upgrades():
		return auth.NewError(auth.CodeUpgradeForbidden, "the request asks for another protocol by an Upgrade field", nil)
	}
	return nil
}

// inside takes a request that came in an intercepted tunnel. Its target is
// the host of the CONNECT and nothing else.
func (x *exchange) inside() *auth.Error {
	x.mode = forward
	t := x.tunnel
	if x.method == "CONNECT" {
		return auth.NewError(auth.CodeBadRequest, "a CONNECT inside a tunnel", nil)
	}
	var target auth.Target
	var err error
	if strings.HasPrefix(x.uri, "/") {
		target, err = auth.ParseTarget("https", t.authority, x.uri)
	} else if target, err = auth.ParseURL(x.uri); err == nil && target.Scheme != "https" {
		return auth.NewError(auth.CodeBadTarget, "a request for a plain http URL inside a TLS tunnel", nil)
	}
	if err != nil {
		return auth.AsError(err)
	}
	if err := x.aim(target); err != nil {
		return err
	}
	if x.target.Host != t.host || x.target.Port != t.port {
		return x.misdirected("the request names " + x.target.Authority())
	}
	if x.authority != "" || !x.http10 {
		host, port, err := auth.ParseAuthority(x.authority, 443)
		if err != nil {
			return auth.AsError(err)
		}
		if host != t.host || port != t.port {
			return x.misdirected("the Host field names another host")
		}
	}
	x.who = t.who
	return x.road()
}

// misdirected refuses a request that tries to leave its tunnel. Whose tunnel
// it is goes on record with it.
func (x *exchange) misdirected(what string) *auth.Error {
	x.who = x.tunnel.who
	_ = x.identify()
	return auth.NewError(auth.CodeMisdirected, what+", but the tunnel leads to "+x.tunnel.authority, nil)
}
