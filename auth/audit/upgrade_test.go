package audit

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/auth/chain"
)

// A record from before there was a chain goes on: it is read as it is and
// changed in no byte, what its process left without an outcome gets one, and
// the chain begins behind it. A million rows are no more work at a start than
// what stands behind their last checkpoint.
func TestR31_ARecordFromBeforeTheChainGoesOn(t *testing.T) {
	rows := 4_000
	if os.Getenv("WEIGHBRIDGE_SOAK") != "" {
		rows = 1_000_000
	}
	dir := t.TempDir()
	c := newClock(time.Date(2026, 10, 5, 12, 0, 0, 0, time.UTC))
	var old bytes.Buffer
	for i := range rows / 2 {
		for _, e := range []auth.Event{used(fmt.Sprint("req_", i)), finished(fmt.Sprint("req_", i))} {
			e.ID, e.Time = fmt.Sprintf("evt_%026d", i), c.Now()
			old.Write(appendEvent(nil, &e))
		}
	}
	old.WriteString(`{"id":"evt_01","time":"2026-10-05T12:00:00.000000Z","action":"audit.checkpoint","reason":"req_open team_a key_a cred_a\n"}` + "\n")
	name := filepath.Join(dir, "audit-2026-10.jsonl")
	if err := os.WriteFile(name, old.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	tail, found, err := fromCheckpoint(osDisk{}, name)
	if err != nil || !found || len(tail) > 1<<10 {
		t.Fatalf("a start reads %d bytes: %v", len(tail), err)
	}
	f := openTest(t, dir, FileOptions{Now: c.Now})
	recordAll(t, f, 1, rows, rows+10)
	now, err := os.ReadFile(name)
	if err != nil || !bytes.HasPrefix(now, old.Bytes()) {
		t.Errorf("what there was is not there any more: %v", err)
	}
	n := 0
	aborted := 0
	if err := f.Events(t.Context(), time.Time{}, func(e auth.Event) bool {
		if e.Action == auth.ActionUsed {
			n++
		}
		if e.RequestID == "req_open" && e.Action == auth.ActionFinished {
			aborted++
		}
		return true
	}); err != nil || n != rows/2+10 || aborted != 1 {
		t.Errorf("%d requests, %d without an outcome: %v", n, aborted, err)
	}
	r := verified(t, func(v *chain.Verifier) error { return f.Verify(t.Context(), v) })
	if r.Unchained != rows+1 || r.Events < 20 {
		t.Errorf("%d events are from before the chain, and %d in it", r.Unchained, r.Events)
	}
}
