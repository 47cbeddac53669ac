package proxy

import (
	"github.com/weighbridge/weighbridge/auth"
)

// forwardRequest takes a request whose target is in absolute form (RFC 9112,
// section 3.2.2), as clients send it to a proxy for http URLs.
func (x *exchange) forwardRequest() *auth.Error {
	x.mode = forward
	t, err := auth.ParseURL(x.uri)
	if err != nil {
		return auth.AsError(err)
	}
	if err := x.aim(t); err != nil {
		return err
	}
	if err := x.sameHost(); err != nil {
		return err
	}
	shown, e := forwardCarriers(&x.fields)
	if e != nil {
		return e
	}
	if e := x.recognise(shown); e != nil {
		return e
	}
	return x.road()
}

// sameHost refuses a Host field that differs from the target. RFC 9112 lets a
// proxy ignore the field; two parsers that do not agree to are how requests
// are smuggled.
func (x *exchange) sameHost() *auth.Error {
	if x.authority == "" && x.http10 {
		return nil
	}
	port := uint16(443)
	if x.target.Scheme == "http" {
		port = 80
	}
	host, port, err := auth.ParseAuthority(x.authority, port)
	if err != nil {
		return auth.AsError(err)
	}
	if host != x.target.Host || port != x.target.Port {
		return auth.NewError(auth.CodeBadTarget, "the request is for "+x.target.Authority()+", but its Host field names another host", nil)
	}
	return nil
}
