package sigv4

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/weighbridge/weighbridge/signer/s3err"
)

// readBody reads a verified body to its end; it returns what was passed on
// before an error, too.
func readBody(v *Verified, r io.Reader) (string, error) {
	b, err := v.Body(r)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	_, err = io.Copy(&out, b)
	return out.String(), err
}

// AWS's worked examples of chunks.
func TestAWSChunkedExamples(t *testing.T) {
	examples := load[struct {
		Requests []struct {
			Name, SignedHeaders, Signature string
			Fields                         [][2]string
			Chunks                         [][2]any
			Trailers                       []string
			Length                         int
		}
	}](t, "aws-s3-chunked.json")
	for _, x := range examples.Requests {
		for i, trailer := range x.Trailers {
			t.Run(fmt.Sprint(x.Name, i), func(t *testing.T) {
				in := &Incoming{Method: "PUT", Path: "/examplebucket/chunkObject.txt", Host: "s3.amazonaws.com"}
				for _, f := range x.Fields {
					in.Fields = append(in.Fields, Field{f[0], f[1]})
				}
				in.Fields = append(in.Fields, Field{HeaderAuthorization, "AWS4-HMAC-SHA256 Credential=" + exampleID + "/20130524/us-east-1/s3/aws4_request,SignedHeaders=" + x.SignedHeaders + ",Signature=" + x.Signature})
				v, err := verifier("", exampleTime).Verify(context.Background(), in)
				if err != nil {
					t.Fatal(err)
				}
				var body, want strings.Builder
				for _, c := range x.Chunks {
					size := int(c[0].(float64))
					fmt.Fprintf(&body, "%x;chunk-signature=%s\r\n", size, c[1])
					if data := strings.Repeat("a", size); size > 0 {
						body.WriteString(data + "\r\n")
						want.WriteString(data)
					}
				}
				body.WriteString(trailer)
				if x.Length != 0 && body.Len() != x.Length {
					t.Errorf("a body of %d bytes, want %d", body.Len(), x.Length)
				}
				got, err := readBody(v, strings.NewReader(body.String()))
				if err != nil || got != want.String() {
					t.Errorf("%d bytes, %v", len(got), err)
				}
			})
		}
	}
}

// upload is a verified PUT of data, and the body that a client would send.
type upload struct {
	mode     string
	data     string
	sizes    []int    // of the chunks
	checksum []string // the trailer's names
}

var allChecksums = []string{"x-amz-checksum-crc32", "x-amz-checksum-crc32c", "x-amz-checksum-crc64nvme", "x-amz-checksum-sha1", "x-amz-checksum-sha256", "x-amz-checksum-sha512"}

func (u upload) verified(t testing.TB) *Verified {
	t.Helper()
	v := vector{Method: "PUT", Fields: [][2]string{{"x-amz-content-sha256", u.mode}}}
	if strings.HasPrefix(u.mode, "STREAMING-") {
		v.Fields = append(v.Fields, [2]string{"x-amz-decoded-content-length", strconv.Itoa(len(u.data))})
	}
	if len(u.checksum) > 0 {
		v.Fields = append(v.Fields, [2]string{"x-amz-trailer", strings.Join(u.checksum, ", ")})
	}
	got, err := verifier("", exampleTime).Verify(context.Background(), v.signed(t))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// encoded is data as aws-chunked, signed on from v's seed.
func (u upload) encoded(v *Verified) string {
	var b strings.Builder
	c := v.chain
	signed := u.mode != streamingUnsignedTrailer
	sign := func(algorithm, content string) string {
		c.previous = c.key.Sign(algorithm + "\n" + c.date + "\n" + c.scope.String() + "\n" + c.previous + "\n" + content)
		return c.previous
	}
	rest := u.data
	for _, size := range append(u.sizes, 0) {
		chunk := rest[:size]
		rest = rest[size:]
		fmt.Fprintf(&b, "%x", size)
		if signed {
			sum := sha256.Sum256([]byte(chunk))
			b.WriteString(";chunk-signature=" + sign("AWS4-HMAC-SHA256-PAYLOAD", EmptyPayload+"\n"+hex.EncodeToString(sum[:])))
		}
		b.WriteString("\r\n")
		if size > 0 {
			b.WriteString(chunk + "\r\n")
		}
	}
	var text string
	for _, name := range u.checksum {
		sum := newChecksum(name)
		io.WriteString(sum, u.data)
		value := base64.StdEncoding.EncodeToString(sum.Sum(nil))
		text += name + ":" + value + "\n"
		b.WriteString(name + ":" + value + "\r\n")
	}
	if u.mode == streamingSignedTrailer {
		sum := sha256.Sum256([]byte(text))
		b.WriteString("x-amz-trailer-signature:" + sign("AWS4-HMAC-SHA256-TRAILER", hex.EncodeToString(sum[:])) + "\r\n")
	}
	b.WriteString("\r\n")
	return b.String()
}

// pattern is n bytes that are nowhere alike.
func pattern(n int) string {
	b := make([]byte, n)
	x := uint32(1)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return string(b)
}

func uploads() []upload {
	long := pattern(20000)
	return []upload{
		{mode: streamingSigned, data: long, sizes: []int{8192, 8192, 3616}},
		{mode: streamingSignedTrailer, data: long, sizes: []int{16384, 3616}, checksum: []string{"x-amz-checksum-crc32c"}},
		{mode: streamingSignedTrailer, data: long, sizes: []int{20000}, checksum: allChecksums},
		{mode: streamingUnsignedTrailer, data: long, sizes: []int{1, 19999}, checksum: []string{"x-amz-checksum-crc64nvme"}},
		{mode: streamingUnsignedTrailer, data: long[:3], sizes: []int{1, 1, 1}, checksum: []string{"x-amz-checksum-crc32"}},
		{mode: streamingUnsignedTrailer, data: long, sizes: []int{20000}},
		{mode: streamingSigned, data: "x", sizes: []int{1}},
		{mode: streamingSigned},
		{mode: streamingSignedTrailer, checksum: []string{"x-amz-checksum-sha256"}},
		{mode: streamingUnsignedTrailer, checksum: []string{"x-amz-checksum-sha1"}},
	}
}

func (u upload) String() string {
	return fmt.Sprintf("%s of %d in %v with %v", u.mode, len(u.data), u.sizes, u.checksum)
}

// Every mode and checksum, however the network cuts it and whatever the
// reader's buffer.
func TestBodyDecodes(t *testing.T) {
	for _, u := range uploads() {
		t.Run(u.String(), func(t *testing.T) {
			v := u.verified(t)
			body := u.encoded(v)
			for name, r := range map[string]io.Reader{
				"whole":       strings.NewReader(body),
				"one byte":    iotest.OneByteReader(strings.NewReader(body)),
				"halves":      iotest.HalfReader(strings.NewReader(body)),
				"end in time": iotest.DataErrReader(strings.NewReader(body)),
			} {
				if got, err := readBody(v, r); err != nil || got != u.data {
					t.Errorf("%s: %d bytes, %v", name, len(got), err)
				}
			}
			b, err := v.Body(strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			if u.data != "" && b.Trailers() != nil {
				t.Error("trailers before the end")
			}
			got, err := io.ReadAll(iotest.OneByteReader(b))
			if err != nil || string(got) != u.data {
				t.Errorf("byte by byte: %d bytes, %v", len(got), err)
			}
			if len(b.Trailers()) != len(u.checksum) {
				t.Errorf("trailers %v", b.Trailers())
			}
			if n, err := b.Read(make([]byte, 1)); n != 0 || err != io.EOF {
				t.Errorf("behind the end: %d, %v", n, err)
			}
		})
	}
}

// wantBroken reads a body that must not end well: what was passed on is never
// the whole payload.
func wantBroken(t *testing.T, u upload, v *Verified, body string, codes ...s3err.Code) {
	t.Helper()
	got, err := readBody(v, strings.NewReader(body))
	if err == nil {
		t.Fatalf("%s: ended well with %d bytes", u, len(got))
	}
	if len(got) >= len(u.data) && u.data != "" {
		t.Errorf("%s: all %d bytes were passed on before %v", u, len(got), err)
	}
	e := s3err.As(err)
	for _, code := range codes {
		if e.Code == code {
			return
		}
	}
	if len(codes) > 0 || e.Code == s3err.InternalError {
		t.Errorf("%s: %v, want %v", u, err, codes)
	}
}

// No end of a body that was cut anywhere is a clean one.
func TestBodyCutAnywhere(t *testing.T) {
	for _, u := range uploads() {
		v := u.verified(t)
		body := u.encoded(v)
		// The line breaks at the very end are for form's sake.
		whole := len(strings.TrimRight(body, "\r\n"))
		step := max(1, whole/150)
		for n := 0; n < whole; n += step {
			wantBroken(t, u, v, body[:n], s3err.IncompleteBody, s3err.InvalidRequest, s3err.MalformedTrailer, s3err.SignatureDoesNotMatch, s3err.BadDigest)
		}
		if !strings.HasSuffix(u.mode, "TRAILER") {
			continue
		}
		for n := max(0, whole-200); n < whole; n++ { // into the trailer byte by byte
			if u.mode == streamingUnsignedTrailer && len(u.checksum) == 0 {
				break // the last chunk is all that there is
			}
			wantBroken(t, u, v, body[:n])
		}
	}
}

// One bit changed anywhere in signed chunks is found.
func TestBodyChangedAnywhere(t *testing.T) {
	for _, u := range uploads()[:3] {
		v := u.verified(t)
		body := []byte(u.encoded(v))
		whole := len(bytes.TrimRight(body, "\r\n"))
		for i := 0; i < whole; i += max(1, whole/200) {
			for _, bit := range []byte{1, 0x20, 0x80} {
				body[i] ^= bit
				got, err := readBody(v, bytes.NewReader(body))
				// The name of a trailer's field is the same in any case.
				if err == nil && got != u.data || err != nil && len(got) >= len(u.data) {
					t.Fatalf("%s: bit %#x of byte %d: %d bytes, %v", u, bit, i, len(got), err)
				}
				if err == nil && i < len(u.data) {
					t.Fatalf("%s: bit %#x of byte %d was not found", u, bit, i)
				}
				body[i] ^= bit
			}
		}
	}
}

func TestBodyRefuses(t *testing.T) {
	data := pattern(20000)
	chunks := upload{mode: streamingSigned, data: data, sizes: []int{8192, 8192, 3616}}
	trailer := upload{mode: streamingSignedTrailer, data: data, sizes: []int{20000}, checksum: []string{"x-amz-checksum-crc32"}}
	unsigned := upload{mode: streamingUnsignedTrailer, data: data, sizes: []int{20000}, checksum: []string{"x-amz-checksum-crc32"}}
	// The CRC-32 of the pattern, for edits.
	sum := newChecksum("x-amz-checksum-crc32")
	io.WriteString(sum, data)
	crc := base64.StdEncoding.EncodeToString(sum.Sum(nil))
	edit := func(old, with string) func(string) string {
		return func(s string) string {
			if !strings.Contains(s, old) {
				panic(old + " is not there")
			}
			return strings.Replace(s, old, with, 1)
		}
	}
	for _, c := range []struct {
		name string
		u    upload
		edit func(string) string
		want s3err.Code
	}{
		{"a chunk left out", chunks, func(s string) string {
			return s[:2*(8192+2)][:8192+4+17+64+2+2] + s[2*(8192+4+17+64+2+2):]
		}, s3err.SignatureDoesNotMatch},
		{"no signature", chunks, edit(";chunk-signature=", ";chunk-signatura="), s3err.InvalidRequest},
		{"a signature of 63", chunks, func(s string) string { return strings.Replace(s, "\r\n", "", 1) }, s3err.InvalidRequest},
		{"another extension", chunks, edit("\r\n", ";a=b\r\n"), s3err.InvalidRequest},
		{"a signed size", chunks, edit("2000;", "+2000;"), s3err.InvalidRequest},
		{"a size of words", chunks, edit("2000;", "2000 ;"), s3err.InvalidRequest},
		{"no size", chunks, edit("2000;", ";"), s3err.InvalidRequest},
		{"a size that overflows", chunks, edit("2000;", "8000000000000000;"), s3err.InvalidRequest},
		{"a larger size than all", chunks, edit("2000;", "7fffffffffffffff;"), s3err.IncompleteBody},
		{"a long line", chunks, edit("2000;", strings.Repeat("0", 200)+"2000;"), s3err.InvalidRequest},
		{"a line without end", chunks, func(string) string { return strings.Repeat("0", 100000) }, s3err.InvalidRequest},
		{"LF alone", chunks, edit("\r\n", "\n"), s3err.InvalidRequest},
		{"a chunk longer than its size", chunks, edit("2000;", "1fff;"), s3err.InvalidRequest},
		{"something behind the end", chunks, func(s string) string { return s + "GET / HTTP/1.1\r\n\r\n" }, s3err.MalformedTrailer},
		{"a trailer that was not announced", chunks, func(s string) string { return s + "x-amz-checksum-crc32:" + crc + "\r\n" }, s3err.MalformedTrailer},
		{"another checksum", trailer, edit(crc, "AAAAAA=="), s3err.SignatureDoesNotMatch},
		{"no checksum", trailer, edit("x-amz-checksum-crc32:"+crc+"\r\n", ""), s3err.SignatureDoesNotMatch},
		{"no trailer signature", trailer, edit("x-amz-trailer-signature:", "x-amz-other:"), s3err.MalformedTrailer},
		{"two trailer signatures", trailer, func(s string) string { return strings.TrimSpace(s) + "\r\nx-amz-trailer-signature:0\r\n" }, s3err.MalformedTrailer},
		{"a field behind the trailer signature", trailer, func(s string) string { return strings.TrimSpace(s) + "\r\nx-amz-checksum-crc32:" + crc + "\r\n" }, s3err.MalformedTrailer},
		{"another checksum, unsigned", unsigned, edit(crc, "AAAAAA=="), s3err.BadDigest},
		{"no checksum, unsigned", unsigned, edit("x-amz-checksum-crc32:"+crc+"\r\n", ""), s3err.MalformedTrailer},
		{"a checksum of another kind", unsigned, edit("x-amz-checksum-crc32:", "x-amz-checksum-crc32c:"), s3err.MalformedTrailer},
		{"a checksum twice", unsigned, edit("x-amz-checksum-crc32:", "x-amz-checksum-crc32:"+crc+"\r\nx-amz-checksum-crc32:"), s3err.MalformedTrailer},
		{"no base64", unsigned, edit(crc, "!"), s3err.MalformedTrailer},
		{"base64 of another length", unsigned, edit(crc, "AAAA"), s3err.MalformedTrailer},
		{"no field", unsigned, edit("x-amz-checksum-crc32:", "x-amz-checksum-crc32 "), s3err.MalformedTrailer},
		{"a trailer signature, unsigned", unsigned, func(s string) string { return strings.TrimSpace(s) + "\r\nx-amz-trailer-signature:0\r\n" }, s3err.MalformedTrailer},
		{"a long trailer", unsigned, func(s string) string { return s + strings.Repeat("\r\n", maxTrailer) }, s3err.MalformedTrailer},
		{"a trailer without line break", unsigned, func(s string) string { return strings.TrimSpace(s) + strings.Repeat("=", 1<<20) }, s3err.MalformedTrailer},
		{"changed data, unsigned", unsigned, func(s string) string { return s[:5000] + "\x00" + s[5001:] }, s3err.BadDigest},
		{"a signature on an unsigned chunk", unsigned, edit("4e20", "4e20;chunk-signature="+EmptyPayload), s3err.InvalidRequest},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := c.u.verified(t)
			wantBroken(t, c.u, v, c.edit(c.u.encoded(v)), c.want)
		})
	}
}

func TestBodyLengths(t *testing.T) {
	for _, mode := range []string{streamingSigned, streamingUnsignedTrailer} {
		for _, n := range []int64{19999, 20001, 0} {
			u := upload{mode: mode, data: pattern(20000), sizes: []int{20000}}
			v := u.verified(t)
			body := u.encoded(v)
			v.Payload.Length = n
			u.data = u.data[:min(int(n), 20000)]
			wantBroken(t, u, v, body, s3err.IncompleteBody)
		}
	}
}

// S3 takes no chunk below 8 KiB but the last: each costs two hashes.
func TestBodySmallChunks(t *testing.T) {
	u := upload{mode: streamingSigned, data: pattern(8192 + 10), sizes: []int{10, 8192}}
	v := u.verified(t)
	wantBroken(t, u, v, u.encoded(v), s3err.InvalidChunkSize)
}

func TestBodyHashed(t *testing.T) {
	data := pattern(5000)
	sum := sha256.Sum256([]byte(data))
	u := upload{mode: hex.EncodeToString(sum[:]), data: data}
	v := u.verified(t)
	if v.Payload.Length != -1 || v.Payload.Mode != PayloadHashed {
		t.Errorf("%+v", v.Payload)
	}
	if got, err := readBody(v, iotest.OneByteReader(strings.NewReader(data))); err != nil || got != data {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	wantBroken(t, u, v, data[:4999]+"\x00", s3err.ContentSHA256Mismatch)
	wantBroken(t, u, v, data[:4999], s3err.ContentSHA256Mismatch)
	v.Payload.Length = 0
	if _, err := v.Body(strings.NewReader("")); s3err.As(err) == nil || s3err.As(err).Code != s3err.ContentSHA256Mismatch {
		t.Errorf("an empty body: %v", err)
	}
}

func TestBodyNoneAndUnsigned(t *testing.T) {
	v, err := verifier("", exampleTime).Verify(context.Background(), vector{}.signed(t))
	if err != nil {
		t.Fatal(err)
	}
	if v.Payload.Mode != PayloadNone {
		t.Errorf("%+v", v.Payload)
	}
	for _, r := range []io.Reader{nil, strings.NewReader("")} {
		if got, err := readBody(v, r); err != nil || got != "" {
			t.Errorf("%q, %v", got, err)
		}
	}
	if _, err := v.Body(strings.NewReader("x")); s3err.As(err) == nil || s3err.As(err).Code != s3err.InvalidRequest {
		t.Errorf("a body of a GET: %v", err)
	}
	u := upload{mode: UnsignedPayload, data: pattern(100)}
	if got, err := readBody(u.verified(t), strings.NewReader(u.data)); err != nil || got != u.data {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// What the connection says is passed on, and stays.
func TestBodyOfABrokenConnection(t *testing.T) {
	broken := errors.New("the connection broke")
	hashed := sha256.Sum256([]byte(pattern(1000)))
	for _, u := range append(uploads()[:5], upload{mode: UnsignedPayload, data: pattern(1000)}, upload{mode: hex.EncodeToString(hashed[:]), data: pattern(1000)}) {
		v := u.verified(t)
		body := u.data
		if v.Payload.Mode.Chunked() {
			body = u.encoded(v)
		}
		for _, n := range []int{0, 10, len(body) / 2, len(body)} {
			b, err := v.Body(io.MultiReader(strings.NewReader(body[:n]), iotest.ErrReader(broken)))
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(b)
			if !errors.Is(err, broken) || len(got) >= len(u.data) {
				t.Errorf("%s after %d: %d bytes, %v", u, n, len(got), err)
			}
			if n, err := b.Read(make([]byte, 10)); n != 0 || !errors.Is(err, broken) || b.Trailers() != nil {
				t.Errorf("%s: later %d, %v", u, n, err)
			}
		}
	}
}

// A chunk of any size streams through the same window.
func TestBodyMemory(t *testing.T) {
	const size = 16 << 20
	sum := newChecksum("x-amz-checksum-crc32")
	io.CopyN(sum, zeros{}, size)
	trailer := "\r\n0\r\nx-amz-checksum-crc32:" + base64.StdEncoding.EncodeToString(sum.Sum(nil)) + "\r\n\r\n"
	u := upload{mode: streamingUnsignedTrailer, checksum: []string{"x-amz-checksum-crc32"}}
	v := u.verified(t)
	v.Payload.Length = size
	b, err := v.Body(io.MultiReader(strings.NewReader(strconv.FormatInt(size, 16)+"\r\n"), io.LimitReader(zeros{}, size), strings.NewReader(trailer)))
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	buf := make([]byte, 256<<10)
	runtime.ReadMemStats(&before)
	var total int64
	for err == nil {
		var n int
		n, err = b.Read(buf)
		total += int64(n)
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 1<<20 {
		t.Errorf("%d bytes were allocated on the way", grown)
	}
	if err != io.EOF || total != size {
		t.Errorf("%d bytes, %v", total, err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// The check values of the checksums, of "123456789" (RFC 3720, appendix B.4
// for CRC-32C; the CRC catalogue for CRC-64/NVME).
func TestChecksums(t *testing.T) {
	for name, want := range map[string]string{
		"x-amz-checksum-crc32":     "cbf43926",
		"x-amz-checksum-crc32c":    "e3069283",
		"x-amz-checksum-crc64nvme": "ae8b14860a799888",
		"x-amz-checksum-sha1":      "f7c3bc1d808e04732adf679965ccc34ca7ae3441",
		"x-amz-checksum-sha256":    "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
	} {
		sum := newChecksum(name)
		io.WriteString(sum, "123456789")
		if got := hex.EncodeToString(sum.Sum(nil)); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if newChecksum("x-amz-checksum-md4") != nil {
		t.Error("a checksum that nobody knows")
	}
}
