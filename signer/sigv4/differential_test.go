package sigv4

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/rclone/gofakes3/signature"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/signer/s3err"
)

// gofakes3/signature is the second verifier; its clock is a variable of its
// package.
func TestMain(m *testing.M) {
	signature.TimeNow = func() time.Time { return exampleTime }
	os.Exit(m.Run())
}

// sent is what r looks like on the wire with fields put on it.
func sent(r Request, query string, fields []Field) *Incoming {
	return &Incoming{Method: r.Method, Path: r.Path.String(), Query: query, Host: r.Host, Fields: append(slices.Clone(r.Fields), fields...), EmptySegments: true}
}

// asHTTP is in as net/http would hand it to a handler.
func asHTTP(t testing.TB, in *Incoming) *http.Request {
	t.Helper()
	u, err := url.ParseRequestURI(in.Path + "?" + in.Query)
	if err != nil {
		t.Fatal(err)
	}
	req := &http.Request{Method: in.Method, URL: u, Host: in.Host, Header: http.Header{}}
	for _, f := range in.Fields {
		req.Header.Add(f.Name, f.Value)
	}
	return req
}

// secondVerifier is the verdict of gofakes3/signature: "" is good.
func secondVerifier(t testing.TB, in *Incoming, secret string) string {
	code := signature.V4SignVerifyWithSecret(asHTTP(t, in), secret)
	return signature.GetAPIError(code).Code
}

// awkward makes a request of what a fuzzer thinks of, or false where the
// canonicaliser refuses it.
func awkward(method byte, key, query, name, value string) (Request, bool) {
	path, err := ObjectPath("bucket", key, PathRule{EmptySegments: true})
	if err != nil {
		return Request{}, false
	}
	if _, _, err := path.PathStyle(); err != nil || len(name) > 256 {
		return Request{}, false
	}
	q, err := ParseQuery(query)
	if err != nil {
		return Request{}, false
	}
	r := Request{
		Method: []string{"GET", "HEAD", "PUT", "DELETE"}[method%4], Host: "bucket.example:9000", Path: path, Query: q.Without(IsSigningParam), Region: "us-west-2",
		Fields: []Field{{"X-Amz-Meta-" + name, value}, {"x-amz-meta-" + name, "a  b"}, {"x-amz-request-payer", "requester"}},
	}
	for _, f := range r.Fields {
		if !mayBeSigned(f) {
			return Request{}, false
		}
	}
	return r, true
}

// sameToAll reports whether the second verifier reads in as everybody else
// does: it sorts parameters before they are encoded, and those of one name not
// at all, and takes any blank of Unicode for a space.
func sameToAll(in *Incoming) bool {
	q, err := ParseQuery(in.Query)
	if err != nil {
		return false
	}
	values := url.Values{}
	for _, p := range q {
		values.Add(p.Name, p.Value)
	}
	if strings.ReplaceAll(values.Encode(), "+", "%20") != q.Canonical() {
		return false
	}
	for _, f := range in.Fields {
		if !utf8.ValidString(f.Value) || strings.IndexFunc(f.Value, func(r rune) bool { return r != ' ' && unicode.IsSpace(r) }) >= 0 {
			return false
		}
	}
	return true
}

func seedAwkward(f *testing.F) {
	for i, key := range []string{
		"weights/model.safetensors", "a b+c", "ex!$&'()*,;:@=~-_.", "q?m#h%", "a%2Fb%zz", "é", "e\u0301", "a//b/", "", "日本語/\U0001F600", `back\slash "<>[]^` + "`{|}", "...", strings.Repeat("k", MaxKey),
	} {
		for j, query := range []string{"", "versions", "list-type=2&prefix=a/&delimiter=%2F", "k=2&k=1&K=0&k=a/b&k=a-b", "a=1&%C3%A9=2&q=+%2B", "=x&&", "X-Amz-Signature=s&prefix=a=b", "x-id=GetObject&partNumber=1"} {
			f.Add(byte(i+j), key, query, []string{"a", "b-c", "_x.y~"}[j%3], []string{"", " a   b ", "c,d", "ü", "\ta\t b"}[(i+j)%5], []string{"", "session/token+="}[i%2], j%2 == 0)
		}
	}
}

// What we sign for an upstream is verified by our own verifier and by another.
func FuzzSignedByUs(f *testing.F) {
	seedAwkward(f)
	f.Fuzz(func(t *testing.T, method byte, key, query, name, value, token string, presign bool) {
		r, ok := awkward(method, key, query, name, value)
		if !ok || !isGraphic(token) {
			return
		}
		s := NewSigner(ourID, auth.NewSecret(ourSecret), auth.NewSecret(token))
		var in *Incoming
		if presign {
			query, err := s.Presign(context.Background(), r, time.Minute, exampleTime)
			if err != nil {
				t.Fatal(err)
			}
			in = sent(r, query, nil)
		} else {
			signed, err := s.Sign(context.Background(), r, exampleTime)
			if err != nil {
				t.Fatal(err)
			}
			in = sent(r, r.Query.Canonical(), signed.Fields())
		}
		agree(t, r, in, token)
	})
}

// agree: both verifiers take in, and neither takes it with another key in its
// path, parameter, field or secret.
func agree(t *testing.T, r Request, in *Incoming, token string) {
	t.Helper()
	got, err := verifier("", exampleTime).Verify(context.Background(), in)
	switch {
	case len(in.Query) > MaxQuery:
		return
	case token != "":
		if err == nil || s3err.As(err).Code != s3err.InvalidToken {
			t.Fatalf("with a session token: %v", err)
		}
	case err != nil:
		t.Fatalf("%v: %+v", err, in)
	case got.Path != r.Path || got.Query.Canonical() != r.Query.Canonical():
		t.Fatalf("%q ? %q became %q ? %q", r.Path, r.Query.Canonical(), got.Path, got.Query.Canonical())
	}
	if sameToAll(in) {
		if code := secondVerifier(t, in, ourSecret); code != "" {
			t.Fatalf("the second verifier says %s: %+v", code, in)
		}
		if code := secondVerifier(t, in, ourSecret+"x"); code != "SignatureDoesNotMatch" {
			t.Fatalf("the second verifier says %q to another secret", code)
		}
	}
	for _, spoil := range []func(*Incoming){
		func(in *Incoming) { in.Path += "x" },
		func(in *Incoming) { in.Query += "&acl" },
		func(in *Incoming) { in.Host += "0" },
		func(in *Incoming) { in.Method = "POST" },
		func(in *Incoming) {
			in.Fields = slices.Clone(in.Fields)
			in.Fields[0].Value += "x"
		},
	} {
		changed := *in
		spoil(&changed)
		if _, err := verifier("", exampleTime).Verify(context.Background(), &changed); err == nil {
			t.Fatalf("verified: %+v", changed)
		}
	}
}

// What a client signs with the SDK is verified by us, in whatever spelling the
// path and the query are sent.
func FuzzSignedBySDK(f *testing.F) {
	seedAwkward(f)
	f.Fuzz(func(t *testing.T, method byte, key, query, name, value, token string, respell bool) {
		r, ok := awkward(method, key, query, name, value)
		if !ok {
			return
		}
		req := &http.Request{
			Method: r.Method, Host: r.Host, Header: http.Header{"Range": {"bytes=0-9"}, "Accept-Encoding": {"identity"}, HeaderContentSHA256: {EmptyPayload}},
			URL: &url.URL{Scheme: "http", Host: r.Host, Path: r.Path.Decoded(), RawPath: r.Path.String(), RawQuery: r.Query.Canonical()},
		}
		for _, f := range r.Fields {
			req.Header.Add(f.Name, f.Value)
		}
		signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
		err := signer.SignHTTP(context.Background(), aws.Credentials{AccessKeyID: ourID, SecretAccessKey: ourSecret}, req, EmptyPayload, ServiceS3, "eu-central-1", exampleTime)
		if err != nil {
			t.Fatal(err)
		}
		in := &Incoming{Method: r.Method, Path: r.Path.String(), Query: req.URL.RawQuery, Host: req.Host, EmptySegments: true}
		for name, values := range req.Header {
			for _, v := range values {
				in.Fields = append(in.Fields, Field{name, v})
			}
		}
		if respell {
			in.Path = respelled(in.Path, true)
			in.Query = respelled(in.Query, false)
		}
		got, err := verifier("", exampleTime).Verify(context.Background(), in)
		if len(in.Query) > MaxQuery {
			return
		}
		if err != nil {
			t.Fatalf("%v: %+v", err, in)
		}
		if got.Path != r.Path || got.Query.Canonical() != r.Query.Canonical() || !slices.Contains(got.SignedHeaders, "range") {
			t.Fatalf("%+v", got)
		}
		if !respell && sameToAll(in) {
			if code := secondVerifier(t, in, ourSecret); code != "" {
				t.Fatalf("the second verifier says %s: %+v", code, in)
			}
		}
	})
}

// respelled writes the escapes of s in lower case, and what needs no escape,
// or not everywhere, as it is or as an escape.
func respelled(s string, path bool) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '%':
			raw, _ := unhex(s[i+1], s[i+2])
			switch {
			case path && strings.IndexByte("!$&'()*,;:@=+", raw) >= 0, !path && strings.IndexByte("!'()*,:@/?", raw) >= 0:
				b.WriteByte(raw)
			case !path && raw == ' ':
				b.WriteByte('+')
			default:
				b.WriteString(strings.ToLower(s[i : i+3]))
			}
			i += 2
		case c == 'a':
			b.WriteString("%61")
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
