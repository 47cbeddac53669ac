package audit

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/auth/chain"
)

func verifyDir(t testing.TB, dir string) chain.Verdict {
	t.Helper()
	v := chain.NewVerifier(testKeys(t))
	if err := VerifyDir(context.Background(), dir, v); err != nil {
		t.Fatal(err)
	}
	return v.Verdict(true)
}

func wantWhole(t testing.TB, r chain.Verdict) {
	t.Helper()
	if !r.OK {
		t.Errorf("it does not verify: %v", r.Break)
	}
}

func wantBreak(t testing.TB, r chain.Verdict, kind, team string, seq uint64) {
	t.Helper()
	if r.OK || r.Break.Kind != kind || r.Break.TeamID != team || r.Break.Seq != seq || r.Break.Line == 0 || r.Break.File == "" {
		t.Errorf("got %+v, want %s of event %d of %q", r.Break, kind, seq, team)
	}
}

func recordAll(t testing.TB, f *File, teams int, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		e := used(fmt.Sprint("req_", i))
		e.TeamID = fmt.Sprint("team_", string(rune('a'+i%teams)))
		ticket := f.Record(e)
		if i%10 == 9 || i == to-1 { // some commits, and not one for each
			if err := ticket.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		e = finished(e.RequestID)
		e.TeamID = fmt.Sprint("team_", string(rune('a'+i%teams)))
		f.Record(e)
	}
}

// rewrite changes the one file of a record.
func rewrite(t testing.TB, dir string, change func(lines []string) []string) {
	t.Helper()
	names, err := files(osDisk{}, dir)
	if err != nil || len(names) != 1 {
		t.Fatal(names, err)
	}
	path := filepath.Join(dir, names[0])
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := change(slices.DeleteFunc(strings.Split(string(b), "\n"), func(l string) bool { return strings.TrimSpace(l) == "" }))
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func lineOf(t testing.TB, lines []string, team string, seq int) int {
	t.Helper()
	i := slices.IndexFunc(lines, func(l string) bool {
		return strings.Contains(l, fmt.Sprintf(`"team_id":%q`, team)) && strings.Contains(l, fmt.Sprintf(`,"seq":%d,"mac"`, seq))
	})
	if i < 0 {
		t.Fatalf("event %d of %s is not there", seq, team)
	}
	return i
}

// T59: whatever is done to a line of the record of use is named.
func TestT59_TheBreakIsNamed(t *testing.T) {
	dir := t.TempDir()
	f := openTest(t, dir, FileOptions{})
	recordAll(t, f, 2, 0, 20)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	r := verifyDir(t, dir)
	wantWhole(t, r)
	if r.Events < 40 || r.Heads != 2 || r.Beyond != 0 || len(r.Chains) != 3 {
		t.Errorf("got %+v", r)
	}
	for name, c := range map[string]struct {
		change func(lines []string) []string
		kind   string
		team   string
		seq    uint64
	}{
		"edited": {func(l []string) []string {
			i := lineOf(t, l, "team_a", 7)
			l[i] = strings.Replace(l[i], "huggingface.co", "huggingface.io", 1)
			return l
		}, chain.BreakChanged, "team_a", 7},
		"deleted": {func(l []string) []string {
			i := lineOf(t, l, "team_b", 5)
			return slices.Delete(l, i, i+1)
		}, chain.BreakMissing, "team_b", 5},
		"swapped": {func(l []string) []string {
			i, j := lineOf(t, l, "team_a", 3), lineOf(t, l, "team_a", 4)
			l[i], l[j] = l[j], l[i]
			return l
		}, chain.BreakReordered, "team_a", 3},
		"repeated": {func(l []string) []string {
			i := lineOf(t, l, "team_a", 3)
			return slices.Insert(l, i+1, l[i])
		}, chain.BreakReordered, "team_a", 3},
		"inserted": {func(l []string) []string {
			return slices.Insert(l, 9, `{"id":"evt_x","time":"2026-01-01T00:00:00Z","action":"used","team_id":"team_a"}`)
		}, chain.BreakInserted, "team_a", 0},
		"the last events of a team": {func(l []string) []string {
			return slices.DeleteFunc(l, func(s string) bool {
				return strings.Contains(s, `"team_id":"team_b"`) && (strings.Contains(s, `"seq":19,`) || strings.Contains(s, `"seq":20,`))
			})
		}, chain.BreakMissing, "team_b", 19},
		"the first line": {func(l []string) []string { return l[1:] }, chain.BreakMissing, "", 1},
		"a head with another list": {func(l []string) []string {
			i := len(l) - 1
			l[i] = strings.Replace(l[i], `"team":"team_a"`, `"team":"team_c"`, 1)
			return l
		}, chain.BreakHead, "", 2},
		"moved to another team": {func(l []string) []string {
			i := lineOf(t, l, "team_a", 1)
			l[i] = strings.Replace(l[i], `"team_a"`, `"team_z"`, 1)
			return l
		}, chain.BreakChanged, "team_z", 1},
	} {
		t.Run(name, func(t *testing.T) {
			other := t.TempDir()
			if err := os.CopyFS(other, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			rewrite(t, other, c.change)
			wantBreak(t, verifyDir(t, other), c.kind, c.team, c.seq)
		})
	}
}

// The end of the record can be cut off only down to what the next head would
// have covered, and a running writer knows better.
func TestT59_ACutOffEndIsNamedOnline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		f := openTest(t, dir, FileOptions{})
		recordAll(t, f, 1, 0, 10)
		time.Sleep(90 * time.Second) // and a signed head
		recordAll(t, f, 1, 10, 12)
		time.Sleep(time.Second)
		r := verifyDir(t, dir)
		wantWhole(t, r)
		if r.Beyond != 4 || r.Heads != 2 {
			t.Errorf("%d events are beyond the last of %d heads, want 4 of 2", r.Beyond, r.Heads)
		}
		rewrite(t, dir, func(l []string) []string { return l[:len(l)-2] })
		r = verifyDir(t, dir)
		wantWhole(t, r)
		if r.Beyond != 2 {
			t.Errorf("%d events are beyond the last head, want 2", r.Beyond)
		}
		v := chain.NewVerifier(testKeys(t))
		if err := f.Verify(t.Context(), v); err != nil {
			t.Fatal(err)
		}
		if r := v.Verdict(true); r.OK || r.Break.Kind != chain.BreakMissing || r.Break.Seq != 23 {
			t.Errorf("got %+v, want event 23 missing", r.Break)
		}
	})
}

// An idle record signs nothing.
func TestHeadsAreSignedWhileThereIsSomethingToSign(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := openTest(t, t.TempDir(), FileOptions{})
		recordAll(t, f, 2, 0, 4)
		time.Sleep(time.Hour)
		synctest.Wait()
		if r := verifyDir(t, f.Dir()); !r.OK || r.Heads != 2 || r.Beyond != 0 {
			t.Errorf("after an idle hour: %+v", r)
		}
		recordAll(t, f, 2, 4, 5)
		time.Sleep(time.Hour)
		synctest.Wait()
		lines := rawLines(t, f.Dir(), f.name)
		last := lines[len(lines)-1]
		if lineAction(last) != auth.ActionAuditHead || strings.Contains(last, "team_b") || !strings.Contains(last, "team_a") {
			t.Errorf("the last head should list what moved: %s", last)
		}
		wantWhole(t, verifyDir(t, f.Dir()))
	})
}

// The chain goes on after a torn line, a restart and a failed write.
func TestTheChainGoesOn(t *testing.T) {
	dir := t.TempDir()
	disk := &faultyDisk{}
	f := openTest(t, dir, FileOptions{Disk: disk, Retry: time.Millisecond, CommitLimit: time.Minute})
	recordAll(t, f, 3, 0, 10)
	disk.set(func(d *faultyDisk) { d.sync = os.ErrClosed })
	wantCode(t, f.Record(used("req_refused")).Wait(t.Context()), auth.CodeAuditUnavailable)
	disk.set(func(d *faultyDisk) { d.sync = nil })
	for f.Err() != nil {
		time.Sleep(time.Millisecond)
	}
	recordAll(t, f, 3, 10, 20)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	wantWhole(t, verifyDir(t, dir))

	path := filepath.Join(dir, f.name)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	last := 0
	for i := 1; i <= 20; i++ { // torn at many places
		cut := len(whole) * i / 20
		if err := os.WriteFile(path, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		f := openTest(t, dir, FileOptions{})
		recordAll(t, f, 3, 100, 103)
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		r := verifyDir(t, dir)
		wantWhole(t, r)
		if len(r.Chains) < 4 || r.Events < last {
			t.Errorf("cut at %d: %+v", cut, r)
		}
		last = r.Events
	}
}

// Where the file system refuses to cut a torn line off, no event is missing
// for it.
func TestTheChainGoesOnWhereNothingCanBeTruncated(t *testing.T) {
	dir := t.TempDir()
	disk := &faultyDisk{truncate: os.ErrPermission}
	f := openTest(t, dir, FileOptions{Disk: disk, Retry: time.Millisecond, CommitLimit: time.Minute})
	recordAll(t, f, 2, 0, 5)
	disk.set(func(d *faultyDisk) { d.sync = os.ErrClosed })
	wantCode(t, f.Record(used("req_refused")).Wait(t.Context()), auth.CodeAuditUnavailable)
	disk.set(func(d *faultyDisk) { d.sync, d.write = nil, os.ErrClosed })
	time.Sleep(20 * time.Millisecond)
	disk.set(func(d *faultyDisk) { d.write = nil })
	for f.Err() != nil {
		time.Sleep(time.Millisecond)
	}
	recordAll(t, f, 2, 5, 10)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	wantWhole(t, verifyDir(t, dir))
}

// A clock that is set an hour back or ahead breaks nothing, and is on record.
func TestTheChainAndTheClock(t *testing.T) {
	clock := newClock(time.Date(2026, 11, 1, 0, 30, 0, 0, time.UTC))
	dir := t.TempDir()
	f := openTest(t, dir, FileOptions{Now: clock.Now})
	recordAll(t, f, 1, 0, 3)
	clock.Advance(-time.Hour) // into October
	recordAll(t, f, 1, 3, 6)
	clock.Advance(2 * time.Hour)
	recordAll(t, f, 1, 6, 9)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if names, err := files(osDisk{}, dir); err != nil || !slices.Equal(names, []string{"audit-2026-11.jsonl"}) {
		t.Errorf("files are %v, %v: the writer must not go back", names, err)
	}
	r := verifyDir(t, dir)
	wantWhole(t, r)
	notes := strings.Join(r.Notes, "\n")
	for _, want := range []string{"the clock was set back by 1h0m0s", "the clock was set ahead by 2h0m0s", "team_a, event 7: the clock went back by 1h0m0s"} {
		if !strings.Contains(notes, want) {
			t.Errorf("the notes lack %q:\n%s", want, notes)
		}
	}
	// A start with a clock that is back does not go back either.
	clock.Advance(-3 * time.Hour)
	f = openTest(t, dir, FileOptions{Now: clock.Now})
	recordAll(t, f, 1, 9, 12)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	wantWhole(t, verifyDir(t, dir))
}

// What retention leaves still verifies; what somebody else took out does not.
func TestRetentionLeavesWhatVerifies(t *testing.T) {
	clock := newClock(time.Date(2026, 9, 15, 0, 0, 0, 0, time.UTC))
	dir := t.TempDir()
	f := openTest(t, dir, FileOptions{Now: clock.Now})
	for i := range 4 {
		recordAll(t, f, 3, 10*i, 10*i+10)
		clock.Advance(31 * 24 * time.Hour)
	}
	before := verifyDir(t, dir)
	wantWhole(t, before)
	stolen := t.TempDir()
	if err := os.CopyFS(stolen, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if gone, err := f.Prune(time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)); err != nil || len(gone) != 2 {
		t.Fatal(gone, err)
	}
	recordAll(t, f, 3, 50, 55)
	v := chain.NewVerifier(testKeys(t))
	if err := f.Verify(t.Context(), v); err != nil {
		t.Fatal(err)
	}
	r := v.Verdict(true)
	wantWhole(t, r)
	if !strings.Contains(strings.Join(r.Notes, "\n"), "retention removed the files up to audit-2026-10.jsonl") || r.Chains[1].First == 1 {
		t.Errorf("got %+v", r)
	}

	if err := os.Remove(filepath.Join(stolen, "audit-2026-09.jsonl")); err != nil {
		t.Fatal(err)
	}
	r = verifyDir(t, stolen)
	if r.OK || r.Break.Kind != chain.BreakMissing || r.Break.File != "audit-2026-10.jsonl" || r.Break.Line != 1 {
		t.Errorf("the oldest file was stolen: %+v", r.Break)
	}
	if err := os.CopyFS(stolen, os.DirFS(dir)); err == nil {
		t.Fatal("the copy should find files there")
	}
}

// A stolen file in the midst of others is missing.
func TestT59_AMissingFileIsNamed(t *testing.T) {
	clock := newClock(time.Date(2026, 9, 15, 0, 0, 0, 0, time.UTC))
	dir := t.TempDir()
	f := openTest(t, dir, FileOptions{Now: clock.Now})
	for i := range 3 {
		recordAll(t, f, 1, 10*i, 10*i+10)
		clock.Advance(31 * 24 * time.Hour)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "audit-2026-10.jsonl")); err != nil {
		t.Fatal(err)
	}
	if r := verifyDir(t, dir); r.OK || r.Break.Kind != chain.BreakMissing || r.Break.File != "audit-2026-11.jsonl" {
		t.Errorf("got %+v", r.Break)
	}
}

// Who reads the record while retention takes files away misses none in the
// midst: what is read verifies, however slow the reader is.
func TestAReaderOutlivesRetention(t *testing.T) {
	for name, disk := range map[string]Disk{"files": osDisk{}, "memory": &memoryDisk{limit: 1 << 30, files: map[string]*memoryFile{}}} {
		t.Run(name, func(t *testing.T) {
			f := openTest(t, t.TempDir(), FileOptions{Disk: disk, MaxSize: 1 << 30, part: 8 << 10, CommitLimit: time.Minute})
			recordAll(t, f, 2, 0, 60)
			removed := 0
			r := verified(t, func(v *chain.Verifier) error {
				read := verifying(v)
				return f.Lines(t.Context(), time.Time{}, func(file string, n int, line []byte) bool {
					if removed == 0 {
						gone, err := f.Shrink(16 << 10)
						if removed = len(gone); err != nil || removed < 3 {
							t.Fatal(gone, err)
						}
					}
					return read(file, n, line)
				})
			})
			if r.Events < 120 {
				t.Errorf("%d events were read", r.Events)
			}
		})
	}
}

// The record ends a file early and removes the oldest where there is a bound.
func TestRetentionBySize(t *testing.T) {
	dir := t.TempDir()
	f := openTest(t, dir, FileOptions{MaxSize: 64 << 10, part: 8 << 10})
	recordAll(t, f, 2, 0, 200)
	if gone, err := f.Shrink(64 << 10); err != nil || len(gone) < 2 {
		t.Fatal(gone, err)
	}
	recordAll(t, f, 2, 200, 202)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	total := 0
	names, err := files(osDisk{}, dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		total += len(b)
		if first, _, _ := bytes.Cut(b, []byte("\n")); lineAction(string(first)) != chain.ActionCheckpoint {
			t.Errorf("%s does not begin with a checkpoint: %s", name, first)
		}
	}
	if total > 72<<10 || len(names) < 6 {
		t.Errorf("%d files of %d bytes are left", len(names), total)
	}
	wantWhole(t, verifyDir(t, dir))
}
