package sigv4

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

const (
	exampleID     = "AKIAIOSFODNN7EXAMPLE"
	exampleSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)

var exampleTime = time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC)

// outgoing is a request as a provider makes it.
func outgoing(t testing.TB, method, path, query string, fields ...Field) Request {
	t.Helper()
	p, err := ParsePath(path, PathRule{EmptySegments: true})
	if err != nil {
		t.Fatal(err)
	}
	q, err := ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	return Request{Method: method, Host: "bucket.s3.us-west-2.amazonaws.com", Path: p, Query: q.Without(IsSigningParam), Region: "us-west-2", Fields: fields}
}

// recompute is the signature of r as our own canonicaliser makes it.
func recompute(t testing.TB, secret string, r Request, s Signed, names ...string) string {
	t.Helper()
	headers, missing := CanonicalHeaders(r.Host, append(s.Fields(), r.Fields...), names)
	if missing != "" {
		t.Fatalf("%s is not there", missing)
	}
	scope := Scope{s.Date[:8], r.Region, r.service()}
	return DeriveKey(auth.NewSecret(secret), scope).Sign(
		StringToSign(s.Date, scope, CanonicalRequest(r.Method, r.Path, r.Query.Canonical(), headers, names, s.ContentSHA256)))
}

func wantAuthorization(id, signature string, r Request, date string, names ...string) string {
	return fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/%s/%s/s3/aws4_request, SignedHeaders=%s, Signature=%s", id, date, r.Region, strings.Join(names, ";"), signature)
}

// Cases 3, 6, 8, 11, 15, 40–46 and 50: what the SDK signs is what our
// canonicaliser says, and nothing but Host and x-amz-* is signed.
func TestSign(t *testing.T) {
	for _, c := range []struct {
		name   string
		r      Request
		token  string
		signed string
	}{
		{"plain", outgoing(t, "GET", "/weights/model.safetensors", ""), "", "host;x-amz-content-sha256;x-amz-date"},
		{"awkward key", outgoing(t, "GET", "/b/ex!$&'()*,;:@=+~%252F//é%20", "versions&prefix=a/&k=2&k=1&q=+%2B"), "", "host;x-amz-content-sha256;x-amz-date"},
		{"client's own signature", outgoing(t, "GET", "/b/k", "X-Amz-Signature=s&x-amz-date=d&x-id=GetObject"), "", "host;x-amz-content-sha256;x-amz-date"},
		{"session", outgoing(t, "HEAD", "/b/k", ""), "a session/token==", "host;x-amz-content-sha256;x-amz-date;x-amz-security-token"},
		{"fields", outgoing(t, "GET", "/b/k", "", Field{"x-amz-checksum-mode", "ENABLED"}, Field{"X-Amz-Meta-A", " a   b "}, Field{"x-amz-meta-a", "c"}, Field{"X-AMZ-META-B", ""}, Field{"x-amz-server-side-encryption-customer-key", "a2V5"}), "",
			"host;x-amz-checksum-mode;x-amz-content-sha256;x-amz-date;x-amz-meta-a;x-amz-meta-b;x-amz-server-side-encryption-customer-key"},
		{"root", outgoing(t, "GET", "", "lifecycle"), "", "host;x-amz-content-sha256;x-amz-date"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := NewSigner(exampleID, auth.NewSecret(exampleSecret), auth.NewSecret(c.token))
			got, err := s.Sign(context.Background(), c.r, exampleTime)
			if err != nil {
				t.Fatal(err)
			}
			names := strings.Split(c.signed, ";")
			if got.Date != "20130524T000000Z" || got.ContentSHA256 != EmptyPayload || got.SecurityToken != c.token {
				t.Errorf("%+v", got)
			}
			want := wantAuthorization(exampleID, recompute(t, exampleSecret, c.r, got, names...), c.r, "20130524", names...)
			if got.Authorization != want {
				t.Errorf("%s, want %s", got.Authorization, want)
			}
		})
	}
}

func TestSignPayloadAndHost(t *testing.T) {
	r := outgoing(t, "PUT", "/b/k", "")
	r.Payload = UnsignedPayload
	for _, host := range []string{"127.0.0.1:9000", "[::1]:443", "[::1]:9000", "minio.example:80", "storage.googleapis.com"} {
		r.Host = host
		s := NewSigner(exampleID, auth.NewSecret(exampleSecret), auth.Secret{})
		got, err := s.Sign(context.Background(), r, exampleTime)
		if err != nil {
			t.Fatal(err)
		}
		names := []string{"host", "x-amz-content-sha256", "x-amz-date"}
		if want := wantAuthorization(exampleID, recompute(t, exampleSecret, r, got, names...), r, "20130524", names...); got.Authorization != want {
			t.Errorf("%s: %s, want %s", host, got.Authorization, want)
		}
	}
}

// Cases 64 and 78: a signer belongs to one version of a credential, and a new
// day has its own key.
func TestSignKeepsVersionsAndDaysApart(t *testing.T) {
	r := outgoing(t, "GET", "/b/k", "")
	midnight := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	old := NewSigner(exampleID, auth.NewSecret("the wrong secret"), auth.Secret{})
	corrected := NewSigner(exampleID, auth.NewSecret(exampleSecret), auth.Secret{})
	names := []string{"host", "x-amz-content-sha256", "x-amz-date"}
	seen := map[string]bool{}
	for _, at := range []time.Time{midnight.Add(-time.Second), midnight, midnight.Add(-time.Second).In(time.FixedZone("east", 3*3600)), midnight.Add(time.Hour)} {
		for s, secret := range map[*Signer]string{old: "the wrong secret", corrected: exampleSecret} {
			got, err := s.Sign(context.Background(), r, at)
			if err != nil {
				t.Fatal(err)
			}
			want := wantAuthorization(exampleID, recompute(t, secret, r, got, names...), r, at.UTC().Format("20060102"), names...)
			if got.Authorization != want {
				t.Errorf("%s at %s: %s, want %s", secret, at, got.Authorization, want)
			}
			seen[got.Authorization] = true
		}
	}
	if len(seen) != 2*3 {
		t.Errorf("%d signatures of two secrets at three times", len(seen))
	}
}

// Cases 39–41: what may change on the way, and what belongs to the signature
// itself, cannot be given to be signed.
func TestSignRefusesOtherFields(t *testing.T) {
	s := NewSigner(exampleID, auth.NewSecret(exampleSecret), auth.Secret{})
	for _, f := range []Field{
		{"Range", "bytes=0-9"}, {"If-Match", `"x"`}, {"Accept-Encoding", "gzip"}, {"Via", "1.1 x"}, {"X-Forwarded-For", "x"}, {"Host", "x"}, {"User-Agent", "x"},
		{"Authorization", "x"}, {"x-amz-date", "x"}, {"X-Amz-Date", "x"}, {"x-amz-security-token", "x"}, {"X-AMZ-CONTENT-SHA256", "x"}, {"x-amz-s3session-token", "x"},
		{"x-amz-meta-a", "a\r\nHost: b"}, {"x-amz-meta-a", "a\x00"}, {"x-amz-meta-a", "\u2009a"}, {"x-amz-meta-a", "a\u00a0"}, {"x-amz-meta-a\n", "a"}, {"x-amz-meta-a:b", "c"}, {"", ""},
	} {
		if _, err := s.Sign(context.Background(), outgoing(t, "GET", "/b/k", "", f), exampleTime); err != errField {
			t.Errorf("%q: %v", f, err)
		}
	}
	for _, spoil := range []func(*Request){func(r *Request) { r.Host = "" }, func(r *Request) { r.Region = "" }, func(r *Request) { r.Method = "" }} {
		r := outgoing(t, "GET", "/b/k", "")
		spoil(&r)
		if _, err := s.Sign(context.Background(), r, exampleTime); err != errHost {
			t.Errorf("%+v: %v", r, err)
		}
	}
}

// A path whose two forms do not fit would be signed as another one.
func TestSignRefusesAPathThatDoesNotFit(t *testing.T) {
	s := NewSigner(exampleID, auth.NewSecret(exampleSecret), auth.Secret{})
	for _, p := range []Path{{canonical: "/b/%zz", decoded: "/b/k"}, {canonical: "/b/other", decoded: "/b/k"}, {canonical: "/b/k+", decoded: "/b/k "}} {
		r := outgoing(t, "GET", "/b/k", "")
		r.Path = p
		if _, err := s.Sign(context.Background(), r, exampleTime); err != errForm {
			t.Errorf("%q: %v", p.canonical, err)
		}
		if _, err := s.Presign(context.Background(), r, time.Minute, exampleTime); err != errForm {
			t.Errorf("%q presigned: %v", p.canonical, err)
		}
	}
}

// Our own golden signatures, of what clients and stores disagree on. They were
// computed by other means than this package and the SDK.
func TestSignGolden(t *testing.T) {
	golden := load[struct {
		AccessKeyID, SecretAccessKey, Region, Host, Date string
		Requests                                         []struct {
			Case, Method, Path, Query, Token, Payload     string
			SentPath, SentQuery, SignedHeaders, Signature string
			Fields                                        [][2]string
		}
	}](t, "signed.json")
	at, err := time.Parse(TimeFormat, golden.Date)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range golden.Requests {
		t.Run(g.Case, func(t *testing.T) {
			r := outgoing(t, g.Method, g.Path, g.Query)
			r.Host, r.Region, r.Payload = golden.Host, golden.Region, g.Payload
			for _, f := range g.Fields {
				r.Fields = append(r.Fields, Field{f[0], f[1]})
			}
			s := NewSigner(golden.AccessKeyID, auth.NewSecret(golden.SecretAccessKey), auth.NewSecret(g.Token))
			got, err := s.Sign(context.Background(), r, at)
			if err != nil {
				t.Fatal(err)
			}
			want := wantAuthorization(golden.AccessKeyID, g.Signature, r, golden.Date[:8], strings.Split(g.SignedHeaders, ";")...)
			if r.Path.String() != g.SentPath || r.Query.Canonical() != g.SentQuery || got.Authorization != want {
				t.Errorf("%s ? %s\n%s\nwant %s ? %s\n%s", r.Path, r.Query.Canonical(), got.Authorization, g.SentPath, g.SentQuery, want)
			}
		})
	}
}

func TestSignerShowsNoSecret(t *testing.T) {
	s := NewSigner(exampleID, auth.NewSecret(exampleSecret), auth.NewSecret("a session token"))
	if _, err := s.Sign(context.Background(), outgoing(t, "GET", "/b/k", ""), exampleTime); err != nil {
		t.Fatal(err)
	}
	key := DeriveKey(auth.NewSecret(exampleSecret), Scope{"20130524", "us-east-1", "s3"})
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		text := fmt.Sprintf(verb+verb, *s, key) + fmt.Sprintf(verb, s)
		for _, secret := range []string{exampleSecret, "a session token", fmt.Sprintf("%x", exampleSecret), fmt.Sprintf("%x", key.k.Reveal()), fmt.Sprint([]byte(key.k.Reveal()))} {
			if strings.Contains(text, secret) {
				t.Errorf("%s shows a secret: %s", verb, text)
			}
		}
	}
}

// AWS's example of a presigned URL, made by us.
func TestPresign(t *testing.T) {
	r := outgoing(t, "GET", "/test.txt", "")
	r.Host, r.Region = "examplebucket.s3.amazonaws.com", "us-east-1"
	s := NewSigner(exampleID, auth.NewSecret(exampleSecret), auth.Secret{})
	got, err := s.Presign(context.Background(), r, 24*time.Hour, exampleTime)
	if err != nil {
		t.Fatal(err)
	}
	want := "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host" +
		"&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
	if got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if len(r.Query) != 0 {
		t.Errorf("the query of the request was changed: %v", r.Query)
	}

	s = NewSigner(exampleID, auth.NewSecret(exampleSecret), auth.NewSecret("a+token/="))
	got, err = s.Presign(context.Background(), outgoing(t, "GET", "/b/ex!é", "versionId=3", Field{"x-amz-request-payer", "requester"}), time.Second, exampleTime)
	if err != nil {
		t.Fatal(err)
	}
	q, err := ParseQuery(got)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"versionId": "3", "X-Amz-Expires": "1", "X-Amz-Security-Token": "a+token/=", "X-Amz-SignedHeaders": "host;x-amz-request-payer"} {
		if v, n := q.Get(name); v != want || n != 1 {
			t.Errorf("%s is %q, %d times", name, v, n)
		}
	}
	for _, life := range []time.Duration{-time.Second, 0, time.Second - 1, MaxExpires + 1} {
		if _, err := s.Presign(context.Background(), r, life, exampleTime); err != errExpires {
			t.Errorf("%s: %v", life, err)
		}
	}
}
