//go:build realclients

package portal

// navigation are the paths of the pages that the navigation leads to.
func (b *tab) navigation() []string {
	b.t.Helper()
	out := eval[[]string](b, `[...new Set([...document.querySelectorAll(".bar nav a[href]")].map((a) => a.pathname))]`)
	if len(out) < 8 {
		b.fatal("the navigation leads to %q", out)
	}
	return out
}

// shows asserts that the page is not about something that went wrong.
func (b *tab) shows() {
	b.t.Helper()
	if problem := eval[string](b, `(document.querySelector('[role="alert"]') || {innerText: ""}).innerText`); problem != "" {
		b.t.Errorf("%s: %s", b.path(), problem)
	}
}
