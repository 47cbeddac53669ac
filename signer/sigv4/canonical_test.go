package sigv4

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/signer/s3err"
)

// load reads vectors that packages share.
func load[T any](t testing.TB, name string) (v T) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "testdata", "sigv4", name))
	if err == nil {
		err = json.Unmarshal(b, &v)
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// codeOf is the S3 code of err, which must be of the house too where it is of
// the canonicaliser.
func codeOf(t testing.TB, err error) s3err.Code {
	t.Helper()
	var e *s3err.Error
	if !errors.As(err, &e) {
		t.Fatalf("%v is no error of S3", err)
	}
	return e.Code
}

// Cases 1–24 of the facts: what a client sends, the key that is meant, and the
// one form that is matched, signed and sent.
func TestParsePath(t *testing.T) {
	type vector struct {
		Case, In, Unit, Out, Key string
		Bucket                   *string
		Repeat, KeyLength        int
		EmptySegments            bool
		Error                    s3err.Code
	}
	for _, v := range load[[]vector](t, "paths.json") {
		t.Run(v.Case, func(t *testing.T) {
			in := v.In + strings.Repeat(v.Unit, v.Repeat)
			p, err := ParsePath(in, PathRule{EmptySegments: v.EmptySegments})
			var bucket, key string
			if err == nil {
				bucket, key, err = p.PathStyle()
			}
			if v.Error != "" {
				if err == nil {
					t.Fatalf("%q was taken as %q", in, p)
				}
				if got := codeOf(t, err); got != v.Error {
					t.Errorf("code %s, want %s", got, v.Error)
				}
				if e := auth.AsError(err); e.Code != auth.CodeBadTarget {
					t.Errorf("house code %s", e.Code)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want := "b"
			if v.Bucket != nil {
				want = *v.Bucket
			}
			if bucket != want {
				t.Errorf("bucket %q, want %q", bucket, want)
			}
			if v.KeyLength != 0 {
				if len(key) != v.KeyLength {
					t.Errorf("a key of %d bytes, want %d", len(key), v.KeyLength)
				}
				return
			}
			if key != v.Key || p.String() != v.Out {
				t.Errorf("key %q sent as %q, want %q as %q", key, p, v.Key, v.Out)
			}
			again, err := ParsePath(p.String(), PathRule{EmptySegments: v.EmptySegments})
			if err != nil || again != p {
				t.Errorf("the canonical form is not one: %q, %v", again, err)
			}
			if key != "" {
				made, err := ObjectPath(bucket, key, PathRule{EmptySegments: v.EmptySegments})
				if err != nil || made != p {
					t.Errorf("ObjectPath gives %q, %v", made, err)
				}
			}
		})
	}
}

func TestPathOfVirtualHosts(t *testing.T) {
	p, err := ParsePath("/dir%2Fa+b", PathRule{})
	if err != nil {
		t.Fatal(err)
	}
	if key, err := p.HostStyle(); err != nil || key != "dir/a+b" {
		t.Errorf("key %q, %v", key, err)
	}
	for length, want := range map[int]s3err.Code{MaxKey: "", MaxKey + 1: s3err.KeyTooLong} {
		p, err := ParsePath("/"+strings.Repeat("k", length), PathRule{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.HostStyle()
		if want == "" && err != nil || want != "" && codeOf(t, err) != want {
			t.Errorf("a key of %d bytes: %v", length, err)
		}
	}
	if _, _, err := (Path{}).PathStyle(); err != nil || (Path{}).String() != "/" {
		t.Errorf("the zero Path: %v", err)
	}
}

// Cases 25–37.
func TestParseQuery(t *testing.T) {
	type vector struct {
		Case, In string
		// Out is the canonical form, Unsigned that without signing parameters.
		Out, Unsigned *string
		Error         s3err.Code
	}
	for _, v := range load[[]vector](t, "queries.json") {
		t.Run(v.Case, func(t *testing.T) {
			q, err := ParseQuery(v.In)
			if v.Error != "" {
				if err == nil {
					t.Fatalf("%q was taken as %q", v.In, q.Canonical())
				}
				if got := codeOf(t, err); got != v.Error {
					t.Errorf("code %s, want %s", got, v.Error)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if v.Out != nil && q.Canonical() != *v.Out {
				t.Errorf("%q, want %q", q.Canonical(), *v.Out)
			}
			if v.Unsigned != nil && q.Without(IsSigningParam).Canonical() != *v.Unsigned {
				t.Errorf("unsigned %q, want %q", q.Without(IsSigningParam).Canonical(), *v.Unsigned)
			}
			again, err := ParseQuery(q.Canonical())
			if err != nil || again.Canonical() != q.Canonical() {
				t.Errorf("the canonical form is not one: %q, %v", again.Canonical(), err)
			}
		})
	}
}

func TestParseQueryIsBounded(t *testing.T) {
	if _, err := ParseQuery(strings.Repeat("a", MaxQuery)); err != nil {
		t.Error(err)
	}
	for _, length := range []int{MaxQuery + 1, 10 << 20} {
		_, err := ParseQuery(strings.Repeat("a&", length)[:length])
		if err == nil || codeOf(t, err) != s3err.InvalidArgument {
			t.Errorf("%d bytes: %v", length, err)
		}
	}
}

func TestQueryGet(t *testing.T) {
	q, err := ParseQuery("prefix=a&Prefix=b&prefix=c")
	if err != nil {
		t.Fatal(err)
	}
	if v, n := q.Get("prefix"); v != "a" || n != 2 {
		t.Errorf("%q, %d times", v, n)
	}
	if v, n := q.Get("marker"); v != "" || n != 0 {
		t.Errorf("%q, %d times", v, n)
	}
}

// Cases 44–46.
func TestCanonicalHeaders(t *testing.T) {
	fields := []Field{
		{"X-Amz-Meta-A", "one"},
		{"Host", "not looked at"},
		{"X-AMZ-META-A", " two "},
		{"x-amz-meta-b", "\t a   b  c \t"},
		{"X-Amz-Meta-C", ""},
		{"X-Amz-Meta-D", "a\t \tb"},
		{"X_Amz_Meta_A", "another name"},
	}
	got, missing := CanonicalHeaders("H.example:9000", fields, []string{"host", "x-amz-meta-a", "x-amz-meta-b", "x-amz-meta-c", "x-amz-meta-d"})
	want := "host:H.example:9000\nx-amz-meta-a:one,two\nx-amz-meta-b:a b c\nx-amz-meta-c:\nx-amz-meta-d:a\t \tb\n"
	if got != want || missing != "" {
		t.Errorf("%q, missing %q; want %q", got, missing, want)
	}
	if _, missing := CanonicalHeaders("h", fields, []string{"host", "range"}); missing != "range" {
		t.Errorf("missing %q", missing)
	}
}
