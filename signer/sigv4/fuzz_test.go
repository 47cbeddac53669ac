package sigv4

import (
	"context"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/signer/s3err"
)

// Whatever is sent, the answer is a proper error that shows nothing, and
// nothing is verified that was not signed: the fuzzer does not know a key.
func FuzzVerify(f *testing.F) {
	for _, v := range load[[]vector](f, "verify.json") {
		in := v.signed(f)
		var fields strings.Builder
		for _, h := range in.Fields {
			fields.WriteString(h.Name + ":" + h.Value + "\n")
		}
		f.Add(in.Method, in.Path, in.Query, in.Host, fields.String())
	}
	f.Add("GET", "/b/k", strings.Repeat("a=b&", 1<<15), "h", "")
	f.Add("GET", "/b/k", "X-Amz-Credential="+strings.Repeat("/", 5000), "h", "Authorization:AWS4-HMAC-SHA256 "+strings.Repeat("Credential=,", 500)+"\n")
	f.Add("GET", "/b/k", "", "h", strings.Repeat("Authorization:AWS4-HMAC-SHA256 Credential=a/20130524/r/s3/aws4_request, SignedHeaders=host, Signature=\n", 3))
	f.Fuzz(func(t *testing.T, method, path, query, host, fields string) {
		in := &Incoming{Method: method, Path: path, Query: query, Host: host}
		for line := range strings.SplitSeq(fields, "\n") {
			if name, value, ok := strings.Cut(line, ":"); ok {
				in.Fields = append(in.Fields, Field{name, value})
			}
		}
		v := verifier("", exampleTime)
		lookup := v.Lookup
		asked := 0
		v.Lookup = func(ctx context.Context, id string) (auth.Secret, error) {
			asked++
			if id == ourID || id == exampleID {
				return auth.NewSecret("a secret that signed nothing"), nil
			}
			return lookup(ctx, "WBAKUNKNOWN")
		}
		_, err := v.Verify(context.Background(), in)
		if err == nil {
			t.Fatalf("verified: %+v", in)
		}
		e, ok := err.(*s3err.Error)
		if !ok || e.Message == "" || e.HTTPStatus() < 400 || e.HTTPStatus() > 499 || asked > 1 {
			t.Fatalf("%v after %d lookups", err, asked)
		}
		if e.Code == s3err.SignatureDoesNotMatch && asked == 0 && !strings.Contains(e.Message, "arrive") {
			t.Fatalf("%v without a key", err)
		}
	})
}

// The canonical form is a fixed point, keeps the key, and has no byte that
// needs escaping.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"/b/a%2Fb", "/b/%c3%a9+~!", "/b//x", "/b/..%2f", "%", "/b/%5c..%5c", "a=1&b", "a=b;c", "%zz=", "é=+&=&&", "X-Amz-SignedHeaders=a;b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, rule := range []PathRule{{}, {EmptySegments: true}} {
			p, err := ParsePath(s, rule)
			if err != nil {
				continue
			}
			again, err := ParsePath(p.String(), rule)
			if err != nil || again != p || encode(p.Decoded(), true) != p.String() {
				t.Fatalf("%q: %q, again %q, %v", s, p, again, err)
			}
			for segment := range strings.SplitSeq(p.Decoded(), "/") {
				if segment == "." || segment == ".." || segment == "" && !rule.EmptySegments && p.HasEmptySegment() {
					t.Fatalf("%q has the segment %q", s, segment)
				}
			}
			if bucket, key, err := p.PathStyle(); err == nil && bucket != "" && key != "" {
				if made, err := ObjectPath(bucket, key, rule); err != nil || made != p {
					t.Fatalf("%q: %q, %v", s, made, err)
				}
			}
		}
		q, err := ParseQuery(s)
		if err != nil {
			return
		}
		canonical := q.Canonical()
		if len(canonical) > MaxQuery {
			return
		}
		again, err := ParseQuery(canonical)
		if err != nil || again.Canonical() != canonical {
			t.Fatalf("%q: %q, again %q, %v", s, canonical, again.Canonical(), err)
		}
		if strings.IndexFunc(canonical, func(r rune) bool { return r > '~' || !unreserved[byte(r)] && !strings.ContainsRune("%=&", r) }) >= 0 {
			t.Fatalf("%q: %q", s, canonical)
		}
	})
}

// A body of signed chunks ends well only if it is the one that was signed; of
// any other less than all is passed on.
func FuzzBody(f *testing.F) {
	for i, u := range uploads() {
		v := u.verified(f)
		f.Add(i, u.encoded(v))
		f.Add(i, strings.Replace(u.encoded(v), "\r\n", "\n", 1))
	}
	f.Fuzz(func(t *testing.T, i int, body string) {
		all := uploads()
		u := all[uint(i)%uint(len(all))]
		got, err := readBody(u.verified(t), strings.NewReader(body))
		covered := u.mode != streamingUnsignedTrailer
		if err == nil && len(got) != len(u.data) || err == nil && covered && got != u.data {
			t.Fatalf("%s ended well with %d bytes", u, len(got))
		}
		if err != nil && len(got) >= max(1, len(u.data)) {
			t.Fatalf("%s: %d bytes before %v", u, len(got), err)
		}
	})
}
