package wire

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http/httputil"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
)

func decode(r io.Reader, size int) ([]byte, *bufio.Reader, error) {
	br := bufio.NewReaderSize(r, size)
	b, err := io.ReadAll(&chunkReader{br: br})
	return b, br, err
}

func TestT40_Chunks(t *testing.T) {
	for _, c := range []struct {
		name, raw, body string
		want            error
	}{
		{"one", "3\r\nabc\r\n0\r\n\r\n", "abc", nil},
		{"two", "3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n", "abcd", nil},
		{"hex", "00A\r\n0123456789\r\n0\r\n\r\n", "0123456789", nil},
		{"extension", "3;a=b;c\r\nabc\r\n0;x\r\n\r\n", "abc", nil},
		{"trailer", "3\r\nabc\r\n0\r\nX-Sum: 1\r\nY:\r\n\r\n", "abc", nil},
		{"empty", "0\r\n\r\n", "", nil},

		{"space behind size", "3 \r\nabc\r\n0\r\n\r\n", "", errChunkSize},
		{"space before extension", "3 ;a\r\nabc\r\n0\r\n\r\n", "", errChunkSize},
		{"space before size", " 3\r\nabc\r\n0\r\n\r\n", "", errChunkSize},
		{"0x", "0x3\r\nabc\r\n0\r\n\r\n", "", errChunkSize},
		{"sign", "+3\r\nabc\r\n0\r\n\r\n", "", errChunkSize},
		{"negative", "-3\r\nabc\r\n0\r\n\r\n", "", errChunkSize},
		{"underscore", "1_0\r\nabc\r\n0\r\n\r\n", "", errChunkSize},
		{"no size", "\r\nabc\r\n0\r\n\r\n", "", errChunkSize},
		{"no size but extension", ";a\r\nabc\r\n0\r\n\r\n", "", errChunkSize},
		{"overflow", "fffffffffffffffff\r\nabc\r\n0\r\n\r\n", "", errChunkSize},
		{"16 digits", "0000000000000003\r\nabc\r\n0\r\n\r\n", "", errChunkSize},
		{"bare LF behind size", "3\nabc\r\n0\r\n\r\n", "", errBareLF},
		{"bare LF in extension", "3;a\nb\r\nabc\r\n0\r\n\r\n", "", errBareLF},
		{"bare CR in extension", "3;a\rb\r\nabc\r\n0\r\n\r\n", "", errBareCR},
		{"control in extension", "3;a\x00\r\nabc\r\n0\r\n\r\n", "", errChunkSize},
		{"longer than said", "3\r\nabcd\r\n0\r\n\r\n", "abc", errChunkEnd},
		{"bare LF behind data", "3\r\nabc\n0\r\n\r\n", "abc", errChunkEnd},
		{"bare CR behind data", "3\r\nabc\rX0\r\n\r\n", "abc", errChunkEnd},
		{"nothing behind data", "3\r\nabc", "abc", io.ErrUnexpectedEOF},
		{"shorter than said", "5\r\nabc", "abc", io.ErrUnexpectedEOF},
		{"no last chunk", "3\r\nabc\r\n", "abc", io.ErrUnexpectedEOF},
		{"no last line", "3\r\nabc\r\n0\r\n", "abc", io.ErrUnexpectedEOF},
		{"half a last line", "3\r\nabc\r\n0\r\n\r", "abc", io.ErrUnexpectedEOF},
		{"trailer without colon", "0\r\nnonsense\r\n\r\n", "", errNoColon},
		{"trailer folded", "0\r\nX: a\r\n b\r\n\r\n", "", errFolded},
		{"trailer name", "0\r\nX : a\r\n\r\n", "", errBadName},
		{"trailer value", "0\r\nX: a\x01\r\n\r\n", "", errBadValue},
		{"trailer bare LF", "0\r\nX: a\n\r\n", "", errBareLF},
		{"long line", "3;" + strings.Repeat("x", 40<<10) + "\r\nabc\r\n0\r\n\r\n", "", errChunkTooMuch},
		{"extensions out of proportion", strings.Repeat("1;"+strings.Repeat("x", 100)+"\r\na\r\n", 300) + "0\r\n\r\n", "", errChunkTooMuch},
		{"trailers without end", "0\r\n" + strings.Repeat("X: y\r\n", 10000) + "\r\n", "", errChunkTooMuch},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, r := range []io.Reader{strings.NewReader(c.raw), iotest.OneByteReader(strings.NewReader(c.raw))} {
				b, br, err := decode(r, MaxHeader)
				if !errors.Is(err, c.want) || c.want == nil && err != nil {
					t.Errorf("%v, want %v", err, c.want)
				}
				if c.name != "extensions out of proportion" && string(b) != c.body {
					t.Errorf("body %q, want %q", b, c.body)
				}
				if rest, _ := io.ReadAll(br); c.want == nil && len(rest) != 0 {
					t.Errorf("left %q", rest)
				}
			}
		})
	}
	// An error stays.
	c := &chunkReader{br: bufio.NewReader(strings.NewReader("x\r\n"))}
	for range 2 {
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, errChunkSize) {
			t.Error(err)
		}
	}
}

var (
	chunkLine   = regexp.MustCompile(`^([0-9A-Fa-f]{1,15})(;[\t\x20-\x7e\x80-\xff]*)?\r\n`)
	trailerLine = regexp.MustCompile("^[-!#$%&'*+.^_`|~0-9A-Za-z]+:[\\t\\x20-\\x7e\\x80-\\xff]*\\r\\n")
)

// slowDecode is the obvious decoder of a whole message: the grammar of RFC
// 9112 section 7.1 as regular expressions. ok is false for whatever is not
// a chunked body followed by rest.
func slowDecode(b []byte) (body, rest []byte, ok bool) {
	latin := func(b []byte) string { // each byte one character
		r := make([]rune, len(b))
		for i, c := range b {
			r[i] = rune(c)
		}
		return string(r)
	}
	s := latin(b)
	at := func(n int) string { return string([]rune(s)[n:]) }
	pos := 0
	for {
		m := chunkLine.FindStringSubmatch(at(pos))
		if m == nil {
			return nil, nil, false
		}
		pos += len([]rune(m[0]))
		n, err := strconv.ParseInt(m[1], 16, 64)
		if err != nil {
			return nil, nil, false
		}
		if n == 0 {
			break
		}
		if int64(len(b)-pos) < n+2 || !bytes.HasPrefix(b[pos+int(n):], []byte("\r\n")) {
			return nil, nil, false
		}
		body = append(body, b[pos:pos+int(n)]...)
		pos += int(n) + 2
	}
	for !bytes.HasPrefix(b[pos:], []byte("\r\n")) {
		m := trailerLine.FindString(at(pos))
		if m == "" {
			return nil, nil, false
		}
		pos += len([]rune(m))
	}
	return body, b[pos+2:], true
}

// FuzzChunked compares with the slow decoder, in one piece and byte by byte,
// and with net/http's, which is more lenient: what we accept it reads alike.
func FuzzChunked(f *testing.F) {
	for _, s := range []string{
		"3\r\nabc\r\n0\r\n\r\n", "a;x=y\r\n0123456789\r\n0\r\nT: v\r\n\r\nGET / HTTP/1.1", "0\r\n\r\n", "3\nabc\n0\n\n",
		"3 \r\nabc\r\n0\r\n\r\n", "-1\r\n\r\n", "ffffffffffffffff\r\n", "3\r\nabcd\r\n0\r\n\r\n", "1\r\na\r\n0\r\nX : y\r\n\r\n",
		"2;\xff\r\nhi\r\n0\r\n\r\n", "0\r\nA:\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<10 {
			return // the bounds on extensions are tested elsewhere
		}
		want, wantRest, ok := slowDecode(b)
		for _, r := range []io.Reader{bytes.NewReader(b), iotest.OneByteReader(bytes.NewReader(b))} {
			got, br, err := decode(r, MaxHeader)
			if (err == nil) != ok {
				t.Fatalf("%q: %v; the slow decoder says ok=%v", b, err, ok)
			}
			if !ok {
				continue
			}
			rest, _ := io.ReadAll(br)
			if !bytes.Equal(got, want) || !bytes.Equal(rest, wantRest) {
				t.Fatalf("%q: body %q rest %q; the slow decoder says %q and %q", b, got, rest, want, wantRest)
			}
		}
		if ok {
			if lenient, err := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(b))); err != nil || !bytes.Equal(lenient, want) {
				t.Fatalf("%q: net/http reads %q, %v", b, lenient, err)
			}
		}
	})
}
