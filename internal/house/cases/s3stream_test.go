package cases

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/signer/sigv4"
)

const (
	streamed         = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	streamedTrailing = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
	crcTrailer       = "x-amz-checksum-crc32"
)

// chunked is content as aws-chunked in signed chunks of size bytes, signed on
// from the signature of a request's header (SigV4, "Transferring Payload in
// Multiple Chunks"; "Including trailing headers").
func (w s3Worker) chunked(authorization, date, content string, size int, trailing bool) string {
	key := sigv4.DeriveKey(auth.NewSecret(w.key.SecretAccessKey), sigv4.Scope{Date: date[:8], Region: "us-east-1", Service: "s3"})
	_, previous, _ := strings.Cut(authorization, "Signature=")
	sign := func(algorithm, digest string) string {
		previous = key.Sign(algorithm + "\n" + date + "\n" + date[:8] + "/us-east-1/s3/aws4_request\n" + previous + "\n" + digest)
		return previous
	}
	var b strings.Builder
	for rest := content; ; {
		n := min(size, len(rest))
		fmt.Fprintf(&b, "%x;chunk-signature=%s\r\n", n, sign("AWS4-HMAC-SHA256-PAYLOAD", sigv4.EmptyPayload+"\n"+hashOf(rest[:n])))
		if n == 0 {
			break
		}
		b.WriteString(rest[:n] + "\r\n")
		rest = rest[n:]
	}
	if trailing {
		sum := binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte(content)))
		line := crcTrailer + ":" + base64.StdEncoding.EncodeToString(sum)
		b.WriteString(line + "\r\nx-amz-trailer-signature:" + sign("AWS4-HMAC-SHA256-TRAILER", hashOf(line+"\n")) + "\r\n")
	}
	return b.String() + "\r\n"
}

// Uploads in signed chunks arrive whole and decoded; of one in which anything
// was changed on the way the storage never gets a whole body.
func TestS3FrontStreamedUploads(t *testing.T) {
	t.Parallel()
	h, s3 := frontHouse(t, house.Options{})
	w := s3Worker{t: t, h: h, key: h.AddS3Key(admin.NewS3Key{Name: "writer", Permission: "read-write", Credentials: []string{"storage"}})}
	content := strings.Repeat("weights ", 40_000) // five chunks of 64 KiB
	put := func(key, mode string, change func(body string) string) reply {
		t.Helper()
		extra := []string{"X-Amz-Decoded-Content-Length", strconv.Itoa(len(content)), "Content-Encoding", "aws-chunked"}
		trailing := mode == streamedTrailing
		if trailing {
			extra = append(extra, "X-Amz-Trailer", crcTrailer)
		}
		r := w.signedAs("PUT", "/models/up/"+key, "", mode, extra...)
		body := change(w.chunked(r.Header.Get("Authorization"), r.Header.Get("X-Amz-Date"), content, 64<<10, trailing))
		c := dial(t, h)
		text := fmt.Sprintf("PUT /models/up/%s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n", key, r.Host, len(body))
		for name, values := range r.Header {
			text += name + ": " + values[0] + "\r\n"
		}
		go func() { _, _ = c.tcp.Write([]byte(text + "\r\n" + body)) }() // it may not be taken to the end
		return c.answer("PUT")
	}
	for _, mode := range []string{streamed, streamedTrailing} {
		if r := put("whole", mode, func(b string) string { return b }); r.status != 200 || string(s3.get("models/up/whole")) != content {
			t.Errorf("%s: %s", mode, r)
		}
		s3.put("models/up/whole", nil)
		last := func(b, of string) int { return strings.LastIndex(b, of) }
		changes := map[string]struct {
			change func(string) string
			code   string
		}{
			"a byte of the first chunk": {func(b string) string { return strings.Replace(b, "weights", "Weights", 1) }, "SignatureDoesNotMatch"},
			"a byte of the last chunk": {func(b string) string {
				i := last(b, "weights")
				return b[:i] + "W" + b[i+1:]
			}, "SignatureDoesNotMatch"},
			"the signature of the end": {func(b string) string {
				i := last(b, ";chunk-signature=") + len(";chunk-signature=")
				return b[:i] + flipped(b[i]) + b[i+1:]
			}, "SignatureDoesNotMatch"},
			"chunks that changed places": {func(b string) string {
				const line = len("10000;chunk-signature=") + 64 + 2
				const chunk = line + 64<<10 + 2
				return b[chunk:2*chunk] + b[:chunk] + b[2*chunk:]
			}, "SignatureDoesNotMatch"},
			"no end": {func(b string) string { return b[:last(b, "0;chunk-signature=")] }, "IncompleteBody"},
		}
		if mode == streamedTrailing {
			changes["the checksum behind it"] = struct {
				change func(string) string
				code   string
			}{func(b string) string {
				i := last(b, crcTrailer+":") + len(crcTrailer) + 1
				return b[:i] + flipped(b[i]) + b[i+1:]
			}, "SignatureDoesNotMatch"}
			changes["the signature of the trailer"] = struct {
				change func(string) string
				code   string
			}{func(b string) string {
				i := last(b, "x-amz-trailer-signature:") + len("x-amz-trailer-signature:")
				return b[:i] + flipped(b[i]) + b[i+1:]
			}, "SignatureDoesNotMatch"}
		}
		for name, c := range changes {
			key := "changed-" + strings.ReplaceAll(name, " ", "-")
			r := put(key, mode, c.change)
			if r.err == nil && (r.status < 400 || s3Code(r) != c.code) {
				t.Errorf("%s, %s: %s, want %s", mode, name, r, c.code)
			}
			if s3.get("models/up/"+key) != nil {
				t.Errorf("%s, %s: it was stored", mode, name)
			}
		}
	}
}

func hashOf(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// flipped is another character of hexadecimal and base64.
func flipped(c byte) string {
	if c == '0' {
		return "1"
	}
	return "0"
}
