package storetest

import (
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/auth/chain"
)

// chains: every event is in the chain of its team, a head covers what is before
// it, and readers of events see no head.
func chains(t *testing.T, open Opener) {
	h := newHouse(t, open)
	other := h.ensureTeam("other")
	for i := range 5 {
		check(t, h.Record(h.ctx, auth.Event{Action: "test", TeamID: []string{h.team, other, ""}[i%3], Writer: "forged", Seq: 99, MAC: "x"}))
	}
	before := len(h.events("", time.Time{}))
	check(t, h.SignHead(h.ctx))
	check(t, h.SignHead(h.ctx)) // nothing to sign
	equal(t, "events that readers see", len(h.events("", time.Time{})), before)
	check(t, h.Record(h.ctx, auth.Event{Action: "last"}))
	v := chain.NewVerifier(h.AuditKeys())
	check(t, h.Verify(h.ctx, v))
	r := v.Verdict(true)
	if !r.OK || r.Heads != 1 || r.Beyond != 1 || r.Events != before+2 || len(r.Chains) != 3 {
		t.Errorf("%+v, %v", r, r.Break)
	}
	lines, last := 0, uint64(0)
	check(t, h.Lines(h.ctx, time.Time{}, func(n int, line []byte) bool {
		lines++
		equal(t, "number of the line", n, lines)
		return len(line) > 0
	}))
	equal(t, "lines", lines, r.Events)
	check(t, h.LinesAfter(h.ctx, 0, func(at uint64, _ []byte) bool {
		lines--
		if at <= last {
			t.Errorf("place %d follows %d", at, last)
		}
		last = at
		return lines > 1
	}))
	rest := 0
	check(t, h.LinesAfter(h.ctx, last, func(uint64, []byte) bool { rest++; return true }))
	equal(t, "lines behind the last but one", rest, 1)
	none, err := h.Anchored(h.ctx)
	check(t, err)
	equal(t, "anchors where nothing was noted", len(none.At), 0)
	for _, seq := range []uint64{7, 7, 9} {
		want := chain.State{Seq: seq, MAC: [32]byte{1, byte(seq)}}
		check(t, h.Anchor(h.ctx, "use-1", want))
		got, err := h.Anchored(h.ctx)
		check(t, err)
		equal(t, "anchors", len(got.At), 1)
		equal(t, "anchor", got.At["use-1"], want)
	}
	for _, e := range h.events("", time.Time{}) {
		if e.Writer == "" || e.Writer == "forged" || e.Seq == 0 || e.Seq == 99 || e.Outcome != auth.OutcomeOK {
			t.Errorf("event %+v", e)
		}
	}
}
