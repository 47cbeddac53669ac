//go:build realclients

package portal

import (
	"net/url"
	"slices"
	"sort"
	"strings"
)

// navigation are the paths of the pages that the navigation leads to.
func (b *tab) navigation() []string {
	b.t.Helper()
	out := eval[[]string](b, `[...new Set([...document.querySelectorAll(".bar nav a[href]")].map((a) => a.pathname))]`)
	if len(out) < 8 {
		b.fatal("the navigation leads to %q", out)
	}
	return out
}

// links are the pages that the content of a page leads to: no downloads, no
// other documents.
func (b *tab) links() []string {
	b.t.Helper()
	return eval[[]string](b, `[...new Set([...document.querySelectorAll("main a[href]")].filter((a) => a.origin === location.origin && a.pathname.startsWith("/t/") && !a.hasAttribute("download") && a.target !== "_blank")
    .map((a) => a.pathname + a.search))]`)
}

// lists are parts of paths that the name or the id of a thing follows.
var lists = []string{"credentials", "keys", "s3-keys", "tokens", "members", "users", "all", "sessions", "roots", "teams", "audit", "first-use", "s3", "new"}

// shape is what kind of page a path is of: the names and ids in it do not count,
// nor what is asked for.
func shape(path string) string {
	at, query, _ := strings.Cut(path, "?")
	parts := strings.Split(at, "/")
	if len(parts) < 3 || parts[1] != "t" {
		return at
	}
	for i := 3; i < len(parts); i++ {
		if slices.Contains(lists, parts[i-1]) && !plainWord(parts[i]) {
			parts[i] = "*"
		}
	}
	values, _ := url.ParseQuery(query)
	var names []string
	for name := range values {
		names = append(names, name)
	}
	sort.Strings(names)
	return strings.Join(parts[3:], "/") + "?" + strings.Join(names, "&")
}

// plainWord reports whether a part of a path is one of the portal's own.
func plainWord(part string) bool {
	return slices.Contains([]string{"new", "members", "users", "all", "end-others", "export", "verify", "live"}, part)
}

// crawlText is crawl without opening the pages: it returns what each is made of,
// by its path.
func (b *tab) crawlText() map[string]string {
	b.t.Helper()
	out := map[string]string{}
	seen := map[string]bool{}
	for next := b.navigation(); len(next) > 0; {
		path := next[0]
		next = next[1:]
		if kind := shape(path); seen[kind] {
			continue
		} else {
			seen[kind] = true
		}
		page := eval[struct {
			Status int
			Text   string
			Links  []string
		}](b, `fetch(`+quote(path)+`).then(async (r) => {
  const text = await r.text(), page = new DOMParser().parseFromString(text, "text/html");
  return {status: r.status, text, links: [...page.querySelectorAll("main a[href]")].filter((a) => a.getAttribute("href").startsWith("/t/") && !a.hasAttribute("download")).map((a) => a.getAttribute("href"))};
})`)
		if page.Status != 200 {
			b.t.Errorf("%s: %d", path, page.Status)
		}
		out[path] = page.Text
		next = append(next, page.Links...)
	}
	return out
}

// crawl opens every page of the navigation and all that those lead to, one of
// each shape, and calls at for each. It returns the paths.
func (b *tab) crawl(at func(path string)) []string {
	b.t.Helper()
	var done []string
	seen := map[string]bool{}
	for next := b.navigation(); len(next) > 0; {
		// Pages of one shape are about several things: not always the first.
		kinds := map[string][]string{}
		var order []string
		for _, path := range next {
			kind := shape(path)
			if seen[kind] {
				continue
			}
			if kinds[kind] == nil {
				order = append(order, kind)
			}
			kinds[kind] = append(kinds[kind], path)
		}
		next = nil
		for n, kind := range order {
			seen[kind] = true
			path := kinds[kind][n%len(kinds[kind])]
			b.open(path)
			done = append(done, path)
			at(path)
			next = append(next, b.links()...)
		}
	}
	return done
}

// shows asserts that the page is not about something that went wrong.
func (b *tab) shows() {
	b.t.Helper()
	if problem := eval[string](b, `[...document.querySelectorAll('main .problem')].map((e) => e.innerText).join("\n")`); problem != "" {
		b.t.Errorf("%s: %s", b.path(), problem)
	}
}
