package auth

import (
	"slices"
	"testing"
	"time"
)

func TestT28_MoreSpecificWins(t *testing.T) {
	// Each pattern beats all that follow it for the URL.
	order := []string{
		"r.example:443/a/b/c.bin", "r.example/a/b/c.*", "r.example/a/b/*.bin", "r.example/a/b/*", "r.example/a/**/c.bin",
		"r.example/a/*/*.bin", "r.example/*/*/*", "r.example/a/*", "r.example/*/*", "r.example/*",
	}
	ranks := make([]rank, len(order))
	for i, text := range order {
		ranks[i] = mustPattern(t, text).rank
		if !mustPattern(t, text).Matches(mustURL(t, "https://r.example/a/b/c.bin")) {
			t.Errorf("%s does not match", text)
		}
	}
	slices.SortFunc(order, func(a, b string) int {
		x, y := refSpecificity(mustPattern(t, a).String()), refSpecificity(mustPattern(t, b).String())
		return slices.Compare(y[:], x[:])
	})
	for i := range order {
		for j := i + 1; j < len(order); j++ {
			y := newYard(t).credential("strong", "bearer", []string{order[i]}, created(testNow.AddDate(-1, 0, 0))).
				credential("weak", "bearer", []string{order[j]}).key("w", []string{"weak", "strong"})
			a, b := mustPattern(t, order[i]), mustPattern(t, order[j])
			if a.rank <= b.rank {
				t.Errorf("%s does not rank above %s", a, b)
			}
			y.injects(y.decide("w", "GET", "https://r.example/a/b/c.bin"), "strong", a.String())
		}
	}
	// An exact host beats a wildcard with a longer path.
	y := newYard(t).credential("exact", "bearer", []string{"a.r.example/*"}).credential("wild", "bearer", []string{"*.r.example/a/b/*"}).key("w", []string{"exact", "wild"})
	y.injects(y.decide("w", "GET", "https://a.r.example/a/b/c"), "exact", "a.r.example/*")
	y.injects(y.decide("w", "GET", "https://b.r.example/a/b/c"), "wild", "*.r.example/a/b/*")
	// Fewer wildcards in the host.
	y = newYard(t).credential("one", "bearer", []string{"a.*.r.example/*"}).credential("two", "bearer", []string{"*.*.r.example/*"}).key("w", []string{"one", "two"})
	y.injects(y.decide("w", "GET", "https://a.b.r.example/"), "one", "a.*.r.example/*")
}

func TestT28_EqualSpecificity(t *testing.T) {
	same := []string{"r.example/a/*"}
	young, old := created(testNow.Add(-time.Hour)), created(testNow.AddDate(-1, 0, 0))
	for _, c := range []struct {
		name  string
		a, b  []func(*Credential)
		wants string
	}{
		{"the newest of two valid ones", []func(*Credential){old}, []func(*Credential){young}, "b"},
		{"the lower id of the same age", []func(*Credential){old}, []func(*Credential){old}, "a"},
		{"the valid one, though older", []func(*Credential){old}, []func(*Credential){young, status(StatusInvalid, "401")}, "a"},
		{"the valid one, not the pending one", []func(*Credential){old}, []func(*Credential){young, status(StatusPending, "")}, "a"},
		{"the one that has not expired", []func(*Credential){old}, []func(*Credential){young, expires(testNow)}, "a"},
		{"the one that expires later today", []func(*Credential){old}, []func(*Credential){young, expires(testNow.Add(time.Minute))}, "b"},
	} {
		y := newYard(t).credential("a", "bearer", same, c.a...).credential("b", "bearer", same, c.b...).key("w", []string{"a", "b"})
		if d := y.decide("w", "GET", "https://r.example/a/x"); d.Outcome != Inject || d.CredentialName != c.wants {
			t.Errorf("%s: got %q (%s), want %q", c.name, d.CredentialName, d.Reason, c.wants)
		}
	}
	// Equally specific by different texts: still one answer.
	y := newYard(t).credential("a", "bearer", []string{"r.example/ab*"}, old).credential("b", "bearer", []string{"r.example/*bc"}, young).key("w", []string{"a", "b"})
	y.injects(y.decide("w", "GET", "https://r.example/abc"), "b", "r.example/*bc")
}

func TestT28_UnusableNeverFallsBackToBroader(t *testing.T) {
	for _, c := range []struct {
		option func(*Credential)
		words  []string
	}{
		{status(StatusPending, ""), []string{"pending", "checked"}},
		{status(StatusInvalid, "the upstream answered 401"), []string{"invalid", "the upstream answered 401", "credential update"}},
		{status(StatusExpired, ""), []string{"expired", "credential update"}},
		{status(StatusRevoked, "by alice"), []string{"revoked", "by alice"}},
		{status("", ""), []string{"unknown"}},
		{status("disabled", ""), []string{"disabled"}},
		{expires(testNow), []string{"expired at 2026-03-01T12:00:00Z"}},
	} {
		y := newYard(t).credential("broad", "hub", []string{"hub.example/*"}).credential("narrow", "hub", []string{"hub.example/org/*"}, c.option).key("w", []string{"broad", "narrow"})
		for _, mode := range []func(*Question){func(*Question) {}, pass} {
			d := y.decide("w", "GET", "https://hub.example/org/repo/x?token=1", mode)
			y.denies(d, CodeCredentialNotUsable, append(c.words, `"narrow"`, "https://hub.example/org/repo/x ")...)
			if d.CredentialID != "cred_narrow" || d.Rule != "hub.example/org/*" {
				t.Errorf("the refusal names %q by %q", d.CredentialID, d.Rule)
			}
		}
		y.injects(y.decide("w", "GET", "https://hub.example/other/repo/x"), "broad", "hub.example/*")
	}
}
