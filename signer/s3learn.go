package signer

import (
	"context"
	"encoding/xml"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/signer/s3host"
)

const (
	// maxLessons bounds what is remembered, of regions and of clocks; what goes
	// is learned again by one request more.
	maxLessons = 4096
	// maxSkew is how far from ours S3's clock may be ("RequestTimeTooSkewed":
	// 15 minutes).
	maxSkew = 15 * time.Minute
	// maxOffset bounds a learned offset: a clock further off is not right by
	// itself either.
	maxOffset = 24 * time.Hour
)

// s3Bucket is a bucket as one version of a credential knows it.
type s3Bucket struct {
	credential string
	version    uint64
	bucket     string
}

// s3Lessons are what answers have taught: the region of a bucket, and how far
// a clock is from ours.
type s3Lessons struct {
	mu      sync.RWMutex
	regions map[s3Bucket]string
	offsets map[s3Bucket]time.Duration
}

// of returns what is known of a bucket's region, empty for nothing, and of the
// clock.
func (l *s3Lessons) of(d *auth.Decision, bucket string) (region string, offset time.Duration) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.regions[s3Bucket{d.CredentialID, d.Version, bucket}], l.offsets[s3Bucket{credential: d.CredentialID, version: d.Version}]
}

func (l *s3Lessons) learnRegion(d *auth.Decision, bucket, region string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	remember(&l.regions, s3Bucket{d.CredentialID, d.Version, bucket}, region)
}

func (l *s3Lessons) learnOffset(d *auth.Decision, offset time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	remember(&l.offsets, s3Bucket{credential: d.CredentialID, version: d.Version}, offset)
}

func remember[K comparable, V any](m *map[K]V, k K, v V) {
	if _, known := (*m)[k]; !known && len(*m) >= maxLessons {
		for other := range *m { // any of them: it is learned again
			delete(*m, other)
			break
		}
	}
	if *m == nil {
		*m = make(map[K]V)
	}
	(*m)[k] = v
}

// learn implements engine: S3 says by an error in which region a bucket is, or
// that a clock is wrong (Amazon S3 API Reference, "Error responses";
// "Redirection"). The same request is then worth asking once more.
func (e *s3Engine) learn(ctx context.Context, d *auth.Decision, out *auth.Outgoing, a *auth.Refused) auth.Lesson {
	switch a.Status {
	case 301, 302, 307, 308, 400, 403:
	default:
		return auth.Lesson{}
	}
	p, err := e.planOf(d, out)
	if err != nil {
		return auth.Lesson{}
	}
	said := readS3Error(a.Body())
	redirect := a.Status < 400
	switch {
	case said.Code == "ExpiredToken" && s3Exchanged(d.Params) && !a.Again && a.Repeatable:
		// Those that it was signed by: others may have been got for a request that
		// was sent with it.
		id := s3SignedBy(out.Header.Get(authorization))
		e.means.tokens.forget(d.CredentialID, d.Version, func(v auth.Secret) bool {
			keys, err := s3KeysIn(v)
			return err == nil && keys.ID == id
		})
		return auth.Lesson{Again: true, Note: "the temporary keys have ended before their time; others are got"}
	case redirect, a.Status == 400 && (out.Method == "HEAD" || said.Code == "AuthorizationHeaderMalformed" || said.Code == "IllegalLocationConstraintException"):
		return e.learnRegion(ctx, d, p, a, &said, redirect)
	case a.Status == 403 && (said.Code == "RequestTimeTooSkewed" || out.Method == "HEAD"):
		return e.learnClock(d, p, a, said.Code != "")
	}
	return auth.Lesson{}
}

func (e *s3Engine) learnRegion(ctx context.Context, d *auth.Decision, p *s3Plan, a *auth.Refused, said *s3Error, redirect bool) auth.Lesson {
	bucket := p.request.bucketName()
	region := a.Header.Get("X-Amz-Bucket-Region")
	if region == "" {
		region = said.Region
	}
	home := p.request.host
	if region == "" && redirect && !a.Again && home.Service == s3host.AWS {
		region = e.askRegion(ctx, p)
	}
	switch {
	// What counts is what this request was signed for: another one may have
	// learned the same while it was on its way.
	case region != "" && home.TakesRegion(region) && (region != p.region || redirect && region != p.learned) && !a.Again:
		e.lessons.learnRegion(d, bucket, region)
		if a.Repeatable {
			return auth.Lesson{Again: true, Note: "the bucket " + bucket + " is in the region " + region + ", which is asked from now on"}
		}
	case !redirect || home.Service != s3host.AWS && region == "":
		// Its error goes to the worker; other stores redirect to where they like.
		return auth.Lesson{}
	}
	if home.Service != s3host.AWS && !strings.Contains(said.Code, "Redirect") {
		return auth.Lesson{}
	}
	reason := "the bucket " + bucket + " is not in the region " + p.region + ", and S3 did not say in which one it is; give the credential's field region"
	switch {
	case a.Again:
		reason = "S3 led to another region for the bucket " + bucket + " a second time"
	case region != "" && !home.TakesRegion(region):
		reason = "S3 named a region for the bucket " + bucket + " that is none of the same partition"
	case region != "" && a.Repeatable:
		reason = "S3 leads to the region " + region + " for the bucket " + bucket + ", and it was asked there"
	case region != "":
		reason = "the bucket " + bucket + " is in the region " + region + ", which is remembered; the request has a body and has to be sent again by the worker"
	}
	return auth.Lesson{Err: auth.NewError(auth.CodeUpstreamProtocol, reason, nil)}
}

// learnClock learns by how much the storage's clock differs from ours. coded
// says that the error itself spoke of the clock, which a HEAD cannot show: of
// one it is told by how far from the storage's time the request was dated.
func (e *s3Engine) learnClock(d *auth.Decision, p *s3Plan, a *auth.Refused, coded bool) auth.Lesson {
	date, err := http.ParseTime(a.Header.Get("Date"))
	if err != nil || a.Again || !a.Repeatable {
		return auth.Lesson{}
	}
	offset := date.Sub(e.now())
	if off := offset - p.offset; !coded && off.Abs() <= maxSkew || offset.Abs() > maxOffset {
		return auth.Lesson{}
	}
	e.lessons.learnOffset(d, offset)
	return auth.Lesson{Again: true, Note: "the clock of " + a.Host + " and this machine's are " + offset.Abs().Round(time.Minute).String() +
		" apart, by which signatures are dated from now on; set the clock that is wrong"}
}

// s3SignedBy is the id of the keys that a request was signed by ("Authenticating
// requests: using the Authorization header", Credential).
func s3SignedBy(field string) string {
	_, rest, _ := strings.Cut(field, "Credential=")
	id, _, _ := strings.Cut(rest, "/")
	return id
}

// s3Error is an error document of S3 ("REST error responses").
type s3Error struct {
	Code, Message, Region string
	// kept are all the elements that a worker may see.
	kept []s3Element
}

type s3Element struct{ name, text string }

// s3Kept are the elements of an error that say something about the worker's
// request. Others (AWSAccessKeyId, StringToSign, SignatureProvided,
// CanonicalRequest and their bytes, Endpoint) speak of ours.
var s3Kept = []string{
	"Code", "Message", "Key", "BucketName", "Bucket", "Resource", "VersionId", "UploadId", "Condition", "Method", "ResourceType",
	"ArgumentName", "RangeRequested", "ActualObjectSize", "StorageClass", "Region", "RequestId", "HostId",
}

// maxS3Error bounds an error document that is read.
const maxS3Error = 64 << 10

// readS3Error reads what it can of a document; the zero value is none.
func readS3Error(text []byte) (e s3Error) {
	if len(text) == 0 || len(text) > maxS3Error {
		return e
	}
	d := xml.NewDecoder(strings.NewReader(string(text)))
	depth, name, value := 0, "", ""
	for {
		token, err := d.Token()
		if err == io.EOF && depth == 0 {
			return e
		}
		if err != nil {
			return s3Error{}
		}
		switch t := token.(type) {
		case xml.StartElement:
			depth++
			if depth == 1 && t.Name.Local != "Error" {
				return s3Error{}
			}
			if depth == 2 {
				name, value = t.Name.Local, ""
			}
		case xml.CharData:
			if depth == 2 {
				value += string(t)
			}
		case xml.EndElement:
			if depth == 2 {
				e.take(name, value)
			}
			depth--
		}
	}
}

func (e *s3Error) take(name, value string) {
	switch name {
	case "Code":
		e.Code = value
	case "Message":
		e.Message = value
	case "Region":
		e.Region = value
	}
	if contains(s3Kept, name) && len(e.kept) < len(s3Kept) {
		e.kept = append(e.kept, s3Element{name, value})
	}
}
