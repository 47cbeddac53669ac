//go:build realclients

package realclients

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/internal/house/clients"
	"github.com/weighbridge/weighbridge/internal/house/hub"
	"github.com/weighbridge/weighbridge/internal/house/origin"
	"github.com/weighbridge/weighbridge/internal/workerenv"
)

// TestBrokenDownloads breaks the upstream's connection in the middle of a
// large file: the download completes all the same, for clients that would go
// on by themselves and for those that would not, and what had arrived is not
// fetched again.
func TestBrokenDownloads(t *testing.T) {
	t.Parallel()
	rows := map[string]clients.Row{}
	for _, row := range clients.Table() {
		rows[row.Name] = row
	}
	for _, mode := range []workerenv.Mode{workerenv.Forward, workerenv.Reverse} {
		names := []string{"hub0", "hub1-plain", "hub-plain", "curl", "urllib", "node-fetch"}
		if mode == workerenv.Reverse {
			names = []string{"reverse-hub0", "reverse-hub1-plain", "reverse-hub-plain", "reverse-curl", "reverse-urllib", "reverse-node-fetch"}
		}
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			y := newYard(t)
			for _, name := range names {
				row, ok := rows[name]
				if !ok {
					t.Fatalf("there is no row %s", name)
				}
				for how, kind := range map[string]origin.FaultKind{"reset": origin.Reset, "short": origin.Short} {
					t.Run(name+"/"+how, func(t *testing.T) { y.breakOff(t, row, kind) })
				}
				if name == "hub1-plain" || name == "hub-plain" {
					// weighbridge asks for the rest, gets the whole and gives
					// up; the client's own retry goes on.
					t.Run(name+"/reset, and no ranges", func(t *testing.T) { y.breakOff(t, row, origin.Reset, origin.IgnoreRange) })
				}
			}
		})
	}
}

// breakOff runs a row whose file meets faults, one after the other.
func (y *yard) breakOff(t *testing.T, row clients.Row, kinds ...origin.FaultKind) {
	y.Server.Record.Reset()
	y.Server.Faults.Clear()
	for _, kind := range kinds {
		y.Server.Faults.Add(origin.Fault{Kind: kind, Host: hub.CDNHost, Method: "GET", After: 2 << 20, Times: 1})
	}
	words := y.words(t, row)
	words.Dir = t.TempDir()
	env, err := row.Environ(y.WorkerEnv(row.Mode, y.key(row).Key), words)
	if err != nil {
		t.Fatal(err)
	}
	out, err := run(t, words.Dir, around(row, env), row.Argv(words))
	y.Watch.See("output of "+row.Name, []byte(out))
	if err != nil {
		t.Fatalf("%v\n%s", err, lastLines(out, 30))
	}
	if compareTree(t, words.Dir, y.subject(t, row).files) != 1 {
		t.Errorf("%s did not arrive", filepath.Join(words.Dir, words.File))
	}
	cdn := y.Server.Record.On(hub.CDNHost)
	if len(cdn) <= len(kinds) {
		t.Fatalf("the CDN was asked %d times, so nothing broke", len(cdn))
	}
	for _, r := range cdn[1:2] {
		if !strings.HasPrefix(r.Header.Get("Range"), "bytes=") {
			t.Errorf("what had arrived is fetched again: range %q", r.Header.Get("Range"))
		}
	}
}
