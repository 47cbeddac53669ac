package s3front

import (
	"errors"
	"io"
	"strconv"

	"github.com/weighbridge/weighbridge/signer/s3err"
	"github.com/weighbridge/weighbridge/signer/sigv4"
)

const (
	unsignedTrailer = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
	// chunkSize is that of the chunks that go upstream. S3 takes no chunk but
	// the last below 8 KiB.
	chunkSize = 64 << 10
)

// checksumLengths are those of checksums in base64 (Amazon S3 User Guide,
// "Checking object integrity"): 4, 8, 20, 32 and 64 bytes.
var checksumLengths = map[string]int{
	"x-amz-checksum-crc32": 8, "x-amz-checksum-crc32c": 8, "x-amz-checksum-crc64nvme": 12,
	"x-amz-checksum-sha1": 28, "x-amz-checksum-sha256": 44, "x-amz-checksum-sha512": 88,
}

// trailing puts a payload into unsigned chunks with its checksums behind them
// (Amazon S3 API Reference, "Including Trailing Headers"). The payload is
// verified by itself; its end comes out only once it is.
type trailing struct {
	src   *sigv4.Body
	names []string
	size  int64 // of the payload
	left  int64 // of it
	buf   []byte
	out   []byte // of buf, still to be read
	done  bool
	err   error
}

func newTrailing(src *sigv4.Body, size int64, names []string) (*trailing, error) {
	for _, n := range names {
		if checksumLengths[n] == 0 {
			return nil, s3err.New(s3err.InvalidRequest, "The checksum "+show(n)+" is not supported in a trailer.", "")
		}
	}
	return &trailing{src: src, names: names, size: size, left: size, buf: make([]byte, 0, chunkSize+64)}, nil
}

// length is that of everything, in bytes.
func (t *trailing) length() int64 {
	framed := func(n int64) int64 { return int64(len(strconv.FormatInt(n, 16))) + 2 + n + 2 }
	total := t.size / chunkSize * framed(chunkSize)
	if rest := t.size % chunkSize; rest > 0 {
		total += framed(rest)
	}
	total += int64(len("0\r\n") + len("\r\n"))
	for _, n := range t.names {
		total += int64(len(n) + 1 + checksumLengths[n] + 2)
	}
	return total
}

// Read implements io.Reader.
func (t *trailing) Read(p []byte) (int, error) {
	for len(t.out) == 0 {
		if t.err == nil && t.done {
			t.err = io.EOF
		}
		if t.err != nil {
			return 0, t.err
		}
		t.err = t.next()
	}
	n := copy(p, t.out)
	t.out = t.out[n:]
	return n, nil
}

// next makes the next chunk, or the end.
func (t *trailing) next() error {
	if t.left == 0 {
		return t.end()
	}
	n := min(t.left, chunkSize)
	b := strconv.AppendInt(t.buf[:0], n, 16)
	b = append(b, "\r\n"...)
	start := len(b)
	b = b[:start+int(n)]
	if _, err := io.ReadFull(t.src, b[start:]); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = s3err.New(s3err.IncompleteBody, "The body is shorter than the request says.", "")
		}
		return err
	}
	t.left -= n
	t.buf, t.out = b[:0], append(b, "\r\n"...)
	return nil
}

// end verifies the payload and writes its checksums.
func (t *trailing) end() error {
	var one [1]byte
	if n, err := t.src.Read(one[:]); err != io.EOF {
		if err == nil && n >= 0 {
			err = s3err.New(s3err.InvalidRequest, "The body is longer than the request says.", "")
		}
		return err
	}
	b := append(t.buf[:0], "0\r\n"...)
	for _, name := range t.names {
		value := ""
		for _, f := range t.src.Trailers() {
			if f.Name == name {
				value = f.Value
			}
		}
		if len(value) != checksumLengths[name] {
			return s3err.New(s3err.MalformedTrailer, "A checksum in the trailer is not one of its kind in base64.", "")
		}
		b = append(append(append(append(b, name...), ':'), value...), "\r\n"...)
	}
	t.out, t.done = append(b, "\r\n"...), true
	return nil
}
