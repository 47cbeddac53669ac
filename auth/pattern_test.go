package auth

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func mustPattern(t testing.TB, text string) Pattern {
	t.Helper()
	p, err := ParsePattern(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPatternCanonicalForm(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"huggingface.co", "huggingface.co/*"},
		{"huggingface.co/", "huggingface.co/"},
		{"huggingface.co/*", "huggingface.co/*"},
		{"huggingface.co/**", "huggingface.co/*"},
		{"huggingface.co/**/*", "huggingface.co/*"},
		{"huggingface.co/**/**/*", "huggingface.co/*"},
		{"huggingface.co/a/**/**/b", "huggingface.co/a/**/b"},
		{"huggingface.co/a/**", "huggingface.co/a/*"},
		{"huggingface.co/a/**/*/b", "huggingface.co/a/**/*/b"},
		{"huggingface.co/a/*/*", "huggingface.co/a/*/*"},
		{"https://huggingface.co/*", "huggingface.co/*"},
		{"HTTPS://HuggingFace.CO:443/Org/*", "huggingface.co/Org/*"},
		{"http://huggingface.co/*", "http://huggingface.co/*"},
		{"http://huggingface.co:80/*", "http://huggingface.co/*"},
		{"http://huggingface.co:443/*", "http://huggingface.co:443/*"},
		{"https://huggingface.co:80/*", "huggingface.co:80/*"},
		{"registry.example.com:5000", "registry.example.com:5000/*"},
		{"*.hf.co/*", "*.hf.co/*"},
		{"*.*.hf.co/*", "*.*.hf.co/*"},
		{"a.*.hf.co/*", "a.*.hf.co/*"},
		{"*.EXAMPLE.co.uk", "*.example.co.uk/*"},
		{"127.0.0.1:9443/models/*", "127.0.0.1:9443/models/*"},
		{"[::1]:9443/models/*", "[::1]:9443/models/*"},
		{"[2001:DB8::1]", "[2001:db8::1]/*"},
		{"minio/bucket/*", "minio/bucket/*"},
		{"h.example/a%2ab", "h.example/a%2Ab"},
		{"h.example/a%20b/%7euser/%41", "h.example/a%20b/~user/A"},
		{"h.example/ä/*", "h.example/%C3%A4/*"},
		{"h.example/a//b", "h.example/a//b"},
		{"h.example/a/*.safetensors", "h.example/a/*.safetensors"},
		{"h.example/a/m*-of-*.bin", "h.example/a/m*-of-*.bin"},
		{"h.example/a%25b", "h.example/a%25b"},
		{`h.example/a"b`, "h.example/a%22b"},
	} {
		p, err := ParsePattern(c.in)
		if err != nil {
			t.Errorf("ParsePattern(%q): %v", c.in, err)
			continue
		}
		if p.String() != c.want {
			t.Errorf("ParsePattern(%q) = %q, want %q", c.in, p, c.want)
		}
		if again := mustPattern(t, p.String()); !again.Equal(p) || again.rank != p.rank {
			t.Errorf("%q does not parse to itself: %q", p, again)
		}
	}
}

func TestPatternMistakesNameTheFix(t *testing.T) {
	for _, c := range []struct{ in, mistake, fix string }{
		{"", "is empty", "huggingface.co/*"},
		{" huggingface.co/*", "space around", "remove the space"},
		{"huggingface.co/*?a=b", "has a query", "query is not matched"},
		{"huggingface.co/*#x", "has a fragment", "remove"},
		{"ftp://huggingface.co/*", "neither https nor http", "http://"},
		{"://huggingface.co/*", "neither https nor http", "https://"},
		{"//huggingface.co/*", "is not understood", "write host/path"},
		{"/models/*", "is not understood", "write host/path"},
		{"alice@huggingface.co/*", "has userinfo", "into the credential"},
		{"alice:canary-1234@huggingface.co/*", "has userinfo", "into the credential"},
		{"*", "without a name to the right", "*.example.com"},
		{"*/*", "without a name to the right", "*.example.com"},
		{"*.com/*", "public suffix", "*.example.com"},
		{"*.co.uk/*", "public suffix", "*.example.co.uk"},
		{"*.*.com/*", "public suffix", "registrable"},
		{"*.kawasaki.jp/*", "public suffix", "registrable"},
		{"*.*.kawasaki.jp/*", "public suffix", "registrable"},
		{"*.x.kawasaki.jp/*", "public suffix", "registrable"},
		{"*.local/*", "public suffix", "registrable"},
		{"a.*/*", "without a name to the right", "*.example.com"},
		{"huggingface.*/x", "without a name to the right", "*.example.com"},
		{"*.1.2.3/*", "without a name to the right", "*.example.com"},
		{"*hf.co/*", "inside a label", "whole label"},
		{"cdn*.hf.co/*", "inside a label", "whole label"},
		{"**.hf.co/*", "** in its host", "one * for each label"},
		{"[*::1]/*", "wildcard in an IP address", "each address"},
		{"huggingface.co:*/x", "wildcard for its port", "one pattern for each port"},
		{"huggingface.co:/x", "without a port", "plain digits"},
		{"huggingface.co:0443/x", "leading zero", "plain digits"},
		{"huggingface.co:99999/x", "between 1 and 65535", "plain digits"},
		{"huggingface.co./x", "ends in a dot", "remove the dot"},
		{"huggingface..co/x", "empty label", "plain canonical form"},
		{"127.1/x", "ends in a number", "plain canonical form"},
		{"[::1/x", "without a closing", "brackets"},
		{`huggingface.co\x`, "no host has", "without escapes"},
		{"huggingface%2eco/x", "no host has", "without escapes"},
		{"h.example/a/../b", "dot segment", "canonical URL"},
		{"h.example/a/%2e%2e/b", "dot segment", "canonical URL"},
		{"h.example/a b", "space", "canonical URL"},
		{"h.example/a%2fb", "encoded slash", "**"},
		{"h.example/a**b", "** inside a segment", "whole segments"},
		{"h.example/a/b**", "** inside a segment", "whole segments"},
		{"h.example/***", "** inside a segment", "whole segments"},
		{"h.example/**/a/**/b/**/c/**/d/**/e", "more than four **", "any depth"},
		{"h.example/%", "hexadecimal", "canonical URL"},
		{"h.example/" + strings.Repeat("a", 2048), "longer than 2048", "/*"},
	} {
		_, err := ParsePattern(c.in)
		var e *PatternError
		if !errors.As(err, &e) {
			t.Errorf("ParsePattern(%q): %v, want a *PatternError", c.in, err)
			continue
		}
		if !strings.Contains(e.Mistake, c.mistake) || !strings.Contains(e.Fix, c.fix) {
			t.Errorf("ParsePattern(%q): mistake %q, fix %q; want %q, %q", c.in, e.Mistake, e.Fix, c.mistake, c.fix)
		}
		if strings.Contains(e.Error(), "canary-1234") || strings.Contains(e.Error(), "alice") {
			t.Errorf("the error quotes userinfo: %v", e)
		}
	}
}

// The wildcard needs a registrable domain to its right by the ICANN section
// alone: suffixes of the private section belong to one owner.
func TestWildcardAboveRegistrableDomain(t *testing.T) {
	for _, host := range []string{
		"*.hf.co", "*.huggingface.co", "*.example.co.uk", "*.blob.core.windows.net", "*.s3.amazonaws.com", "*.amazonaws.com",
		"*.r2.cloudflarestorage.com", "*.city.kawasaki.jp", "*.a.b.kawasaki.jp", "*.github.io", "*.corp.internal", "*.core.windows.net",
	} {
		if _, err := ParsePattern(host + "/*"); err != nil {
			t.Errorf("%s is refused: %v", host, err)
		}
	}
	for host, want := range map[string]string{
		"com": "com", "example.com": "com", "a.blob.core.windows.net": "net", "blob.core.windows.net": "net", "co.uk": "co.uk",
		"x.co.uk": "co.uk", "s3.amazonaws.com": "com", "b.kawasaki.jp": "b.kawasaki.jp", "city.kawasaki.jp": "kawasaki.jp", "x.internal": "internal",
	} {
		if got, _ := ICANNSuffix(host); got != want {
			t.Errorf("ICANNSuffix(%q) = %q, want %q", host, got, want)
		}
	}
}

// Names outside ASCII are refused with the way out; an A-label is taken as it
// is, so there is one form of every name.
func TestT22_PatternsAreALabels(t *testing.T) {
	for in, want := range map[string]string{
		"b\u00fccher.example/*":      "xn--bcher-kva.example/*",
		"*.b\u00fccher.example/*":    "*.xn--bcher-kva.example/*",
		"b\u00fccher.example:8443/x": "xn--bcher-kva.example:8443/x",
		"huggingface\u3002co/*":      "huggingface.co/*",        // ideographic full stop
		"huggingface\uff0eco/*":      "huggingface.co/*",        // full-width full stop
		"hugging\u200bface.co/*":     "huggingface.co/*",        // zero width space
		"hf\u00ad.co/*":              "hf.co/*",                 // soft hyphen
		"\uff28\uff26.co/*":          "hf.co/*",                 // full width
		"fa\u00df.example/*":         "xn--fa-hia.example/*",    // sharp s, nontransitional
		"huggingfa\u0441e.co/*":      "xn--huggingfae-kwi.co/*", // Cyrillic es: another name, and seen to be
		"XN--Bcher-KVA.example/*":    "xn--bcher-kva.example/*",
	} {
		p, err := ParsePattern(in)
		if err != nil {
			t.Errorf("ParsePattern(%q): %v", in, err)
			continue
		}
		if p.String() != want {
			t.Errorf("ParsePattern(%q) = %s, not %s", in, p, want)
		}
	}
	if _, err := ParsePattern("\xff.example/*"); err == nil {
		t.Error("a host that is not UTF-8 was taken")
	}
	p := mustPattern(t, "XN--Bcher-KVA.example/*")
	if !p.Matches(mustURL(t, "https://xn--bcher-kva.EXAMPLE/x")) {
		t.Errorf("%s does not match its own host", p)
	}
}

func TestT26_MatchTable(t *testing.T) {
	for _, c := range []struct {
		pattern  string
		yes, not []string
	}{
		{"*.x.example/*", []string{"https://a.x.example/", "https://b.x.example/c/d"},
			[]string{"https://x.example/", "https://a.b.x.example/", "https://.x.example/", "https://ax.example/", "https://a.x.example.evil.example/"}},
		{"*.*.x.example/*", []string{"https://a.b.x.example/"}, []string{"https://b.x.example/", "https://a.b.c.x.example/"}},
		{"a.*.x.example/*", []string{"https://a.b.x.example/"}, []string{"https://b.a.x.example/", "https://a.x.example/"}},
		{"x.example/*", []string{"https://x.example/", "https://x.example", "https://x.example//", "https://x.example/a/b/c"},
			[]string{"https://a.x.example/", "https://xx.example/", "https://x.example.evil.example/", "https://x-example/", "https://xyexample/"}},
		{"x.example/", []string{"https://x.example/", "https://x.example", "https://x.example/?a"}, []string{"https://x.example/a", "https://x.example//"}},
		{"x.example/a/b/*", []string{"https://x.example/a/b/", "https://x.example/a/b/c", "https://x.example/a/b/c/d/e", "https://x.example/a/b//c"},
			[]string{"https://x.example/a/b", "https://x.example/a/bc", "https://x.example/a/", "https://x.example/z/a/b/c", "https://x.example/a//b/c", "https://x.example//a/b/c"}},
		{"x.example/a/b", []string{"https://x.example/a/b", "https://x.example/a/b?c", "https://x.example/%61/b"},
			[]string{"https://x.example/a/b/", "https://x.example/a/bc", "https://x.example/A/b", "https://x.example/a/b/c"}},
		{"x.example/*/b", []string{"https://x.example/a/b", "https://x.example/..a/b"},
			[]string{"https://x.example//b", "https://x.example/a/c/b", "https://x.example/b", "https://x.example/a%2Fc/b"}},
		{"x.example/*.bin", []string{"https://x.example/a.bin", "https://x.example/.bin", "https://x.example/a%2ebin"},
			[]string{"https://x.example/a/b.bin", "https://x.example/a.bin/", "https://x.example/a.bin2", "https://x.example/abin"}},
		{"x.example/a*b*c", []string{"https://x.example/abc", "https://x.example/a1b2c", "https://x.example/abbcc"},
			[]string{"https://x.example/ab", "https://x.example/acb", "https://x.example/xabc", "https://x.example/a/b/c"}},
		{"x.example/**/c", []string{"https://x.example/c", "https://x.example/a/c", "https://x.example/a/b/c", "https://x.example/c/c", "https://x.example//c"},
			[]string{"https://x.example/", "https://x.example/a/c/d", "https://x.example/ac"}},
		{"x.example/a/**/c/*", []string{"https://x.example/a/c/", "https://x.example/a/b/c/d", "https://x.example/a/c/c/c"},
			[]string{"https://x.example/a/c", "https://x.example/c/a/d"}},
		{"x.example/**/a/**/b", []string{"https://x.example/a/b", "https://x.example/1/a/2/b", "https://x.example/a/a/b/b"}, []string{"https://x.example/b/a"}},
		{"x.example/a%2Ab", []string{"https://x.example/a*b", "https://x.example/a%2ab"}, []string{"https://x.example/axb", "https://x.example/ab"}},
		{"x.example/a//b", []string{"https://x.example/a//b"}, []string{"https://x.example/a/b", "https://x.example/a/x/b"}},
		{"http://x.example/*", []string{"http://x.example/", "http://x.example:80/a"}, []string{"https://x.example/", "https://x.example:80/", "http://x.example:8080/"}},
		{"x.example:8443/*", []string{"https://x.example:8443/"}, []string{"https://x.example/", "http://x.example:8443/"}},
		{"127.0.0.1:9443/*", []string{"https://127.0.0.1:9443/a"}, []string{"https://127.0.0.1/a"}},
		{"[::1]/*", []string{"https://[::1]/a", "https://[::1]:443/"}, []string{"https://[::2]/a"}},
		{"hub.example/org/repo/*", []string{"https://hub.example/org/repo/resolve/refs%2Fpr%2F1/x.bin", "https://hub.example/org/repo/a%20b"},
			[]string{"https://hub.example/org%2Frepo/x", "https://hub.example/org/repo%2Fx", "https://hub.example/org/repo2/x", "https://hub.example/Org/repo/x", "https://hub.example/org;x/repo/y", "https://hub.example/x?u=hub.example/org/repo/y"}},
	} {
		p := mustPattern(t, c.pattern)
		for _, raw := range c.yes {
			u := mustURL(t, raw)
			if !p.Matches(u) {
				t.Errorf("%s does not match %s", p, raw)
			}
			if !refMatches(p.String(), u, u.Path) {
				t.Errorf("the reference: %s does not match %s", p, raw)
			}
			if !p.MatchesHost(u.Host, u.Port) {
				t.Errorf("%s does not match the host of %s", p, raw)
			}
		}
		for _, raw := range c.not {
			u, err := ParseURL(raw)
			if err == nil && p.Matches(u) {
				t.Errorf("%s matches %s", p, raw)
			}
		}
	}
	if (Pattern{}).Matches(mustURL(t, "https://x.example/")) {
		t.Error("the zero pattern matches")
	}
	if mustPattern(t, "x.example/*").Matches(Target{Scheme: "https", Host: "x.example", Port: 443, Path: "/a/../b"}) {
		t.Error("a target that nobody parsed is matched")
	}
}

func TestPatternParts(t *testing.T) {
	p := mustPattern(t, "http://*.x.example:8080/a/*/c")
	if p.Scheme() != "http" || p.Host() != "*.x.example" || p.Port() != 8080 || p.Path() != "/a/*/c" || !p.WildcardHost() || p.WholeHost() || p.IsZero() {
		t.Errorf("parts of %s: %q %q %d %q", p, p.Scheme(), p.Host(), p.Port(), p.Path())
	}
	if !mustPattern(t, "[::1]:8443").WholeHost() || mustPattern(t, "[::1]:8443").Path() != "/*" {
		t.Error("an address without a path is not the whole host")
	}
	var zero Pattern
	if !zero.IsZero() || zero.Path() != "" || zero.String() != "" {
		t.Error("the zero pattern is something")
	}
	b, err := json.Marshal(map[string]Pattern{"p": p})
	if err != nil || string(b) != `{"p":"http://*.x.example:8080/a/*/c"}` {
		t.Errorf("%s, %v", b, err)
	}
	var back map[string]Pattern
	if err := json.Unmarshal(b, &back); err != nil || !back["p"].Equal(p) {
		t.Errorf("%v, %v", back, err)
	}
	q := p
	if err := q.UnmarshalText([]byte("*.com/*")); err == nil || !q.Equal(p) {
		t.Errorf("a bad text is taken, or changed the pattern: %v, %v", q, err)
	}
}

// genPattern draws patterns over few hosts and segments, so that they meet.
func genPattern() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		scheme := rapid.SampledFrom([]string{"", "", "", "http://", "https://"}).Draw(t, "scheme")
		host := rapid.SampledFrom([]string{
			"hub.example", "hub.example", "a.x.example", "*.x.example", "b.a.x.example", "*.a.x.example", "b.*.x.example", "*.*.x.example", "*.hb.example", "127.0.0.1", "[::1]",
		}).Draw(t, "host")
		port := rapid.SampledFrom([]string{"", "", "", ":443", ":8443"}).Draw(t, "port")
		segments := rapid.SliceOfN(rapid.SampledFrom([]string{
			"a", "b", "ab", "org", "*", "*", "a*", "*b", "*a*", "**", "a%20b", "%61", "%2A", "", "api", "datasets",
		}), 0, 4).Draw(t, "segments")
		return scheme + host + port + "/" + strings.Join(segments, "/")
	})
}

func genURL() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		scheme := rapid.SampledFrom([]string{"https://", "https://", "https://", "http://"}).Draw(t, "scheme")
		host := rapid.SampledFrom([]string{
			"hub.example", "hub.example", "HUB.example", "a.x.example", "b.a.x.example", "x.example", "c.x.example", "c.a.x.example", "b.c.x.example",
			"lfs.hb.example", "new.hb.example", "eu.cdn.hb.example", "cas.store.hb.example", "old-lfs.hub.example", "127.0.0.1", "[::1]", "hub.example.evil.example",
		}).Draw(t, "host")
		port := rapid.SampledFrom([]string{"", "", "", ":443", ":8443", ":80"}).Draw(t, "port")
		segments := rapid.SliceOfN(rapid.SampledFrom([]string{
			"a", "b", "ab", "aab", "org", "%61", "a%20b", "a%2Fb", "org%2Fa", "%2F", "*", "", "c", "api", "whoami", "write-token", "objects", "batch", "datasets", "models",
		}), 0, 5).Draw(t, "segments")
		query := rapid.SampledFrom([]string{
			"", "", "", "?", "?a=b", "?sig=x&se=y", "?sig=x&se=y&sduoid=z", "?X-Amz-Signature=x&X-Amz-Credential=y", "?Signature=x&Key-Pair-Id=y&Expires=1", "?sig=x",
		}).Draw(t, "query")
		return scheme + host + port + "/" + strings.Join(segments, "/") + query
	})
}

// Covers never says more than Matches does.
func TestCoversIsSound(t *testing.T) {
	covered := 0
	rapid.Check(t, func(t *rapid.T) {
		p, perr := ParsePattern(genPattern().Draw(t, "p"))
		q, qerr := ParsePattern(genPattern().Draw(t, "q"))
		if perr != nil || qerr != nil {
			return
		}
		if !p.Covers(p) {
			t.Fatalf("%s does not cover itself", p)
		}
		if !p.Covers(q) {
			return
		}
		covered++
		for range 10 {
			u, err := ParseURL(genURL().Draw(t, "url"))
			if err == nil && refMatches(q.String(), u, u.Path) && !refMatches(p.String(), u, u.Path) {
				t.Fatalf("%s is said to cover %s, but only the latter matches %s", p, q, u)
			}
		}
	})
	for _, c := range []struct {
		p, q string
		want bool
	}{
		{"h.example/*", "h.example/a/*", true},
		{"h.example/a/*", "h.example/a/b", true},
		{"h.example/a/*", "h.example/a", false},
		{"*.h.example/*", "a.h.example/x", true},
		{"a.h.example/*", "*.h.example/*", false},
		{"h.example/*/b", "h.example/a/b", true},
		{"h.example/*/b", "h.example//b", false},
		{"h.example/a*", "h.example/ab", true},
		{"h.example/a/*", "h.example/a/**/b", true},
		{"h.example/*", "http://h.example/*", false},
		{"h.example/*", "h.example:8443/*", false},
	} {
		if got := mustPattern(t, c.p).Covers(mustPattern(t, c.q)); got != c.want {
			t.Errorf("%s covers %s: %v", c.p, c.q, got)
		}
	}
}

func FuzzParsePattern(f *testing.F) {
	for _, s := range []string{
		"huggingface.co/*", "*.hf.co/*", "http://[::1]:8080/a/**/b*c/*", "h.example/%2A/%61//x", "a.*.example.co.uk:8443/x/**", "h.example/ä", "127.0.0.1/*", "h.example/a%25b/%22",
		"*.com", "h.example/a%2fb", "h.example/..", "ftp://x", "a@b/*", "h.example/***",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePattern(s)
		if err != nil {
			var e *PatternError
			if !errors.As(err, &e) || e.Mistake == "" || e.Fix == "" || !p.IsZero() {
				t.Fatalf("ParsePattern(%q): error %v, pattern %v", s, err, p)
			}
			return
		}
		again, err := ParsePattern(p.String())
		if err != nil || again.String() != p.String() || again.rank != p.rank || !again.Covers(p) || !p.Covers(again) {
			t.Fatalf("%q prints as %q, which parses to %q, %v", s, p, again, err)
		}
		if checkHost(strings.ReplaceAll(p.Host(), "*", "star")) != "" || !strings.HasPrefix(p.Path(), "/") || p.Port() == 0 {
			t.Fatalf("%q: host %q, path %q", s, p.Host(), p.Path())
		}
	})
}
