//go:build realclients

package portal

import (
	"fmt"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
)

// finders find what a person would: links and buttons by what they say or are
// labelled, fields by their labels. Only what is seen is found.
const finders = `(() => {
  const tidy = (s) => (s || "").replace(/\s+/g, " ").trim();
  const shown = (e) => e.checkVisibility({visibilityProperty: true, opacityProperty: false}) && !e.closest("[inert]");
  const said = (e) => tidy(e.getAttribute("aria-label") || e.innerText);
  const best = (all, name, says) => all.find((e) => says(e) === name) || all.find((e) => says(e).startsWith(name + " ")) || null;
  const control = (name) => best([...document.querySelectorAll("main a[href], main button, main summary")].filter(shown), name, said) ||
    best([...document.querySelectorAll("a[href], button, summary")].filter(shown), name, said);
  const field = (name) => {
    const label = best([...document.querySelectorAll("label")].filter(shown), name, said);
    if (label) return label.control;
    return best([...document.querySelectorAll("input, select, textarea")].filter(shown), name, (e) => tidy(e.getAttribute("aria-label")));
  };
  return {control, field, selector: (s) => [...document.querySelectorAll(s)].find(shown) || null};
})()`

// find is an expression for the element of a kind and a name.
func find(kind, name string) string { return finders + "." + kind + "(" + quote(name) + ")" }

// point moves to where an element is; the second result says why it cannot be
// clicked.
const point = `((e) => {
  if (!e) return {why: "it is not there"};
  if (e.disabled) return {why: "it is disabled"};
  e.scrollIntoView({block: "center", inline: "center", behavior: "instant"});
  const r = [...e.getClientRects()].find((r) => r.width && r.height);
  if (!r) return {why: "it has no size"};
  const x = r.x + r.width / 2, y = r.y + r.height / 2;
  const top = document.elementFromPoint(x, y);
  if (!top || !(e.contains(top) || top.contains(e) || (e.labels && [...e.labels].some((l) => l.contains(top))))) return {why: "covered by " + (top && top.outerHTML.slice(0, 80))};
  return {x, y};
})`

// hit waits until an element can be clicked, and returns the clicks.
func (b *tab) hit(what, element string) []chromedp.Action {
	b.t.Helper()
	var at struct {
		X, Y float64
		Why  string
	}
	last := ""
	defer func() {
		if b.t.Failed() && last != "" {
			b.t.Logf("%s: %s", what, last)
		}
	}()
	b.wait("to click "+what, func() bool {
		at.Why = ""
		at = eval[struct {
			X, Y float64
			Why  string
		}](b, point+"("+element+")")
		last = at.Why
		return at.Why == ""
	})
	return []chromedp.Action{
		input.DispatchMouseEvent(input.MouseMoved, at.X, at.Y),
		input.DispatchMouseEvent(input.MousePressed, at.X, at.Y).WithButton(input.Left).WithClickCount(1),
		input.DispatchMouseEvent(input.MouseReleased, at.X, at.Y).WithButton(input.Left).WithClickCount(1),
	}
}

// follow clicks a link or a button and waits for the page that it leads to.
func (b *tab) follow(name string) {
	b.t.Helper()
	b.landing("following "+name, b.hit(name, find("control", name))...)
}

// followThe is follow of what a selector names.
func (b *tab) followThe(selector string) {
	b.t.Helper()
	b.landing("following "+selector, b.hit(selector, find("selector", selector))...)
}

// offers reports whether there is a link or a button of that name.
func (b *tab) offers(name string) bool {
	b.t.Helper()
	return eval[bool](b, find("control", name)+" !== null")
}

// fill types into a field, by its label, in place of what is there.
func (b *tab) fill(label, value string) {
	b.t.Helper()
	b.fillIn(label, find("field", label), value)
}

// fillThe is fill of what a selector names.
func (b *tab) fillThe(selector, value string) {
	b.t.Helper()
	b.fillIn(selector, find("selector", selector), value)
}

func (b *tab) fillIn(what, field, value string) {
	b.t.Helper()
	b.do("going to "+what, b.hit(what, field)...)
	eval[bool](b, fmt.Sprintf(`((e) => { e.focus(); e.select(); return true; })(%s)`, field))
	if value == "" {
		b.key("\b")
	} else {
		b.do("typing into "+what, input.InsertText(value))
	}
	eval[bool](b, fmt.Sprintf(`((e) => e.dispatchEvent(new Event("change", {bubbles: true})))(%s)`, field))
}

// value is what a field holds.
func (b *tab) value(label string) string {
	b.t.Helper()
	return eval[string](b, find("field", label)+".value")
}

// tick sets a box or a choice that has a label.
func (b *tab) tick(label string, on bool) {
	b.t.Helper()
	field := find("field", label)
	b.until("the box "+label, field)
	if eval[bool](b, field+".checked") != on {
		b.do("ticking "+label, b.hit(label, field)...)
	}
}
