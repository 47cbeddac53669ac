package cases

import (
	"net/http"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/config"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/house/origin"
)

// payload is a request that two parsers could read differently. HOST stands
// for the Host that is right, TARGET for the target that is; AUTH for the
// field that carries the key, where one is needed.
type payload struct {
	name, text string
	// late says that its fault is in the body: the upstream may have seen the
	// head, but nothing that it could take for a whole request.
	late bool
}

const (
	post  = "POST TARGET HTTP/1.1\r\nHost: HOST\r\nAUTH"
	get   = "GET TARGET HTTP/1.1\r\nHost: HOST\r\nAUTH"
	chunk = "Transfer-Encoding: chunked\r\n"
)

func payloads() []payload {
	out := []payload{
		{name: "length and coding", text: post + "Content-Length: 5\r\n" + chunk + "\r\n0\r\n\r\n"},
		{name: "coding and length", text: post + chunk + "Content-Length: 5\r\n\r\n0\r\n\r\n"},
		{name: "two lengths", text: post + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"},
		{name: "the same length twice", text: post + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"},
		{name: "a list of lengths", text: post + "Content-Length: 5, 5\r\n\r\nhello"},
		{name: "a negative length", text: post + "Content-Length: -1\r\n\r\n"},
		{name: "a signed length", text: post + "Content-Length: +5\r\n\r\nhello"},
		{name: "a hexadecimal length", text: post + "Content-Length: 0x5\r\n\r\nhello"},
		{name: "a length with a space", text: post + "Content-Length: 1 0\r\n\r\nhello"},
		{name: "no length", text: post + "Content-Length: \r\n\r\n"},
		{name: "a length that overflows", text: post + "Content-Length: 18446744073709551621\r\n\r\nhello"},
		{name: "another coding", text: post + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"},
		{name: "chunked, then identity", text: post + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"},
		{name: "identity", text: post + "Transfer-Encoding: identity\r\nContent-Length: 0\r\n\r\n"},
		{name: "gzip, then chunked", text: post + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"},
		{name: "chunked twice", text: post + chunk + chunk + "\r\n0\r\n\r\n"},
		{name: "chunked behind a vertical tab", text: post + "Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n"},
		{name: "a space before the colon", text: post + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"},
		{name: "a folded field", text: get + "X-A: a\r\n b\r\n\r\n"},
		{name: "a folded coding", text: post + "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"},
		{name: "a space before the first field", text: "GET TARGET HTTP/1.1\r\n Host: HOST\r\nAUTH\r\n"},
		{name: "bare line feeds", text: strings.ReplaceAll(get, "\r\n", "\n") + "\n"},
		{name: "a bare carriage return", text: get + "X-A: a\rContent-Length: 5\r\n\r\n"},
		{name: "NUL in a value", text: get + "X-A: a\x00b\r\n\r\n"},
		{name: "NUL in a name", text: get + "X\x00A: a\r\n\r\n"},
		{name: "a field without name", text: get + ": a\r\n\r\n"},
		{name: "a name with a space", text: get + "X A: a\r\n\r\n"},
		{name: "a field without colon", text: get + "XA\r\n\r\n"},
		{name: "version 1.9", text: strings.Replace(get, "/1.1", "/1.9", 1) + "\r\n"},
		{name: "version 2.0", text: strings.Replace(get, "/1.1", "/2.0", 1) + "\r\n"},
		{name: "version in lower case", text: strings.Replace(get, "HTTP", "http", 1) + "\r\n"},
		{name: "no version", text: "GET TARGET\r\n\r\n"},
		{name: "two hosts", text: get + "Host: HOST\r\n\r\n"},
		{name: "no host", text: "GET TARGET HTTP/1.1\r\nAUTH\r\n"},
		{name: "a body on GET", text: get + "Content-Length: 5\r\n\r\nhello"},
		{name: "chunks on GET", text: get + chunk + "\r\n0\r\n\r\n"},
		{name: "a coding in 1.0", text: strings.Replace(post, "/1.1", "/1.0", 1) + chunk + "\r\n0\r\n\r\n"},
		{name: "a space in the target", text: strings.Replace(get, "TARGET", "TARGET x", 1) + "\r\n"},
		{name: "two spaces", text: strings.Replace(get, "GET ", "GET  ", 1) + "\r\n"},
		{name: "a space before the method", text: " " + get + "\r\n"},
		{name: "no token as method", text: strings.Replace(get, "GET", "GE(T", 1) + "\r\n"},
		{name: "TRACE", text: strings.Replace(get, "GET", "TRACE", 1) + "\r\n"},
	}
	for name, body := range map[string]string{
		"a chunk size with a space":     "5 \r\nhello\r\n0\r\n\r\n",
		"a chunk size with 0x":          "0x5\r\nhello\r\n0\r\n\r\n",
		"a signed chunk size":           "+5\r\nhello\r\n0\r\n\r\n",
		"a negative chunk size":         "-1\r\nhello\r\n0\r\n\r\n",
		"a chunk size that overflows":   "FFFFFFFFFFFFFFFF1\r\nhello\r\n0\r\n\r\n",
		"no chunk size":                 "\r\nhello\r\n0\r\n\r\n",
		"a chunk size ended by LF":      "5\nhello\r\n0\r\n\r\n",
		"a bare CR in an extension":     "5;a\rb\r\nhello\r\n0\r\n\r\n",
		"a bare LF in an extension":     "5;a\nb\r\nhello\r\n0\r\n\r\n",
		"a chunk longer than its size":  "3\r\nhello\r\n0\r\n\r\n",
		"a chunk without its line end":  "5\r\nhello0\r\n\r\n",
		"a last chunk ended by LF":      "5\r\nhello\r\n0\n\n",
		"an end that is none":           "5\r\nhello\r\n0\r\nX\r\n\r\n",
		"a smuggled request as trailer": "5\r\nhello\r\n0\r\nGET /smuggled HTTP/1.1\r\nHost: HOST\r\n\r\n",
	} {
		out = append(out, payload{name: name, text: post + chunk + "\r\n" + body, late: true})
	}
	return out
}

// TestT40_R12_WhatTwoParsersCouldReadDifferentlyIsRefused: one answer, the
// connection ended, and upstream nothing, or nothing whole; in a tunnel and in
// reverse mode. What is pipelined behind it is never served.
func TestT40_R12_WhatTwoParsersCouldReadDifferentlyIsRefused(t *testing.T) {
	t.Parallel()
	var store *tap
	h := house.New(t, house.Options{Empty: true, Mount: func(s *origin.Server) {
		store = newTap(t, edited(guarded, nil)(t, s.Authority()), nil)
	}, Configure: func(c *config.Config) { c.Upstream.Resolve[guarded+":443"] = store.addr() }})
	bearer(h, "c", guarded+"/*")
	key := h.AddKey(admin.NewKey{Name: "w", Scope: "write", Credentials: []string{"c"}}).Key
	ways := []struct {
		name string
		open func() *raw
		fill *strings.Replacer
		next string
	}{
		{"inside", func() *raw { return openTunnel(t, h, key, guarded+":443") },
			strings.NewReplacer("HOST", guarded, "TARGET", "/x", "AUTH", ""),
			"GET /smuggled HTTP/1.1\r\nHost: " + guarded + "\r\n\r\n"},
		{"reverse", func() *raw { return dial(t, h) },
			strings.NewReplacer("HOST", "localhost", "TARGET", "/"+guarded+"/x", "AUTH", "X-Weighbridge-Key: "+key+"\r\n"),
			"GET /" + guarded + "/smuggled HTTP/1.1\r\nHost: localhost\r\nX-Weighbridge-Key: " + key + "\r\n\r\n"},
	}
	for _, way := range ways {
		for _, p := range payloads() {
			store.forget()
			c := way.open()
			c.say(way.fill.Replace(p.text) + way.next)
			r := c.answer(http.MethodPost)
			if refused := r.err == nil && r.status/100 == 4 && (r.code() == auth.CodeBadRequest || r.code() == auth.CodeBadTarget); !refused && (!p.late || r.err == nil) {
				t.Errorf("%s, %s: %s", way.name, p.name, r)
			}
			c.ends(way.name + ", " + p.name)
			heard := store.heard()
			if strings.Contains(heard, "smuggled") || !p.late && heard != "" || p.late && strings.HasSuffix(heard, "0\r\n\r\n") {
				t.Errorf("%s, %s: the upstream heard %.300q", way.name, p.name, heard)
			}
		}
		// Legal, if rare: these are one request each, and the next is served.
		for name, text := range map[string]string{
			"a chunk extension":     post + chunk + "\r\n5;a=b\r\nhello\r\n0\r\n\r\n",
			"chunks in upper case":  post + "transfer-encoding: CHUNKED\r\n\r\n00A\r\nhellohello\r\n0\r\n\r\n",
			"a trailer":             post + chunk + "\r\n5\r\nhello\r\n0\r\nX-T: t\r\n\r\n",
			"a length of zero":      post + "Content-Length: 0\r\n\r\n",
			"an empty line before":  "\r\n" + get + "\r\n",
			"tabs around a value":   get + "X-A:\ta\t\r\n\r\n",
			"another case of names": get + "cONNECTION: keep-alive\r\n\r\n",
		} {
			c := way.open()
			c.say(way.fill.Replace(text))
			if r := c.answer(http.MethodPost); r.status != 200 {
				t.Errorf("%s, %s: %s", way.name, name, r)
			}
			c.say(strings.ReplaceAll(way.next, "smuggled", "next"))
			if r := c.answer(http.MethodGet); r.status != 200 {
				t.Errorf("%s, after %s: %s", way.name, name, r)
			}
		}
	}
}

// TestR12_TheTargetDecidesAndNotTheHostField: an absolute target that differs
// from Host is refused by us, as two servers would not agree on it.
func TestR12_TheTargetDecidesAndNotTheHostField(t *testing.T) {
	t.Parallel()
	var store *tap
	h := house.New(t, house.Options{Empty: true, Mount: func(s *origin.Server) {
		store = newTap(t, nil, nil)
	}, Configure: func(c *config.Config) {
		c.Upstream.Resolve["a.example.com:80"], c.Upstream.Resolve["b.example.com:80"] = store.addr(), store.addr()
	}})
	key := h.AddKey(admin.NewKey{Name: "w"}).Key
	for host, want := range map[string]auth.Code{
		"a.example.com": "", "A.example.COM": "", "a.example.com:80": "", "b.example.com": auth.CodeBadTarget,
		"a.example.com:81": auth.CodeBadTarget, "a.example.com.evil.example.net": auth.CodeBadTarget, "": auth.CodeBadRequest,
		"a.example.com, b.example.com": auth.CodeBadTarget, "b.example.com@a.example.com": auth.CodeBadTarget,
	} {
		store.forget()
		r := dial(t, h).get(host, "http://a.example.com/x", basicKey(key))
		heard := store.heard()
		if r.code() != want || want != "" && heard != "" {
			t.Errorf("Host %q: %s; heard %q", host, r, heard)
		}
		if want == "" && !strings.HasPrefix(heard, "GET /x HTTP/1.1\r\nHost: a.example.com\r\n") {
			t.Errorf("Host %q: sent on as %q", host, heard)
		}
	}
}

// TestR14_LongHeadersPassAndTooLongOnesAreRefused: a token of 16 KiB and a URL
// of 8 KiB pass; 64 KiB do not, and a mebibyte is not read to its end.
func TestR14_LongHeadersPassAndTooLongOnesAreRefused(t *testing.T) {
	t.Parallel()
	var store *tap
	h := house.New(t, house.Options{Empty: true, Mount: func(s *origin.Server) {
		store = newTap(t, edited(guarded, nil)(t, s.Authority()), nil)
	}, Configure: func(c *config.Config) { c.Upstream.Resolve[guarded+":443"] = store.addr() }})
	long := house.CanaryOf("tok_" + strings.Repeat("aB3dE5fG", 2047))
	h.Watch.Add(long)
	h.AddCredential(admin.NewCredential{Name: "c", Provider: "http_bearer", Fields: map[string]string{"token": long.Value()}, Patterns: []string{guarded + "/*"}})
	key := h.AddKey(admin.NewKey{Name: "w", Credentials: []string{"c"}}).Key
	path := "/x?signature=" + strings.Repeat("s", 8<<10)
	r := openTunnel(t, h, key, guarded+":443").get(guarded, path, "X-Own: "+strings.Repeat("o", 4<<10)+"\r\n")
	if heard := store.heard(); r.status != 200 || !strings.HasPrefix(heard, "GET "+path+" HTTP/1.1\r\n") || !strings.Contains(heard, "Bearer "+long.Value()+"\r\n") {
		t.Errorf("a long header: %s, %d bytes heard", r, len(heard))
	}
	store.forget()
	for _, size := range []int{33 << 10, 64 << 10, 1 << 20} {
		for what, header := range map[string]string{
			"one field":   "X-A: " + strings.Repeat("a", size) + "\r\n",
			"many fields": strings.Repeat("X-A: "+strings.Repeat("a", 100)+"\r\n", size/100),
		} {
			for way, c := range map[string]*raw{"inside": openTunnel(t, h, key, guarded+":443"), "reverse": dial(t, h)} {
				c.say("GET /" + guarded + "/x HTTP/1.1\r\nHost: " + guarded + "\r\n" + header + "\r\n")
				// A sender that does not listen may find the connection reset.
				if r := c.answer(http.MethodGet); r.err == nil && (r.status != 431 || r.code() != auth.CodeHeaderTooLarge) || size < 64<<10 && r.err != nil {
					t.Errorf("%s of %d bytes, %s: %s", what, size, way, r)
				}
			}
		}
	}
	if store.heard() != "" {
		t.Error("something of it was sent on")
	}
}
