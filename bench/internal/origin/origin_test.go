package origin

import "testing"

func TestRanges(t *testing.T) {
	for _, c := range []struct {
		spec    string
		from, n int64
		ok      bool
	}{
		{"bytes=0-9", 0, 10, true},
		{"bytes=90-", 90, 10, true},
		{"bytes=90-200", 90, 10, true},
		{"bytes=-5", 95, 5, true},
		{"bytes=-500", 0, 100, true},
		{"bytes=100-", 0, 0, false},
		{"bytes=5-4", 0, 0, false},
		{"bytes=-0", 0, 0, false},
		{"lines=1-2", 0, 0, false},
		{"bytes=x-y", 0, 0, false},
	} {
		from, n, ok := parseRange(c.spec, 100)
		if ok != c.ok || ok && (from != c.from || n != c.n) {
			t.Errorf("%s: from %d, %d bytes, %v", c.spec, from, n, ok)
		}
	}
}
