package proxy

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// head makes a header of lines.
func testHead(lines ...string) *fields {
	f := parseTestFields("HTTP/1.1 200 OK\r\n" + strings.Join(append(lines, "", ""), "\r\n"))
	return &f
}

func TestWhatAnAnswerPromises(t *testing.T) {
	const tag = `ETag: "v"`
	for name, c := range map[string]struct {
		head   []string
		status int
		length int64
		want   promise
	}{
		"whole":               {[]string{tag}, 200, 10, promise{0, 9, 10, `"v"`, false}},
		"part":                {[]string{tag, "Content-Range: bytes 5-9/20"}, 206, 5, promise{5, 9, 20, `"v"`, false}},
		"part, other length":  {[]string{tag, "Content-Range: bytes 5-9/20"}, 206, 6, promise{}},
		"part, no total":      {[]string{tag, "Content-Range: bytes 5-9/*"}, 206, 5, promise{}},
		"parts":               {[]string{tag, "Content-Type: multipart/byteranges; boundary=x"}, 206, 500, promise{}},
		"other unit":          {[]string{tag, "Content-Range: pages 5-9/20"}, 206, 5, promise{}},
		"two ranges":          {[]string{tag, "Content-Range: bytes 5-9/20", "Content-Range: bytes 5-9/20"}, 206, 5, promise{}},
		"length unknown":      {[]string{tag}, 200, -1, promise{}},
		"nothing":             {[]string{tag}, 200, 0, promise{}},
		"created":             {[]string{tag}, 201, 10, promise{}},
		"not found":           {[]string{tag}, 404, 10, promise{}},
		"coded":               {[]string{tag, "Content-Encoding: identity", "Content-Encoding: br"}, 200, 10, promise{}},
		"tag with a quote":    {[]string{`ETag: "a"b"`}, 200, 10, promise{}},
		"tag with a space":    {[]string{`ETag: "a b"`}, 200, 10, promise{}},
		"tag without an end":  {[]string{`ETag: "a`}, 200, 10, promise{}},
		"unreadable date":     {[]string{"Last-Modified: yesterday", "Date: Sun, 06 Nov 1994 08:50:37 GMT"}, 200, 10, promise{}},
		"two dates":           {[]string{"Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT", "Date: Sun, 06 Nov 1994 08:50:37 GMT", "Date: Sun, 06 Nov 1994 08:50:37 GMT"}, 200, 10, promise{}},
		"a date":              {[]string{"Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT", "Date: Sun, 06 Nov 1994 08:50:37 GMT"}, 200, 10, promise{0, 9, 10, "Sun, 06 Nov 1994 08:49:37 GMT", true}},
		"a date in the ahead": {[]string{"Last-Modified: Sun, 06 Nov 1994 08:51:37 GMT", "Date: Sun, 06 Nov 1994 08:50:37 GMT"}, 200, 10, promise{}},
	} {
		if got := promiseOf(testHead(c.head...), c.status, c.length); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

// TestADatedPromiseIsKeptByTheSameDateAlone.
func TestADatedPromiseIsKeptByTheSameDateAlone(t *testing.T) {
	const date = "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT"
	p := promiseOf(testHead(date, "Date: Sun, 06 Nov 1994 08:50:37 GMT"), 200, 10)
	span := "Content-Range: bytes 4-9/10"
	for _, c := range []struct {
		head []string
		kept bool
	}{
		{[]string{span, date}, true},
		{[]string{span}, false},
		{[]string{span, date, `ETag: "v"`}, false},
		{[]string{span, "Last-Modified: Sun, 06 Nov 1994 08:49:38 GMT"}, false},
	} {
		if why := p.broken(testHead(c.head...), 6, 4); (why == "") != c.kept {
			t.Errorf("%q: %q", c.head, why)
		}
	}
}

// TestAPromiseIsNeverExceeded: whatever Content-Range and length an answer
// names, what is taken for the rest begins where the worker is and ends where
// it was told.
func TestAPromiseIsNeverExceeded(t *testing.T) {
	number := rapid.Int64Range(0, 40)
	rapid.Check(t, func(t *rapid.T) {
		total := rapid.Int64Range(1, 40).Draw(t, "total")
		first := rapid.Int64Range(0, total-1).Draw(t, "first")
		last := rapid.Int64Range(first, total-1).Draw(t, "last")
		p := promise{first: first, last: last, total: total, validator: `"v"`}
		sent := rapid.Int64Range(0, p.length()-1).Draw(t, "sent")
		from, to, of, length := number.Draw(t, "from"), number.Draw(t, "to"), number.Draw(t, "of"), number.Draw(t, "length")
		h := testHead(`ETag: "v"`, "Content-Range: bytes "+itoa(from)+"-"+itoa(to)+"/"+itoa(of))
		kept := p.broken(h, length, sent) == ""
		if want := from == first+sent && to <= last && to >= from && of == total && length == to-from+1; kept != want {
			t.Fatalf("%+v after %d: %d-%d/%d of %d bytes is %v", p, sent, from, to, of, length, kept)
		}
	})
}

func itoa(n int64) string {
	p := promise{first: n, last: n}
	s, _, _ := strings.Cut(strings.TrimPrefix(p.span(0), "bytes="), "-")
	return s
}
