package audit

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// written is a file as it is after some commits of a few lines each, and where
// the last of them begins.
func written(t *testing.T, batches int) (image []byte, last int) {
	t.Helper()
	dir := t.TempDir()
	f := openTest(t, dir, FileOptions{Disk: osDisk{anywhere: true}, CommitLimit: time.Minute})
	for b := range batches {
		if err := f.Record(auth.Event{Action: auth.ActionConfigReload}).Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i := range 4 {
			ticket := f.Record(finished(fmt.Sprint("req_", b, "_", i)))
			if i == 3 {
				if err := ticket.Wait(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	end := f.End()
	image, err := os.ReadFile(filepath.Join(dir, end.File))
	if err != nil {
		t.Fatal(err)
	}
	image = image[:end.Offset]
	return image, lastBatch(image)
}

// lastBatch is where the last batch of a file begins: how events are put together
// is the writer's business.
func lastBatch(image []byte) int {
	return bytes.LastIndex(image[:len(image)-len(mark)], []byte(mark)) + len(mark)
}

// settledOf is WholeLines of a file that holds image, and the lines before it.
func settledOf(t *testing.T, image []byte) (end int, lines []string) {
	t.Helper()
	n, err := WholeLines(bytes.NewReader(image), int64(len(image)))
	if err != nil {
		t.Fatal(err)
	}
	return int(n), linesOf(image[:n])
}

// linesOf are the lines that are not empty.
func linesOf(image []byte) []string {
	return strings.FieldsFunc(string(image), func(r rune) bool { return r == '\n' || r == '\r' })
}

// torn is image, written ahead, of which the part from last on is only partly
// there: keep says which bytes are, and the others are what was there before.
func torn(image []byte, last int, before byte, keep func(i int) bool) []byte {
	out := append(bytes.Clone(image), bytes.Repeat([]byte{'\n'}, 4096)...)
	for i := last; i < len(image); i++ {
		if !keep(i) {
			out[i] = before
		}
	}
	return out
}

// R2: whatever part of the last batch a crash leaves, in whatever places, all
// that was durable before it is kept, and nothing that is not a whole line in
// its place.
func TestR02_AnyPartOfTheLastBatchMayBeMissing(t *testing.T) {
	for _, batches := range []int{1, 3} {
		image, last := written(t, batches)
		whole := linesOf(image)
		check := func(what string, before byte, keep func(i int) bool) {
			t.Helper()
			end, lines := settledOf(t, torn(image, last, before, keep))
			if end < last || end > len(image) || !slices.Equal(lines, whole[:min(len(lines), len(whole))]) {
				t.Errorf("%d batches, %s: settled at %d of %d to %d", batches, what, end, last, len(image))
			}
		}
		for _, before := range []byte{'\n', 0} {
			check("nothing is missing", before, func(int) bool { return true })
			for at := last; at < len(image); at++ {
				check(fmt.Sprint("all from ", at), before, func(i int) bool { return i < at })
				if at%5 > 0 {
					continue
				}
				check(fmt.Sprint("all up to ", at), before, func(i int) bool { return i > at })
				check(fmt.Sprint("64 bytes at ", at), before, func(i int) bool { return i < at || i >= at+64 })
			}
			random := rand.New(rand.NewPCG(1, uint64(batches)))
			for n := range 200 {
				size := 16 << random.IntN(5)
				kept := random.Uint64()
				check(fmt.Sprintf("parts of %d bytes by %x (%d)", size, kept, n), before, func(i int) bool { return kept>>(i/size%64)&1 == 1 })
			}
		}
	}
}

// The first batch of a file may be torn as well: nothing was durable.
func TestR02_TheFirstBatchOfAFileMayBeTorn(t *testing.T) {
	image, _ := written(t, 1)
	image = image[:bytes.IndexByte(image, '\r')+2]
	whole := linesOf(image)
	for at := range image {
		for _, keep := range []func(int) bool{
			func(i int) bool { return i < at }, func(i int) bool { return i > at }, func(i int) bool { return i < at || i >= at+64 },
		} {
			if end, lines := settledOf(t, torn(image, 0, '\n', keep)); !slices.Equal(lines, whole[:min(len(lines), len(whole))]) {
				t.Fatalf("at %d: settled at %d of %d: %q", at, end, len(image), lines)
			}
		}
	}
}

// What is damaged further up is evidence and not a crash's: it stays, and so
// does everything behind it. A file that was only appended to is cut behind its
// last line end, and nowhere else.
func TestOnlyTheEndIsCutOff(t *testing.T) {
	image, last := written(t, 4)
	damaged := bytes.Clone(image)
	damaged[bytes.IndexByte(damaged, '\r')+40] = '\n'
	if end, _ := settledOf(t, torn(damaged, last, '\n', func(int) bool { return true })); end != len(image) {
		t.Errorf("damage in the first batch: settled at %d of %d", end, len(image))
	}
	old := bytes.ReplaceAll(damaged, []byte("\r\n"), []byte("\n"))
	if end, _ := settledOf(t, append(old, `{"id":"evt`...)); end != len(old) {
		t.Errorf("a file that was appended to: settled at %d of %d", end, len(old))
	}
}

// A file that can only be appended to keeps what trying a full disk left in it:
// half a line, and empty ones. What became durable behind them is not taken for
// a torn batch where the process ends in the next such outage.
func TestR02_AFileThatCannotBeCutKeepsWhatIsDurable(t *testing.T) {
	dir := t.TempDir()
	disk := func() *faultyDisk { return &faultyDisk{plain: true, truncate: syscall.EPERM} }
	d := disk()
	f := openTest(t, dir, FileOptions{Disk: d, Retry: time.Millisecond, CommitLimit: time.Minute})
	recordAll(t, f, 2, 0, 5)
	d.set(func(d *faultyDisk) { d.write = syscall.ENOSPC })
	wantCode(t, f.Record(used("req_refused")).Wait(t.Context()), auth.CodeAuditUnavailable)
	d.set(func(d *faultyDisk) { d.write = nil })
	eventually(t, "it heals", func() bool { return f.Err() == nil })
	recordAll(t, f, 2, 5, 10)
	if err := f.Record(auth.Event{Action: auth.ActionConfigReload}).Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	end := f.End()
	image, err := os.ReadFile(filepath.Join(dir, end.File))
	if err != nil {
		t.Fatal(err)
	}
	image = append(image[:end.Offset], bytes.Repeat([]byte{'\n'}, probeBytes)...)
	if n, err := WholeLines(bytes.NewReader(image), int64(len(image))); err != nil || n < end.Offset {
		t.Errorf("%d bytes are durable, and %d are whole lines: %v", end.Offset, n, err)
	}
	crashed := t.TempDir()
	if err := os.WriteFile(filepath.Join(crashed, end.File), image, 0o600); err != nil {
		t.Fatal(err)
	}
	g := openTest(t, crashed, FileOptions{Disk: disk(), CommitLimit: time.Minute})
	recordAll(t, g, 2, 10, 12)
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	wantWhole(t, verifyDir(t, crashed))
}

// A file may be cut behind its lines while it is read: a backup takes what
// there is.
func TestWholeLinesOfAFileThatIsCutMeanwhile(t *testing.T) {
	image, _ := written(t, 3)
	n, err := WholeLines(bytes.NewReader(image), int64(len(image)+100<<10))
	if err != nil || n != int64(len(image)) {
		t.Errorf("%d of %d bytes: %v", n, len(image), err)
	}
}

// After a crash that tore a batch the next start goes on behind what was
// durable: the chains verify, each admission has an outcome, the reader of a
// directory that nobody writes sees the same, and a follower is not stuck.
func TestR02_ATornBatchIsGoneAfterTheNextStart(t *testing.T) {
	dir := t.TempDir()
	f := openTest(t, dir, FileOptions{Disk: osDisk{anywhere: true}, CommitLimit: time.Minute})
	if err := f.Record(used("req_durable")).Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	durable := f.End()
	for i := range 4 {
		ticket := f.Record(used(fmt.Sprint("req_torn_", i)))
		if i == 3 {
			if err := ticket.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	image, err := os.ReadFile(filepath.Join(dir, durable.File))
	if err != nil {
		t.Fatal(err)
	}
	image = image[:f.End().Offset]
	last := lastBatch(image)
	hole := last + (len(image)-last)/3
	crashed := t.TempDir()
	if err := os.WriteFile(filepath.Join(crashed, durable.File),
		torn(image, last, '\n', func(i int) bool { return i < hole || i > hole+200 }), 0o600); err != nil {
		t.Fatal(err)
	}
	wantWhole(t, verifyDir(t, crashed))
	if err := ReadDir(t.Context(), crashed, time.Time{}, func(auth.Event) bool { return true }); err != nil {
		t.Error(err)
	}

	g := openTest(t, crashed, FileOptions{Disk: osDisk{anywhere: true}, CommitLimit: time.Minute})
	sink := &collected{}
	follow(t, g, FollowerOptions{Sink: sink})
	if err := g.Record(used("req_after")).Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the follower gets what comes after", func() bool { return slices.Contains(sink.requests(auth.ActionUsed), "req_after") })
	outcomes := map[string]int{}
	for _, e := range all(t, g) {
		switch e.Action {
		case auth.ActionUsed:
			outcomes[e.RequestID] += 10
		case auth.ActionFinished:
			outcomes[e.RequestID]++
		}
	}
	for req, n := range outcomes {
		if want := map[bool]int{true: 10, false: 11}[req == "req_after"]; n != want {
			t.Errorf("%s: %d admissions and outcomes, want %d", req, n, want)
		}
	}
	if outcomes["req_durable"] == 0 {
		t.Error("what was durable is gone")
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	wantWhole(t, verifyDir(t, crashed))
	after, err := os.ReadFile(filepath.Join(crashed, durable.File))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.HasSuffix(after, []byte("\n\n")) {
		t.Error("a file that was closed ends with empty lines")
	}
}
