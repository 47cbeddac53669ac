package signer

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

func inject(y *s3Yard, url, id string) {
	y.t.Helper()
	if d := y.decide("GET", url); d.Outcome != auth.Inject || d.CredentialID != id {
		y.t.Errorf("%s: %s %s %s (%s), want %s", url, d.Outcome, d.Code, d.CredentialID, d.Reason, id)
	}
}

func denied(y *s3Yard, method, url string, code auth.Code, reason string) {
	y.t.Helper()
	u, err := auth.ParseURL(url)
	if err != nil { // refused before anything is decided
		if e := auth.AsError(err); e.Code != code || !strings.Contains(e.Reason, reason) {
			y.t.Errorf("%s %s: %v", method, u.Redacted(), err)
		}
		return
	}
	if d := y.decide(method, url); d.Outcome != auth.Deny || d.Code != code || !strings.Contains(d.Reason, reason) {
		y.t.Errorf("%s %s: %s %s (%s), want %s with %q", method, url, d.Outcome, d.Code, d.Reason, code, reason)
	}
}

// A rule about a bucket holds for every style of its URL; the more specific
// one is chosen in all of them.
func TestS3NoStyleDodgesARule(t *testing.T) {
	y := newS3Yard(t,
		s3Cred{id: "bucket", patterns: []string{"s3.us-west-2.amazonaws.com/acme/*"}},
		s3Cred{id: "secret", patterns: []string{"s3://acme/secret/*"}},
		s3Cred{id: "region", patterns: []string{"*.s3.us-west-2.amazonaws.com/*"}},
		s3Cred{id: "dotted", patterns: []string{"my.models.s3.eu-west-1.amazonaws.com/*"}},
	)
	for _, base := range []string{
		"https://s3.us-west-2.amazonaws.com/acme", "https://acme.s3.us-west-2.amazonaws.com", "https://acme.s3.amazonaws.com", "https://s3.amazonaws.com/acme",
		"https://s3-us-west-2.amazonaws.com/acme", "https://acme.s3.dualstack.us-west-2.amazonaws.com", "https://acme.s3-accelerate.amazonaws.com",
		"https://s3-fips.us-west-2.amazonaws.com/acme", "https://s3.eu-central-1.amazonaws.com/acme",
		"https://s3.us-west-2.amazonaws.com/%61cme",
	} {
		inject(y, base+"/secret/x", "secret")
		inject(y, base+"/s%65cret/x", "secret")
		inject(y, base+"/secret%2Fx", "secret")
		inject(y, base+"/secretive/x", "bucket")
		inject(y, base+"/other", "bucket")
	}
	inject(y, "https://s3.us-west-2.amazonaws.com/another/x", "region")
	inject(y, "https://another.s3-fips.us-west-2.amazonaws.com/x", "region")
	inject(y, "https://s3.amazonaws.com/my.models/x", "dotted")
	for _, url := range []string{
		"https://another.s3.us-east-1.amazonaws.com/x", "https://acme.s3.us-gov-west-1.amazonaws.com/x", "https://acme.s3.us-west-2.amazonaws.com.evil.net/x",
		"https://minio.example.com/acme/x", "http://acme.s3.us-west-2.amazonaws.com/x", "https://acme.s3.us-west-2.amazonaws.com:8443/x",
		"https://models.s3.amazonaws.com/x", "https://nyc3.digitaloceanspaces.com/acme/x",
	} {
		denied(y, "GET", url, auth.CodeNoCredentialMatched, "")
	}
}

func TestS3Patterns(t *testing.T) {
	for text, want := range map[string]string{
		"minio.example.com/acme/*":                   "field endpoint",
		"acme.s3-website-us-east-1.amazonaws.com/*":  "website",
		"s3://acme--use1-az5--x-s3/*":                "CreateSession",
		"x.accesspoint.s3-global.amazonaws.com/*":    "SigV4A",
		"*.s3-accelerate.amazonaws.com/*":            "bucket alone",
		"*.*.amazonaws.com/*":                        "field endpoint",
		"s3.us-east-1.amazonaws.com/x/*":             "no bucket",
		"*.s3-accesspoint.us-east-1.amazonaws.com/*": "bucket alone",
	} {
		_, err := s3{}.Expand(pattern(t, text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	for _, text := range []string{"s3://acme/*", "s3://acme/models/**/x.bin", "s3.amazonaws.com/*", "s3.us-east-1.amazonaws.com/team-*/x/*", "*.s3.us-east-1.amazonaws.com/models/*",
		"a.b.s3.amazonaws.com/*", "m-1.s3-accesspoint.us-west-2.amazonaws.com/*", "acme.storage.googleapis.com/*", "https://nyc3.digitaloceanspaces.com/acme/x"} {
		rules, err := s3{}.Expand(pattern(t, text))
		if err != nil || len(rules) < 2 || !rules[0].Pattern.Equal(pattern(t, text)) {
			t.Errorf("%s: %v %v", text, rules, err)
		}
	}
	for _, c := range [][2]string{{"http://127.0.0.1:9000", "s3://acme/*"}, {"http://127.0.0.1:9000", "http://127.0.0.1:9000/acme/*"}, {"https://s3.acme.example", "s3.acme.example/*"},
		{"https://0123456789abcdef0123456789abcdef.r2.cloudflarestorage.com", "s3://acme/*"}} {
		if _, err := auth.ExpandFor(s3{}, pattern(t, c[1]), map[string]string{s3Endpoint: c[0]}); err != nil {
			t.Errorf("%v: %v", c, err)
		}
	}
	if _, err := auth.ExpandFor(s3{}, pattern(t, "acme.s3.amazonaws.com/*"), map[string]string{s3Endpoint: "https://minio.example.com"}); err == nil {
		t.Error("a pattern beside the endpoint is taken")
	}
	if _, err := auth.ExpandFor(httpBearer{}, pattern(t, "s3://acme/*"), nil); err == nil {
		t.Error("another provider takes a pattern by bucket")
	}
}

// Facts, section 6, cases 2 to 17, 20 to 23, 25 to 33, 35.
func TestS3WhatIsSent(t *testing.T) {
	y := newS3Yard(t, s3Cred{id: "c", patterns: []string{"s3://bkt/*", "storage.googleapis.com/bkt/*"}})
	long := strings.Repeat("é", 512)
	for _, c := range [][2]string{
		{"/a%20b", "/a%20b"}, {"/a+b", "/a%2Bb"}, {"/a%2bb", "/a%2Bb"}, {"/a%2Fb", "/a/b"}, {"/a%252Fb", "/a%252Fb"}, {"/%61", "/a"},
		{"/%c3%a9", "/%C3%A9"}, {"/e%CC%81", "/e%CC%81"}, {"/a//b", "/a//b"}, {"/dir/", "/dir/"},
		{"/ex!$&'()*,;:@=", "/ex%21%24%26%27%28%29%2A%2C%3B%3A%40%3D"}, {"/~-_.", "/~-_."}, {"/%7E", "/~"}, {"/q%3Fm%23h", "/q%3Fm%23h"},
		{"", ""}, {"/", "/"}, {"/" + escapeQuery(long), "/" + escapeQuery(long)},
		{"?list-type=2&prefix=a/", "?list-type=2&prefix=a%2F"}, {"?prefix=sp+ace", "?prefix=sp%20ace"}, {"?prefix=a%2Bb", "?prefix=a%2Bb"},
		{"?versions", "?versions="}, {"?prefix=a=b", "?prefix=a%3Db"}, {"/k?partNumber=2&versionId=1", "/k?partNumber=2&versionId=1"},
		{"/k?x-id=GetObject", "/k?x-id=GetObject"}, {"/k?X-Amz-Date=1&x-amz-security-token=2&versionId=3", "/k?versionId=3"},
		{"/k?response-content-type=a%2Fb", "/k?response-content-type=a%2Fb"}, {"/k?", "/k"},
	} {
		out := y.send("GET", "https://s3.us-west-2.amazonaws.com/bkt"+c[0])
		if want := "s3.us-west-2.amazonaws.com/bkt" + c[1]; sent(out) != want {
			t.Errorf("%s: sent %s, want %s", c[0], sent(out), want)
		}
		if scope(out) != s3ID+"/20261121/us-west-2/s3/aws4_request" || signedHeaders(out) != "host;x-amz-content-sha256;x-amz-date" {
			t.Errorf("%s: scope %s, signed %s", c[0], scope(out), signedHeaders(out))
		}
		verifyS3(t, out)
	}
	if out := y.send("GET", "https://bkt.storage.googleapis.com/k?x-id=GetObject"); sent(out) != "bkt.storage.googleapis.com/k" || !strings.Contains(scope(out), "/auto/s3/") {
		t.Errorf("GCS: %s %s", sent(out), scope(out))
	}
}

func TestS3HostsAndRegions(t *testing.T) {
	y := newS3Yard(t, s3Cred{id: "c", patterns: []string{"s3://bkt/*", "s3://dot.ted/*"}, params: map[string]string{s3Region: "eu-north-1"}})
	for _, c := range [][3]string{
		{"https://bkt.s3.us-west-2.amazonaws.com:443/k", "bkt.s3.us-west-2.amazonaws.com/k", "us-west-2"},
		{"https://BKT.S3.us-west-2.amazonaws.com/k", "bkt.s3.us-west-2.amazonaws.com/k", "us-west-2"},
		{"https://dot.ted.s3.us-west-2.amazonaws.com/k", "s3.us-west-2.amazonaws.com/dot.ted/k", "us-west-2"},
		{"https://dot.ted.s3.us-west-2.amazonaws.com/", "s3.us-west-2.amazonaws.com/dot.ted/", "us-west-2"},
		{"https://s3.amazonaws.com/bkt/k", "s3.eu-north-1.amazonaws.com/bkt/k", "eu-north-1"},
		{"https://bkt.s3-us-west-1.amazonaws.com/k", "bkt.s3-us-west-1.amazonaws.com/k", "us-west-1"},
		{"https://bkt.s3-accelerate.amazonaws.com/k", "bkt.s3-accelerate.amazonaws.com/k", "eu-north-1"},
		{"https://bkt.s3.dualstack.eu-central-1.amazonaws.com/k", "bkt.s3.dualstack.eu-central-1.amazonaws.com/k", "eu-central-1"},
	} {
		out := y.send("GET", c[0])
		if sent(out) != c[1] || !strings.Contains(scope(out), "/"+c[2]+"/s3/") {
			t.Errorf("%s: %s in %s, want %v", c[0], sent(out), scope(out), c[1:])
		}
		verifyS3(t, out)
	}
	p := newS3Yard(t, s3Cred{id: "c", patterns: []string{"s3://bkt/*"}, params: map[string]string{s3AddressingStyle: "path"}})
	if out := p.send("GET", "https://bkt.s3.us-west-2.amazonaws.com/k"); sent(out) != "s3.us-west-2.amazonaws.com/bkt/k" {
		t.Error(sent(out))
	}
	m := newS3Yard(t,
		s3Cred{id: "minio", patterns: []string{"s3://bkt/*"}, params: map[string]string{s3Endpoint: "http://127.0.0.1:9000", s3Region: "here-1"}},
		s3Cred{id: "six", patterns: []string{"s3://bkt/*"}, params: map[string]string{s3Endpoint: "http://[::1]:9000"}},
		s3Cred{id: "virtual", patterns: []string{"s3://bkt/*"}, params: map[string]string{s3Endpoint: "https://s3.acme.example", s3AddressingStyle: "virtual"}},
	)
	for _, c := range [][3]string{
		{"http://127.0.0.1:9000/bkt/k", "127.0.0.1:9000/bkt/k", "here-1"},
		{"http://[::1]:9000/bkt/k", "[::1]:9000/bkt/k", "us-east-1"},
		{"https://s3.acme.example/bkt/k", "bkt.s3.acme.example/k", "us-east-1"},
		{"https://bkt.s3.acme.example/k", "bkt.s3.acme.example/k", "us-east-1"},
	} {
		out := m.send("GET", c[0])
		if sent(out) != c[1] || !strings.Contains(scope(out), "/"+c[2]+"/s3/") {
			t.Errorf("%s: %s in %s, want %v", c[0], sent(out), scope(out), c[1:])
		}
		verifyS3(t, out)
	}
	denied(m, "GET", "https://s3.amazonaws.com/bkt/k", auth.CodeNoCredentialMatched, "")
}

func TestS3WhatIsRefused(t *testing.T) {
	y := newS3Yard(t, s3Cred{id: "c", patterns: []string{"s3://bkt/models/*", "s3://all/*"}})
	const bkt, all = "https://s3.us-west-2.amazonaws.com/bkt", "https://s3.us-west-2.amazonaws.com/all"
	for _, c := range []struct {
		method, url string
		code        auth.Code
		reason      string
	}{
		{"GET", bkt + "/models//x", auth.CodeBadTarget, "empty segment"},
		{"GET", bkt + "/models/a%2F%2Fx", auth.CodeBadTarget, "empty segment"},
		{"GET", bkt + "/models/../x", auth.CodeBadTarget, "dot"},
		{"GET", bkt + "/models/%2e%2e/x", auth.CodeBadTarget, "dot"},
		{"GET", bkt + "/models/..%2fx", auth.CodeBadTarget, "dot"},
		{"GET", all + "/k?a=1;b=2", auth.CodeBadTarget, "semicolon"},
		{"GET", all + "/k?a=%zz", auth.CodeBadTarget, "%"},
		{"GET", all + "/k?AWSAccessKeyId=a&Signature=b&Expires=1", auth.CodeBadTarget, "signature_version='s3v4'"},
		{"GET", all + "/k?X-Amz-Signature=aa&X-Amz-Date=1", auth.CodeBadTarget, "as it was presigned, whole"},
		{"GET", all + "?acl", auth.CodeScopeForbidden, ""}, {"GET", all + "?policy", auth.CodeScopeForbidden, ""},
		{"GET", all + "/k?acl", auth.CodeScopeForbidden, ""}, {"GET", all + "/k?ACL=", auth.CodeScopeForbidden, ""}, {"GET", all + "/k?torrent", auth.CodeScopeForbidden, ""},
		{"GET", all + "/k?newthing", auth.CodeScopeForbidden, ""}, {"PUT", all, auth.CodeScopeForbidden, ""}, {"DELETE", all + "/", auth.CodeScopeForbidden, ""},
		{"POST", all + "?delete", auth.CodeScopeForbidden, ""}, {"PUT", all + "/k?acl", auth.CodeScopeForbidden, ""}, {"PUT", all + "?policy", auth.CodeScopeForbidden, ""},
		{"OPTIONS", all + "/k", auth.CodeScopeForbidden, ""},
		{"GET", bkt + "?list-type=2", auth.CodeNoCredentialMatched, ""}, {"GET", bkt + "?prefix=models", auth.CodeNoCredentialMatched, ""},
		{"GET", bkt + "?prefix=models/&prefix=secret/", auth.CodeBadTarget, "more than once"},
		{"GET", bkt + "?prefix=models/&prefix=", auth.CodeBadTarget, "more than once"},
		{"GET", bkt + "/", auth.CodeNoCredentialMatched, ""}, {"HEAD", bkt, auth.CodeNoCredentialMatched, ""}, {"GET", bkt + "?location", auth.CodeNoCredentialMatched, ""},
		{"GET", bkt + "?prefix=models/../secret/", auth.CodeNoCredentialMatched, ""},
		{"PUT", all + "/k?partNumber=7&uploadId=..%2F..%2Fother", auth.CodeBadTarget, "no storage makes"},
		{"GET", all + "/k?versionId=..%2F..%2Fother", auth.CodeBadTarget, "no storage makes"},
	} {
		denied(y, c.method, c.url, c.code, c.reason)
	}
	for _, url := range []string{bkt + "?list-type=2&prefix=models/", bkt + "/?prefix=models%2Fa", bkt + "/models/", all, all + "/", all + "?location", all + "//x", all + "/a//b"} {
		inject(y, url, "c")
	}
	// A key that may read writes nothing.
	y.state.Keys[0].Scope = auth.ScopeRead
	y.compile()
	for _, c := range [][2]string{{"PUT", all + "/k"}, {"DELETE", all + "/k"}, {"POST", all + "/k?uploads"}, {"POST", all + "/k?uploadId=1"}} {
		denied(y, c[0], c[1], auth.CodeScopeForbidden, "")
	}
}

// T08 for S3: a complete foreign signature is let through as it is.
func TestT08_S3PresignedIsLeftAlone(t *testing.T) {
	y := newS3Yard(t, s3Cred{id: "c", patterns: []string{"s3://bkt/models/*"}})
	const q = "?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIA%2F20260101%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20260101T000000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=00"
	for _, url := range []string{"https://bkt.s3.amazonaws.com/models/a+b" + q, "https://bkt.s3.amazonaws.com/models//x" + q} {
		if d := y.decide("GET", url); d.Outcome != auth.Bare || !d.Signed {
			t.Errorf("%s: %s %s (%s)", url, d.Outcome, d.Code, d.Reason)
		}
	}
}

// A listing shows no name that the pattern would not open, at any depth.
func TestS3ListingsStayWithinThePattern(t *testing.T) {
	y := newS3Yard(t, s3Cred{id: "c", patterns: []string{"s3://bkt/public*", "s3://bkt/a/*/x", "s3://bkt/b/*/*", "s3://bkt/c/**/y", "s3://bkt/one.bin", "s3://bkt/d/v*/*", "s3://bkt/e/*"}})
	const bkt = "https://s3.us-west-2.amazonaws.com/bkt"
	for _, prefix := range []string{"", "p", "public", "publicx", "public/", "a", "a/", "a/1/x", "b", "b/", "b/1", "c/", "c/1/", "one.bin", "d/", "d/v", "d/v1", "e"} {
		denied(y, "GET", bkt+"?list-type=2&prefix="+prefix, auth.CodeNoCredentialMatched, "")
		denied(y, "GET", bkt+"?list-type=2&delimiter=/&prefix="+prefix, auth.CodeNoCredentialMatched, "")
	}
	for _, prefix := range []string{"b/1/", "b/1/2/3", "d/v1/", "d/v1/x", "e/", "e/x", "e/x/y/"} {
		inject(y, bkt+"?list-type=2&prefix="+prefix, "c")
	}
	for _, key := range []string{"publicx", "a/1/x", "c/1/2/y", "one.bin"} { // which are opened all the same
		inject(y, bkt+"/"+key, "c")
	}
	// A route narrows listings as it narrows objects.
	y.state.Credentials[0].Patterns = []string{"s3://bkt/*"}
	y.state.Keys[0].Routes = []string{"s3://bkt/public*", "s3://bkt/e/*"}
	y.compile()
	denied(y, "GET", bkt+"?prefix=public", auth.CodeRouteForbidden, "")
	denied(y, "GET", bkt, auth.CodeRouteForbidden, "")
	inject(y, bkt+"?prefix=e/", "c")
	inject(y, bkt+"/publicx", "c")
}

func TestS3RoutesInEveryStyle(t *testing.T) {
	y := newS3Yard(t, s3Cred{id: "c", patterns: []string{"s3://bkt/*"}})
	y.state.Keys[0].Routes = []string{"s3://bkt/models/*"}
	y.compile()
	inject(y, "https://bkt.s3.amazonaws.com/models/x", "c")
	inject(y, "https://s3.eu-west-1.amazonaws.com/bkt/models/x", "c")
	inject(y, "https://s3.eu-west-1.amazonaws.com/bkt?prefix=models/x", "c")
	for _, url := range []string{"https://bkt.s3.amazonaws.com/other", "https://s3.eu-west-1.amazonaws.com/bkt/models//x", "https://bkt.s3.amazonaws.com/?prefix=other/"} {
		denied(y, "GET", url, auth.CodeRouteForbidden, "")
	}
}

func TestS3HeaderFields(t *testing.T) {
	y := newS3Yard(t, s3Cred{id: "c", patterns: []string{"s3://bkt/*"}})
	out := y.send("GET", "https://bkt.s3.us-west-2.amazonaws.com/k",
		auth.HeaderField{Name: "Range", Value: "bytes=0-1"}, auth.HeaderField{Name: "If-None-Match", Value: `"a"`}, auth.HeaderField{Name: "Accept-Encoding", Value: "gzip"},
		auth.HeaderField{Name: "x-amz-date", Value: "20200101T000000Z"}, auth.HeaderField{Name: "X-AMZ-Security-Token", Value: "theirs"}, auth.HeaderField{Name: "x-amz-content-sha256", Value: "UNSIGNED-PAYLOAD"},
		auth.HeaderField{Name: "x-amz-checksum-mode", Value: "ENABLED"}, auth.HeaderField{Name: "x-amz-request-payer", Value: "requester"}, auth.HeaderField{Name: "x-amz-unknown", Value: "1"},
		auth.HeaderField{Name: "X-Amz-Server-Side-Encryption-Customer-Key", Value: "a   b"}, auth.HeaderField{Name: "Date", Value: "x"}, auth.HeaderField{Name: "amz-sdk-request", Value: "x"},
		auth.HeaderField{Name: "Content-Type", Value: "text/plain"}, auth.HeaderField{Name: "X-Amz-S3session-Token", Value: "x"})
	if got := signedHeaders(out); got != "host;x-amz-checksum-mode;x-amz-content-sha256;x-amz-date;x-amz-server-side-encryption-customer-key" {
		t.Errorf("signed %s", got)
	}
	for name, want := range map[string]string{"Range": "bytes=0-1", "If-None-Match": `"a"`, "Accept-Encoding": "gzip", "X-Amz-Date": "20261121T120000Z", "X-Amz-Security-Token": "",
		"X-Amz-Request-Payer": "", "X-Amz-Unknown": "", "Date": "", "Amz-Sdk-Request": "", "Content-Type": "", "X-Amz-S3session-Token": "", "X-Amz-Checksum-Mode": "ENABLED"} {
		if got := out.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	verifyS3(t, out)
	payer := newS3Yard(t, s3Cred{id: "c", patterns: []string{"s3://bkt/*"}, params: map[string]string{s3RequestPayer: "allow"}})
	out = payer.send("GET", "https://bkt.s3.us-west-2.amazonaws.com/k", auth.HeaderField{Name: "x-amz-request-payer", Value: "requester"})
	if !strings.Contains(signedHeaders(out), "x-amz-request-payer") {
		t.Error("the policy to pay is not obeyed")
	}
	verifyS3(t, out)
	// Case 50.
	y.vault.fields[s3SessionToken] = auth.NewSecret("FwoGZXIvYXdzEJr")
	if out = y.send("GET", "https://bkt.s3.us-west-2.amazonaws.com/k"); !strings.Contains(signedHeaders(out), "x-amz-security-token") || out.Header.Get("X-Amz-Security-Token") != "FwoGZXIvYXdzEJr" {
		t.Error("the session token is not signed")
	}
	for _, f := range []auth.HeaderField{{Name: "x-amz-copy-source", Value: "/other/secret"}, {Name: "x-amz-acl", Value: "public-read"}, {Name: "x-amz-grant-read", Value: "x"}, {Name: "x-amz-content-sha256", Value: "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"}} {
		out, err := y.trySend("PUT", "https://bkt.s3.us-west-2.amazonaws.com/k", f)
		if err == nil || out.Header.Get("Authorization") != "" {
			t.Errorf("%s is signed for", f.Name)
		}
	}
}

// Case 64.
func TestS3SameIDTwoSecrets(t *testing.T) {
	y := newS3Yard(t, s3Cred{id: "a", patterns: []string{"s3://bkt/*"}})
	one := y.send("GET", "https://bkt.s3.us-west-2.amazonaws.com/k").Header.Get("Authorization")
	y.vault.fields[s3SecretAccessKey] = auth.NewSecret("another" + s3Secret)
	if two := y.send("GET", "https://bkt.s3.us-west-2.amazonaws.com/k").Header.Get("Authorization"); one == two {
		t.Error("two secrets, one signature")
	}
}

// Cases 65 to 70.
func TestS3Learns(t *testing.T) {
	y := newS3Yard(t, s3Cred{id: "c", patterns: []string{"s3://bkt/*"}})
	const global = "https://s3.amazonaws.com/bkt/k"
	first := y.send("GET", global)
	if sent(first) != "s3.amazonaws.com/bkt/k" || !strings.Contains(scope(first), "/us-east-1/") {
		t.Fatal(sent(first), scope(first))
	}
	redirect := headerLines{{Name: "X-Amz-Bucket-Region", Value: "eu-west-1"}}
	for _, evil := range []string{"us-east-1.evil", "cn-north-1", "EU-WEST-1", ""} {
		if l := y.learn(first, 301, headerLines{{Name: "X-Amz-Bucket-Region", Value: evil}}, "", false); l.Again || l.Err == nil || l.Err.Code != auth.CodeUpstreamProtocol {
			t.Errorf("%q: %+v", evil, l)
		}
	}
	if l := y.learn(first, 301, redirect, "", false); !l.Again || l.Err != nil {
		t.Fatalf("%+v", l)
	}
	second := y.send("GET", global)
	if sent(second) != "s3.eu-west-1.amazonaws.com/bkt/k" || !strings.Contains(scope(second), "/eu-west-1/") {
		t.Error(sent(second), scope(second))
	}
	if l := y.learn(second, 301, headerLines{{Name: "X-Amz-Bucket-Region", Value: "eu-west-2"}}, "", true); l.Again || l.Err == nil {
		t.Errorf("a second redirect: %+v", l)
	}
	if l := y.learn(second, 404, redirect, "", false); l.Again || l.Err != nil {
		t.Errorf("not found: %+v", l)
	}
	// By the body, as MinIO and versitygw say it; by the header of a HEAD.
	m := newS3Yard(t, s3Cred{id: "m", patterns: []string{"s3://bkt/*"}, params: map[string]string{s3Endpoint: "http://127.0.0.1:9000"}})
	out := m.send("GET", "http://127.0.0.1:9000/bkt/k")
	const malformed = `<?xml version="1.0"?><Error><Code>AuthorizationHeaderMalformed</Code><Message>x</Message><Region>here-7</Region></Error>`
	if l := m.learn(out, 400, nil, malformed, false); !l.Again {
		t.Errorf("%+v", l)
	}
	if out = m.send("GET", "http://127.0.0.1:9000/bkt/k"); !strings.Contains(scope(out), "/here-7/") || sent(out) != "127.0.0.1:9000/bkt/k" {
		t.Error(sent(out), scope(out))
	}
	h := m.send("HEAD", "http://127.0.0.1:9000/bkt/k")
	if l := m.learn(h, 400, headerLines{{Name: "x-amz-bucket-region", Value: "there-1"}}, "", false); !l.Again {
		t.Errorf("%+v", l)
	}
	// A redirect to where a store likes is the worker's.
	if l := m.learn(h, 302, headerLines{{Name: "Location", Value: "https://cdn.example/x"}}, "", false); l.Again || l.Err != nil {
		t.Errorf("%+v", l)
	}
	// The clock.
	date := headerLines{{Name: "Date", Value: "Sat, 21 Nov 2026 12:40:00 GMT"}}
	const skewed = `<Error><Code>RequestTimeTooSkewed</Code></Error>`
	if l := y.learn(second, 403, date, skewed, true); l.Again {
		t.Error("asked a third time")
	}
	if l := y.learn(second, 403, date, `<Error><Code>AccessDenied</Code></Error>`, false); l.Again {
		t.Error("AccessDenied teaches a clock")
	}
	if l := y.learn(second, 403, date, skewed, false); !l.Again || !strings.Contains(l.Note, "40m0s") {
		t.Errorf("%+v", l)
	}
	if got := y.send("GET", global).Header.Get("X-Amz-Date"); got != "20261121T124000Z" {
		t.Errorf("dated %s", got)
	}
	y.now = y.now.Add(time.Minute)
	if l := y.learn(y.send("HEAD", global), 403, headerLines{{Name: "Date", Value: "Sat, 21 Nov 2026 12:41:00 GMT"}}, "", false); l.Again {
		t.Error("a HEAD that is forbidden teaches a clock that is right")
	}
	// What another version of the credential learned is forgotten.
	y.state.Credentials[0].Version++
	y.compile()
	if out := y.send("GET", global); sent(out) != "s3.amazonaws.com/bkt/k" || out.Header.Get("X-Amz-Date") != "20261121T120100Z" {
		t.Error(sent(out), out.Header.Get("X-Amz-Date"))
	}
}

// Several requests for one bucket may be on their way when its region or the
// clock is learned of the first: each of them is asked once more.
func TestS3LearnsWhileOthersAreOnTheirWay(t *testing.T) {
	const malformed = `<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region></Error>`
	there := headerLines{{Name: "X-Amz-Bucket-Region", Value: "eu-west-1"}}
	for _, c := range []struct {
		name, method, endpoint, url string
		status                      int
		header                      headerLines
		body                        string
	}{
		{"redirect", "GET", "", "https://s3.amazonaws.com/bkt/k", 301, there, ""},
		{"redirect of a HEAD", "HEAD", "", "https://s3.us-west-2.amazonaws.com/bkt/k", 301, there, ""},
		{"malformed", "GET", "http://127.0.0.1:9000", "http://127.0.0.1:9000/bkt/k", 400, nil, malformed},
		{"malformed HEAD", "HEAD", "http://127.0.0.1:9000", "http://127.0.0.1:9000/bkt/k", 400, there, ""},
	} {
		params := map[string]string{}
		if c.endpoint != "" {
			params[s3Endpoint] = c.endpoint
		}
		y := newS3Yard(t, s3Cred{id: "c", patterns: []string{"s3://bkt/*"}, params: params})
		for i, out := range []*auth.Outgoing{y.send(c.method, c.url), y.send(c.method, c.url), y.send(c.method, c.url)} {
			if l := y.learn(out, c.status, c.header, c.body, false); !l.Again || l.Err != nil {
				t.Errorf("%s, request %d: %+v", c.name, i+1, l)
			}
		}
		again := y.send(c.method, c.url)
		if !strings.Contains(scope(again), "/eu-west-1/") {
			t.Errorf("%s: signed for %s", c.name, scope(again))
		}
		// What was asked there already is not asked there for ever.
		if l := y.learn(again, c.status, c.header, c.body, false); l.Again || c.status == 301 && (l.Err == nil || !strings.Contains(l.Err.Reason, "was asked there")) {
			t.Errorf("%s, in the region that was learned: %+v", c.name, l)
		}
	}
	y := newS3Yard(t, s3Cred{id: "c", patterns: []string{"s3://bkt/*"}})
	date := headerLines{{Name: "Date", Value: "Sat, 21 Nov 2026 12:40:00 GMT"}}
	for i, out := range []*auth.Outgoing{y.send("HEAD", "https://s3.amazonaws.com/bkt/k"), y.send("HEAD", "https://s3.amazonaws.com/bkt/k")} {
		if l := y.learn(out, 403, date, "", false); !l.Again {
			t.Errorf("the clock, request %d: %+v", i+1, l)
		}
	}
	if l := y.learn(y.send("HEAD", "https://s3.amazonaws.com/bkt/k"), 403, date, "", false); l.Again {
		t.Errorf("what is dated by the storage's clock is asked again: %+v", l)
	}
}

func TestS3LessonsAreBounded(t *testing.T) {
	var l s3Lessons
	for i := range 3 * maxLessons {
		d := &auth.Decision{CredentialID: fmt.Sprint(i)}
		l.learnRegion(d, "b", "us-east-1")
		l.learnOffset(d, time.Second)
	}
	if len(l.regions) > maxLessons || len(l.offsets) > maxLessons {
		t.Errorf("%d regions, %d offsets", len(l.regions), len(l.offsets))
	}
}

// Case 72: no key id, string to sign or canonical request reaches a worker.
func TestS3ErrorsAreScrubbed(t *testing.T) {
	const in = `<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>SignatureDoesNotMatch</Code><Message>It does not &amp; match.</Message><AWSAccessKeyId>` + s3ID + `</AWSAccessKeyId><StringToSign>AWS4-HMAC-SHA256
x</StringToSign><SignatureProvided>abc</SignatureProvided><CanonicalRequest>GET</CanonicalRequest><Key><evil>x</evil>k</Key><RequestId>4442587FB7D0A2F9</RequestId></Error>`
	a := &auth.Answer{Request: auth.Asked{Injected: true}, Status: 403, Header: &headerLines{{Name: "Content-Type", Value: "application/xml"}}}
	rewrite, err := s3{}.Rewrite(a)
	if err != nil || rewrite == nil {
		t.Fatal(err)
	}
	run := func(in string) string {
		var b bytes.Buffer
		if err := rewrite(&b, strings.NewReader(in)); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	const want = `<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>SignatureDoesNotMatch</Code><Message>It does not &amp; match.</Message><Key>k</Key><RequestId>4442587FB7D0A2F9</RequestId></Error>`
	if got := run(in); got != want {
		t.Errorf("got %s", got)
	}
	for _, bad := range []string{"<html>" + s3ID, in[:200], `<Error><Code>x</Code>` + strings.Repeat(s3ID, maxS3Error), "<Other>" + s3ID + "</Other>", `<!DOCTYPE x [<!ENTITY y "` + s3ID + `">]><Error><Code>&y;</Code></Error>`} {
		if got := run(bad); strings.Contains(got, s3ID) || !strings.Contains(got, "<Code>UpstreamError</Code>") {
			t.Errorf("%.40q became %q", bad, got)
		}
	}
	if run("") != "" {
		t.Error("something was made of nothing")
	}
	for _, a := range []*auth.Answer{
		{Status: 403, Header: a.Header}, {Request: auth.Asked{Injected: true}, Status: 200, Header: a.Header},
		{Request: auth.Asked{Injected: true}, Status: 500, Header: &headerLines{{Name: "Content-Type", Value: "text/plain"}}},
	} {
		if rewrite, err := (s3{}).Rewrite(a); rewrite != nil || err != nil {
			t.Errorf("%+v is rewritten", a)
		}
	}
}

// s3Step is the whole outbound step for a range GET: aiming, opening what is
// opened at no cost, signing.
func s3Step(t testing.TB) func() {
	y := newS3Yard(&testing.T{}, s3Cred{id: "c", patterns: []string{"s3://bkt/*"}})
	y.set = NewSet(readyVault{y.vault.fields}, SetOptions{Now: fixedClock})
	const url = "https://bkt.s3.us-west-2.amazonaws.com/models/weights.safetensors"
	d := y.decide("GET", url)
	to := target(t, url)
	header := make(headerLines, 0, 8)
	return func() {
		header = append(header[:0], auth.HeaderField{Name: "Range", Value: "bytes=0-1"}, auth.HeaderField{Name: "User-Agent", Value: "x"})
		out := auth.Outgoing{Method: "GET", Target: to, Header: &header}
		if err := y.set.Aim(&d, &out); err != nil {
			t.Fatal(err)
		}
		if _, err := y.set.Sign(context.Background(), d, &out); err != nil {
			t.Fatal(err)
		}
	}
}

func BenchmarkS3Sign(b *testing.B) {
	step := s3Step(b)
	b.ReportAllocs()
	for b.Loop() {
		step()
	}
}

func TestS3SignAllocations(t *testing.T) {
	most := 60.0
	if raceEnabled {
		most += 10 // a sync.Pool forgets at random there, on purpose
	}
	if n := testing.AllocsPerRun(100, s3Step(t)); n > most {
		t.Errorf("%.0f allocations, want at most %.0f", n, most)
	}
}
