// Package report turns the samples of a run into the table, the ratios and the
// list of goals.
package report

import (
	"cmp"
	"encoding/json"
	"os"
	"slices"
	"time"
)

// Work is one column of work.
type Work string

// The works. The number is of streams at once.
const (
	One      Work = "1"
	Eight    Work = "8"
	Many     Work = "128"
	Small    Work = "small"
	First    Work = "first byte"
	Connects Work = "connects"
	Kept     Work = "kept"
	Long     Work = "long"
)

// Sample is one measurement of one peer.
type Sample struct {
	Round int
	Peer  string
	Mode  string
	Work  Work

	Ops     int64
	Bytes   int64
	Seconds float64
	P50     float64 `json:",omitempty"`
	P99     float64 `json:",omitempty"`
	// CPU is in seconds, of the peer's whole tree of processes.
	CPU float64
	// Rest is the resident memory before, Peak the highest during the work,
	// Early (Long only) the highest in its first twentieth: bytes.
	Rest, Peak, Early int64
	// Error says why there is no figure.
	Error string `json:",omitempty"`
}

// Decision is what a decision costs.
type Decision struct {
	Patterns    int
	Nanoseconds float64
	Allocations int64
}

// Run is everything that was measured.
type Run struct {
	Started  time.Time
	Took     time.Duration
	Rounds   int
	Scale    int64
	Cores    int
	CPU      string
	Kernel   string
	Versions map[string]string
	// Missing says who could not run, by peer, and why.
	Missing map[string]string
	// Sync is the median time of an fdatasync beside weighbridge's data, for
	// each round, in seconds; Disk is the kind of file system.
	Sync []float64
	Disk string
	// Others is the part of the machine that processes outside the run used.
	Others    float64
	Decisions []Decision
	Samples   []Sample
	// Notes are what a reader must know of this run.
	Notes []string
}

// Save writes the run so that Load reads it.
func (r *Run) Save(path string) error {
	b, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}

// Load reads a saved run.
func Load(path string) (*Run, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := new(Run)
	return r, json.Unmarshal(b, r)
}

// figure is something that is read off a sample. ok is false where the sample
// has none.
type figure func(s *Sample) (v float64, ok bool)

const gib = 1 << 30

func cpuPerGiB(s *Sample) (float64, bool) {
	return s.CPU / (float64(s.Bytes) / gib), s.Bytes > 0
}

func mibPerSecond(s *Sample) (float64, bool) {
	return float64(s.Bytes) / (1 << 20) / s.Seconds, s.Seconds > 0
}

// cpuPerOp is in seconds.
func cpuPerOp(s *Sample) (float64, bool)     { return s.CPU / float64(s.Ops), s.Ops > 0 }
func opsPerSecond(s *Sample) (float64, bool) { return float64(s.Ops) / s.Seconds, s.Seconds > 0 }
func p50(s *Sample) (float64, bool)          { return s.P50, s.P50 > 0 }
func p99(s *Sample) (float64, bool)          { return s.P99, s.P99 > 0 }

// peak and rest are in MiB.
func peak(s *Sample) (float64, bool) { return float64(s.Peak) / (1 << 20), s.Peak > 0 }
func rest(s *Sample) (float64, bool) { return float64(s.Rest) / (1 << 20), s.Rest > 0 }

// perOp is the memory of each connection or stream, in MiB.
func perOp(s *Sample) (float64, bool) {
	return float64(s.Peak-s.Rest) / (1 << 20) / float64(s.Ops), s.Ops > 0 && s.Rest > 0
}

// growth is the memory that a long body added after its beginning, in MiB.
func growth(s *Sample) (float64, bool) {
	return float64(s.Peak-s.Early) / (1 << 20), s.Early > 0
}

// who is one peer in one mode.
type who struct{ peer, mode string }

// byRound are a figure's values by round.
func (r *Run) byRound(w who, k Work, f figure) map[int]float64 {
	out := map[int]float64{}
	for i := range r.Samples {
		s := &r.Samples[i]
		if s.Peer != w.peer || s.Mode != w.mode || s.Work != k || s.Error != "" {
			continue
		}
		if v, ok := f(s); ok {
			out[s.Round] = v
		}
	}
	return out
}

// spread is the middle and the ends of some rounds.
type spread struct {
	median, low, high float64
	n                 int
}

func spreadOf(values []float64) spread {
	slices.Sort(values)
	n := len(values)
	if n == 0 {
		return spread{}
	}
	m := values[n/2]
	if n%2 == 0 {
		m = (values[n/2-1] + values[n/2]) / 2
	}
	return spread{m, values[0], values[n-1], n}
}

// of is a figure over all rounds.
func (r *Run) of(w who, k Work, f figure) spread {
	var vs []float64
	for _, v := range r.byRound(w, k, f) {
		vs = append(vs, v)
	}
	return spreadOf(vs)
}

// ratio is a figure of a to that of b, in the same round each: what else the
// machine did then touched both.
func (r *Run) ratio(a, b who, k Work, f figure) spread {
	var vs []float64
	of := r.byRound(b, k, f)
	for round, v := range r.byRound(a, k, f) {
		if o, ok := of[round]; ok && o > 0 {
			vs = append(vs, v/o)
		}
	}
	return spreadOf(vs)
}

// errorOf is why a figure is not there.
func (r *Run) errorOf(w who, k Work) string {
	if why, ok := r.Missing[w.peer]; ok {
		return why
	}
	for i := range r.Samples {
		if s := &r.Samples[i]; s.Peer == w.peer && s.Mode == w.mode && s.Work == k && s.Error != "" {
			return s.Error
		}
	}
	return ""
}

// sync is the median fdatasync in seconds.
func (r *Run) sync() float64 { return spreadOf(slices.Clone(r.Sync)).median }

// peers are the peers of a mode in the order in which they were measured, the
// missing ones last.
func (r *Run) peers(mode string) []string {
	var out []string
	for i := range r.Samples {
		if s := &r.Samples[i]; s.Mode == mode && s.Round == 1 && !slices.Contains(out, s.Peer) {
			out = append(out, s.Peer)
		}
	}
	slices.SortStableFunc(out, func(a, b string) int { return cmp.Compare(rank(a), rank(b)) })
	return out
}
