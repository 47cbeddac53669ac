package signer

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/auth"
)

// readyVault costs nothing, so that what is measured is the signing.
type readyVault struct{ fields auth.Fields }

func (v readyVault) OpenFields(context.Context, string, uint64, ...string) (auth.Fields, error) {
	return v.fields, nil
}

func BenchmarkSign(b *testing.B) {
	for _, c := range []struct{ provider, rule, path string }{
		{"huggingface", "huggingface.co/*", "/acme/weights/resolve/main/model.safetensors"},
		{"huggingface", "huggingface.co/acme/*", "/acme/weights/resolve/main/model.safetensors"},
		{"huggingface", "huggingface.co/*", "/acme/weights.git/info/lfs/objects/batch"},
		{"http_bearer", "models.example.com/*", "/model.safetensors"},
		{"http_basic", "models.example.com/*", "/model.safetensors"},
		{"http_api_key", "models.example.com/*", "/model.safetensors"},
	} {
		b.Run(c.provider+" "+c.rule+c.path[strings.LastIndexByte(c.path, '/'):], func(b *testing.B) {
			p, _ := Lookup(c.provider)
			d := decide(p, c.rule)
			set := NewSet(readyVault{sampleFields(p.Schema())}, SetOptions{Now: fixedClock})
			out := sample(b, "GET", "https://"+pattern(b, c.rule).Host()+c.path)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := set.Sign(context.Background(), d, out); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkClassify(b *testing.B) {
	for _, path := range []string{"/acme/weights/resolve/main/model.safetensors", "/acme/weights/resolve/refs%2Fpr%2F1/model.safetensors"} {
		to := target(b, "https://huggingface.co"+path)
		b.Run(path[len(path)-30:], func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				(huggingFace{}).Classify("GET", to)
			}
		})
	}
}

func BenchmarkEditJSON(b *testing.B) {
	entry := `{"type":"file","oid":"0123456789abcdef0123456789abcdef01234567","size":4976698672,"lfs":{"oid":"` + strings.Repeat("a", 64) + `","size":4976698672,"pointerSize":135},"xetHash":"` + strings.Repeat("b", 64) + `","path":"model-00001-of-00004.safetensors"}`
	in := []byte("[" + strings.Repeat(entry+",", 3000) + entry + "]")
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		if err := editJSON(io.Discard, bytes.NewReader(in), listingEdit); err != nil {
			b.Fatal(err)
		}
	}
}
