package auth

import "testing"

// What an operator opened for a team passes bare, and everything else that
// bounds a key counts all the same.
func TestOpened(t *testing.T) {
	opened := func(q *Question) { q.Opened = "named by the operator" }
	writes := func(q *Question) { q.Write = true }
	y := newYard(t).credential("tok", "bearer", []string{"http://gpu.example:8188/locked/*"}).
		key("w", []string{"tok"}, scope(ScopeWrite), policy(UnmatchedDeny)).key("r", nil).
		key("routed", nil, routes("hub.example/*"))
	const at = "http://gpu.example:8188/queue"
	d := y.decide("w", "POST", at, opened)
	y.bare(d)
	if d.Reason != "named by the operator" {
		t.Errorf("the reason is %q", d.Reason)
	}
	y.denies(y.decide("w", "POST", at), CodeNoCredentialMatched)
	y.bare(y.decide("r", "GET", at, opened))
	y.denies(y.decide("r", "POST", at, opened), CodeScopeForbidden)
	y.denies(y.decide("r", "GET", at, opened, writes), CodeScopeForbidden)
	y.bare(y.decide("w", "GET", at, opened, writes))
	y.denies(y.decide("w", "GET", at, opened, writes, urlKey), CodeScopeForbidden)
	y.denies(y.decide("routed", "GET", at, opened), CodeRouteForbidden)
	// A credential that matches is put on.
	y.injects(y.decide("w", "GET", "http://gpu.example:8188/locked/x", opened), "tok", "http://gpu.example:8188/locked/*")
}
