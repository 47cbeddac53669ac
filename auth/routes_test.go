package auth

import "testing"

func TestRoutes(t *testing.T) {
	y := newYard(t).credential("tok", "hub", []string{"hub.example/*"}).credential("reg", "bearer", []string{"r.example/*"}).
		key("org", []string{"tok", "reg"}, routes("hub.example/org/*")).
		key("reg", []string{"tok", "reg"}, routes("r.example/models/*", "https://s.example/*"))
	y.injects(y.decide("org", "GET", "https://hub.example/org/repo/resolve/main/x"), "tok", "hub.example/*")
	y.injects(y.decide("org", "GET", "https://hub.example/api/models/org/repo"), "tok", "hub.example/*") // by expansion
	y.bare(y.decide("org", "GET", "https://eu.cdn.hb.example/x"))                                        // companion of a covered provider
	y.denies(y.decide("org", "GET", "https://hub.example/other/repo/x"), CodeRouteForbidden, `"org"`, "https://hub.example/other/repo/x")
	y.denies(y.decide("org", "GET", "https://hub.example/org"), CodeRouteForbidden)
	y.denies(y.decide("org", "GET", "http://hub.example/org/x", pass), CodeRouteForbidden)
	y.denies(y.decide("org", "GET", "https://r.example/models/x"), CodeRouteForbidden)
	y.denies(y.decide("org", "GET", "https://unmatched.example/", pass), CodeRouteForbidden)
	y.injects(y.decide("reg", "GET", "https://r.example/models/x"), "reg", "r.example/*")
	y.denies(y.decide("reg", "GET", "https://r.example/other/x"), CodeRouteForbidden)
	y.denies(y.decide("reg", "GET", "https://eu.cdn.hb.example/x"), CodeRouteForbidden)
	// A route grants no credential.
	y.denies(y.decide("reg", "GET", "https://s.example/x"), CodeNoCredentialMatched)
	y.bare(y.decide("reg", "GET", "https://s.example/x", pass))
}

func TestBoxedURLsAreCheckedByTheirOrigin(t *testing.T) {
	const signed = "https://bucket.r2.example/x?X-Amz-Algorithm=a&X-Amz-Signature=y"
	build := func(options ...func(*Credential)) *yard {
		return newYard(t).credential("tok", "hub", []string{"hub.example/*"}, options...).
			key("w", []string{"tok"}).key("routed", []string{"tok"}, routes("hub.example/org/*")).key("unlinked", nil)
	}
	y := build()
	d := y.decide("w", "GET", signed, boxed(t, "https://hub.example/org/x"))
	y.bare(d)
	if !d.Signed {
		t.Error("the signature is not seen")
	}
	y.denies(y.decide("w", "GET", signed), CodeNoCredentialMatched)
	// Routes are asked about the URL that led there.
	y.bare(y.decide("routed", "GET", signed, boxed(t, "https://hub.example/org/x")))
	y.denies(y.decide("routed", "GET", signed, boxed(t, "https://hub.example/other/x")), CodeRouteForbidden, "https://hub.example/other/x")
	// The link and the credential are asked for again.
	y.denies(y.decide("unlinked", "GET", signed, boxed(t, "https://hub.example/org/x")), CodeNotLinked, "https://hub.example/org/x")
	y.bare(y.decide("unlinked", "GET", signed, boxed(t, "https://hub.example/org/x"), pass))
	z := build(status(StatusRevoked, ""))
	z.denies(z.decide("w", "GET", signed, boxed(t, "https://hub.example/org/x")), CodeCredentialNotUsable)
	// A sealed URL to a host of a credential is matched afresh.
	y.injects(y.decide("w", "GET", "https://hub.example/api/token", boxed(t, "https://hub.example/org/x")), "tok", "hub.example/*")
	// But no credential goes where the key's routes do not lead.
	y.denies(y.decide("routed", "GET", "https://hub.example/api/token", boxed(t, "https://hub.example/org/x")), CodeRouteForbidden, "https://hub.example/api/token")
	// A box without an origin is nothing.
	y.denies(y.decide("w", "GET", signed, func(q *Question) { q.Boxed = true }), CodeBoxInvalid)
	// The scope still holds.
	y.denies(y.decide("w", "PUT", signed, boxed(t, "https://hub.example/org/x")), CodeScopeForbidden)
}
