package report

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/weighbridge/weighbridge/bench/internal/field"
)

// order is that of the rows.
var order = []string{
	field.Direct, field.Splice, field.Batch, field.Weighbridge, field.Unsynced, field.Nginx, field.Haproxy,
	field.Httputil, field.Naive, field.Goproxy, field.Squid, field.Mitmd,
}

func rank(peer string) int { return slices.Index(order, peer) }

// column is one column of figures of a mode's table.
type column struct {
	title string
	work  Work
	f     figure
	scale float64 // what the figure is multiplied with
	digit int
	best  int // -1: the lowest is the best and shown, 1: the highest, 0: none
}

var columns = []column{
	{"CPU-s/GiB, 1 stream", One, cpuPerGiB, 1, 2, -1},
	{"8 streams", Eight, cpuPerGiB, 1, 2, -1},
	{"128 streams", Many, cpuPerGiB, 1, 2, -1},
	{"MiB/s, 1", One, mibPerSecond, 1, 0, 0},
	{"8", Eight, mibPerSecond, 1, 0, 0},
	{"128", Many, mibPerSecond, 1, 0, 0},
	{"CPU µs/request", Small, cpuPerOp, 1e6, 0, -1},
	{"requests/s", Small, opsPerSecond, 1, 0, 0},
	{"first byte p50 ms", First, p50, 1e3, 3, 0},
	{"p99", First, p99, 1e3, 2, 0},
	{"RSS MiB, at rest", One, rest, 1, 0, 0},
	{"1 stream", One, peak, 1, 0, 0},
	{"8 streams", Eight, peak, 1, 0, 0},
	{"128 streams", Many, peak, 1, 0, 0},
	{"KiB each of 1000 kept", Kept, perOp, 1024, 0, 0},
	{"CPU ms/new tunnel", Connects, cpuPerOp, 1e3, 2, -1},
	{"p50 ms", Connects, p50, 1e3, 1, 0},
}

// modes are the tables.
var modes = []struct {
	mode, title string
	direct      string
	floor       who
}{
	{string(field.Intercepted), "Intercepted (CONNECT, TLS to TLS)", string(field.DirectTLS), who{field.Batch, string(field.TLSToTLS)}},
	{string(field.TLSToTLS), "TLS to TLS", string(field.DirectTLS), who{field.Batch, string(field.TLSToTLS)}},
	{string(field.PlainToTLS), "Plain to TLS", string(field.DirectTLS), who{field.Batch, string(field.PlainToTLS)}},
	{string(field.Plain), "Plain to plain", string(field.DirectPlain), who{field.Splice, string(field.Plain)}},
}

// Markdown writes the whole report.
func (r *Run) Markdown(w io.Writer) error {
	p := &printer{w: w}
	p.line("%s, %d rounds, bodies of 1/%d, %s on %d cores, Linux %s, %s.", r.Started.UTC().Format(time.DateOnly), r.Rounds, r.Scale, r.CPU, r.Cores, r.Kernel, r.versions())
	p.line("Medians of the rounds, the best round in brackets. The whole took %s; other programs used %.0f %% of the machine meanwhile.", r.Took.Round(time.Second), r.Others*100)
	p.line("An fdatasync beside weighbridge's record takes %.2f ms (%s).", r.sync()*1e3, r.Disk)
	for _, n := range r.Notes {
		p.line("%s", n)
	}
	for _, m := range modes {
		r.modeTable(p, m.mode, m.title, m.direct, m.floor)
	}
	r.ratios(p)
	r.musts(p)
	return p.err
}

func (r *Run) versions() string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(r.Versions)) {
		out = append(out, name+" "+r.Versions[name])
	}
	return strings.Join(out, ", ")
}

func (r *Run) modeTable(p *printer, mode, title, direct string, floor who) {
	rows := []who{{field.Direct, direct}}
	if floor.mode != mode {
		rows = append(rows, floor)
	}
	for _, peer := range r.peers(mode) {
		rows = append(rows, who{peer, mode})
	}
	// A column that nobody has a figure for is left out.
	var shown []column
	for _, c := range columns {
		for _, w := range rows[1:] {
			if w.mode == mode && r.of(w, c.work, c.f).n > 0 {
				shown = append(shown, c)
				break
			}
		}
	}
	if len(shown) == 0 {
		return
	}
	p.line("")
	p.line("**%s**", title)
	p.line("")
	head, rule := "| peer |", "| --- |"
	for _, c := range shown {
		head += " " + c.title + " |"
		rule += " --- |"
	}
	p.line("%s", head)
	p.line("%s", rule)
	for _, w := range rows {
		name := w.peer
		if w.mode != mode && w.peer != field.Direct {
			name += " (" + w.mode + ")"
		}
		if why, ok := r.Missing[w.peer]; ok {
			p.line("| %s | missing: %s |%s", name, why, strings.Repeat(" |", len(shown)-1))
			continue
		}
		line := "| " + name + " |"
		for _, c := range shown {
			line += " " + r.cell(w, c) + " |"
		}
		p.line("%s", line)
	}
}

func (r *Run) cell(w who, c column) string {
	s := r.of(w, c.work, c.f)
	if s.n == 0 {
		if r.errorOf(w, c.work) != "" {
			return "failed"
		}
		return "-"
	}
	text := fmt.Sprintf("%.*f", c.digit, s.median*c.scale)
	switch {
	case w.peer == field.Direct && c.best < 0:
		return "-"
	case c.best < 0 && s.n > 1:
		text += fmt.Sprintf(" (%.*f)", c.digit, s.low*c.scale)
	}
	if s.n < r.Rounds && c.work != Kept {
		text += fmt.Sprintf(" [%d of %d]", s.n, r.Rounds)
	}
	return text
}

// ratios writes what weighbridge costs as a part of what each other costs.
func (r *Run) ratios(p *printer) {
	p.line("")
	p.line("**weighbridge as a part of each** (the median of the rounds' own ratios; below 1 is cheaper)")
	p.line("")
	p.line("| mode | against | CPU, 1 stream | 8 streams | 128 streams | CPU/request | requests/s | CPU/new tunnel | RSS, 8 streams |")
	p.line("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
	for _, m := range modes {
		us := who{field.Weighbridge, m.mode}
		against := []who{m.floor}
		for _, peer := range r.peers(m.mode) {
			if w := (who{peer, m.mode}); w != m.floor && peer != field.Weighbridge && peer != field.Unsynced {
				against = append(against, w)
			}
		}
		for _, w := range against {
			if why, ok := r.Missing[w.peer]; ok {
				p.line("| %s | %s | missing: %s | | | | | | |", m.mode, w.peer, why)
				continue
			}
			line := fmt.Sprintf("| %s | %s |", m.mode, w.peer)
			for _, c := range []struct {
				k Work
				f figure
			}{{One, cpuPerGiB}, {Eight, cpuPerGiB}, {Many, cpuPerGiB}, {Small, cpuPerOp}, {Small, opsPerSecond}, {Connects, cpuPerOp}, {Eight, peak}} {
				cell := "-"
				if s := r.ratio(us, w, c.k, c.f); s.n > 0 {
					cell = fmt.Sprintf("%.2f", s.median)
				}
				line += " " + cell + " |"
			}
			p.line("%s", line)
		}
	}
}

// printer remembers its first error.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}
