package audit

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

func TestOneTeamCannotFillTheRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const quota = 10_000 // a minute; ten minutes' worth in hand
		f := openTest(t, t.TempDir(), FileOptions{TeamQuota: quota})
		var over error
		admitted := 0
		for over == nil && admitted < 10_000 {
			if over = f.Record(used(fmt.Sprint("req_", admitted))).Wait(t.Context()); over == nil {
				admitted++
			}
		}
		wantCode(t, over, auth.CodeAuditUnavailable)
		if size := f.Stats().Bytes; size > 10*quota+1000 {
			t.Errorf("one team wrote %d bytes", size)
		}
		if err := f.Err(); err != nil {
			t.Errorf("a team over its quota tripped the sink for all: %v", err)
		}
		other := used("req_other")
		other.TeamID = "team_b"
		if err := f.Record(other).Wait(t.Context()); err != nil {
			t.Errorf("another team: %v", err)
		}
		// What was admitted gets its outcome all the same.
		if err := f.Record(finished("req_0")).Wait(t.Context()); err != nil {
			t.Errorf("an outcome: %v", err)
		}
		time.Sleep(time.Minute)
		if err := f.Record(used("req_later")).Wait(t.Context()); err != nil {
			t.Errorf("a minute later: %v", err)
		}
	})
}

func TestRefusalsBeyondHalfTheQuotaAreSummedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := openTest(t, t.TempDir(), FileOptions{TeamQuota: 10_000})
		const n = 2000
		for i := range n {
			e := used(fmt.Sprint("req_", i))
			e.Action, e.Code = auth.ActionDenied, auth.CodeNotLinked
			f.Record(e)
		}
		if err := f.Record(used("req_admitted")).Wait(t.Context()); err != nil {
			t.Errorf("refusals used up what admissions need: %v", err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		var single, summed, lines int64
		for _, e := range all(t, f) {
			if e.Action == auth.ActionDenied {
				lines++
				if e.Count == 0 {
					single++
				} else {
					summed += e.Count
					if !strings.Contains(e.Reason, "not written one by one") || e.KeyID != "key_a" {
						t.Errorf("the sum says %+v", e)
					}
				}
			}
		}
		if single+summed != n || lines > n/2 {
			t.Errorf("%d single and %d summed up in %d lines, want %d in all", single, summed, lines, n)
		}
	})
}

func TestBareCompanionRequestsAreSummedUpPerMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := openTest(t, t.TempDir(), FileOptions{})
		bare := func(key, host string) {
			e := auth.Event{Action: auth.ActionSummary, TeamID: "team_a", KeyID: key, Host: host, Bytes: 10}
			if err := f.Record(e).Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		for range 500 {
			bare("key_a", "cas-server.xethub.hf.co")
			bare("key_b", "cas-server.xethub.hf.co")
		}
		bare("key_a", "transfer.xethub.hf.co")
		if got := all(t, f); len(got) != 0 {
			t.Fatalf("written at once: %+v", got)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		bare("key_a", "transfer.xethub.hf.co")
		time.Sleep(time.Minute)
		synctest.Wait()
		got := map[string]int64{}
		for _, e := range all(t, f) {
			if e.Action != auth.ActionSummary || e.Bytes != 10*e.Count {
				t.Errorf("unexpected %+v", e)
			}
			got[e.KeyID+" "+e.Host+" "+e.Time.Format("04")] = e.Count
		}
		if len(got) != 4 {
			t.Errorf("got %v, want three sums of the first minute and one of the second", got)
		}
		// What the last minute holds is written at the end.
		bare("key_a", "transfer.xethub.hf.co")
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if n := len(all(t, f)); n != 5 {
			t.Errorf("%d lines after Close, want 5", n)
		}
	})
}

func TestSummariesAreBounded(t *testing.T) {
	f := openTest(t, t.TempDir(), FileOptions{})
	for i := range 3 * maxSummaries {
		f.Record(auth.Event{Action: auth.ActionSummary, TeamID: "team_a", KeyID: "key_a", Host: fmt.Sprintf("h%d.hf.co", i)})
	}
	f.mu.Lock()
	n := len(f.summaries)
	rest := f.summaries[summaryKey{auth.ActionSummary, "team_a", "key_a", ""}]
	f.mu.Unlock()
	if n != maxSummaries+1 || rest == nil || rest.count != 2*maxSummaries {
		t.Errorf("%d sums, the rest is %+v", n, rest)
	}
}
