package report

import (
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/bench/internal/field"
)

// sampled is a run of three rounds in which the machine was slower each time,
// and weighbridge took the same part of what the others took.
func sampled() *Run {
	r := &Run{Rounds: 3, Scale: 1, Missing: map[string]string{field.Squid: "squid is not installed"}, Versions: map[string]string{}}
	for round := 1; round <= 3; round++ {
		for peer, cpu := range map[string]float64{field.Weighbridge: 0.8, field.Goproxy: 1} {
			r.Samples = append(r.Samples, Sample{
				Round: round, Peer: peer, Mode: mitm, Work: Eight, Bytes: 1 << 30, Seconds: 1, CPU: cpu * float64(round),
			})
		}
	}
	r.Samples = append(r.Samples,
		Sample{Round: 1, Peer: field.Squid, Mode: mitm, Error: "squid is not installed"},
		Sample{Round: 1, Peer: field.Goproxy, Mode: mitm, Work: One, Error: "the answer is 502"})
	return r
}

func TestRatiosAreOfTheSameRound(t *testing.T) {
	r := sampled()
	s := r.ratio(who{field.Weighbridge, mitm}, who{field.Goproxy, mitm}, Eight, cpuPerGiB)
	if s.n != 3 || s.low < 0.79 || s.high > 0.81 {
		t.Fatalf("%+v: rounds were mixed", s)
	}
	if m := r.of(who{field.Goproxy, mitm}, Eight, cpuPerGiB); m.median != 2 || m.low != 1 {
		t.Fatalf("%+v", m)
	}
}

func TestWhoIsMissingIsSaid(t *testing.T) {
	var b strings.Builder
	if err := sampled().Markdown(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| squid | missing: squid is not installed |",
		"| mitm | squid | missing: squid is not installed |",
		"| CPU/GiB, mitm, 8 streams, against squid | ≤ 0.4 | - | missing: squid is not installed |",
		"| CPU/GiB, mitm, 8 streams, against goproxy | ≤ 0.9 | 0.80 | holds |",
		"| requests/s, mitm, 32 connections, against goproxy | ≥ 1.6 | - | not measured in this run |",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no line %q in\n%s", want, b.String())
		}
	}
}

func TestVerdicts(t *testing.T) {
	for _, c := range []struct {
		g    goal
		v    float64
		want string
	}{
		{goal{bound: 0.9}, 0.9, "holds"},
		{goal{bound: 0.9}, 0.95, "misses by 6 %"},
		{goal{bound: 0.9}, 1.2, "**misses by 33 %**"},
		{goal{bound: 1.6, least: true}, 1.7, "holds"},
		{goal{bound: 1.6, least: true}, 0.8, "**misses by 50 %**"},
		{goal{bound: 0}, 1, "**misses**"},
	} {
		if got := c.g.verdict(c.v); got != c.want {
			t.Errorf("%v against %v: %s", c.v, c.g.bound, got)
		}
	}
}
