package scrub

import (
	"bytes"
	"compress/gzip"
	"testing"

	"github.com/weighbridge/weighbridge/auth"
)

const canary = "hf_CanaryCanaryCanaryCanary0123456789"

func masker(t testing.TB, values ...string) *Masker {
	t.Helper()
	var mask []auth.Secret
	for _, v := range values {
		mask = append(mask, auth.NewSecret(v))
	}
	m := New(mask)
	if m == nil {
		t.Fatalf("nothing to look for in %d values", len(values))
	}
	return m
}

func gzipped(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func wantCode(t testing.TB, err error, code auth.Code) {
	t.Helper()
	if err == nil || auth.AsError(err).Code != code {
		t.Fatalf("error %v, want code %s", err, code)
	}
}
