package chain

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weighbridge/weighbridge/auth"
)

func testKeys(t testing.TB, root string) *Keys {
	t.Helper()
	k, err := NewKeys([]byte(root))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

var day = time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)

// writer makes a record of some teams in memory.
type writer struct {
	keys  *Keys
	links map[string]*Link
	lines [][]byte
	n     int
}

func newRecord(t testing.TB) *writer {
	return &writer{keys: testKeys(t, "the root"), links: map[string]*Link{}}
}

func (w *writer) body(action, team string) []byte {
	w.n++
	b, _ := json.Marshal(auth.Event{ID: fmt.Sprint("evt_", w.n), Time: day.Add(time.Duration(w.n) * time.Minute), Action: action, TeamID: team,
		Reason: `a "quoted" <reason>,"mac":"x"}`})
	return b[:len(b)-1]
}

func (w *writer) link(team string) *Link {
	if w.links[team] == nil {
		w.links[team] = w.keys.Link("use-00000001", team, State{})
	}
	return w.links[team]
}

func (w *writer) event(team string) {
	body := w.body("used", team)
	w.lines = append(w.lines, w.link(team).Append(nil, body))
}

func (w *writer) head() {
	var heads []Head
	for _, team := range sorted(w.links) {
		if team != "" {
			heads = append(heads, HeadOf(team, w.links[team].State()))
		}
	}
	w.lines = append(w.lines, w.link("").AppendHead(nil, w.body(auth.ActionAuditHead, ""), heads))
}

func verify(t testing.TB, lines [][]byte) Verdict {
	t.Helper()
	v := NewVerifier(testKeys(t, "the root"))
	v.Section("a file", true)
	for i, l := range lines {
		if !v.Line(i+1, l) {
			break
		}
	}
	return v.Verdict(true)
}

func export(t testing.TB, w *writer, since, until time.Time) [][]byte {
	t.Helper()
	var out [][]byte
	e := Exporter{Keys: w.keys, Since: since, Until: until, Now: day, Write: func(l []byte) error { out = append(out, bytes.Clone(l)); return nil }}
	for _, l := range w.lines {
		if !e.Line(l) {
			break
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	return out
}

func sample(t testing.TB) *writer {
	w := newRecord(t)
	w.head()
	for i := range 30 {
		w.event([]string{"team_a", "team_b", ""}[i%3])
		if i%7 == 0 {
			w.head()
		}
	}
	return w
}

// T59: any one edit, deletion, move or repetition of lines is found in the
// export, whatever stretch it is of.
func TestT59_TheBreakInAnExportIsNamed(t *testing.T) {
	w := sample(t)
	if r := verify(t, w.lines); !r.OK {
		t.Fatal(r.Break)
	}
	rapid.Check(t, func(t *rapid.T) {
		since := day.Add(time.Duration(rapid.IntRange(0, 20).Draw(t, "since")) * time.Minute)
		until := since.Add(time.Duration(rapid.IntRange(3, 40).Draw(t, "for")) * time.Minute)
		var lines [][]byte
		e := Exporter{Keys: w.keys, Since: since, Until: until, Now: day, Write: func(l []byte) error { lines = append(lines, bytes.Clone(l)); return nil }}
		for _, l := range w.lines {
			if !e.Line(l) {
				break
			}
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		check := func() Verdict {
			v := NewVerifier(w.keys)
			v.Section("export.jsonl", true)
			for i, l := range lines {
				if !v.Line(i+1, l) {
					break
				}
			}
			return v.Verdict(false)
		}
		if r := check(); !r.OK || r.Beyond != 0 {
			t.Fatalf("whole, it has %+v and %d beyond", r.Break, r.Beyond)
		}
		i := rapid.IntRange(0, len(lines)-1).Draw(t, "line")
		switch rapid.IntRange(0, 3).Draw(t, "what") {
		case 0:
			at := rapid.IntRange(0, len(lines[i])-2).Draw(t, "byte")
			lines[i][at] ^= 1 << rapid.IntRange(0, 6).Draw(t, "bit")
		case 1:
			if i == 0 && len(lines) == 1 {
				return
			}
			lines = slices.Delete(lines, i, i+1)
		case 2:
			lines = slices.Insert(lines, i, lines[i])
		case 3:
			j := rapid.IntRange(0, len(lines)-1).Draw(t, "other")
			a, b := claimOf(lines[i]), claimOf(lines[j])
			if i == j || a.Writer != b.Writer || a.TeamID != b.TeamID || a.Seq == 0 || b.Seq == 0 {
				return // lines of two chains may change places between heads
			}
			lines[i], lines[j] = lines[j], lines[i]
		}
		if r := check(); r.OK {
			t.Fatalf("nothing was found; notes: %v", r.Notes)
		}
	})
}

func claimOf(line []byte) (l Line) {
	_ = json.Unmarshal(line, &l)
	return l
}

func TestAnExportIsNamedBroken(t *testing.T) {
	w := sample(t)
	lines := export(t, w, day.Add(10*time.Minute), day.Add(25*time.Minute))
	for name, c := range map[string]struct {
		change func(l [][]byte) [][]byte
		kind   string
	}{
		"its beginning is cut off": {func(l [][]byte) [][]byte { return l[1:] }, BreakMissing},
		"its end is cut off":       {func(l [][]byte) [][]byte { return l[:len(l)-1] }, BreakMissing},
		"half of it is cut off":    {func(l [][]byte) [][]byte { return l[:len(l)/2] }, BreakMissing},
		"its end is forged": {func(l [][]byte) [][]byte {
			l[len(l)-1] = bytes.Replace(l[len(l)-1], []byte(`"seq":`), []byte(`"seq":1`), 1)
			return l
		}, BreakHead},
	} {
		t.Run(name, func(t *testing.T) {
			if r := verify(t, c.change(slices.Clone(lines))); r.OK || r.Break.Kind != c.kind {
				t.Errorf("got %+v", r.Break)
			}
		})
	}
	v := NewVerifier(testKeys(t, "another root"))
	v.Line(1, lines[0])
	if r := v.Verdict(false); r.OK || r.Break.Kind != BreakHead {
		t.Errorf("with another key: %+v", r.Break)
	}
}

func TestUnchainedLines(t *testing.T) {
	old := []byte(`{"id":"evt_0","time":"2026-01-01T00:00:00Z","action":"used"}`)
	w := sample(t)
	if r := verify(t, append([][]byte{old, old}, w.lines...)); !r.OK || r.Unchained != 2 {
		t.Errorf("before the chain began: %+v", r)
	}
	if r := verify(t, [][]byte{old, old}); r.OK || r.Break.Kind != BreakInserted {
		t.Errorf("nothing in a chain: %+v", r)
	}
	if r := verify(t, append(slices.Clone(w.lines), old)); r.OK || r.Break.Kind != BreakInserted || r.Break.Line != len(w.lines)+1 {
		t.Errorf("behind the chain: %+v", r)
	}
}

// Keys print nothing of themselves, and differ by writer and team.
func TestKeys(t *testing.T) {
	k := testKeys(t, "the root")
	if s := fmt.Sprintf("%v %+v %#v", k, *k, k); strings.Contains(s, fmt.Sprint(k.p.chain[0], " ", k.p.chain[1])) {
		t.Errorf("they print as %s", s)
	}
	seen := map[string]bool{}
	for _, id := range [][2]string{{"a", "b"}, {"ab", ""}, {"", "ab"}, {"a", "c"}} {
		seen[string(k.of(id[0], id[1]).Sum(nil))] = true
	}
	if len(seen) != 4 {
		t.Errorf("%d keys for 4 chains", len(seen))
	}
}

// FuzzVerifier: no line makes it fail, and none that was not written verifies.
func FuzzVerifier(f *testing.F) {
	w := sample(f)
	for _, l := range w.lines[:8] {
		f.Add(l)
	}
	f.Add([]byte(`{"action":"audit.export.begin","writer":"x","sig":"","heads":[{"seq":1}]}`))
	genuine := map[string]bool{}
	for _, l := range w.lines {
		genuine[string(l)] = true
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		v := NewVerifier(w.keys)
		v.Section("a file", true)
		v.Line(1, line)
		if r := v.Verdict(false); r.Events > 0 && !genuine[string(bytes.TrimRight(line, "\r\n"))] {
			t.Errorf("%q verifies", line)
		}
	})
}
