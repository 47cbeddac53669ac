package origin

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"
)

// Content is the bytes of a file. It may be read by many at once.
type Content interface {
	io.ReaderAt
	Size() int64
}

// Bytes is b as Content. b must not change afterwards.
func Bytes(b []byte) Content { return bytes.NewReader(b) }

// Text is s as Content.
func Text(s string) Content { return Bytes([]byte(s)) }

// Random is size bytes that look random and are the same for the same seed.
// They are made as they are read, so that a file may be larger than memory.
func Random(seed uint64, size int64) Content { return random{seed: seed, size: size} }

// block is how much of a random Content is made at a time. Each block has a
// generator of its own, which is what makes reading at an offset cheap.
const block = 64 << 10

type random struct {
	seed uint64
	size int64
}

// Size implements Content.
func (c random) Size() int64 { return c.size }

// ReadAt implements io.ReaderAt.
func (c random) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("reading at %d", off)
	}
	var buf [block]byte
	n := 0
	for n < len(p) && off < c.size {
		c.fill(&buf, uint64(off/block))
		end := min(int64(block), c.size-off/block*block)
		m := copy(p[n:], buf[off%block:end])
		n, off = n+m, off+int64(m)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (c random) fill(buf *[block]byte, index uint64) {
	var seed [32]byte
	copy(seed[:], "weighbridge sample")
	binary.LittleEndian.PutUint64(seed[16:], index)
	binary.LittleEndian.PutUint64(seed[24:], c.seed)
	_, _ = rand.NewChaCha8(seed).Read(buf[:]) // never fails
}

// SHA256 is the digest of c in hexadecimal.
func SHA256(c Content) string {
	h := sha256.New()
	// A section of a Content does not fail, and a Hash never does.
	_, _ = io.Copy(h, io.NewSectionReader(c, 0, c.Size()))
	return hex.EncodeToString(h.Sum(nil))
}

// Serve answers GET and HEAD with c: 200, 206, 304, 412 or 416 as Range and
// the conditionals ask (RFC 9110, sections 13 and 14). A range that ends
// beyond the file is clamped, as hf_transfer expects of its last one. etag is
// given without quotes.
func Serve(w http.ResponseWriter, r *http.Request, c Content, etag, contentType string) {
	if etag != "" {
		w.Header().Set("ETag", `"`+etag+`"`)
	}
	w.Header().Set("Content-Type", contentType)
	http.ServeContent(w, r, "", time.Time{}, io.NewSectionReader(c, 0, c.Size()))
}
