package audit

import (
	"fmt"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/auth/chain"
)

// clockMoved is from where on a clock that was set is put on record. Less is
// how clocks are kept right.
const clockMoved = time.Minute

// tick is what two clocks said at one moment: the wall clock, which may be set,
// and one that only runs.
type tick struct{ wall, steady time.Time }

func newTick(wall time.Time) tick { return tick{wall.Round(0), time.Now()} }

// clock puts on record that the wall clock was set since the last look. It is
// called with the lock held.
func (f *File) clock(now time.Time) {
	is := newTick(now)
	moved := is.wall.Sub(f.ticked.wall) - is.steady.Sub(f.ticked.steady)
	f.ticked = is
	if moved.Abs() < clockMoved {
		return
	}
	way := "ahead"
	if moved < 0 {
		way = "back"
	}
	f.report(auth.Event{Time: now, Action: chain.ActionClock, Actor: "system", Duration: moved,
		Reason: fmt.Sprintf("the clock was set %s by %s, or the machine slept", way, moved.Abs().Round(time.Second))})
}
