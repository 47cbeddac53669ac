//go:build realclients

package portal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// maxShift is how much a page may move while it loads: what Web Vitals call
// good (https://web.dev/articles/cls).
const maxShift = 0.1

// look gathers what a page is. Of its structure, which elements stand in which,
// of which class, counts, and not how many.
const look = `(() => {
  const kinds = new Set(), name = (e) => e ? e.tagName + "." + [...e.classList].sort().join(".") + (e.getAttribute("role") || "") + (e.type || "") : "";
  for (const e of document.querySelectorAll("body, body *")) kinds.add(name(e.parentElement) + ">" + name(e));
  return {
    headings: document.querySelectorAll("h1").length, title: document.title, language: document.documentElement.lang,
    html: document.documentElement.outerHTML, structure: [...kinds], marked: String(window.pwned || ""),
    missing: (document.body.innerText.match(/⟦[^⟧]*⟧/g) || []).join(" "),
    strange: [...document.querySelectorAll("iframe, object, embed, base, [style], body script")].map((e) => e.outerHTML.slice(0, 120)),
    handlers: [...document.querySelectorAll("*")].filter((e) => [...e.attributes].some((a) => a.name.startsWith("on"))).map((e) => e.outerHTML.slice(0, 120)),
  };
})()`

type looks struct {
	Headings                     int
	Title, Language, HTML        string
	Marked, Missing              string
	Structure, Strange, Handlers []string
}

// check examines the page that the tab is at:
//
//   - no error on the console, no violation of the policy, no dialog, no request
//     to another origin, nothing that could not be loaded (see tab.hear and front)
//   - one h1, a title, a language; no sentence missing; no style, script or
//     handler within the page
//   - no secret in it, nor in what was received for it
//   - it moves little while it loads, and is no wider than a narrow window
//   - axe finds nothing serious, in either theme; a picture of both is kept
//
// What a page is in a narrow window is looked at once for each shape of a path,
// and anew where it has elements of a kind that no page had; axe is run for the
// latter.
func (b *tab) check() {
	b.t.Helper()
	at := strings.SplitN(b.path(), "#", 2)[0]
	now := eval[looks](b, look)
	wrong := func(format string, in ...any) {
		b.t.Helper()
		b.t.Errorf("%s: %s", at, fmt.Sprintf(format, in...))
	}
	b.examineTroubles(at)
	if now.Headings != 1 || now.Title == "" || now.Language == "" {
		wrong("%d h1, title %q, language %q", now.Headings, now.Title, now.Language)
	}
	if now.Missing != "" {
		wrong("sentences are missing: %s", now.Missing)
	}
	if now.Marked != "" {
		wrong("a script of somebody else ran: %s", now.Marked)
	}
	if len(now.Strange)+len(now.Handlers) > 0 {
		wrong("what no page has: %q %q", now.Strange, now.Handlers)
	}
	b.s.seen.See("the page "+at, []byte(now.HTML))
	if !b.plain {
		if shift := b.shift(); shift >= maxShift {
			wrong("it moves while it loads: %.3f", shift)
		}
	}
	if b.plain {
		return
	}
	fresh, first := all.fresh(now.Structure), all.first(at)
	if fresh || first || b.everywhere {
		b.do("narrow", emulation.SetDeviceMetricsOverride(narrow, 800, 1, false))
		if wide := eval[string](b, tooWide); wide != "" {
			wrong("it is wider than %d pixels: %s", narrow, wide)
		}
		b.do("wide", emulation.SetDeviceMetricsOverride(wide, high, 1, false))
	}
	if !fresh && !first {
		return
	}
	for _, look := range []string{"light", "dark"} {
		b.do(look, emulation.SetEmulatedMedia().WithFeatures(theme(look)))
		if fresh {
			b.accessible(at, look)
		}
		if first {
			b.picture(at, look)
		}
	}
	b.do("light", emulation.SetEmulatedMedia().WithFeatures(theme("light")))
}

// tooWide says what makes a page wider than its window.
const tooWide = `(() => {
  const room = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= room) return "";
  const held = (e) => { for (let p = e.parentElement; p && p !== document.body; p = p.parentElement) if (getComputedStyle(p).overflowX !== "visible") return true; return false; };
  return document.documentElement.scrollWidth + " by " + [...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > room + 1 && !held(e))
    .slice(-3).map((e) => e.outerHTML.slice(0, 120)).join(" | ");
})()`

// examineTroubles asserts that there were none.
func (b *tab) examineTroubles(at string) {
	b.t.Helper()
	b.mu.Lock()
	trouble := b.trouble
	b.trouble = nil
	b.mu.Unlock()
	for _, one := range append(trouble, b.front.troubles()...) {
		b.t.Errorf("%s: %s", at, one)
	}
}

// fresh reports whether a page has anything of a kind that no page had before.
func (s *suite) fresh(kinds []string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := len(s.seen)
	for _, kind := range kinds {
		s.seen[kind] = true
	}
	return len(s.seen) > before
}

// first reports whether no page of the shape of this path was seen before.
func (s *suite) first(path string) bool {
	kind := shape(path)
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.shown[kind]
	s.shown[kind] = true
	return !was
}

// shift is how much the page moved so far; two frames settle what is going on.
func (b *tab) shift() float64 {
	b.t.Helper()
	return within[float64](b, "kit", `new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(self.shift || 0))))`)
}

// within evaluates in a world of its own beside the page's.
func within[T any](b *tab, world, expression string) (out T) {
	b.t.Helper()
	b.do("in the world "+world, chromedp.ActionFunc(func(ctx context.Context) error {
		tree, err := page.GetFrameTree().Do(ctx)
		if err != nil {
			return err
		}
		id, err := page.CreateIsolatedWorld(tree.Frame.ID).WithWorldName(world).Do(ctx)
		if err != nil {
			return err
		}
		result, thrown, err := runtime.Evaluate(expression).WithContextID(id).WithAwaitPromise(true).WithReturnByValue(true).Do(ctx)
		if err == nil && thrown != nil {
			err = errors.New(thrown.Error())
		}
		if err != nil || result.Value == nil {
			return err
		}
		return json.Unmarshal(result.Value, &out)
	}))
	return out
}

// finding is one of axe.
type finding struct {
	ID, Impact, Help string
	At               []string
}

// serious runs axe for what it calls serious or critical. In the dark what
// depends on colours alone can differ.
const serious = `axe.run(document, {resultTypes: ["violations"], preload: false, iframes: false, ...(%s)}).then((r) =>
  r.violations.filter((v) => v.impact === "serious" || v.impact === "critical")
    .map((v) => ({id: v.id, impact: v.impact, help: v.help, at: v.nodes.slice(0, 3).map((n) => n.target.join(" ") + ": " + n.failureSummary)})))`

// accessible asserts that axe has no serious finding.
func (b *tab) accessible(at, theme string) {
	b.t.Helper()
	if !within[bool](b, "axe", `typeof axe !== "undefined"`) {
		within[bool](b, "axe", all.axe+";true")
	}
	rules := "{}"
	if theme == "dark" {
		rules = `{runOnly: ["color-contrast", "link-in-text-block"]}`
	}
	for _, one := range within[[]finding](b, "axe", fmt.Sprintf(serious, rules)) {
		b.t.Errorf("%s (%s): axe: %s, %s: %s: %s", at, theme, one.ID, one.Impact, one.Help, strings.Join(one.At, "; "))
	}
}

// picture keeps what the page looks like.
func (b *tab) picture(at, look string) {
	b.t.Helper()
	var png []byte
	b.do("a picture", chromedp.ActionFunc(func(ctx context.Context) (err error) {
		png, err = page.CaptureScreenshot().WithCaptureBeyondViewport(true).WithOptimizeForSpeed(true).Do(ctx)
		return err
	}))
	if err := os.WriteFile(screenshots+"/"+all.pictureName(at, look)+".png", png, 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// pictureName is that of a page by its path, numbered where it is not the first.
func (s *suite) pictureName(at, look string) string {
	path, _, _ := strings.Cut(at, "?")
	parts := strings.Split(strings.Trim(path, "/"), "/")
	if len(parts) > 1 && parts[0] == "t" {
		parts = parts[2:]
	}
	name := strings.Map(func(r rune) rune {
		if r == '-' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.Join(parts, "-"))
	if name = name[:min(len(name), 60)]; name == "" {
		name = "overview"
	}
	name += "-" + look
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shot[name]++; s.shot[name] > 1 {
		name += fmt.Sprintf("-%d", s.shot[name])
	}
	return name
}
