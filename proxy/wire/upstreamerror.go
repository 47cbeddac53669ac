package wire

import (
	"context"
	"errors"
	"io"
	"net"
	"os"

	"github.com/weighbridge/weighbridge/auth"
)

// protocolError is an answer that is not valid HTTP/1.1. Its text is public.
type protocolError struct{ error }

func (e *protocolError) Unwrap() error { return e.error }

// isBroken says that a connection turned out to be closed or reset, which is
// what a kept connection looks like that the upstream had given up.
func isBroken(err error) bool {
	var op *net.OpError
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.As(err, &op) && !op.Timeout() || errors.Is(err, net.ErrClosed)
}

// public is err as the road may answer it.
func (x *exchange) public(err error) error { return upstreamError(x.ctx, x.u.d.Host, err) }

// upstreamError says in public words what went wrong with an upstream.
func upstreamError(ctx context.Context, host string, err error) error {
	var known *auth.Error
	var protocol *protocolError
	switch {
	case errors.As(err, &known):
		return known
	case ctx.Err() != nil:
		return auth.NewError(auth.CodeUpstreamUnreachable, "the request to "+host+" was given up", errors.Join(context.Cause(ctx), err))
	case errors.As(err, &protocol):
		return auth.NewError(auth.CodeUpstreamProtocol, "the answer of "+host+" is not valid: "+protocol.Error(), err)
	case isMalformed(err):
		return auth.NewError(auth.CodeUpstreamProtocol, "the answer of "+host+" is not valid: "+err.Error(), err)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return auth.NewError(auth.CodeUpstreamTimeout, host+" did not answer in time", err)
	default:
		return auth.NewError(auth.CodeUpstreamUnreachable, host+" broke off before it answered", err)
	}
}

// isMalformed says whether err is one of this package's own texts about a
// message that breaks the rules.
func isMalformed(err error) bool {
	for _, e := range []error{
		errHeadTooLarge, errBareLF, errBareCR, errFolded, errNoColon, errBadName, errBadValue, errBadLine, errBadVersion,
		errBadStatus, errTwoLengths, errBadLength, errBadCoding, errCodingIn10, errBothFramings, errTooManyNamed,
		errChunkSize, errChunkEnd, errChunkTooMuch,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
