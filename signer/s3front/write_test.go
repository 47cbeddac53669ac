package s3front

import (
	"bytes"
	"crypto/md5" //nolint:gosec // what DeleteObjects demands
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/signer/s3err"
	"github.com/weighbridge/weighbridge/signer/sigv4"
)

func sum(s string) string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:])
}

// put makes an arrival whose framing is that of body.
func (y *yard) put(q ask) *auth.Arrival {
	q.method = "PUT"
	return y.sign(q)
}

func TestUploadsAreVerifiedWhileTheyPass(t *testing.T) {
	y := newYard(t)
	for name, c := range map[string]struct {
		payload, sent string
		want          s3err.Code
	}{
		"unsigned":   {sigv4.UnsignedPayload, sigv4.UnsignedPayload, ""},
		"hashed":     {sum("content"), sum("content"), ""},
		"wrong hash": {sum("another"), "", s3err.ContentSHA256Mismatch},
	} {
		e, err := y.front.Enter(t.Context(), y.put(ask{key: "writer", uri: "/models/k", body: "content", payload: c.payload}))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if e.Length != 7 {
			t.Errorf("%s: length %d", name, e.Length)
		}
		got, err := io.ReadAll(e.Body)
		switch {
		case c.want == "" && (err != nil || string(got) != "content" || field(e, "X-Amz-Content-Sha256")[0] != c.sent):
			t.Errorf("%s: %q %v %v", name, got, err, e.Fields)
		case c.want != "" && (err == nil || s3err.As(err).Code != c.want || len(got) >= 7):
			t.Errorf("%s: %q %v", name, got, err)
		}
	}
	// No body and no length: an empty object.
	e, err := y.front.Enter(t.Context(), y.put(ask{key: "writer", uri: "/models/k", payload: sigv4.EmptyPayload}))
	if err != nil || e.Body != nil || e.Length != 0 {
		t.Errorf("%v %v", e.Length, err)
	}
	// A body without a length.
	a := y.put(ask{key: "writer", uri: "/models/k"})
	a.Body, a.Length = strings.NewReader("content"), -1
	a.Fields = without(a.Fields, "Content-Length")
	if _, err := y.front.Enter(t.Context(), a); y.refused(err) != "411 MissingContentLength bad_request" {
		t.Errorf("%v", y.refused(err))
	}
}

func without(fields []auth.HeaderField, name string) (out []auth.HeaderField) {
	for _, f := range fields {
		if !strings.EqualFold(f.Name, name) {
			out = append(out, f)
		}
	}
	return out
}

// framed is a body in unsigned chunks with a trailer.
func framed(content, trailer string) string {
	var b strings.Builder
	for len(content) > 0 {
		n := min(len(content), 70_000)
		fmt.Fprintf(&b, "%x\r\n%s\r\n", n, content[:n])
		content = content[n:]
	}
	return b.String() + "0\r\n" + trailer + "\r\n\r\n"
}

func crc(content string) string {
	s := crc32.ChecksumIEEE([]byte(content))
	return base64.StdEncoding.EncodeToString([]byte{byte(s >> 24), byte(s >> 16), byte(s >> 8), byte(s)})
}

// TestTrailersTravelOn: the upstream gets the checksum that the client sent,
// behind the same bytes, in a framing whose length is known before.
func TestTrailersTravelOn(t *testing.T) {
	y := newYard(t)
	for _, size := range []int{0, 1, 65_535, 65_536, 65_537, 300_000} {
		content := strings.Repeat("x", size)
		body := framed(content, "x-amz-checksum-crc32:"+crc(content))
		e, err := y.front.Enter(t.Context(), y.put(ask{key: "writer", uri: "/models/k", body: body, payload: unsignedTrailer, fields: []auth.HeaderField{
			pair("Content-Encoding", "gzip, aws-chunked"), pair("X-Amz-Decoded-Content-Length", strconv.Itoa(size)), pair("X-Amz-Trailer", "x-amz-checksum-crc32"),
			pair("X-Amz-Sdk-Checksum-Algorithm", "CRC32"),
		}}))
		if err != nil {
			t.Fatalf("%d: %v", size, err)
		}
		got := read(t, e.Body)
		if size == 0 {
			if got != "" || e.Length != 0 || len(field(e, "X-Amz-Trailer")) != 0 || field(e, "Content-Encoding")[0] != "gzip" {
				t.Errorf("%q %v", got, e.Fields)
			}
			continue
		}
		if int64(len(got)) != e.Length {
			t.Errorf("%d: %d bytes, %d announced", size, len(got), e.Length)
		}
		if f := field(e, "Content-Encoding"); f[0] != "gzip, aws-chunked" || field(e, "X-Amz-Content-Sha256")[0] != unsignedTrailer ||
			field(e, "X-Amz-Decoded-Content-Length")[0] != strconv.Itoa(size) || field(e, "X-Amz-Trailer")[0] != "x-amz-checksum-crc32" {
			t.Errorf("%v", e.Fields)
		}
		if !strings.HasSuffix(got, "0\r\nx-amz-checksum-crc32:"+crc(content)+"\r\n\r\n") || strings.Count(got, "x") < size {
			t.Errorf("%d: %.40q … %.60q", size, got, got[max(0, len(got)-60):])
		}
	}
	// A wrong checksum never comes out as a whole body.
	content := strings.Repeat("y", 100_000)
	e, err := y.front.Enter(t.Context(), y.put(ask{key: "writer", uri: "/models/k", body: framed(content, "x-amz-checksum-crc32:"+crc("other")), payload: unsignedTrailer,
		fields: []auth.HeaderField{pair("Content-Encoding", "aws-chunked"), pair("X-Amz-Decoded-Content-Length", strconv.Itoa(len(content))), pair("X-Amz-Trailer", "x-amz-checksum-crc32")}}))
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(e.Body)
	if err == nil || s3err.As(err).Code != s3err.BadDigest || bytes.Contains(got, []byte("\r\n0\r\n")) || strings.Count(string(got), "y") == len(content) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestCopySourcesAreObjectsOfTheirOwn(t *testing.T) {
	y := newYard(t)
	for _, c := range []struct{ key, source, also, sent, refused string }{
		{key: "writer", source: "/other/a%20b+c", also: "GET " + endpoint + "/other/a%20b%2Bc", sent: "other/a%20b%2Bc"},
		{key: "writer", source: "other/a?versionId=3%2F", also: "GET " + endpoint + "/other/a", sent: "other/a?versionId=3%2F"},
		{key: "alias", source: "sdx/a", also: "GET " + endpoint + "/models/sd/xl/a", sent: "models/sd/xl/a"},
		{key: "part", source: "models/xl/a", refused: "403 AccessDenied route_forbidden"},
		{key: "part", source: "other/sd/a", refused: "403 AccessDenied route_forbidden"},
		{key: "part", source: "models/sd/../xl/a", refused: "400 InvalidArgument bad_target"},
		{key: "part", source: "models/sd//a", refused: "400 InvalidArgument bad_target"},
		{key: "writer", source: "arn:aws:s3:eu-west-1:1:accesspoint/x/object/a", refused: "400 InvalidArgument bad_target"},
		{key: "writer", source: "models", refused: "400 InvalidArgument bad_target"},
		{key: "writer", source: "models/a?acl", refused: "400 InvalidArgument bad_target"},
	} {
		e, err := y.front.Enter(t.Context(), y.put(ask{key: c.key, uri: "/models/sd/k", fields: []auth.HeaderField{pair("x-amz-copy-source", c.source)}, payload: sigv4.EmptyPayload}))
		if got := y.refused(err); got != c.refused {
			t.Errorf("%s %s: %q, want %q", c.key, c.source, got, c.refused)
			continue
		}
		if err != nil {
			continue
		}
		if got := field(e, "X-Amz-Copy-Source"); len(e.Also) != 1 || e.Also[0].Method+" "+e.Also[0].Target.String() != c.also || len(got) != 1 || got[0] != c.sent {
			t.Errorf("%s: %v %v", c.source, e.Also, got)
		}
	}
	two := []auth.HeaderField{pair("x-amz-copy-source", "models/a"), pair("X-Amz-Copy-Source", "models/b")}
	if _, err := y.front.Enter(t.Context(), y.put(ask{key: "writer", uri: "/models/k", fields: two})); err == nil {
		t.Error("two copy sources passed")
	}
}

func TestEveryKeyOfABatchIsAnObjectOfItsOwn(t *testing.T) {
	y := newYard(t)
	batch := func(key, uri, body string, extra ...auth.HeaderField) (*auth.Entry, error) {
		return y.enter(ask{key: key, method: "POST", uri: uri, body: body, payload: sum(body), fields: append(extra, pair("X-Amz-Checksum-Crc32", "AAAAAA=="), pair("X-Amz-Sdk-Checksum-Algorithm", "CRC32"))})
	}
	body := `<?xml version="1.0"?><Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Object><Key>a&amp;b</Key></Object><Object><Key>c</Key><VersionId>2</VersionId></Object><Quiet>true</Quiet></Delete>`
	e, err := batch("alias", "/sdx?delete", body)
	if err != nil {
		t.Fatal(err)
	}
	want := `<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Quiet>true</Quiet><Object><Key>sd/xl/a&amp;b</Key></Object><Object><Key>sd/xl/c</Key><VersionId>2</VersionId></Object></Delete>`
	if got := string(e.Bytes); !strings.HasSuffix(got, want) {
		t.Errorf("got %s", got)
	}
	digest := md5.Sum(e.Bytes) //nolint:gosec // as above
	if got := field(e, "Content-MD5"); len(got) != 1 || got[0] != base64.StdEncoding.EncodeToString(digest[:]) || len(field(e, "X-Amz-Checksum-Crc32")) > 0 {
		t.Errorf("%v", e.Fields)
	}
	if e.Subject.Method != "DELETE" || e.Subject.Target.Path != "/models/sd/xl/a%26b" || len(e.Also) != 1 || e.Also[0].Target.Path != "/models/sd/xl/c" || e.Target.Path != "/models" {
		t.Errorf("%+v", e)
	}
	one := func(key string) string { return "<Delete><Object><Key>" + key + "</Key></Object></Delete>" }
	for name, c := range map[string]struct{ key, body, want string }{
		"outside the prefix":     {"part", "<Delete><Object><Key>sd/a</Key></Object><Object><Key>xl/a</Key></Object></Delete>", "403 AccessDenied route_forbidden"},
		"by dots":                {"part", one("sd/../xl/a"), "400 InvalidURI bad_target"},
		"a key twice":            {"part", "<Delete><Object><Key>sd/a</Key><Key>xl/a</Key></Object></Delete>", "403 AccessDenied route_forbidden"},
		"no key":                 {"writer", one(""), "400 MalformedXML bad_request"},
		"none":                   {"writer", "<Delete/>", "400 MalformedXML bad_request"},
		"too many":               {"writer", "<Delete>" + strings.Repeat("<Object><Key>a</Key></Object>", 1001) + "</Delete>", "400 MalformedXML bad_request"},
		"no XML":                 {"writer", "{}", "400 MalformedXML bad_request"},
		"too long":               {"writer", strings.Repeat(" ", maxBatchBody+1), "400 EntityTooLarge bad_request"},
		"an entity of its own":   {"writer", `<!DOCTYPE x [<!ENTITY e "xl/a">]>` + one("&e;"), "400 MalformedXML bad_request"},
		"another document":       {"writer", "<CompleteMultipartUpload/>", "400 MalformedXML bad_request"},
		"something behind it":    {"part", one("sd/a") + one("xl/a"), "400 MalformedXML bad_request"},
		"a hash that is another": {"writer", "", ""},
	} {
		if c.want == "" {
			a := y.sign(ask{key: c.key, method: "POST", uri: "/models?delete", body: one("a"), payload: sum(one("b"))})
			if _, err := y.front.Enter(t.Context(), a); y.refused(err) != "400 XAmzContentSHA256Mismatch bad_request" {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		_, err := batch(c.key, "/models?delete", c.body)
		if got := y.refused(err); got != c.want {
			t.Errorf("%s: %q, want %q (%v)", name, got, c.want, err)
		}
	}
}
