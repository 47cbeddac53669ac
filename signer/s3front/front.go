package s3front

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/signer/s3err"
)

// Provider is the name of the provider whose credentials open buckets.
const Provider = "s3"

// Secrets opens the secrets of S3 access keys; store.Store is one.
type Secrets interface {
	S3Secret(ctx context.Context, keyID string, version uint64) (auth.Secret, error)
}

// Options of a Front.
type Options struct {
	// Secrets is required. A secret is opened for each request and kept by
	// none.
	Secrets Secrets
	// Domains are those below which a host name begins with a bucket.
	Domains []string
	// HostID names this weighbridge in answers (x-amz-id-2); empty leaves it
	// out.
	HostID string
}

// Front turns requests of S3 clients into requests for upstreams. It may be
// used by any number of goroutines.
type Front struct {
	o       Options
	domains atomic.Pointer[[]string]
}

// New makes a Front. Its error names every domain that is none.
func New(o Options) (*Front, error) {
	if o.Secrets == nil {
		return nil, errors.New("s3front: Secrets are required")
	}
	f := &Front{o: o}
	return f, f.SetDomains(o.Domains)
}

// SetDomains replaces the domains for every request that comes from now on.
// On error the old ones stay.
func (f *Front) SetDomains(domains []string) error {
	list := make([]string, 0, len(domains))
	var mistakes []error
	for _, d := range domains {
		host, _, err := auth.ParseAuthority(d, 80)
		if err != nil || host != strings.ToLower(d) {
			mistakes = append(mistakes, fmt.Errorf("%q is not the name of a domain", d))
			continue
		}
		list = append(list, host)
	}
	if err := errors.Join(mistakes...); err != nil {
		return err
	}
	f.domains.Store(&list)
	return nil
}

// Name is the mode of requests that came through the front, in the record.
func (f *Front) Name() string { return "s3" }

// Speaks sorts a request by the scheme of its Authorization field, by the
// parameters of its query, and by the domain of its host.
func (f *Front) Speaks(_, uri, host string, h auth.Header) auth.Speech {
	if v := h.Get("Authorization"); strings.HasPrefix(v, "AWS") {
		return speech(strings.Contains(v, "Credential="+auth.S3KeyPrefix) || strings.HasPrefix(v, "AWS "+auth.S3KeyPrefix))
	}
	if _, query, ok := strings.Cut(uri, "?"); ok {
		if s := querySpeaks(query); s != auth.Foreign {
			return s
		}
	}
	if _, ok := f.bucketOf(host); ok {
		return auth.Native
	}
	return auth.Foreign
}

func speech(ours bool) auth.Speech {
	if ours {
		return auth.Native
	}
	return auth.Perhaps
}

// querySpeaks looks for the parameters of a presigned URL, of Version 4 or 2.
// No client spells their names with escapes.
func querySpeaks(query string) (s auth.Speech) {
	for rest, more := query, true; more; {
		var pair string
		pair, rest, more = strings.Cut(rest, "&")
		name, value, _ := strings.Cut(pair, "=")
		switch len(name) {
		case len("X-Amz-Credential"), len("X-Amz-Algorithm"), len("AWSAccessKeyId"):
		default:
			continue
		}
		switch {
		case strings.EqualFold(name, "X-Amz-Credential"), strings.EqualFold(name, "AWSAccessKeyId"):
			if strings.HasPrefix(value, auth.S3KeyPrefix) {
				return auth.Native
			}
			s = auth.Perhaps
		case strings.EqualFold(name, "X-Amz-Algorithm"), strings.EqualFold(name, "X-Amz-Signature"):
			s = auth.Perhaps
		}
	}
	return s
}

// bucketOf is the bucket in a host name below one of the domains.
func (f *Front) bucketOf(host string) (bucket string, ok bool) {
	domains := *f.domains.Load()
	if len(domains) == 0 {
		return "", false
	}
	name, _, err := auth.ParseAuthority(host, 80)
	if err != nil {
		return "", false
	}
	for _, d := range domains {
		if left, found := strings.CutSuffix(name, "."+d); found && left != "" {
			return left, true
		}
	}
	return "", false
}

// Refuse words err as S3 does.
func (f *Front) Refuse(err *auth.Error, resource, requestID string) auth.Reply {
	e := s3err.As(err)
	switch err.Code {
	case auth.CodeTooManyAttempts, auth.CodeTooManyRequests, auth.CodeTooManyTransfers, auth.CodeDraining, auth.CodeOverloaded, auth.CodeAuditUnavailable, auth.CodeStoreUnavailable:
		// Whatever it was about: the client is to come back later.
		e = s3err.As(&auth.Error{Code: err.Code, Status: err.Status, Reason: err.Reason, Next: err.Next})
	}
	r := auth.Reply{Status: e.HTTPStatus(), Fields: []auth.HeaderField{
		{Name: "Content-Type", Value: s3err.ContentType},
		{Name: s3err.HeaderRequestID, Value: requestID},
	}}
	if f.o.HostID != "" {
		r.Fields = append(r.Fields, auth.HeaderField{Name: s3err.HeaderHostID, Value: f.o.HostID})
	}
	r.Body = s3err.AppendXML(nil, e, s3err.Where{Resource: resource, RequestID: requestID, HostID: f.o.HostID})
	return r
}
