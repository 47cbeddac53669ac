package sigv4

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/auth"
)

// maxAllocs bounds the step of signing or verifying one request.
const maxAllocs = 60

// ranged is what a transfer manager's range GET looks like when it is signed
// for the upstream.
func ranged(t testing.TB) (path, query string, fields []Field) {
	return "/acme-models/weights/model+v2-00001-of-00004.safetensors", "versionId=3HL4kqtJlcpXroDTDmJ&x-id=GetObject", []Field{{"x-amz-checksum-mode", "ENABLED"}}
}

// signOnce is the whole outbound step, parsing included.
func signOnce(t testing.TB, s *Signer) {
	path, query, fields := ranged(t)
	p, err := ParsePath(path, PathRule{})
	if err != nil {
		t.Fatal(err)
	}
	q, err := ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	r := Request{Method: "GET", Host: "acme-models.s3.us-west-2.amazonaws.com", Path: p, Query: q.Without(IsSigningParam), Region: "us-west-2", Fields: fields}
	if _, err := s.Sign(context.Background(), r, exampleTime); err != nil {
		t.Fatal(err)
	}
}

func BenchmarkSign(b *testing.B) {
	s := NewSigner(exampleID, auth.NewSecret(exampleSecret), auth.Secret{})
	b.ReportAllocs()
	for b.Loop() {
		signOnce(b, s)
	}
}

func TestSignAllocations(t *testing.T) {
	s := NewSigner(exampleID, auth.NewSecret(exampleSecret), auth.NewSecret("a session token"))
	if n := testing.AllocsPerRun(100, func() { signOnce(t, s) }); n > maxAllocs {
		t.Errorf("%.0f allocations, want at most %d", n, maxAllocs)
	}
}

// received are a range GET as boto3 signs it, and the same presigned.
func received(t testing.TB) map[string]*Incoming {
	v := vector{Path: "/models/weights/model%2Bv2-00001-of-00004.safetensors", Query: "versionId=3HL4kqtJlcpXroDTDmJ&x-id=GetObject", Fields: [][2]string{{"Range", "bytes=0-8388607"}, {"x-amz-checksum-mode", "ENABLED"}},
		Signed: "host;range;x-amz-checksum-mode;x-amz-content-sha256;x-amz-date"}
	p := vector{Path: v.Path, Query: v.Query, Presigned: true}
	out := map[string]*Incoming{"header": v.signed(t), "presigned": p.signed(t)}
	for _, in := range out {
		in.Fields = append(in.Fields, Field{"Host", in.Host}, Field{"User-Agent", "Boto3/1.43.11 md/Botocore#1.43.11 ua/2.1"}, Field{"Accept-Encoding", "identity"}, Field{"Amz-Sdk-Invocation-Id", "0000"}, Field{"Amz-Sdk-Request", "attempt=1"})
	}
	return out
}

func BenchmarkVerify(b *testing.B) {
	for name, in := range received(b) {
		b.Run(name, func(b *testing.B) {
			v := verifier("", exampleTime)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Verify(context.Background(), in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestVerifyAllocations(t *testing.T) {
	for name, in := range received(t) {
		v := verifier("", exampleTime)
		n := testing.AllocsPerRun(100, func() {
			if _, err := v.Verify(context.Background(), in); err != nil {
				t.Fatal(err)
			}
		})
		if n > maxAllocs {
			t.Errorf("%s: %.0f allocations, want at most %d", name, n, maxAllocs)
		}
	}
}

// What a byte of an upload costs, in chunks of 64 KiB as SDKs send them.
func BenchmarkBody(b *testing.B) {
	u := upload{data: pattern(8 << 20), checksum: []string{"x-amz-checksum-crc64nvme"}}
	for range 128 {
		u.sizes = append(u.sizes, 64<<10)
	}
	for _, u.mode = range []string{streamingSignedTrailer, streamingUnsignedTrailer} {
		b.Run(u.mode, func(b *testing.B) {
			v := u.verified(b)
			body := u.encoded(v)
			buf := make([]byte, 256<<10)
			b.SetBytes(int64(len(u.data)))
			b.ReportAllocs()
			for b.Loop() {
				r, err := v.Body(strings.NewReader(body))
				for err == nil {
					_, err = r.Read(buf)
				}
				if err != io.EOF {
					b.Fatal(err)
				}
			}
		})
	}
}
