package sigv4

import (
	"context"
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
