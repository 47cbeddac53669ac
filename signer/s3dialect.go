package signer

import (
	"errors"
	"strings"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/signer/s3host"
)

// s3EndpointOf reads the fields endpoint and addressingStyle.
func s3EndpointOf(text, style string) (s3host.Endpoint, error) {
	text = strings.TrimSuffix(text, "/")
	t, err := auth.ParseURL(text)
	switch {
	case err != nil || strings.Contains(text, "@"):
		return s3host.Endpoint{}, errors.New("is not a base URL, such as https://minio.example.com:9000")
	case t.HasQuery || t.Path != "/" || strings.Count(text, "/") > 2:
		return s3host.Endpoint{}, errors.New("has a path or query; give scheme, host and port alone")
	}
	return s3host.Endpoint{Scheme: t.Scheme, Host: t.Host, Port: t.Port, Virtual: style == string(s3host.Virtual)}, nil
}

// s3Dialect is how a credential reads URLs.
type s3Dialect struct {
	// endpoint is that of the credential; zero where it has none.
	endpoint s3host.Endpoint
	// region is that of the credential, or empty.
	region string
}

// Dialect implements auth.Canonicalizer. Credentials without an endpoint read
// alike, but for the partition of AWS that their buckets are in.
func (s3) Dialect(params map[string]string) string {
	if e := params[s3Endpoint]; e != "" {
		if params[s3AddressingStyle] == string(s3host.Virtual) {
			return e + " " + string(s3host.Virtual)
		}
		return e
	}
	if p := s3host.PartitionOf(params[s3Region]); p != "aws" && p != "" {
		return params[s3Region]
	}
	return ""
}

// parseS3Dialect reads what Dialect returned.
func parseS3Dialect(text string) (d s3Dialect, err error) {
	if strings.Contains(text, "://") {
		endpoint, style, _ := strings.Cut(text, " ")
		d.endpoint, err = s3EndpointOf(endpoint, style)
		return d, err
	}
	d.region = text
	return d, nil
}

// parse finds out what the host of t is. A configured endpoint beats what the
// name looks like, and is all that its credential knows, unless it is a host of
// a known service.
func (d *s3Dialect) parse(scheme, host string, port uint16) (s3host.Host, bool) {
	if d.endpoint.Host != "" {
		if _, known := s3host.Parse(d.endpoint.Host); !known {
			return d.endpoint.Parse(scheme, host, port)
		}
	}
	return s3host.Parse(host)
}

// home is where the buckets of d are that nobody said more about.
func (d *s3Dialect) home() (s3host.Host, error) {
	if d.endpoint.Host == "" {
		return s3host.ByName(d.region), nil
	}
	h, ok := d.parse(d.endpoint.Scheme, d.endpoint.Host, d.endpoint.Port)
	switch {
	case !ok:
		return h, errors.New("the credential's endpoint is not understood")
	case h.Refused != "":
		return h, errors.New(h.Refused)
	case h.Bucket != "":
		return h, errors.New("the credential's endpoint names a bucket; give it without")
	}
	return h, nil
}

// Expand implements auth.Provider, for a credential without endpoint.
func (p s3) Expand(pattern auth.Pattern) ([]auth.Rule, error) { return p.ExpandIn("", pattern) }

// ExpandIn implements auth.Canonicalizer: a pattern about a bucket, in
// whatever style, means every host of the bucket, so that no rule is dodged by
// another one. Requests are matched in path style; the other hosts say which
// tunnels are opened.
func (s3) ExpandIn(dialect string, p auth.Pattern) ([]auth.Rule, error) {
	d, err := parseS3Dialect(dialect)
	if err != nil {
		return nil, err
	}
	x := s3Expansion{p: p, scheme: p.Scheme(), port: p.Port(), seen: map[string]bool{p.String(): true}, rules: []auth.Rule{{Pattern: p}}}
	switch {
	case p.Scheme() == "s3":
		err = x.byName(&d)
	case p.WildcardHost():
		err = x.everyBucket(&d)
	default:
		err = x.url(&d)
	}
	return x.rules, err
}

// s3Expansion collects the rules of a pattern.
type s3Expansion struct {
	p      auth.Pattern
	scheme string
	port   uint16
	seen   map[string]bool
	rules  []auth.Rule
}

// byName expands s3://bucket/….
func (x *s3Expansion) byName(d *s3Dialect) error {
	h, err := d.home()
	if err != nil {
		return err
	}
	x.scheme, x.port = "https", 443
	if d.endpoint.Host != "" {
		x.scheme, x.port = d.endpoint.Scheme, d.endpoint.Port
	}
	return x.bucket(h, x.p.Host(), x.p.Path())
}

// bucket adds every place of a bucket.
func (x *s3Expansion) bucket(h s3host.Host, bucket, path string) error {
	if why := s3host.RefusedBucket(bucket); why != "" {
		return errors.New(why)
	}
	if !s3host.ValidBucket(bucket) {
		return errors.New("it names no bucket: a bucket has 3 to 63 letters, digits, dots and hyphens")
	}
	return x.places(1, h.Places(bucket), path)
}

// url expands a pattern with an exact host.
func (x *s3Expansion) url(d *s3Dialect) error {
	h, err := d.known(x.p)
	if err != nil {
		return err
	}
	if h.Bucket != "" {
		if h.AccessPoint {
			return x.places(1, h.Places(h.Bucket), x.p.Path())
		}
		return x.bucket(h, h.Bucket, x.p.Path())
	}
	first, rest, more := strings.Cut(x.p.Path()[1:], "/")
	switch {
	case first == "*" && !more:
		return x.whole(h)
	case strings.Contains(first, "*"):
		// Some buckets of the host: only by the path can they be told.
		if err := x.add(ofHost(h), x.p.Path(), false); err != nil {
			return err
		}
		return x.anyBucket(h)
	case !more:
		return x.bucket(h, first, "/")
	}
	return x.bucket(h, first, "/"+rest)
}

// known is the host of a pattern.
func (d *s3Dialect) known(p auth.Pattern) (s3host.Host, error) {
	h, ok := d.parse(p.Scheme(), strings.Replace(p.Host(), "*", "any", 1), p.Port())
	switch {
	case !ok && d.endpoint.Host != "":
		return h, errors.New("its host is not that of the credential's endpoint")
	case !ok:
		return h, errors.New("its host is none of S3 that weighbridge knows: give the storage's base URL in the field endpoint")
	case h.Refused != "":
		return h, errors.New(h.Refused)
	}
	return h, nil
}

// everyBucket expands *.HOST/….
func (x *s3Expansion) everyBucket(d *s3Dialect) error {
	h, err := d.known(x.p)
	switch {
	case err != nil:
		return err
	case h.Bucket != "any" || h.AccessPoint || h.Accelerate || strings.Count(x.p.Host(), "*") != 1:
		return errors.New("a * in its host may stand for the bucket alone, as in *.s3.us-east-1.amazonaws.com/*")
	}
	if x.p.WholeHost() {
		return x.whole(h)
	}
	if err := x.add(ofHost(h), "/*"+x.p.Path(), false); err != nil {
		return err
	}
	return x.anyBucket(h)
}

// whole adds all buckets of a host, in either style.
func (x *s3Expansion) whole(h s3host.Host) error {
	if err := x.add(ofHost(h), "/*", false); err != nil {
		return err
	}
	return x.anyBucket(h)
}

// ofHost is the host by which what is at h is matched: of one region where h
// says which, and of all where it says none.
func ofHost(h s3host.Host) string {
	matched := h.Matched("")
	if h.Implied {
		return matched[0].Host
	}
	return matched[len(matched)-1].Host
}

// anyBucket opens the hosts of all buckets at h.
func (x *s3Expansion) anyBucket(h s3host.Host) error {
	var places []s3host.Place
	if h.Service == s3host.AWS && h.Implied {
		places = h.Regional()
	}
	for _, place := range append(places, s3host.Place{Host: h.Base}) {
		if err := x.add(place.Host, "/*", true); err != nil {
			return err
		}
		if h.PathOnly {
			continue
		}
		if err := x.add("*."+place.Host, "/*", true); err != nil {
			return err
		}
	}
	return nil
}

// places adds places, of which the first ones are matched and the others open
// tunnels.
func (x *s3Expansion) places(matched int, places []s3host.Place, path string) error {
	for i, place := range places {
		if err := x.add(place.Host, place.Prefix+path, i >= matched); err != nil {
			return err
		}
	}
	return nil
}

func (x *s3Expansion) add(host, path string, opens bool) error {
	t := auth.Target{Scheme: x.scheme, Host: host, Port: x.port, Path: path}
	if path == "" {
		t.Path = "/"
	}
	q, err := auth.ParsePattern(t.Redacted())
	if err != nil {
		return err
	}
	if !x.seen[q.String()] {
		x.seen[q.String()] = true
		x.rules = append(x.rules, auth.Rule{Pattern: q, Opens: opens})
	}
	return nil
}
