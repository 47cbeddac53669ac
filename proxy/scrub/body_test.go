package scrub

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/auth"
)

func TestT51_JudgeOfTypesAndCodings(t *testing.T) {
	m := masker(t, canary)
	for _, c := range []struct {
		contentType, encoding string
		length                int64
		want                  Verdict
	}{
		{"application/json", "", 100, Scan},
		{"Application/JSON; charset=utf-8", "identity", -1, Scan},
		{"application/problem+json", "gzip", 100, Scan},
		{"application/vnd.git-lfs+json", "", MaxBody, Scan},
		{"image/svg+xml", "", 1, Scan},
		{"text/html", "x-gzip", 100, Scan},
		{"text/html;;;broken=\"", "", 100, Scan},
		{"", "", 100, Scan},
		{"nonsense", "", 100, Scan},
		{"text/plain", "aws-chunked", 100, Scan},
		{"multipart/form-data; boundary=x", "", 100, Scan},
		{"message/http", "", 100, Scan},

		{"application/json", "", MaxBody + 1, Stream},
		{"application/json", "br", MaxBody + 1, Stream},
		{"application/json", "", 0, Stream},
		{"application/octet-stream", "", 100, Stream},
		{"binary/octet-stream", "br", 100, Stream},
		{"application/x-git-upload-pack-result", "", -1, Stream},
		{"application/zip", "", 100, Stream},
		{"image/png", "", 100, Stream},
		{"multipart/byteranges; boundary=x", "", 100, Stream},

		{"application/json", "br", 100, Refuse},
		{"application/json", "zstd", -1, Refuse},
		{"text/plain", "deflate", 100, Refuse},
		{"text/plain", "gzip, gzip", 100, Refuse},
		{"text/plain", "gzip, br", 100, Refuse},
		{"", "unknown", 100, Refuse},
	} {
		if got := m.Judge(c.contentType, c.encoding, c.length); got != c.want {
			t.Errorf("%q, %q, %d: %d, want %d", c.contentType, c.encoding, c.length, got, c.want)
		}
	}
}

func TestT51_BodyIdentity(t *testing.T) {
	m := masker(t, canary)
	in := []byte(`{"headers":{"Authorization":"Bearer ` + canary + `"}}`)
	r, err := m.Body(bytes.Clone(in), "")
	if err != nil || !r.Changed || r.Decoded || len(r.Body) != len(in) || bytes.Contains(r.Body, []byte(canary)) {
		t.Fatalf("%+v, %v", r, err)
	}
	clean := []byte(`{"a":1}`)
	if r, err := m.Body(clean, "identity"); err != nil || r.Changed || string(r.Body) != `{"a":1}` {
		t.Fatalf("%+v, %v", r, err)
	}
}

func TestT51_BodyGzip(t *testing.T) {
	m := masker(t, canary)
	text := []byte(`{"token":"` + canary + `"}`)
	r, err := m.Body(gzipped(t, text), "gzip")
	if err != nil || !r.Changed || !r.Decoded || len(r.Body) != len(text) || bytes.Contains(r.Body, []byte(canary)) {
		t.Fatalf("%+v, %v", r, err)
	}
	// Two members are one text (RFC 1952, section 2.2), and a value may lie
	// across them.
	two := append(gzipped(t, text[:20]), gzipped(t, text[20:])...)
	if r, err := m.Body(two, "gzip"); err != nil || !r.Changed || bytes.Contains(r.Body, []byte(canary)) {
		t.Fatalf("two members: %+v, %v", r, err)
	}

	clean := gzipped(t, []byte("nothing here"))
	if r, err := m.Body(clean, "gzip"); err != nil || r.Changed || r.Decoded || !bytes.Equal(r.Body, clean) {
		t.Fatalf("a clean body did not stay as it was: %+v, %v", r, err)
	}
	if r, err := m.Body(nil, "gzip"); err != nil || len(r.Body) != 0 {
		t.Fatalf("an empty body: %v", err)
	}
	for _, broken := range [][]byte{[]byte("not gzip"), clean[:len(clean)-3], append(bytes.Clone(clean), "rest"...)} {
		_, err := m.Body(broken, "gzip")
		wantCode(t, err, auth.CodeUpstreamProtocol)
	}
	_, err = m.Body(text, "br")
	wantCode(t, err, auth.CodeUpstreamProtocol)
}

func TestT51_GzipBombIsNotUnpacked(t *testing.T) {
	var bomb bytes.Buffer
	w := gzip.NewWriter(&bomb)
	if _, err := io.CopyN(w, zeros{}, 8<<20); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if bomb.Len() > MaxBody {
		t.Fatalf("%d bytes are no bomb", bomb.Len())
	}
	m := masker(t, canary)
	allocated := testing.AllocsPerRun(1, func() {
		r, err := m.Body(bomb.Bytes(), "gzip")
		if err != nil || r.Changed || r.Decoded || len(r.Body) != bomb.Len() {
			t.Fatalf("%v", err)
		}
	})
	if plain, err := gunzip(bomb.Bytes()); err != nil || len(plain) != MaxBody+1 {
		t.Errorf("%d bytes were unpacked (%v, %v allocations)", len(plain), err, allocated)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// A body that arrives in pieces is put together before it is masked, so a
// value that was cut in two is found.
func TestT51_SplitAcrossChunks(t *testing.T) {
	m := masker(t, canary)
	text := strings.Repeat("x", 1000) + canary + strings.Repeat("y", 1000)
	for cut := 1000; cut <= 1000+len(canary); cut++ {
		chunks := io.MultiReader(strings.NewReader(text[:cut]), strings.NewReader(text[cut:]))
		whole, err := io.ReadAll(io.LimitReader(chunks, MaxBody+1))
		if err != nil {
			t.Fatal(err)
		}
		if r, err := m.Body(whole, ""); err != nil || !r.Changed || bytes.Contains(r.Body, []byte(canary)) {
			t.Fatalf("cut at %d: %v", cut, err)
		}
	}
}

// Parts of a masked text put together are the masked text, whatever the parts.
func TestT51_SplitAcrossRanges(t *testing.T) {
	m := masker(t, canary)
	body := []byte(strings.Repeat("x", 100) + canary + strings.Repeat("y", 100))
	r, err := m.Body(body, "")
	if err != nil || !r.Changed {
		t.Fatal(err)
	}
	size := int64(len(r.Body))
	for step := int64(1); step <= size; step += 7 {
		var joined []byte
		for at := int64(0); at < size; at += step {
			p := Slice(fmt.Sprintf("bytes=%d-%d", at, at+step-1), "", "", "", size)
			if p.Status != 206 {
				t.Fatalf("%+v", p)
			}
			joined = append(joined, r.Body[p.First:p.End]...)
		}
		if !bytes.Equal(joined, r.Body) {
			t.Fatalf("steps of %d", step)
		}
	}
}

func TestT51_BinaryIsUntouched(t *testing.T) {
	m := masker(t, canary)
	b := make([]byte, 64<<10)
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range b {
		b[i] = byte(rnd.Uint32())
	}
	before := bytes.Clone(b)
	if n := m.Mask(b); n != 0 || !bytes.Equal(b, before) {
		t.Errorf("%d places in random bytes", n)
	}
}

func TestHeadOfALongBody(t *testing.T) {
	m := masker(t, canary)
	b := []byte("head " + canary + " tail")
	m.Head(b, "")
	if bytes.Contains(b, []byte(canary)) || !bytes.HasPrefix(b, []byte("head ")) {
		t.Errorf("%q", b)
	}
	coded := gzipped(t, b)
	before := bytes.Clone(coded)
	if m.Head(coded, "gzip"); !bytes.Equal(coded, before) {
		t.Error("a coded head was changed")
	}
}

func TestStaleFieldsKeepETag(t *testing.T) {
	if slices.Contains(StaleFields(), "ETag") || !slices.Contains(StaleFields(), "Content-MD5") {
		t.Error(StaleFields())
	}
}

func TestAcceptEncoding(t *testing.T) {
	for _, c := range []struct {
		method, worker string
		has, ranged    bool
		want           string
	}{
		{"GET", "gzip, deflate, br, zstd", true, false, "gzip"},
		{"GET", "br;q=1.0, GZIP;q=0.8, *;q=0.1", true, false, "gzip"},
		{"GET", "*", true, false, "gzip"},
		{"POST", "gzip", true, false, "gzip"},
		{"GET", "identity", true, false, "identity"},
		{"GET", "br, zstd", true, false, "identity"},
		{"GET", "gzip;q=0, *", true, false, "identity"},
		{"GET", "gzip; Q=0.000", true, false, "identity"},
		{"GET", "*;q=0", true, false, "identity"},
		{"GET", "", true, false, "identity"},
		{"GET", "", false, false, "identity"},
		{"HEAD", "gzip", true, false, "identity"},
		{"GET", "gzip", true, true, "identity"},
	} {
		if got := AcceptEncoding(c.method, c.worker, c.has, c.ranged); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}

func TestT74_Slice(t *testing.T) {
	const tag, date = `"abc"`, "Sat, 21 Nov 2026 12:00:00 GMT"
	part := func(first, end int64) string {
		return fmt.Sprintf("206 [%d:%d] bytes %d-%d/100", first, end, first, end-1)
	}
	const whole, none = "200 [0:100] ", "416 [0:0] bytes */100"
	for _, c := range []struct{ field, ifRange, want string }{
		{"", "", whole},
		{"bytes=0-0", "", part(0, 1)},
		{"bytes=0-99", "", part(0, 100)},
		{"bytes=0-100", "", part(0, 100)}, // one beyond the end is clipped
		{"bytes=10-", "", part(10, 100)},
		{"bytes=-10", "", part(90, 100)},
		{"bytes=-1000", "", part(0, 100)},
		{"Bytes= 5-9 ", "", part(5, 10)},
		{"bytes=,5-9,", "", part(5, 10)},
		{"bytes=99-99999999999999999999999", "", part(99, 100)},
		{"bytes=100-", "", none},
		{"bytes=100-200", "", none},
		{"bytes=99999999999999999999999-", "", none},
		{"bytes=-0", "", none},
		{"bytes=0-1,5-6", "", whole},
		{"bytes=9-5", "", whole},
		{"bytes=a-b", "", whole},
		{"bytes=+1-2", "", whole},
		{"bytes=1", "", whole},
		{"bytes=-", "", whole},
		{"bytes=", "", whole},
		{"bytes=--5", "", whole},
		{"items=0-5", "", whole},
		{"bytes 0-5", "", whole},
		{"bytes=0-4", tag, part(0, 5)},
		{"bytes=0-4", `"other"`, whole},
		{"bytes=0-4", `W/"abc"`, whole},
		{"bytes=0-4", date, part(0, 5)},
		{"bytes=0-4", "Sat, 21 Nov 2026 12:00:01 GMT", whole},
	} {
		p := Slice(c.field, c.ifRange, tag, date, 100)
		if got := fmt.Sprintf("%d [%d:%d] %s", p.Status, p.First, p.End, p.ContentRange); got != c.want {
			t.Errorf("%q, %q: %s, want %s", c.field, c.ifRange, got, c.want)
		}
	}
	if p := Slice("bytes=0-4", `"x"`, "", "", 100); p.Status != 200 {
		t.Errorf("without validators: %+v", p)
	}
	if p := Slice("bytes=-5", "", "", "", 0); p.Status != 200 || p.End != 0 {
		t.Errorf("an empty text: %+v", p)
	}
	if p := Slice("bytes=0-", "", "", "", 0); p.Status != 416 || p.ContentRange != "bytes */0" {
		t.Errorf("an empty text: %+v", p)
	}
}

func TestT74_ContentRange(t *testing.T) {
	for field, want := range map[string]string{
		"bytes 0-4/10":   "0 4 10 true",
		"Bytes 0-4/*":    "0 4 -1 true",
		" bytes 0-0/1 ":  "0 0 1 true",
		"bytes */10":     "0 0 0 false",
		"bytes 4-0/10":   "0 0 0 false",
		"bytes 0-10/10":  "0 0 0 false",
		"bytes 0-4":      "0 0 0 false",
		"bytes=0-4/10":   "0 0 0 false",
		"items 0-4/10":   "0 0 0 false",
		"bytes -1-4/10":  "0 0 0 false",
		"":               "0 0 0 false",
		"bytes 0-4/10/2": "0 0 0 false",
	} {
		first, last, total, ok := ContentRange(field)
		if got := fmt.Sprint(first, last, total, ok); got != want {
			t.Errorf("%q: %s, want %s", field, got, want)
		}
	}
}

func FuzzSlice(f *testing.F) {
	f.Add("bytes=0-4", int64(10))
	f.Add("bytes=-5", int64(0))
	f.Add("bytes=9223372036854775807-9223372036854775808", int64(math.MaxInt64))
	f.Fuzz(func(t *testing.T, field string, size int64) {
		if size < 0 {
			return
		}
		p := Slice(field, "", "", "", size)
		switch {
		case p.Status == 200 && p.First == 0 && p.End == size && p.ContentRange == "":
		case p.Status == 416 && p.First == 0 && p.End == 0 && p.ContentRange == fmt.Sprintf("bytes */%d", size):
		case p.Status == 206 && p.First >= 0 && p.First < p.End && p.End <= size:
			first, last, total, ok := ContentRange(p.ContentRange)
			if !ok || first != p.First || last != p.End-1 || total != size {
				t.Fatalf("%q of %d: %+v", field, size, p)
			}
		default:
			t.Fatalf("%q of %d: %+v", field, size, p)
		}
	})
}
