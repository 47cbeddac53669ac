package soak

import "fmt"

// Outcomes sums up how downloads ended.
type Outcomes struct {
	// Whole came whole, Resumed did so although something went wrong, Told
	// failed and said so, Left were left by their workers.
	Whole, Resumed, Told, Left int64
	// Refused could not be put on record: the disk took longer than a commit
	// may, as it may on a machine that others keep busy.
	Refused int64
	Bytes   int64
}

// Add counts one.
func (s *Outcomes) Add(o Outcome) {
	s.Bytes += o.Bytes
	switch {
	case o.Whole && o.Resumable:
		s.Whole++
		s.Resumed++
	case o.Whole:
		s.Whole++
	case o.Told:
		s.Told++
	default:
		s.Left++
	}
}

// String is the figures in one line.
func (s *Outcomes) String() string {
	return fmt.Sprintf("%d whole (%d of them although the upstream misbehaved), %d failed and said so, %d left by the worker, %d refused because they could not be put on record in time, %.1f MiB compared",
		s.Whole, s.Resumed, s.Told, s.Left, s.Refused, float64(s.Bytes)/(1<<20))
}
