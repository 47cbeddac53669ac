package s3front

import (
	"encoding/xml"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/signer/s3err"
	"github.com/weighbridge/weighbridge/signer/s3host"
	"github.com/weighbridge/weighbridge/signer/sigv4"
)

// maxBuckets is how many buckets one answer lists at most (Amazon S3 API
// Reference, ListBuckets).
const maxBuckets = 10_000

// bucketsAnswer is the document of ListBuckets.
type bucketsAnswer struct {
	XMLName xml.Name `xml:"ListAllMyBucketsResult"`
	Space   string   `xml:"xmlns,attr"`
	Owner   struct {
		ID          string `xml:"ID"`
		DisplayName string `xml:"DisplayName"`
	} `xml:"Owner"`
	Buckets struct {
		Bucket []bucketEntry `xml:"Bucket"`
	} `xml:"Buckets"`
	Continuation string `xml:"ContinuationToken,omitempty"`
	Prefix       string `xml:"Prefix,omitempty"`
}

type bucketEntry struct {
	Name    string `xml:"Name"`
	Created string `xml:"CreationDate"`
}

// bucketList answers ListBuckets without asking anybody: with the buckets that
// the key and its credentials name. When they were made is not known here; the
// answer gives the day on which S3 was opened, since clients want a date.
func (r *request) bucketList() (auth.Reply, error) {
	names := r.buckets()
	var a bucketsAnswer
	a.Space = "http://s3.amazonaws.com/doc/2006-03-01/"
	a.Owner.ID, a.Owner.DisplayName = r.identity.KeyID, r.identity.KeyName
	a.Prefix, _ = r.Query.Get("prefix")
	after, _ := r.Query.Get("continuation-token")
	limit := maxBuckets
	if text, n := r.Query.Get("max-buckets"); n > 0 {
		m, err := strconv.Atoi(text)
		if err != nil || m < 1 || m > maxBuckets {
			return auth.Reply{}, deny(auth.CodeBadRequest, s3err.InvalidArgument, "max-buckets is not a number from 1 to 10000", "")
		}
		limit = m
	}
	created := time.Date(2006, 3, 14, 0, 0, 0, 0, time.UTC).Format("2006-01-02T15:04:05.000Z")
	for _, n := range names {
		switch {
		case n <= after || !strings.HasPrefix(n, a.Prefix):
		case len(a.Buckets.Bucket) == limit:
			a.Continuation = a.Buckets.Bucket[limit-1].Name
		default:
			a.Buckets.Bucket = append(a.Buckets.Bucket, bucketEntry{n, created})
		}
	}
	body, err := xml.Marshal(&a)
	if err != nil {
		return auth.Reply{}, err
	}
	return auth.Reply{Status: 200, Body: append([]byte(xml.Header), body...), Fields: []auth.HeaderField{
		{Name: "Content-Type", Value: s3err.ContentType},
		{Name: s3err.HeaderRequestID, Value: r.a.RequestID},
	}}, nil
}

// buckets are the names by which the worker may call what the key is for,
// sorted: its aliases; its buckets, or those that its credentials' patterns
// name where it is for all of these.
func (r *request) buckets() []string {
	var names []string
	add := func(n string) {
		if _, hiding := r.access.Aliases[n]; !hiding && !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	for _, b := range r.access.Buckets {
		add(b)
	}
	if len(r.access.Buckets) == 0 {
		r.a.Snapshot.EachLinked(r.identity, Provider, func(c *auth.Credential) bool {
			for _, text := range c.Patterns {
				if b := bucketOfPattern(text, c.Params[paramEndpoint]); b != "" {
					add(b)
				}
			}
			return true
		})
	}
	for alias, to := range r.access.Aliases {
		bucket, _, _ := strings.Cut(to, "/")
		if r.access.AllowsBucket(bucket) && !slices.Contains(names, alias) {
			names = append(names, alias)
		}
	}
	slices.Sort(names)
	return names
}

// bucketOfPattern is the one bucket that a pattern names, or nothing.
func bucketOfPattern(text, endpoint string) string {
	p, err := auth.ParsePattern(text)
	if err != nil {
		return ""
	}
	bucket := ""
	switch h, known := s3host.Parse(p.Host()); {
	case p.Scheme() == "s3":
		bucket = p.Host()
	case known && h.Bucket != "" && !h.AccessPoint:
		bucket = h.Bucket
	case !known && endpoint != "":
		if t, err := auth.ParseURL(strings.TrimSuffix(endpoint, "/")); err == nil && strings.HasSuffix(p.Host(), "."+t.Host) {
			bucket = strings.TrimSuffix(p.Host(), "."+t.Host)
			break
		}
		fallthrough
	default:
		bucket, _, _ = strings.Cut(strings.TrimPrefix(p.Path(), "/"), "/")
		if path, err := sigv4.ParsePath("/"+bucket, sigv4.PathRule{}); err == nil {
			bucket = strings.TrimPrefix(path.Decoded(), "/")
		}
	}
	if !s3host.ValidBucket(bucket) {
		return ""
	}
	return bucket
}
