package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/weighbridge/weighbridge/bench/internal/field"
)

// near is what a miss may be and still count as one that is only reported.
const near = 0.10

// goal is one thing that must hold.
type goal struct {
	name  string
	bound float64
	// least says that bound is the least, not the most.
	least bool
	unit  string
	// measure gives the figure, and what it came from where that needs
	// saying.
	measure func(r *Run) (v float64, ok bool)
	// floor gives what the bare relay of the same mode would be at, where the
	// goal is a ratio to a peer.
	floor func(r *Run) (v float64, ok bool)
	// lacking is whose figure may be missing.
	lacking []string
}

var (
	mitm  = string(field.Intercepted)
	tls   = string(field.TLSToTLS)
	ptls  = string(field.PlainToTLS)
	plain = string(field.Plain)
)

// against is a goal for a ratio.
func against(name string, mode string, other who, k Work, f figure, bound float64) goal {
	return goal{
		name: name, bound: bound, lacking: []string{other.peer},
		measure: func(r *Run) (float64, bool) {
			s := r.ratio(who{field.Weighbridge, mode}, other, k, f)
			return s.median, s.n > 0
		},
		floor: func(r *Run) (float64, bool) {
			for _, m := range modes {
				if m.mode == mode && m.floor != other {
					s := r.ratio(m.floor, other, k, f)
					return s.median, s.n > 0
				}
			}
			return 0, false
		},
	}
}

// absolute is a goal for a figure of weighbridge's own.
func absolute(name, unit string, w who, k Work, f figure, bound float64) goal {
	return goal{name: name, unit: unit, bound: bound, measure: func(r *Run) (float64, bool) {
		s := r.of(w, k, f)
		return s.median, s.n > 0
	}}
}

// added is the time to the first byte beyond the direct one, in milliseconds.
func added(peer string, less func(r *Run) float64) func(r *Run) (float64, bool) {
	return func(r *Run) (float64, bool) {
		var vs []float64
		direct := r.byRound(who{field.Direct, string(field.DirectTLS)}, First, p50)
		for round, v := range r.byRound(who{peer, mitm}, First, p50) {
			if d, ok := direct[round]; ok {
				vs = append(vs, (v-d-less(r))*1e3)
			}
		}
		s := spreadOf(vs)
		return s.median, s.n > 0
	}
}

// goals are those of the issue and, where it names no figure, of section 7 of
// the measurements that the product was designed from.
func goals() []goal {
	streams := func(mode, what string, other who, one, eight float64) []goal {
		return []goal{
			against("CPU/GiB, "+mode+", 1 stream, against "+what, mode, other, One, cpuPerGiB, one),
			against("CPU/GiB, "+mode+", 8 streams, against "+what, mode, other, Eight, cpuPerGiB, eight),
		}
	}
	floor := who{field.Batch, tls}
	var out []goal
	add := func(gs ...goal) { out = append(out, gs...) }
	add(streams(tls, field.Batch, floor, 1.15, 1.15)...)
	add(streams(mitm, field.Batch+" "+tls, floor, 1.15, 1.15)...)
	add(streams(ptls, field.Batch, who{field.Batch, ptls}, 1.15, 1.15)...)
	add(streams(plain, field.Splice, who{field.Splice, plain}, 1.2, 1.2)...)
	add(streams(tls, field.Nginx, who{field.Nginx, tls}, 0.9, 0.75)...)
	add(streams(tls, field.Haproxy, who{field.Haproxy, tls}, 0.9, 0.75)...)
	add(streams(tls, field.Httputil, who{field.Httputil, tls}, 1.0, 0.95)...)
	add(streams(tls, field.Naive, who{field.Naive, tls}, 0.6, 0.6)...)
	add(streams(mitm, field.Goproxy, who{field.Goproxy, mitm}, 0.9, 0.9)...)
	add(streams(mitm, field.Squid, who{field.Squid, mitm}, 0.4, 0.4)...)
	add(streams(mitm, field.Mitmd, who{field.Mitmd, mitm}, 0.4, 0.4)...)
	add(streams(ptls, field.Nginx, who{field.Nginx, ptls}, 0.9, 0.9)...)
	add(streams(ptls, field.Haproxy, who{field.Haproxy, ptls}, 0.85, 0.85)...)
	add(
		against("CPU/GiB, plain-plain, 8 streams, against nginx", plain, who{field.Nginx, plain}, Eight, cpuPerGiB, 1.1),
		against("CPU/GiB, plain-plain, 8 streams, against haproxy", plain, who{field.Haproxy, plain}, Eight, cpuPerGiB, 0.6),
		against("CPU/request, tls-tls, against nginx", tls, who{field.Nginx, tls}, Small, cpuPerOp, 1.2),
		against("CPU/request, tls-tls, against haproxy", tls, who{field.Haproxy, tls}, Small, cpuPerOp, 1.2),
		against("CPU/request, tls-tls, against httputil", tls, who{field.Httputil, tls}, Small, cpuPerOp, 0.65),
		against("CPU/request, mitm, against goproxy", mitm, who{field.Goproxy, mitm}, Small, cpuPerOp, 0.5),
		against("CPU/request, mitm, against squid", mitm, who{field.Squid, mitm}, Small, cpuPerOp, 0.45),
		least(against("requests/s, mitm, 32 connections, against goproxy", mitm, who{field.Goproxy, mitm}, Small, opsPerSecond, 1.6)),
		least(against("requests/s, mitm, 32 connections, against squid", mitm, who{field.Squid, mitm}, Small, opsPerSecond, 2.5)),
		goal{name: "added time to first byte p50, mitm, record unsynced", unit: "ms", bound: 0.10, measure: added(field.Unsynced, func(*Run) float64 { return 0 })},
		goal{name: "added time to first byte p50, mitm, durable, less one fdatasync", unit: "ms", bound: 0.10, measure: added(field.Weighbridge, (*Run).sync)},
		goal{
			name: "time to first byte p99, mitm, record unsynced, against goproxy", bound: 1, lacking: []string{field.Goproxy},
			measure: func(r *Run) (float64, bool) {
				s := r.ratio(who{field.Unsynced, mitm}, who{field.Goproxy, mitm}, First, p99)
				return s.median, s.n > 0
			},
		},
		against("CPU per new CONNECT and handshake, against goproxy", mitm, who{field.Goproxy, mitm}, Connects, cpuPerOp, 0.5),
		against("CPU per new CONNECT and handshake, against squid", mitm, who{field.Squid, mitm}, Connects, cpuPerOp, 0.8),
		against("CPU per new CONNECT and handshake, against mitmproxy", mitm, who{field.Mitmd, mitm}, Connects, cpuPerOp, 0.12),
		absolute("RSS for each of 1000 kept connections, mitm", "MiB", who{field.Weighbridge, mitm}, Kept, perOp, 0.12),
		absolute("RSS for each of 1000 kept connections, tls-tls", "MiB", who{field.Weighbridge, tls}, Kept, perOp, 0.12),
		against("RSS for each of 1000 kept connections, mitm, against goproxy", mitm, who{field.Goproxy, mitm}, Kept, perOp, 1),
		goal{name: "RSS for each of 128 streams, tls-tls, beyond that at rest", unit: "MiB", bound: 0.85, measure: func(r *Run) (float64, bool) {
			us := who{field.Weighbridge, tls}
			// At rest is before the first work: what that left behind counts.
			many, idle := r.of(us, Many, peak), r.of(us, One, rest)
			return (many.median - idle.median) / 128, many.n > 0 && idle.n > 0
		}},
		absolute("RSS with 128 streams, tls-tls", "MiB", who{field.Weighbridge, tls}, Many, peak, 128),
		absolute("RSS with one stream, tls-tls", "MiB", who{field.Weighbridge, tls}, One, peak, 20),
		absolute("RSS at rest", "MiB", who{field.Weighbridge, tls}, One, rest, 20),
		absolute("RSS growth over a 20 GiB body, tls-tls", "MiB", who{field.Weighbridge, tls}, Long, growth, 5),
	)
	for _, d := range []struct {
		patterns int
		bound    float64
	}{{1_000, 2}, {100_000, 5}} {
		add(goal{
			name: fmt.Sprintf("a decision at %d patterns", d.patterns), unit: "µs", bound: d.bound,
			measure: func(r *Run) (float64, bool) {
				for _, m := range r.Decisions {
					if m.Patterns == d.patterns {
						return m.Nanoseconds / 1e3, true
					}
				}
				return 0, false
			},
		})
	}
	add(goal{name: "allocations of a decision at 1000 patterns", bound: 0, measure: func(r *Run) (float64, bool) {
		for _, m := range r.Decisions {
			if m.Patterns == 1_000 {
				return float64(m.Allocations), true
			}
		}
		return 0, false
	}})
	return out
}

func least(g goal) goal {
	g.least = true
	return g
}

// verdict compares a figure with a goal.
func (g *goal) verdict(v float64) string {
	over := v - g.bound // by how much it misses
	if g.least {
		over = g.bound - v
	}
	switch {
	case over <= 0:
		return "holds"
	case g.bound > 0 && over/g.bound < near:
		return fmt.Sprintf("misses by %.0f %%", over/g.bound*100)
	case g.bound > 0:
		return fmt.Sprintf("**misses by %.0f %%**", over/g.bound*100)
	default:
		return "**misses**"
	}
}

// Musts writes the list of goals alone.
func (r *Run) Musts(w io.Writer) error {
	p := &printer{w: w}
	r.musts(p)
	return p.err
}

func (r *Run) musts(p *printer) {
	p.line("")
	p.line("**Goals**")
	p.line("")
	p.line("The last column is the same figure of the bare relay, which knows no HTTP: what it misses no proxy can hold here.")
	p.line("")
	p.line("| goal | must be | measured | | bare relay |")
	p.line("| --- | --- | --- | --- | --- |")
	for _, g := range goals() {
		sign := "≤"
		if g.least {
			sign = "≥"
		}
		bound := strings.TrimSpace(fmt.Sprintf("%s %.3g %s", sign, g.bound, g.unit))
		v, ok := g.measure(r)
		if !ok {
			p.line("| %s | %s | - | %s | |", g.name, bound, r.why(&g))
			continue
		}
		floor := ""
		if g.floor != nil {
			if v, ok := g.floor(r); ok {
				floor = number(v)
			}
		}
		p.line("| %s | %s | %s | %s | %s |", g.name, bound, strings.TrimSpace(number(v)+" "+g.unit), g.verdict(v), floor)
	}
}

// number shows a figure with as many digits as say something.
func number(v float64) string {
	switch {
	case v >= 100 || v <= -100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10 || v <= -10:
		return fmt.Sprintf("%.1f", v)
	case v >= 0.1 || v <= -0.1 || v == 0:
		return fmt.Sprintf("%.2f", v)
	default:
		return fmt.Sprintf("%.3f", v)
	}
}

// why says why a goal has no figure.
func (r *Run) why(g *goal) string {
	for _, peer := range g.lacking {
		if why, ok := r.Missing[peer]; ok {
			return "missing: " + why
		}
	}
	return "not measured in this run"
}
