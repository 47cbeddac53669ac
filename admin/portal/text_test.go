package portal

import (
	"io/fs"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
)

// Every sentence that a template or a handler names is there, and every one
// that is there is named.
func TestEverySentenceIsThere(t *testing.T) {
	said := newText()
	named := map[string]bool{}
	prefixes := []string{"done."} // named by what redirects
	literal := regexp.MustCompile(`(?:\bt|say\(|\(t) "([a-z0-9.-]+)"`)
	several := regexp.MustCompile(`\bmany[( ]"([a-z0-9.-]+)"`)
	built := regexp.MustCompile(`(?:t \(print "([a-z0-9.-]+\.)"|"([a-z0-9.-]+\.)" ?\+)`)
	quoted := regexp.MustCompile(`"([a-z0-9][a-z0-9-]*(?:\.[a-z0-9-]+)+)"`)
	read := func(name, source string) {
		for _, m := range literal.FindAllStringSubmatch(source, -1) {
			named[m[1]] = true
			if said.optional(m[1]) == "" {
				t.Errorf("%s: no sentence %s", name, m[1])
			}
		}
		for _, m := range several.FindAllStringSubmatch(source, -1) {
			for _, key := range []string{m[1], m[1] + ".one"} {
				named[key] = true
				if said.optional(key) == "" {
					t.Errorf("%s: no sentence %s", name, key)
				}
			}
		}
		for _, m := range built.FindAllStringSubmatch(source, -1) {
			prefixes = append(prefixes, m[1]+m[2])
		}
		for _, m := range quoted.FindAllStringSubmatch(source, -1) {
			named[m[1]] = true // a key in a table
		}
	}
	for name, source := range sources(t) {
		read(name, source)
	}
	for key := range *said {
		known := named[key]
		for _, p := range prefixes {
			known = known || strings.HasPrefix(key, p)
		}
		if !known {
			t.Errorf("nothing says %s", key)
		}
	}
}

// No template holds words of its own.
func TestTemplatesHoldNoWords(t *testing.T) {
	actions := regexp.MustCompile(`(?s)\{\{.*?\}\}`)
	word := regexp.MustCompile(`[A-Za-z]{2,}`)
	for name, source := range sources(t) {
		if !strings.HasSuffix(name, ".html") {
			continue
		}
		tokens := html.NewTokenizer(strings.NewReader(actions.ReplaceAllString(source, "")))
		for tokens.Next() != html.ErrorToken {
			tok := tokens.Token()
			if tok.Type == html.TextToken && word.MatchString(tok.Data) {
				t.Errorf("%s: %q stands in the template", name, strings.TrimSpace(tok.Data))
			}
			for _, a := range tok.Attr {
				switch a.Key {
				case "title", "alt", "placeholder", "aria-label", "label":
					if word.MatchString(a.Val) {
						t.Errorf("%s: %s=%q stands in the template", name, a.Key, a.Val)
					}
				case "style":
					t.Errorf("%s: a style, which the policy forbids", name)
				}
				if strings.HasPrefix(a.Key, "on") || strings.HasPrefix(a.Key, "hx-on") {
					t.Errorf("%s: %s, which the policy forbids", name, a.Key)
				}
			}
		}
	}
}

// sources are the templates and the handlers.
func sources(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	add := func(in fs.FS, pattern string) {
		names, err := fs.Glob(in, pattern)
		if err != nil || len(names) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			b, err := fs.ReadFile(in, name)
			if err != nil {
				t.Fatal(err)
			}
			out[name] = string(b)
		}
	}
	add(templates, "templates/*.html")
	add(templates, "templates/parts/*.html")
	add(here, "*.go")
	return out
}

func TestFormats(t *testing.T) {
	for s, want := range map[string]string{
		"": "", "Run `a <b>`, then `c`.": "Run <code>a &lt;b&gt;</code>, then <code>c</code>.", "<img src=x>": "&lt;img src=x&gt;",
		"one ` alone": "one ` alone", "`a` and ` alone": "<code>a</code> and ` alone",
	} {
		if got := string(words(s)); got != want {
			t.Errorf("%q: %q", s, got)
		}
	}
	for n, want := range map[int64]string{-1: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 250 << 20: "250 MiB", 3 << 40: "3.0 TiB"} {
		if got := formatBytes(n); got != want {
			t.Errorf("%d bytes: %q", n, got)
		}
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1\u202f000", -1234567: "-1\u202f234\u202f567"} {
		if got := formatCount(n); got != want {
			t.Errorf("%d: %q", n, got)
		}
	}
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	said := newText()
	for d, want := range map[time.Duration]string{0: "just now", 30 * time.Second: "in less than a minute", -time.Minute: "1 minute ago", -3 * time.Hour: "3 hours ago", 72 * time.Hour: "in 3 days", -90 * 24 * time.Hour: "3 months ago"} {
		if got := ago(said, now, now.Add(d)); got != want {
			t.Errorf("%s: %q", d, got)
		}
	}
	for n, want := range map[any]string{0: "0 data keys", 1: "1 data key", 2000: "2\u202f000 data keys"} {
		if got := said.many("kek.deks", n); got != want {
			t.Errorf("%v: %q", n, got)
		}
	}
	for n, want := range map[any]string{1.0: "1 request/s", 0.5: "0.5 requests/s"} {
		if got := said.many("limits.rate", n); got != want {
			t.Errorf("%v: %q", n, got)
		}
	}
	if got := ago(said, now, (*time.Time)(nil)); got != "never" {
		t.Errorf("none: %q", got)
	}
}
