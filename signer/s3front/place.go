package s3front

import (
	"slices"
	"strings"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/signer/s3host"
	"github.com/weighbridge/weighbridge/signer/sigv4"
)

// The fields of a credential of provider s3 that say where its buckets are;
// they are of its documents.
const (
	paramEndpoint = "endpoint"
	paramRegion   = "region"
	paramStyle    = "addressingStyle"
)

// site is where buckets are reached.
type site struct {
	scheme string
	port   uint16
	host   s3host.Host
	region string
	style  s3host.Style
}

// target is the URL of an object, or of the bucket where key is empty. tail is
// "/" where the request for the bucket had one.
func (s *site) target(o name, tail string, q sigv4.Query) (auth.Target, error) {
	host, prefix, err := s.host.Upstream(o.bucket, s.region, s.style)
	if err != nil {
		return auth.Target{}, err
	}
	t := auth.Target{Scheme: s.scheme, Host: host, Port: s.port}
	switch {
	case o.key != "":
		path, err := sigv4.ObjectPath(o.bucket, o.key, sigv4.PathRule{EmptySegments: true})
		if err != nil {
			return t, err
		}
		t.Path = prefix + strings.TrimPrefix(path.String(), "/"+o.bucket)
	case prefix != "":
		t.Path = prefix + tail
	default:
		t.Path = "/"
	}
	t.RawQuery = q.Canonical()
	t.HasQuery = t.RawQuery != ""
	return t, nil
}

// place finds the credential that opens what the request is about, by what
// every credential of the key says about where its buckets are, and names the
// request and all that it touches there.
func (r *request) place() error {
	if !s3host.ValidBucket(r.real.bucket) {
		return errNotHere(r.said.bucket, "no bucket has such a name")
	}
	sites := r.sites(r.real.bucket)
	subject := r.subject()
	best, opened := -1, false
	var targets []auth.Target
	var found []site
	for i := range sites {
		t, err := sites[i].target(subject.name, subject.tail, subject.query)
		if err != nil {
			continue // this one cannot reach the bucket at all
		}
		targets, found = append(targets, t), append(found, sites[i])
	}
	if len(targets) > 1 {
		best, opened = r.a.Snapshot.Foremost(auth.Question{Identity: r.identity, Method: subject.method, Now: r.a.Now}, targets)
	} else if len(targets) == 1 {
		best, opened = 0, true // the road decides it anyway
	}
	if !opened {
		return errNotHere(r.said.bucket, "no credential that is linked to the key has a pattern for it")
	}
	at := found[best]
	tail := ""
	if strings.HasSuffix(r.Path.Decoded(), "/") {
		tail = "/"
	}
	var err error
	if r.entry.Target, err = at.target(r.real, tail, r.Query); err != nil {
		return err
	}
	r.entry.Subject = auth.Object{Method: subject.method, Target: targets[best]}
	for _, o := range r.others {
		t, err := at.target(o.name, "", nil)
		if err != nil {
			return err
		}
		r.entry.Also = append(r.entry.Also, auth.Object{Method: o.method, Target: t})
	}
	return nil
}

// used is an object and how it is used.
type used struct {
	name
	method string
	tail   string
	query  sigv4.Query
}

// subject is what is decided for the request: the object that its path names,
// a listing by its prefix, a batch by its first key. What only the holder of a
// read-write key may ask is decided as a write.
func (r *request) subject() used {
	s := used{name: r.real, method: r.a.Method, query: r.Query}
	switch {
	case r.op.kind == batchDelete:
		s = r.others[0]
		r.others = r.others[1:]
	case r.op.kind == listing:
		prefix, _ := r.Query.Get("prefix")
		s.query, s.tail = sigv4.Query{{Name: "list-type", Value: "2"}, {Name: "prefix", Value: prefix}}, "/"
	case r.op.level == ofBucket:
		// The bucket itself, or the part of it that the key is for.
		s.method, s.query, s.tail = "GET", sigv4.Query{{Name: "list-type", Value: "2"}}, "/"
		part := r.hidden()
		if part == "" && len(r.access.Prefixes) > 0 {
			part = r.access.Prefixes[0]
		}
		if part != "" {
			s.query = append(s.query, sigv4.Param{Name: "prefix", Value: part})
		}
	case r.op.writes && r.a.Method != "DELETE":
		s.method, s.query = "PUT", nil
	case r.op.writes:
		s.query = nil
	}
	return s
}

// sites are where the linked credentials say that a bucket is: at their
// endpoint, or at the hosts of their patterns, or where AWS has it by its name
// alone.
func (r *request) sites(bucket string) (out []site) {
	r.a.Snapshot.EachLinked(r.identity, Provider, func(c *auth.Credential) bool {
		style := s3host.Style(c.Params[paramStyle])
		if style == "auto" {
			style = ""
		}
		if e := c.Params[paramEndpoint]; e != "" {
			if s, ok := siteOfEndpoint(e, style); ok {
				out = addSite(out, s)
			}
			return true
		}
		for _, text := range c.Patterns {
			if s, ok := siteOfPattern(text, bucket, c.Params[paramRegion], style); ok {
				out = addSite(out, s)
			}
		}
		return true
	})
	return out
}

func addSite(list []site, s site) []site {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

// siteOfEndpoint reads the field endpoint, which has been checked.
func siteOfEndpoint(text string, style s3host.Style) (s site, ok bool) {
	t, err := auth.ParseURL(strings.TrimSuffix(text, "/"))
	if err != nil {
		return s, false
	}
	s = site{scheme: t.Scheme, port: t.Port, style: style}
	if s.host, ok = s3host.Parse(t.Host); !ok {
		e := s3host.Endpoint{Scheme: t.Scheme, Host: t.Host, Port: t.Port, Virtual: style == s3host.Virtual}
		s.host, ok = e.Parse(t.Scheme, t.Host, t.Port)
	}
	return s, ok && s.host.Refused == "" && s.host.Bucket == ""
}

// siteOfPattern is where a pattern's own host has bucket; ok is false where it
// is about other buckets.
func siteOfPattern(text, bucket, region string, style s3host.Style) (s site, ok bool) {
	p, err := auth.ParsePattern(text)
	if err != nil {
		return s, false
	}
	s = site{scheme: p.Scheme(), port: p.Port(), style: style}
	if p.Scheme() == "s3" {
		s.scheme, s.port, s.host = "https", 443, s3host.ByName(region)
		return s, p.Host() == bucket
	}
	const anyBucket = "any"
	s.host, ok = s3host.Parse(strings.Replace(p.Host(), "*", anyBucket, 1))
	if !ok || s.host.Refused != "" || s.host.AccessPoint {
		return s, false
	}
	about := s.host.Bucket
	if about == "" {
		about, _, _ = strings.Cut(strings.TrimPrefix(p.Path(), "/"), "/")
	}
	return s, about == bucket || about == anyBucket || strings.Contains(about, "*")
}
