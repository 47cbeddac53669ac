package wire

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// TestHeadsOfAnyLength come whole, and what follows them is not lost, whichever
// reader they need and however they arrive.
func TestHeadsOfAnyLength(t *testing.T) {
	const start, end, rest = "GET / HTTP/1.1\r\nHost: x\r\nX: ", "\r\n\r\n", "what follows is the body's"
	for _, size := range []int{100, shortHead - 1, shortHead, shortHead + 1, 2 * shortHead, MaxHeader - 1, MaxHeader} {
		head := start + strings.Repeat("y", size-len(start)-len(end)) + end
		for name, wrap := range map[string]func(io.Reader) io.Reader{
			"whole":       func(r io.Reader) io.Reader { return r },
			"by the byte": iotest.OneByteReader,
			"halves":      iotest.HalfReader,
			"with EOF":    iotest.DataErrReader,
		} {
			from := wrap(strings.NewReader(head + rest))
			br := getReader(from)
			raw, err := readHeadFrom(&br, from)
			if err != nil || string(raw) != head {
				t.Errorf("%d bytes, %s: %d, %v", size, name, len(raw), err)
				continue
			}
			if long := br.Size() > shortHead; long != (size > shortHead) {
				t.Errorf("%d bytes, %s: a reader of %d", size, name, br.Size())
			}
			_, _ = br.Discard(len(raw))
			if left, err := io.ReadAll(br); err != nil || string(left) != rest {
				t.Errorf("%d bytes, %s: then %q, %v", size, name, left, err)
			}
			putReader(br)
		}
	}
	from := strings.NewReader(start + strings.Repeat("y", MaxHeader) + end)
	br := getReader(from)
	defer func() { putReader(br) }()
	if _, err := readHeadFrom(&br, from); !errors.Is(err, errHeadTooLarge) {
		t.Errorf("more than %d bytes: %v", MaxHeader, err)
	}
}

// TestAGrownReaderKeepsWhatWasHeld, also after the short one has served others.
func TestAGrownReaderKeepsWhatWasHeld(t *testing.T) {
	br := getReader(strings.NewReader("held and more"))
	if b, err := br.Peek(4); err != nil || string(b) != "held" {
		t.Fatalf("%q, %v", b, err)
	}
	n := br.Buffered()
	long := grown(br, strings.NewReader(", then this"))
	defer putReader(long)
	for range 4 {
		other := getReader(bytes.NewReader(bytes.Repeat([]byte("!"), shortHead)))
		_, _ = other.Peek(shortHead)
		defer putReader(other)
	}
	if grown(long, nil) != long {
		t.Error("a long reader was grown")
	}
	got, err := io.ReadAll(long)
	if want := "held and more"[:n] + ", then this"; err != nil || string(got) != want {
		t.Errorf("%q, %v", got, err)
	}
}
