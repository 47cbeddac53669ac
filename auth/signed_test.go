package auth

import (
	"strings"
	"testing"
)

func TestForeignSignatures(t *testing.T) {
	for _, c := range []struct {
		query  string
		signed bool
		bearer bool
	}{
		// S3, header of the wire facts: cas-bridge, R2.
		{"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Content-Sha256=UNSIGNED-PAYLOAD&X-Amz-Credential=cas%2F20260409%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20260409T000000Z&X-Amz-Expires=3600&X-Amz-Signature=ab&X-Amz-SignedHeaders=host&X-Xet-Cas-Uid=u", true, false},
		{"x-amz-signature=ab&x-amz-credential=c", true, false},
		{"X-Amz-Signature=ab", false, false},
		{"X-Amz-Signature=&X-Amz-Credential=c", false, false},
		{"X-Amz-Credential=c&X-Amz-Algorithm=a", false, false},
		{"%58-Amz-Signature=ab&X%2DAmz%2dCredential=c", true, false},
		{"X-Amz-Signature=a;X-Amz-Credential=c", false, false},
		{"x=1&X-Amz-Signature=a&&X-Amz-Credential=c&", true, false},
		// S3, version 2.
		{"AWSAccessKeyId=AKIA&Signature=s%3D&Expires=1", true, false},
		{"AWSAccessKeyId=AKIA&Signature=s%3D", false, false},
		// Cloud Storage.
		{"X-Goog-Algorithm=GOOG4-RSA-SHA256&X-Goog-Credential=c&X-Goog-Signature=s", true, false},
		{"GoogleAccessId=a&Expires=1&Signature=s", true, false},
		{"GoogleAccessId=a&Signature=s", false, false},
		// CloudFront.
		{"Expires=1&Policy=p&Signature=s&Key-Pair-Id=k", true, false},
		{"Policy=p&Signature=s&Key-Pair-Id=k", true, false},
		{"Expires=1&Signature=s&Key-Pair-Id=k", true, false},
		{"Signature=s&Key-Pair-Id=k", false, false},
		{"Signature=s&Expires=1", false, false},
		{"X-Xet-Signed-Range=bytes%3D0-131071&Expires=1&Policy=p&Signature=s&Key-Pair-Id=k", true, false},
		{"X-Xet-Signed-Range=bytes%3D0-131071", true, false},
		// Azure.
		{"sv=2023-11-03&sr=b&sp=r&se=2026-03-01T00%3A00%3A00Z&sig=a%2Bb%2F%3D", true, false},
		{"sig=a&se=b", true, false},
		{"SIG=a&SE=b", true, false},
		{"s%69g=a&%73%65=b", true, false},
		{"sv=1&si=policy&sr=c&sig=a", true, false},
		{"sv=1&sp=%2Ftriggers&sig=a", true, false},
		{"sig=a", false, false},
		{"sig=&se=b", false, false},
		{"sig=a&sv=1", false, false},
		{"se=b&sv=1&sp=r", false, false},
		{"sig=a&se=b&skoid=o&sktid=t&sduoid=u", true, true},
		{"sig=a&se=b&sduoid=", true, false},
		{"sig=a&sduoid=u", false, false},
		{"X-Amz-Signature=a&X-Amz-Credential=b&sduoid=u", true, false},
		// What is none.
		{"", false, false},
		{"&&&", false, false},
		{"signature=x&download=true", false, false},
		{"sig", false, false},
		{"xsig=a&xse=b", false, false},
		{"sigx=a&se=b", false, false},
		{"%zz=1&sig=%&se=%2", true, false},
		{"response-content-disposition=attachment%3B+filename*%3Dx&sig+=a&se=b", false, false},
	} {
		if got := signatureOf(c.query); got.complete != c.signed || got.bearer != c.bearer {
			t.Errorf("%s: %+v, want signed %v, bearer %v", c.query, got, c.signed, c.bearer)
		}
		if want := strings.HasPrefix(c.query, "X-Xet-Signed-Range="); (Target{RawQuery: c.query, HasQuery: true}).SignedRange() != want {
			t.Errorf("%s: its range is signed: %v", c.query, !want)
		}
		if signed, bearer := refSigned(c.query); signed != c.signed || bearer != c.bearer {
			t.Errorf("%s: the reference says %v, %v", c.query, signed, bearer)
		}
	}
}

func FuzzSigned(f *testing.F) {
	for _, s := range []string{
		"X-Amz-Signature=a&X-Amz-Credential=b", "sig=a&se=b&sduoid=c", "s%69g=a&se=b", "Signature=a&Key-Pair-Id=b&Policy=c", "AWSAccessKeyId=a&Signature=b&Expires=c",
		"X-Goog-Signature=a&X-Goog-Algorithm=b", "X-Xet-Signed-Range=x", "sig=a;se=b", "%zz=1&&sig=", "GoogleAccessId=a&Signature=b&Expires=c",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, query string) {
		if checkQuery(query) != "" {
			return
		}
		got := signatureOf(query)
		if signed, bearer := refSigned(query); got.complete != signed || got.bearer != bearer {
			t.Fatalf("%q: %+v, the reference says %v, %v", query, got, signed, bearer)
		}
		// More parameters never undo a signature.
		if more := signatureOf("a=b&" + query + "&c=d"); got.complete && !more.complete {
			t.Fatalf("%q is signed, with more parameters it is not", query)
		}
	})
}
