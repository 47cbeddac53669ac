package auth

import (
	"sort"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// tableOf builds a table of patterns, one credential for each.
func tableOf(patterns []string) (*table, []*rule) {
	var rules []*rule
	for i, text := range patterns {
		p, err := ParsePattern(text)
		if err != nil {
			continue
		}
		c := &credential{record: Credential{ID: string(rune('a' + i%26)), Name: text, Status: StatusValid}}
		rules = append(rules, &rule{pattern: p, cred: c})
	}
	return newTable(rules), rules
}

// sameAsReference compares what the table finds with what trying every
// pattern finds.
func sameAsReference(t interface{ Fatalf(string, ...any) }, tab *table, rules []*rule, u Target) {
	v := see(&u)
	var want, got []string
	for _, r := range rules {
		if refMatches(r.pattern.String(), u, u.Path) {
			want = append(want, r.pattern.String()+" "+r.cred.record.ID)
		}
	}
	for _, r := range tab.every(&v) {
		got = append(got, r.pattern.String()+" "+r.cred.record.ID)
	}
	sort.Strings(want)
	sort.Strings(got)
	if strings.Join(want, "\n") != strings.Join(got, "\n") {
		t.Fatalf("%s\nthe table finds\n  %s\nthe reference\n  %s", u, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
	covered := true
	for _, path := range refReadings(u.Path) {
		some := false
		for _, r := range rules {
			some = some || refMatches(r.pattern.String(), u, path)
		}
		covered = covered && some
	}
	routes := make([]*rule, len(rules))
	for i, r := range rules {
		routes[i] = &rule{pattern: r.pattern}
	}
	if newTable(routes).covers(&v) != covered {
		t.Fatalf("%s: covered %v, the reference says %v", u, !covered, covered)
	}
}

func TestTableEqualsReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tab, rules := tableOf(rapid.SliceOfN(genPattern(), 0, 12).Draw(t, "patterns"))
		for range 20 {
			if u, err := ParseURL(genURL().Draw(t, "url")); err == nil {
				sameAsReference(t, tab, rules, u)
			}
		}
	})
}

// Every set of rules that match one URL has one order, whatever the order in
// which they were given.
func TestT28_OrderIsTotal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var rules []*rule
		for i, text := range rapid.SliceOfN(genPattern(), 3, 3).Draw(t, "patterns") {
			p, err := ParsePattern(text)
			if err != nil {
				return
			}
			rules = append(rules, &rule{pattern: p, cred: &credential{record: Credential{
				ID:        rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "id") + string(rune('0'+i)),
				Status:    rapid.SampledFrom([]Status{StatusValid, StatusInvalid, StatusExpired}).Draw(t, "status"),
				CreatedAt: testNow.AddDate(0, 0, rapid.IntRange(0, 1).Draw(t, "age")),
			}}})
		}
		x, y, z := rules[0], rules[1], rules[2]
		switch {
		case before(x, x, testNow):
			t.Fatalf("a rule comes before itself")
		case before(x, y, testNow) == before(y, x, testNow):
			t.Fatalf("%s and %s have no order", x.pattern, y.pattern)
		case before(x, y, testNow) && before(y, z, testNow) && !before(x, z, testNow):
			t.Fatalf("%s, %s, %s: the order is not transitive", x.pattern, y.pattern, z.pattern)
		}
		a, b := refSpecificity(x.pattern.String()), refSpecificity(y.pattern.String())
		for i := range a {
			if a[i] != b[i] {
				if (a[i] > b[i]) != before(x, y, testNow) {
					t.Fatalf("%s and %s stand in another order than their specificity", x.pattern, y.pattern)
				}
				break
			}
		}
	})
}

// A long path of empty or equal segments against "**" costs little: the walk
// is not exponential.
func TestTableWalkIsBounded(t *testing.T) {
	tab, _ := tableOf([]string{"h.example/**/a/**/a/**/a/**/b", "h.example/**/*/**/*/**/c", "h.example/*/*/*/**/d"})
	u := mustURL(t, "https://h.example"+strings.Repeat("/a", 4000)+"/x")
	v := see(&u)
	if r, _ := tab.best(&v, testNow); r != nil {
		t.Fatalf("matched %s", r.pattern)
	}
}

func FuzzTable(f *testing.F) {
	f.Add("hub.example/*\n*.x.example/a/*\nhub.example/org/**/b", "https://hub.example/org/a/b")
	f.Add("h.example/a%20b/*.bin\nh.example/**/a*b*c/*", "https://h.example/a%20b/x.bin")
	f.Add("http://[::1]:8080/**\na.*.x.example/a//b", "http://[::1]:8080//")
	f.Add("h.example/*\nh.example/a/*\nh.example/a%2Ab", "https://h.example/a%2Fb/a*b")
	f.Add("h.example/**/**/a/**/*\nh.example/*/*/*", "https://h.example//a/a//")
	f.Fuzz(func(t *testing.T, patterns, raw string) {
		u, err := ParseURL(raw)
		lines := strings.Split(patterns, "\n")
		if err != nil || len(lines) > 20 || len(u.Path) > 60 || strings.Count(patterns, "*") > 20 {
			return // the reference is exponential
		}
		tab, rules := tableOf(lines)
		sameAsReference(t, tab, rules, u)
	})
}
