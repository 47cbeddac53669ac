package auth

import (
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestT25_AmbiguousPathsAreRefused(t *testing.T) {
	for _, c := range []struct{ path, want string }{
		{"/a/../b", "dot segment"},
		{"/..", "dot segment"},
		{"/../", "dot segment"},
		{"/a/./b", "dot segment"},
		{"/.", "dot segment"},
		{"/a/..", "dot segment"},
		{"/a/.", "dot segment"},
		{"/a/..;/b", "dot segment"},
		{"/a/..;x=1/b", "dot segment"},
		{"/a/.;/b", "dot segment"},
		{"/a/%2e%2e/b", "encoded dot segment"},
		{"/a/%2E./b", "encoded dot segment"},
		{"/a/.%2e/b", "encoded dot segment"},
		{"/a/%2e/b", "encoded dot segment"},
		{"/%2e%2e", "encoded dot segment"},
		{"/a/..%3b/b", "encoded dot segment"},
		{"/a/%2e%2e;x/b", "encoded dot segment"},
		{"/a/%252e%252e/b", "encoded dot segment"},
		{"/a/%25252e%25252e/b", "encoded dot segment"},
		{"/a/%%32%65/b", "not followed by two"},
		{"/a/..%2fb", "dot segment"},
		{"/a%2f..", "encoded dot segment"},
		{"/a%2F..%2Fb", "encoded dot segment"},
		{"/a%2f%2e%2e%2fb", "encoded dot segment"},
		{"/a%252f..%252fb", "encoded dot segment"},
		{"/a%252f%252e%252e", "encoded dot segment"},
		{"/a%2f.", "encoded dot segment"},
		{"/%2f..", "encoded dot segment"},
		{"/a/..%255cb", "encoded dot segment"},
		{`/a\..\b`, "backslash"},
		{`/\`, "backslash"},
		{"/a%5c..%5cb", "encoded backslash"},
		{"/a%5Cb", "encoded backslash"},
		{"/a\x00b", "control character"},
		{"/a\tb", "control character"},
		{"/a\r\nb", "control character"},
		{"/a\x7fb", "control character"},
		{"/a%00b", "encoded control character"},
		{"/a%0d%0ab", "encoded control character"},
		{"/a%7Fb", "encoded control character"},
		{"/a b", "space"},
		{"/a#b", "fragment"},
		{"/ä", "outside ASCII"},
		{"/a\xff", "outside ASCII"},
		{"/a%", "two hexadecimal digits"},
		{"/a%2", "two hexadecimal digits"},
		{"/a%zz", "two hexadecimal digits"},
		{"/a%u002e", "two hexadecimal digits"},
		{"/%c0%ae%c0%ae/b", "overlong"},
		{"/%e0%80%ae/b", "overlong"},
		{"/%f0%80%80%ae/b", "overlong"},
		{"/%c1%9c", "overlong"},
		{"/%2525252525", "four times"},
		{"/a%" + strings.Repeat("25", 15_000) + "2e", "four times"},
		{"a", "begin with a slash"},
		{"*", "begin with a slash"},
	} {
		_, err := ParseTarget("https", "h.example", c.path)
		refusedWith(t, err, c.want)
	}
}

func TestT25_ObjectKeysPassByteExact(t *testing.T) {
	for _, path := range []string{
		"/", "//", "//b", "/a//b", "/a/", "/a%2Fb", "/a%2fb", "/org/repo/resolve/refs%2Fpr%2F1/x.bin",
		"/a%20b", "/a+b", "/a%2Bb", "/a%25b", "/pct%252Fname", "/%25252561", "/.hidden", "/..hidden", "/a..b", "/...", "/a/.../b",
		"/a.", "/a..", "/a;b", "/a;..b", "/%E2%98%83", "/a%3Fb", "/a%23b", "/a:b@c", `/a"b<c>d^e{f}|g`, "/a%22b", "/*", "/a=b&c", "/~u/'(x)!$,",
		"/%c3%a4", "/%e0%a0%80", "/%f0%90%80%80", "/AIR:urn:x@1",
	} {
		for _, query := range []string{"", "?", "?a=b", "?sig=a%2Bb%2F%3D&x=+y;z", "?a?b/../c", "?%zz"} {
			raw := "https://h.example" + path + query
			u, err := ParseURL(raw)
			if err != nil {
				t.Errorf("ParseURL(%q): %v", raw, err)
				continue
			}
			if u.Path != path || u.String() != raw || u.Redacted() != "https://h.example"+path {
				t.Errorf("%q became %+v, %q", raw, u, u.String())
			}
		}
	}
	for _, raw := range []string{"https://h.example", "https://h.example?x=1"} {
		u := mustURL(t, raw)
		if u.Path != "/" {
			t.Errorf("%q has the path %q, want /", raw, u.Path)
		}
	}
	for _, q := range []string{"?a b", "?a\x00", "?a#b", "?ä", "?a\r\nb"} {
		if _, err := ParseURL("https://h.example/" + q); err == nil {
			t.Errorf("query %q is accepted", q)
		}
	}
}

func TestParseURLForms(t *testing.T) {
	for _, c := range []struct{ raw, want string }{
		{"huggingface.co/x", "not absolute"},
		{"//huggingface.co/x", "not absolute"},
		{"https:/huggingface.co/x", "not absolute"},
		{"https:huggingface.co", "not absolute"},
		{"ftp://huggingface.co/", "neither https nor http"},
		{" https://huggingface.co/", "neither https nor http"},
		{"https://", "empty"},
		{"https:///x", "empty"},
		{"https://h.example/#", "fragment"},
		{"https://h.example#x", "fragment"},
	} {
		_, err := ParseURL(c.raw)
		refusedWith(t, err, c.want)
	}
	if u := mustURL(t, "HTTPS://H.example:443/A"); u.String() != "https://h.example/A" {
		t.Errorf("got %s", u)
	}
}

// genPath draws paths full of escapes, dots and delimiters.
func genPath() *rapid.Generator[string] {
	piece := rapid.SampledFrom([]string{
		"/", "/", "a", "b", "org", ".", "..", "%2e", "%2E", "%252e", "%2f", "%2F", "%252f", "%5c", `\`, ";", "%3b", "%61", "%41", "%20", "+", "%", "%00", "*", "%2A", "%c0%ae", "~", "%7e", "\"", "%22",
	})
	return rapid.Custom(func(t *rapid.T) string {
		return "/" + strings.Join(rapid.SliceOfN(piece, 0, 12).Draw(t, "pieces"), "")
	})
}

// An accepted path holds no dot segment under any number of decodings, with
// either kind of slash, with or without parameters.
func TestT25_NoDotSegmentSurvivesDecoding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		path := genPath().Draw(t, "path")
		if checkPath(path) != "" {
			return
		}
		for range 8 {
			for _, seg := range strings.FieldsFunc(path, func(r rune) bool { return r == '/' || r == '\\' }) {
				if name, _, _ := strings.Cut(seg, ";"); name == "." || name == ".." {
					t.Fatalf("accepted, and decodes to %q", path)
				}
			}
			if next, err := url.PathUnescape(path); err == nil {
				path = next
			}
		}
	})
}

// The canonical spelling is the same for all spellings with the same decoded
// segments, and different for different ones.
func TestT25_CanonicalPathIsOneForAllSpellings(t *testing.T) {
	segments := func(path string) string {
		var out []string
		for _, seg := range strings.Split(path, "/") {
			s, err := url.PathUnescape(seg)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, url.QueryEscape(s))
		}
		return strings.Join(out, "/")
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := genPath().Draw(t, "a"), genPath().Draw(t, "b")
		if checkPath(a) != "" || checkPath(b) != "" {
			return
		}
		if same := segments(a) == segments(b); same != (canonicalPath(a) == canonicalPath(b)) {
			t.Fatalf("%q and %q: same segments %v, canonical %q and %q", a, b, same, canonicalPath(a), canonicalPath(b))
		}
		if c := canonicalPath(a); canonicalPath(c) != c || checkPath(c) != "" || segments(c) != segments(a) {
			t.Fatalf("canonical %q of %q is not canonical", c, a)
		}
	})
}

func FuzzTarget(f *testing.F) {
	for _, s := range []string{
		"https://huggingface.co/org/repo/resolve/refs%2Fpr%2F1/x?download=true", "http://h:8080", "https://h?x", "https://h/a/../b",
		"https://h/a%252e%252e/b", "https://a@b/", "https://h/%c0%ae", "https://[::1]:8443/x", "https://H/A%2fb//c?sig=%2B+;", "https://h/a\\b", "https://h/#",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := ParseURL(raw)
		if err != nil {
			return
		}
		// What is matched is what is sent: path and query are the bytes that
		// came, except that no path is "/".
		_, rest, _ := strings.Cut(raw, "://")
		sent := ""
		if i := strings.IndexAny(rest, "/?"); i >= 0 {
			sent = rest[i:]
		}
		if sent == "" || sent[0] == '?' {
			sent = "/" + sent
		}
		if got := strings.TrimPrefix(u.String(), u.Scheme+"://"+u.Authority()); got != sent {
			t.Fatalf("%q is sent as %q, want %q", raw, got, sent)
		}
		if again, err := ParseURL(u.String()); err != nil || again != u {
			t.Fatalf("%q parses to %+v, its text %q to %+v, %v", raw, u, u.String(), again, err)
		}
		if strings.Contains(u.Redacted(), "?") || u.check() != "" {
			t.Fatalf("%q: redacted %q, check %q", raw, u.Redacted(), u.check())
		}
		// The standard library reads the same host, path and query.
		std, err := url.Parse(u.String())
		if err != nil {
			return // it is stricter about ports of names and the like
		}
		if std.Hostname() != u.Host || std.RawQuery != u.RawQuery || std.EscapedPath() != u.Path && std.Path != unescape(u.Path) {
			t.Fatalf("%q: net/url reads %q %q %q, we %q %q %q", raw, std.Hostname(), std.EscapedPath(), std.RawQuery, u.Host, u.Path, u.RawQuery)
		}
	})
}
