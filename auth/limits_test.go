package auth

import (
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestLimitsAreChecked(t *testing.T) {
	for _, c := range []struct {
		l    Limits
		want string // empty is fine
	}{
		{Limits{}, ""},
		{Limits{Rate: MinRate, Burst: 1, Transfers: 1, Bandwidth: MinBandwidth}, ""},
		{Limits{Rate: MaxLimit, Burst: MaxLimit, Transfers: MaxLimit, Bandwidth: MaxBandwidth}, ""},
		{Limits{Rate: MinRate / 2}, "the rate is"},
		{Limits{Rate: -1}, "the rate is"},
		{Limits{Rate: math.NaN()}, "the rate is"},
		{Limits{Rate: math.Inf(1)}, "the rate is"},
		{Limits{Rate: 1, Burst: -1}, "the burst is"},
		{Limits{Rate: 1, Burst: MaxLimit + 1}, "the burst is"},
		{Limits{Burst: 1}, "no rate"},
		{Limits{Transfers: -1}, "transfers"},
		{Limits{Bandwidth: MinBandwidth - 1}, "the bandwidth is"},
		{Limits{Bandwidth: -1}, "the bandwidth is"},
	} {
		if err := c.l.Check(); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c.l, err)
		}
		if _, err := Compile(State{Keys: []Key{{ID: "k", Limits: c.l}}}, Options{}); (err == nil) != (c.want == "") {
			t.Errorf("%+v compiles: %v", c.l, err)
		}
	}
	for l, want := range map[Limits]int{{Rate: 0.1}: 1, {Rate: 1}: 1, {Rate: 2.5}: 3, {Rate: 2.5, Burst: 7}: 7} {
		if n := l.AtOnce(); n != want {
			t.Errorf("%+v: %d at once", l, n)
		}
	}
}

func TestSources(t *testing.T) {
	for text, want := range map[string]string{
		"10.20.0.0/16": "10.20.0.0/16", "192.0.2.7": "192.0.2.7/32", "2001:db8::/32": "2001:db8::/32", "2001:db8::1": "2001:db8::1/128", "0.0.0.0/0": "0.0.0.0/0",
		"10.20.0.1/16": "", "::ffff:10.0.0.1": "", "::ffff:10.0.0.0/104": "", "fe80::1%eth0": "", "fe80::1%eth0/64": "", "": "", "anywhere": "", "10.0.0.0/33": "", "010.0.0.1": "",
	} {
		p, err := ParseSource(text)
		if (err == nil) != (want != "") || err == nil && p.String() != want {
			t.Errorf("%q: %v, %v", text, p, err)
		}
	}
	state := State{Keys: []Key{
		{ID: "bound", Name: "bound", Sources: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("fe80::/10")}},
		{ID: "free", Name: "free"},
	}}
	s, err := Compile(state, Options{})
	if err != nil {
		t.Fatal(err)
	}
	identity := func(id string) Identity {
		who, err := s.IdentifyID(id, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return who
	}
	for peer, allowed := range map[string]bool{
		"192.0.2.1": true, "::ffff:192.0.2.1": true, "fe80::1%eth0": true,
		"192.0.3.1": false, "127.0.0.1": false, "::1": false, "unix": false, "": false, "192.0.2.1:80": false, "192.0.2.1, 10.0.0.1": false,
	} {
		err := identity("bound").From(peer)
		if (err == nil) != allowed || err != nil && err.Code != CodeSourceForbidden {
			t.Errorf("from %q: %v", peer, err)
		}
		if err := identity("free").From(peer); err != nil {
			t.Errorf("a free key from %q: %v", peer, err)
		}
	}
	if n := testing.AllocsPerRun(100, func() { _ = identity("bound").From("192.0.2.1") }); n > 0 {
		t.Errorf("%v allocations", n)
	}
	state.Keys[1].Sources = []netip.Prefix{{}}
	if _, err := Compile(state, Options{}); err == nil {
		t.Error("a network that is none compiles")
	}
}

func TestAKeysLife(t *testing.T) {
	now := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	for in, want := range map[time.Duration]string{
		24 * time.Hour: "", 24*time.Hour - time.Minute: "", 365 * 24 * time.Hour: "", 365*24*time.Hour + time.Minute: "",
		23 * time.Hour: "less than a day", time.Second: "less than a day", 0: "passed", -time.Hour: "passed", 366 * 24 * time.Hour: "more than 365 days",
	} {
		if err := CheckLife(now.Add(in), now); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("in %v: %v", in, err)
		}
	}
	if err := CheckLife(time.Time{}, now); err != nil {
		t.Error(err)
	}
}
