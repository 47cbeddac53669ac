package sigv4

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"
)

// MaxExpires is the longest life of a presigned URL (SigV4, "Using Query
// Parameters", X-Amz-Expires).
const MaxExpires = 7 * 24 * time.Hour

var errExpires = errors.New("sigv4: a presigned URL lives from one second to seven days")

// Presign signs r as of at in the form of a query, good for life, in whole
// seconds from one to MaxExpires. It returns the whole query to send: r's and
// the signature's. Request.Fields must be sent with it; the payload is not
// covered. An error is private, and holds no secret and no query.
func (s *Signer) Presign(ctx context.Context, r Request, life time.Duration, at time.Time) (query string, err error) {
	seconds := int64(life / time.Second)
	if seconds < 1 || life > MaxExpires {
		return "", errExpires
	}
	q := make(Query, 0, len(r.Query)+1)
	q = append(append(q, r.Query...), Param{paramExpires, strconv.FormatInt(seconds, 10)})
	req, err := s.throwAway(r, q.Canonical(), "")
	if err != nil {
		return "", err
	}
	signed, _, err := s.signer.PresignHTTP(ctx, s.credentials(), req, UnsignedPayload, r.service(), r.Region, at)
	if err != nil {
		return "", err
	}
	_, query, found := strings.Cut(signed, "?")
	if !found || !strings.HasSuffix(signed[:len(signed)-len(query)-1], r.Path.String()) {
		return "", errForm
	}
	return query, nil
}
