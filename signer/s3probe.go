package signer

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/signer/s3host"
)

var _ prober = s3{}

// asks asks where the credential's patterns are: for the object that it names
// as a sample, for one object or listing of each bucket, or at AWS, where no
// bucket is named, the Security Token Service whose the keys are.
func (p s3) asks(q *auth.Inquiry) (string, string) {
	places, why := p.places(q)
	switch {
	case why != "":
		return "", why
	case q.Credential.Params[s3RoleARN] != "" && stsHost(&q.Credential) != "":
		return "https://" + stsHost(&q.Credential) + "/", "" // the role comes first
	case len(places) > 0:
		return places[0].url, ""
	case stsHost(&q.Credential) != "":
		return "https://" + stsHost(&q.Credential) + "/", ""
	}
	return "", "the fields are well formed; no pattern names a bucket, so nobody is asked: give an object in the field " + s3SampleObject
}

// places are what is asked for, one of each pattern.
func (p s3) places(q *auth.Inquiry) (places []place, why string) {
	c := &q.Credential
	dialect, err := parseS3Dialect(p.Dialect(c.Params))
	if err != nil {
		return nil, "the credential's endpoint is not understood"
	}
	spots := p.spots(c, &dialect)
	for _, text := range []struct {
		field  string
		wanted bool
	}{{q.Resource, true}, {c.Params[s3SampleObject], false}} {
		bucket, key, ok := s3Object(text.field)
		if !ok {
			continue
		}
		for _, s := range append(spots, s3Home(&dialect, bucket)) {
			if s.bucket == "" && s.of != bucket {
				continue
			}
			url := s.base(bucket) + "/" + encodePath(key)
			if s.scheme != "" && may(p, c, url) {
				places = append(places, place{url: url, name: text.field, exact: true, wanted: text.wanted, fields: []auth.HeaderField{firstByte}})
				break
			}
		}
		if !text.wanted && (len(places) == 0 || places[len(places)-1].name != text.field) {
			return nil, "the fields are well formed; the " + s3SampleObject + " matches none of the patterns, so nobody is asked"
		}
	}
	if c.Params[s3SampleObject] != "" {
		return places, ""
	}
	for _, s := range spots {
		at, ok := s.place(p, c)
		known := slices.ContainsFunc(places, func(o place) bool { return o.name == at.name })
		if ok && !known && len(places) < maxTrials {
			places = append(places, at)
		}
	}
	return places, ""
}

// s3Spot is what one pattern is about, in the form in which it is matched.
type s3Spot struct {
	scheme, authority string
	// bucket is empty where the host is the bucket's, or an access point's; of is
	// either's name.
	bucket, of string
	// rest is the pattern of keys, as it is written in a path.
	rest string
}

func (s *s3Spot) base(bucket string) string {
	base := s.scheme + "://" + s.authority
	if s.bucket != "" {
		base += "/" + bucket
	}
	return base
}

// spots are those of the credential's patterns that name a bucket.
func (p s3) spots(c *auth.Credential, d *s3Dialect) (out []s3Spot) {
	for _, pattern := range injecting(p, c) {
		if pattern.WildcardHost() || pattern.Scheme() != "https" && pattern.Scheme() != "http" {
			continue
		}
		h, ok := d.parse(pattern.Scheme(), pattern.Host(), pattern.Port())
		if !ok || h.Refused != "" {
			continue
		}
		s := s3Spot{
			scheme:    pattern.Scheme(),
			authority: auth.Target{Scheme: pattern.Scheme(), Host: pattern.Host(), Port: pattern.Port()}.Authority(),
			rest:      strings.TrimPrefix(pattern.Path(), "/"),
		}
		if h.Bucket == "" {
			s.bucket, s.rest, _ = strings.Cut(s.rest, "/")
			if s.bucket == "" || strings.Contains(s.bucket, "*") {
				continue
			}
			h.Bucket = s.bucket
		}
		s.of = h.Bucket
		out = append(out, s)
	}
	return out
}

// s3Home is where a bucket is that no pattern names.
func s3Home(d *s3Dialect, bucket string) s3Spot {
	h, err := d.home()
	if err != nil || d.endpoint.Host != "" && d.endpoint.Scheme == "" {
		return s3Spot{}
	}
	s := s3Spot{scheme: "https", authority: h.Base, bucket: bucket, of: bucket}
	if e := d.endpoint; e.Host != "" {
		s.scheme, s.authority = e.Scheme, auth.Target{Scheme: e.Scheme, Host: e.Host, Port: e.Port}.Authority()
	}
	return s
}

// place is what is asked for at a spot: the object, where it is one, else the
// shortest listing that the pattern allows, else an object that does not exist.
func (s *s3Spot) place(p s3, c *auth.Credential) (at place, ok bool) {
	base := s.base(s.bucket)
	at.name = strings.TrimSuffix(s.of+"/"+s.rest, "/")
	before, star := strings.CutSuffix(s.rest, "*")
	if s.rest != "" && !star && !strings.Contains(s.rest, "*") && !strings.HasSuffix(s.rest, "/") {
		at.url, at.exact, at.fields = base+"/"+s.rest, true, []auth.HeaderField{firstByte}
		return at, may(p, c, at.url)
	}
	if !strings.Contains(before, "*") {
		prefix, _ := unescapeOnce(before)
		at.url = base
		if s.bucket == "" {
			at.url += "/"
		}
		at.url += "?list-type=2&max-keys=1"
		if prefix != "" {
			at.url += "&prefix=" + escapeQuery(prefix)
		}
		if may(p, c, at.url) {
			return at, true
		}
	}
	at.url = base + "/" + strings.ReplaceAll(strings.ReplaceAll(s.rest, "**", "*"), "*", absent)
	at.fields = []auth.HeaderField{firstByte}
	return at, may(p, c, at.url)
}

func (p s3) probe(ctx context.Context, c *probing) auth.Report {
	places, _ := p.places(c.Inquiry)
	if len(places) == 0 {
		return c.callerIdentity(ctx)
	}
	t := c.trial(p)
	defer t.close()
	r := t.tally(ctx, places, func(a *answer, at *place) finding { return s3Finding(c.Credential.Params, a, at) })
	if host := stsHost(&c.Credential); r.Asked == "" && s3Exchanged(c.Credential.Params) && host != "" { // no keys
		r.Asked = "POST https://" + host + "/"
	}
	if r.Verdict == auth.VerdictInvalid && r.Next == "" {
		r.Next = s3Renew
	}
	return r
}

const s3Renew = "Make a new access key at the storage, and rotate it in: weighbridge credential update."

// s3Refuting are the codes of errors that refute the keys themselves, in words
// (Amazon S3 API Reference, "Error responses"; Cloud Storage, "XML API errors",
// InvalidSecurity; MinIO, InvalidTokenId; versitygw, XAdminUserNotFound). Who asks is looked at before what is
// asked for.
var s3Refuting = map[string]string{
	"InvalidAccessKeyId":    "the storage does not know the access key id: it is wrong, or the key is disabled or deleted",
	"XAdminUserNotFound":    "the storage does not know the access key id: it is wrong, or the key is disabled or deleted",
	"InvalidClientTokenId":  "the storage does not know the access key id: it is wrong, or the key is disabled or deleted",
	"SignatureDoesNotMatch": "the secret access key is not the one that belongs to the access key id",
	"InvalidSecurity":       "the storage does not take the keys",
	"ExpiredToken":          "the session token has ended",
	"InvalidToken":          "the storage does not take the session token: it is wrong, or the keys are no temporary ones",
	"InvalidTokenId":        "the storage does not take the session token: it is wrong, or the keys are no temporary ones",
	"TokenRefreshRequired":  "the session token has ended",
	"NotSignedUp":           "the account of the keys is not signed up for the storage",
	"AccountProblem":        "there is a problem with the account of the keys",
}

// s3Finding reads an answer: the code of the error decides, not its status.
func s3Finding(params map[string]string, a *answer, at *place) finding {
	said := readS3Error(a.body)
	const takes = "the storage takes the keys"
	if why, refuted := s3Refuting[said.Code]; refuted {
		return finding{verdict: auth.VerdictInvalid, meaning: why, next: s3Renew}
	}
	valid := finding{verdict: auth.VerdictValid, meaning: takes}
	switch {
	case a.status == http.StatusOK, a.status == http.StatusPartialContent, said.Code == "InvalidRange":
		valid.fact = at.name + ": may be read"
		if !at.exact {
			valid.fact = at.name + ": may be listed"
		}
	case said.Code == "NoSuchKey" && !at.exact:
		valid.fact = at.name + ": may be asked for"
	case said.Code == "NoSuchKey":
		valid.warning, valid.next = "there is no object "+at.name, "Compare the name with what is in the bucket."
	case said.Code == "NoSuchBucket":
		valid.warning = "there is no such bucket: " + at.name
		valid.next = "Compare the bucket's name and the credential's endpoint with what the storage says."
	case said.Code == "AccessDenied" && at.exact:
		valid.meaning = takes + ", but does not let them read " + at.name
		valid.warning = at.name + " may not be read, or does not exist"
		valid.next = "Give the user of the keys s3:GetObject on it."
	case said.Code == "AccessDenied":
		valid.meaning = takes + "; whether they may read is not known"
		valid.fact = at.name + ": may not be listed, which a download does not need"
		valid.next = "Give an object in the field " + s3SampleObject + ", and it is tried."
	case said.Code == "AllAccessDisabled":
		valid.warning = "all access to " + at.name + " has been disabled by the storage"
	case said.Code == "InvalidArgument" && strings.Contains(said.Message, "access key has length"):
		// Cloudflare R2, of a key that is another kind of token.
		return finding{verdict: auth.VerdictInvalid, meaning: "the access key id is none of this storage: something else was pasted", next: s3Renew}
	case said.Code == "RequestTimeTooSkewed":
		return finding{meaning: "the clock of the storage and this machine's are too far apart to sign", next: "Set this machine's clock."}
	case a.status == http.StatusMovedPermanently, a.status == http.StatusTemporaryRedirect,
		said.Code == "AuthorizationHeaderMalformed", said.Code == "IllegalLocationConstraintException":
		return finding{meaning: "the bucket is in another region than " + s3RegionWords(params), next: "Give the credential's field " + s3Region + "."}
	default:
		return finding{}
	}
	return valid
}

func s3RegionWords(params map[string]string) string {
	if r := params[s3Region]; s3host.ValidRegion(r) {
		return r
	}
	return "was asked"
}

// stsHost is the Security Token Service of a credential whose buckets are
// Amazon's; empty for others.
func stsHost(c *auth.Credential) string {
	if c.Params[s3Endpoint] != "" {
		return ""
	}
	partition := s3Partition(c)
	if s3host.Suffix(partition) == "" {
		return ""
	}
	return "sts." + stsRegion(c.Params, partition) + "." + s3host.Suffix(partition)
}

// s3Partition is the partition of AWS that a credential's keys are of: that of
// its role, of its region, or of a host in its patterns. It is empty where its
// patterns name hosts of others alone, who are not Amazon's to know.
func s3Partition(c *auth.Credential) string {
	if p := arnPartition(c.Params[s3RoleARN]); p != "" {
		return p
	}
	if p := s3host.PartitionOf(c.Params[s3Region]); p != "" {
		return p
	}
	others := false
	for _, text := range c.Patterns {
		pattern, err := auth.ParsePattern(text)
		if err != nil || pattern.Scheme() == "s3" {
			continue
		}
		h, _ := s3host.Parse(strings.Replace(pattern.Host(), "*", "any", 1))
		if h.Partition != "" {
			return h.Partition
		}
		others = true
	}
	if others {
		return ""
	}
	return "aws"
}

// callerIdentity asks AWS whose the keys are, for which no permission is needed
// (AWS STS API Reference, GetCallerIdentity).
func (p *probing) callerIdentity(ctx context.Context) auth.Report {
	asked := "POST https://" + stsHost(&p.Credential) + "/"
	if p.client == nil {
		return *p.unknown(asked, "there is no way out", "")
	}
	e := &s3Engine{now: p.set.now, means: p.means}
	provider, err := e.source(p.Credential.Params, s3Keys{p.Fields[s3AccessKeyID].Reveal(), p.Fields[s3SecretAccessKey].Reveal(), p.Fields[s3SessionToken].Reveal()}, "")
	if err != nil {
		return *p.unknown("", err.Error(), "")
	}
	got, err := e.sts(stsRegion(p.Credential.Params, s3Partition(&p.Credential)), provider).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	var refused interface{ ErrorCode() string }
	switch {
	case err == nil:
		r := auth.Report{Verdict: auth.VerdictValid, Asked: asked, Answer: statusText(http.StatusOK), Meaning: "AWS takes the keys; whether they may read is not known"}
		r.Facts = append(tell("identity", aws.ToString(got.Arn)), tell("account", aws.ToString(got.Account))...)
		r.Next = "Give an object in the field " + s3SampleObject + ", and it is tried."
		return r
	case !errors.As(err, &refused):
		return *p.unknown(asked, "AWS STS could not be reached", "Look whether this machine reaches it; it is asked again by itself.")
	}
	code := refused.ErrorCode()
	if why, refuted := s3Refuting[code]; refuted {
		return auth.Report{Verdict: auth.VerdictInvalid, Asked: asked, Answer: cutWords(code), Meaning: why, Next: s3Renew}
	}
	r := p.unknown(asked, "AWS STS gave an answer that says nothing of the keys", "It is asked again by itself.")
	r.Answer = cutWords(code)
	return *r
}
