package sigv4

import (
	"context"
	"errors"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// Incoming is a request as it was received, before anything was decoded,
// removed or put in another order. Framing (two lengths, a length and chunks,
// a target that names another host) has been judged by the HTTP server.
type Incoming struct {
	Method string
	// Path and Query are those of the request target, cut at its first "?".
	Path, Query string
	// Host is the Host field as received.
	Host string
	// Fields are all header fields in their order, Host among them or not.
	Fields []Field
	// EmptySegments is the PathRule to read the path by. The key decides later
	// whether it is good enough: see Path.HasEmptySegment.
	EmptySegments bool
}

// ErrUnknownKey is what a Lookup says, wrapped or not, of an access key that
// is unknown, disabled, revoked or expired. The client is told the same of all.
var ErrUnknownKey = errors.New("sigv4: the access key is not known")

// Verifier verifies requests that are signed with S3 access keys of ours. Its
// fields are set before its first use and never changed.
type Verifier struct {
	// Lookup finds the secret of an access key. Any error but ErrUnknownKey
	// refuses the request as a failure of ours. It must take as long for an
	// unknown key as for a known one.
	Lookup func(ctx context.Context, accessKeyID string) (auth.Secret, error)
	Now    func() time.Time
	// Region is the one that requests must be signed for; "" takes any, since
	// clients of ours do not know of one.
	Region string
}

// Verified says what a signature was good for. That the request may be made
// is for others to decide.
type Verified struct {
	AccessKeyID string
	Scope       Scope
	// SignedAt is the time that the client signed for, Expires the end of its
	// signature.
	SignedAt, Expires time.Time
	// Presigned tells a signed query from a signed header.
	Presigned bool
	// SignedHeaders are lower-case and sorted.
	SignedHeaders []string
	// Path and Query are in the form to decide by and to sign again; Query
	// lacks the signature's parameters.
	Path  Path
	Query Query
	// Payload says what the body must be; Body holds it to that.
	Payload Payload

	chain chain
}

// MaxSkew is how far a client's clock may be from ours, and the life of a
// signature in a header (Amazon S3 API Reference, RequestTimeTooSkewed).
const MaxSkew = 15 * time.Minute
