package scrub

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/weighbridge/weighbridge/auth"
)

// A line goes out as soon as it is there, and not before.
func TestT51_LinesAreSentAsTheyCome(t *testing.T) {
	m := New([]auth.Secret{auth.NewSecret("tok_0123456789")})
	in, feed := io.Pipe()
	out, dst := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := m.Lines(dst, in)
		_ = dst.Close()
		ended <- err
	}()
	go func() {
		// Written in two parts, the value among them.
		_, _ = io.WriteString(feed, "data: you sent tok_01234")
		_, _ = io.WriteString(feed, "56789\ndata: half")
	}()
	got := make([]byte, 64)
	n, err := out.Read(got)
	if err != nil || string(got[:n]) != "data: you sent **************\n" {
		t.Fatalf("read %q, %v", got[:n], err)
	}
	go func() { _ = feed.Close() }()
	rest, _ := io.ReadAll(out)
	if string(rest) != "data: half" || <-ended != nil {
		t.Fatalf("the rest is %q", rest)
	}
}

func TestT51_LinesOfAnyLengthAreMasked(t *testing.T) {
	const secret = "tok_0123456789"
	m := New([]auth.Secret{auth.NewSecret(secret)})
	for _, before := range []int{0, 1, lineOverlap - 7, lineOverlap, lineBuffer - len(secret), lineBuffer - 7, lineBuffer, lineBuffer + lineOverlap - 3, 3*lineBuffer - 5} {
		for _, after := range []string{"", "\n", strings.Repeat("y", 2*lineBuffer) + "\nz\n"} {
			text := "line\n" + strings.Repeat("x", before) + secret + after
			want := "line\n" + strings.Repeat("x", before) + strings.Repeat("*", len(secret)) + after
			for _, src := range []io.Reader{strings.NewReader(text), iotest.HalfReader(strings.NewReader(text)), iotest.DataErrReader(strings.NewReader(text))} {
				var dst bytes.Buffer
				if err := m.Lines(&dst, src); err != nil {
					t.Fatal(err)
				}
				if dst.String() != want {
					t.Fatalf("%d bytes before and %d after: not masked as it should be", before, len(after))
				}
			}
		}
	}
}

func TestT51_ABrokenTextOfLinesIsNoCleanEnd(t *testing.T) {
	m := New([]auth.Secret{auth.NewSecret("tok_0123456789")})
	broken := errors.New("reset")
	var dst bytes.Buffer
	src := io.MultiReader(strings.NewReader("a\ntok_0123456789 b"), iotest.ErrReader(broken))
	if err := m.Lines(&dst, src); !errors.Is(err, broken) {
		t.Fatalf("the error is %v", err)
	}
	if dst.String() != "a\n************** b" {
		t.Fatalf("sent %q", dst.String())
	}
	if err := m.Lines(failing{}, strings.NewReader("a\nb\n")); !errors.Is(err, io.ErrClosedPipe) {
		t.Fatalf("the error is %v", err)
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestJudgeFollowsWhatHasNoEnd(t *testing.T) {
	m := New([]auth.Secret{auth.NewSecret("tok_0123456789")})
	for _, c := range []struct {
		contentType, coding string
		length              int64
		want                Verdict
	}{
		{"text/event-stream", "", -1, Follow},
		{"Text/Event-Stream; charset=utf-8", "identity", -1, Follow},
		{"application/x-ndjson", "", -1, Follow},
		{"text/event-stream", "gzip", -1, Scan},
		{"text/event-stream", "br", -1, Refuse},
		{"text/event-stream", "", 100, Scan},
		{"application/json", "", -1, Scan},
	} {
		if got := m.Judge(c.contentType, c.coding, c.length); got != c.want {
			t.Errorf("%s %s %d: %v", c.contentType, c.coding, c.length, got)
		}
	}
}
