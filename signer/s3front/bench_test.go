package s3front

import (
	"strings"
	"testing"
)

// BenchmarkEnter is what the front adds to a ranged GET before it goes on:
// verifying, understanding, placing.
func BenchmarkEnter(b *testing.B) {
	y := newYard(b)
	a := y.sign(ask{key: "part", uri: "/models/sd/weights/model-00001-of-00008.safetensors"})
	a.Fields = append(a.Fields, pair("Range", "bytes=0-8388607"), pair("User-Agent", "Boto3/1.43.11"), pair("Accept-Encoding", "identity"))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := y.front.Enter(b.Context(), a); err != nil {
			b.Fatal(err)
		}
	}
}

// FuzzEnter: whatever arrives is an entry or a refusal in S3's words, and an
// entry never leads out of what the key is for.
func FuzzEnter(f *testing.F) {
	y := newYard(f)
	snapshot := y.snapshot()
	good := y.sign(ask{key: "part", uri: "/models/sd/k"})
	authorization := ""
	for _, x := range good.Fields {
		if x.Name == "Authorization" {
			authorization = x.Value
		}
	}
	f.Add("GET", "/models/sd/k", authorization, "", "")
	f.Add("GET", "/models?list-type=2&prefix=sd/", authorization, "", "")
	f.Add("PUT", "/models/sd/k", authorization, "x-amz-copy-source", "models/xl/k")
	f.Add("POST", "/models?delete", authorization, "x-amz-content-sha256", "UNSIGNED-PAYLOAD")
	f.Add("GET", "/models/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=x%2F20260504%2Fr%2Fs3%2Faws4_request&X-Amz-Date=20260504T120000Z&X-Amz-Expires=1&X-Amz-SignedHeaders=host;range&X-Amz-Signature=00", "", "", "")
	f.Add("GET", "/%zz?a=1;b=2", "AWS a:b", "Date", "x")
	f.Fuzz(func(t *testing.T, method, uri, authorization, name, value string) {
		if !strings.HasPrefix(uri, "/") {
			return
		}
		a := *good
		a.Method, a.URI, a.Snapshot = method, uri, snapshot
		a.Fields = nil
		for _, x := range good.Fields {
			if x.Name == "Authorization" {
				x.Value = authorization
			}
			a.Fields = append(a.Fields, x)
		}
		if name != "" {
			a.Fields = append(a.Fields, pair(name, value))
		}
		y := *y
		y.t = t
		y.front.Speaks(method, uri, a.Host, header{"Authorization": authorization})
		e, err := y.front.Enter(t.Context(), &a)
		if err != nil {
			if got := y.refused(err); !strings.Contains(got, " ") {
				t.Errorf("refused as %q", got)
			}
			return
		}
		if e.Reply == nil && !strings.HasPrefix(e.Target.Path, "/models") {
			t.Errorf("%s leads to %s", uri, e.Target.Path)
		}
	})
}

// FuzzRenaming: whatever document comes, what comes out names nothing that is
// hidden.
func FuzzRenaming(f *testing.F) {
	f.Add("<a><Key>sd/xl/k</Key><Prefix>sd/xl/</Prefix></a>", false)
	f.Add("<Key>sd%2Fxl%2Fk</Key>", true)
	f.Add("<!-- -->", false)
	f.Fuzz(func(t *testing.T, document string, encoded bool) {
		n := renaming{bucket: "models", alias: "sdx", hidden: "sd/xl/", encoded: encoded, resource: "/sdx"}
		var out strings.Builder
		if err := n.copy(&out, strings.NewReader(document)); err != nil {
			return
		}
		if strings.Contains(out.String(), "<Key>sd/xl/") && !strings.Contains(document, "<Key>sd/xl/sd/xl/") {
			t.Errorf("%q became %q", document, out.String())
		}
	})
}
