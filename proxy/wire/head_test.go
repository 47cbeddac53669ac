package wire

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
)

// TestR12_T40_RequestHeads: what two implementations could read differently
// is refused, each for its own reason.
func TestR12_T40_RequestHeads(t *testing.T) {
	const end = "\r\n\r\n"
	for _, c := range []struct {
		name, raw string
		want      error
	}{
		{"plain", "GET / HTTP/1.1\r\nHost: x" + end, nil},
		{"absolute form", "GET http://x/ HTTP/1.1\r\nHost: x" + end, nil},
		{"connect", "CONNECT x:443 HTTP/1.1\r\nHost: x:443" + end, nil},
		{"1.0 without Host", "GET / HTTP/1.0" + end, nil},
		{"raw UTF-8 in target and value", "GET /ü HTTP/1.1\r\nHost: x\r\nX: ü" + end, nil},
		{"empty value", "GET / HTTP/1.1\r\nHost: x\r\nX:" + end, nil},
		{"tab in value", "GET / HTTP/1.1\r\nHost: x\r\nX: a\tb" + end, nil},
		{"length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5" + end, nil},
		{"length 0 on GET", "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 0" + end, nil},
		{"chunked", "POST / HTTP/1.1\r\nHost: x\r\ntransfer-ENCODING: Chunked" + end, nil},

		{"CL and TE", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked" + end, errBothFramings},
		{"TE and CL", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5" + end, errBothFramings},
		{"two CL", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6" + end, errTwoLengths},
		{"two equal CL", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\ncontent-length: 5" + end, errTwoLengths},
		{"CL list", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5, 5" + end, errBadLength},
		{"CL negative", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -5" + end, errBadLength},
		{"CL plus", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +5" + end, errBadLength},
		{"CL hex", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0x5" + end, errBadLength},
		{"CL empty", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length:" + end, errBadLength},
		{"CL with spaces", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5 5" + end, errBadLength},
		{"CL overflow", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551621" + end, errBadLength},
		{"TE xchunked", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked" + end, errBadCoding},
		{"TE list", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked" + end, errBadCoding},
		{"TE identity", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity" + end, errBadCoding},
		{"TE twice", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked" + end, errBadCoding},
		{"TE quoted", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: \"chunked\"" + end, errBadCoding},
		{"TE vertical tab", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: \x0bchunked" + end, errBadValue},
		{"TE in 1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked" + end, errCodingIn10},
		{"space before colon", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked" + end, errBadName},
		{"tab before colon", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length\t: 5" + end, errBadName},
		{"space in name", "GET / HTTP/1.1\r\nHost: x\r\nX Y: z" + end, errBadName},
		{"empty name", "GET / HTTP/1.1\r\nHost: x\r\n: z" + end, errBadName},
		{"NUL in name", "GET / HTTP/1.1\r\nHost: x\r\nX\x00: z" + end, errBadName},
		{"non-ASCII name", "GET / HTTP/1.1\r\nHost: x\r\nX\xff: z" + end, errBadName},
		{"obs-fold", "GET / HTTP/1.1\r\nHost: x\r\nX: a\r\n b" + end, errFolded},
		{"obs-fold by tab", "GET / HTTP/1.1\r\nHost: x\r\nX: a\r\n\tb" + end, errFolded},
		{"first field folded", "GET / HTTP/1.1\r\n Host: x" + end, errFolded},
		{"no colon", "GET / HTTP/1.1\r\nHost: x\r\nnonsense" + end, errNoColon},
		{"NUL in value", "GET / HTTP/1.1\r\nHost: x\r\nX: a\x00b" + end, errBadValue},
		{"DEL in value", "GET / HTTP/1.1\r\nHost: x\r\nX: a\x7fb" + end, errBadValue},
		{"bare CR in value", "GET / HTTP/1.1\r\nHost: x\r\nX: a\rY: b" + end, errBareCR},
		{"bare CR in line", "GET / HTTP/1.1\rX\r\nHost: x" + end, errBareCR},
		{"CR CR LF", "GET / HTTP/1.1\r\r\nHost: x" + end, errBareCR},
		{"bare LF lines", "GET / HTTP/1.1\nHost: x\n\n", errBareLF},
		{"one bare LF", "GET / HTTP/1.1\r\nHost: x\nX: y" + end, errBareLF},
		{"LF LF end", "GET / HTTP/1.1\r\nHost: x\r\n\n", errBareLF},
		{"LF first", "\nGET / HTTP/1.1\r\nHost: x" + end, errBareLF},
		{"no Host", "GET / HTTP/1.1\r\nX: y" + end, errHosts},
		{"two Hosts", "GET / HTTP/1.1\r\nHost: x\r\nhost: y" + end, errHosts},
		{"two Hosts in 1.0", "GET / HTTP/1.0\r\nHost: x\r\nHost: x" + end, errHosts},
		{"HTTP/1.9", "GET / HTTP/1.9\r\nHost: x" + end, errBadVersion},
		{"HTTP/2.0", "GET / HTTP/2.0\r\nHost: x" + end, errBadVersion},
		{"http/1.1", "GET / http/1.1\r\nHost: x" + end, errBadVersion},
		{"HTTP/0.9", "GET /\r\n" + end, errBadLine},
		{"h2 preface", "PRI * HTTP/2.0\r\n\r\n", errBadVersion},
		{"two spaces", "GET  / HTTP/1.1\r\nHost: x" + end, errBadLine},
		{"space at the end", "GET / HTTP/1.1 \r\nHost: x" + end, errBadVersion},
		{"tab in line", "GET\t/\tHTTP/1.1\r\nHost: x" + end, errBadLine},
		{"control in target", "GET /\x01 HTTP/1.1\r\nHost: x" + end, errBadLine},
		{"bad method", "GE(T / HTTP/1.1\r\nHost: x" + end, errBadLine},
		{"no method", " / HTTP/1.1\r\nHost: x" + end, errBadLine},
		{"body on GET", "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5" + end, errBodyForbidden},
		{"chunks on GET", "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked" + end, errBodyForbidden},
		{"body on HEAD", "HEAD / HTTP/1.1\r\nHost: x\r\nContent-Length: 5" + end, errBodyForbidden},
		{"body on CONNECT", "CONNECT x:443 HTTP/1.1\r\nHost: x\r\nContent-Length: 5" + end, errBodyForbidden},
		{"too large", "GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", MaxHeader) + end, errHeadTooLarge},
		{"cut off", "GET / HTTP/1.1\r\nHost: x\r\n", io.ErrUnexpectedEOF},
		{"nothing", "", io.EOF},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, r := range []io.Reader{strings.NewReader(c.raw), iotest.OneByteReader(strings.NewReader(c.raw))} {
				raw, err := readHead(bufio.NewReaderSize(r, MaxHeader))
				if err == nil {
					_, err = parseRequestHead(raw)
				}
				if !errors.Is(err, c.want) || c.want == nil && err != nil {
					t.Errorf("%v, want %v", err, c.want)
				}
			}
		})
	}
	// 31 KiB of token or URL pass.
	big := "GET /" + strings.Repeat("x", 15<<10) + " HTTP/1.1\r\nHost: x\r\nAuthorization: " + strings.Repeat("y", 16<<10) + end
	if raw, err := readHead(bufio.NewReaderSize(strings.NewReader(big), MaxHeader)); err != nil || len(raw) != len(big) {
		t.Errorf("a head of %d bytes: %v", len(big), err)
	}
}

// TestT40_AnswerHeads is the same for upstreams.
func TestT40_AnswerHeads(t *testing.T) {
	const end = "\r\n\r\n"
	for _, c := range []struct {
		name, raw string
		want      error
	}{
		{"plain", "HTTP/1.1 200 OK" + end, nil},
		{"no reason", "HTTP/1.1 200 " + end, nil},
		{"no reason and no space", "HTTP/1.1 200" + end, nil},
		{"1.0", "HTTP/1.0 200 OK" + end, nil},
		{"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2" + end, errTwoLengths},
		{"the same length twice", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1" + end, errTwoLengths},
		{"both framings", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked" + end, errBothFramings},
		{"bad coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip" + end, errBadCoding},
		{"coding in 1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked" + end, errCodingIn10},
		{"obs-fold", "HTTP/1.1 200 OK\r\nX: a\r\n b" + end, errFolded},
		{"bare LF", "HTTP/1.1 200 OK\nContent-Length: 1" + end, errBareLF},
		{"bare CR", "HTTP/1.1 200 OK\r\nX: a\rb" + end, errBareCR},
		{"bad name", "HTTP/1.1 200 OK\r\nX : a" + end, errBadName},
		{"bad value", "HTTP/1.1 200 OK\r\nX: a\x00" + end, errBadValue},
		{"bad reason", "HTTP/1.1 200 O\x01K" + end, errBadLine},
		{"status of two digits", "HTTP/1.1 20 OK" + end, errBadStatus},
		{"status of four digits", "HTTP/1.1 2000 OK" + end, errBadStatus},
		{"status 099", "HTTP/1.1 099 OK" + end, errBadStatus},
		{"status +20", "HTTP/1.1 +20 OK" + end, errBadStatus},
		{"version", "HTTP/1.2 200 OK" + end, errBadVersion},
		{"another protocol", "SSH-2.0-OpenSSH" + end, errBadLine},
		{"too large", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", MaxHeader) + end, errHeadTooLarge},
		{"empty line first", "\r\nHTTP/1.1 200 OK" + end, errBadLine},
	} {
		t.Run(c.name, func(t *testing.T) {
			raw, err := readHead(bufio.NewReaderSize(strings.NewReader(c.raw), MaxHeader))
			if err == nil {
				_, err = parseAnswerHead(raw)
			}
			if !errors.Is(err, c.want) || c.want == nil && err != nil {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
}

// FuzzResponseHead: whatever is accepted, net/http reads in the same way.
func FuzzResponseHead(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
		"HTTP/1.0 404 Not Found\r\nConnection: keep-alive\r\n\r\n", "HTTP/1.1 304 \r\nETag: \"x\"\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", "HTTP/1.1 200 OK\nX: y\n\n",
		"HTTP/1.1 200 OK\r\nConnection: close, X-A\r\nX-A: b\r\n\r\n", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		raw, err := readHead(bufio.NewReaderSize(bytes.NewReader(b), MaxHeader))
		if err != nil {
			return
		}
		if !bytes.HasPrefix(b, raw) || !bytes.HasSuffix(raw, []byte("\r\n\r\n")) || bytes.Count(raw, []byte("\r\n\r\n")) != 1 {
			t.Fatalf("head %q of %q", raw, b)
		}
		h, err := parseAnswerHead(raw)
		if err != nil || h.status < 200 {
			return
		}
		resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(raw)), nil)
		if err != nil {
			t.Fatalf("net/http refuses %q: %v", raw, err)
		}
		defer func() { _ = resp.Body.Close() }()
		want := h.length
		if h.chunked {
			want = -1
		}
		if h.status == 204 || h.status == 304 {
			return // no body, whatever the fields say
		}
		if resp.StatusCode != h.status || resp.ContentLength != want || (len(resp.TransferEncoding) > 0) != h.chunked {
			t.Fatalf("%q: net/http reads status %d length %d coding %v; we read %+v", raw, resp.StatusCode, resp.ContentLength, resp.TransferEncoding, h)
		}
		if h.persists() && resp.Close && (h.length >= 0 || h.chunked) {
			t.Fatalf("%q: net/http closes and we do not", raw)
		}
	})
}

// FuzzRequestHead is the same for requests.
func FuzzRequestHead(f *testing.F) {
	for _, s := range []string{
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "POST /a?b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n",
		"CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n", "GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", "GET / HTTP/1.0\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		raw, err := readHead(bufio.NewReaderSize(bytes.NewReader(b), MaxHeader))
		if err != nil {
			return
		}
		h, err := parseRequestHead(raw)
		if err != nil {
			return
		}
		req, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
		if err != nil {
			return // its idea of a URL is narrower: the road judges targets
		}
		want := max(h.length, 0)
		if h.chunked {
			want = -1
		}
		if req.ContentLength != want {
			t.Fatalf("%q: net/http reads a body of %d, we of %d", raw, req.ContentLength, want)
		}
	})
}
