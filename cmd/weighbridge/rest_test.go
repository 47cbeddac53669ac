package main

import "testing"

// Memory is given back once after work, and neither while there is some nor
// again and again while there is none.
func TestMemoryIsGivenBackAtRest(t *testing.T) {
	var allocated uint64
	var lent int64
	freed := 0
	r := &rest{lent: func() int64 { return lent }, allocated: func() uint64 { return allocated }, free: func() { freed++ }}
	r.now()
	for i, look := range []struct {
		allocated uint64
		lent      int64
		freed     int
	}{
		{allocated: restQuiet / 2, freed: 1},  // at rest: nothing to give back
		{allocated: 10 * restWorth, freed: 1}, // at work
		{allocated: 0, lent: 1, freed: 1},     // a body streams, which allocates nothing
		{allocated: restQuiet / 2, freed: 2},  // at rest again
		{allocated: restQuiet / 2, freed: 2},  // and still
		{allocated: restQuiet, freed: 2},      // a request
		{allocated: restQuiet / 2, freed: 2},  // too little to collect
		{allocated: restWorth, freed: 2},      // at work
		{allocated: restQuiet - 1, freed: 3},  // at rest
	} {
		allocated += look.allocated
		lent = look.lent
		if r.look(); freed != look.freed {
			t.Fatalf("look %d: memory was given back %d times, not %d", i, freed, look.freed)
		}
	}
}
