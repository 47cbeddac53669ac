package store

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// background is the context of children, which have no test.
var background = context.Background()

// The steps of a writer, over and over with a new credential each time: make
// it, give it a new secret, link it to the writer's key, delete the one before
// it. Step 0 makes the key.
func writerStep(s Store, team string, w, n int) error {
	key := fmt.Sprintf("w%d", w)
	if n == 0 {
		_, err := s.CreateKey(background, sampleKey(team, key), nil, auth.Event{Actor: key})
		return err
	}
	i := (n - 1) / 4
	name, before := writerCredential(w, i), writerCredential(w, i-1)
	switch (n - 1) % 4 {
	case 0:
		_, err := s.CreateCredential(background, sampleCredential(team, name), auth.Fields{"token": auth.NewSecret("v1 " + name)}, nil, auth.Event{Actor: key})
		return err
	case 1:
		_, err := s.UpdateCredential(background, team, name, nil, auth.Fields{"token": auth.NewSecret("v2 " + name)}, auth.Event{Actor: key})
		return err
	case 2:
		_, err := s.Link(background, team, name, key, auth.Event{Actor: key})
		return err
	default:
		if i == 0 {
			return nil
		}
		return s.DeleteCredential(background, team, before, auth.Event{Actor: key})
	}
}

func writerCredential(w, i int) string { return fmt.Sprintf("w%d-%d", w, i) }

// writerWorld is what a store holds of a writer that did n steps: each
// credential by name with its token and whether it is linked, and the number
// of events.
func writerWorld(w, n int) (world map[string]string, events int) {
	world = map[string]string{}
	for step := range n {
		events++
		if step == 0 {
			world["key"] = ""
			continue
		}
		i := (step - 1) / 4
		name := writerCredential(w, i)
		switch (step - 1) % 4 {
		case 0:
			world[name] = "v1 " + name
		case 1:
			world[name] = "v2 " + name
		case 2:
			world[name] += " linked"
		default:
			delete(world, writerCredential(w, i-1))
			if i == 0 {
				events-- // there was nothing to do
			}
		}
	}
	return world, events
}

// TestR3_KilledUnderLoadLosesNothingAcknowledged: kill -9 at random moments of
// a mixed load; whatever was acknowledged is there after the next start, with
// its event, and what was not is there whole or not at all.
func TestR3_KilledUnderLoadLosesNothingAcknowledged(t *testing.T) {
	t.Parallel()
	const writers = 4
	dir := t.TempDir()
	done := make([]int, writers) // steps, by writer
	acknowledged := 0
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	dice := rand.New(rand.NewPCG(seed, 3))
	for range scaled(20, 500) {
		var from []string
		for _, n := range done {
			from = append(from, strconv.Itoa(n))
		}
		cmd, out := startChild(t, "write", dir, strings.Join(from, ","))
		kill := dice.IntN(60)
		for n := 0; out.Scan(); n++ {
			var w, step int
			if _, err := fmt.Sscanf(out.Text(), "ack %d %d", &w, &step); err != nil {
				continue // cut off in the midst of a line
			}
			done[w] = step + 1
			acknowledged++
			if n == kill {
				time.Sleep(time.Duration(dice.IntN(3000)) * time.Microsecond)
				_ = cmd.Process.Kill()
			}
		}
		if err := cmd.Wait(); err == nil || cmd.ProcessState.Exited() {
			t.Fatalf("the child was not killed: %v", cmd.ProcessState)
		}
		c, err := firstStart(dir, nil)
		check(t, err)
		for w := range done {
			done[w] = wantWriter(t, c, w, done[w])
		}
		check(t, c.Close())
	}
	t.Logf("%d acknowledged", acknowledged)
}

// wantWriter checks that the store holds what n steps of a writer make, or one
// step more that was done and not yet acknowledged. It returns how many.
func wantWriter(t *testing.T, c *core, w, n int) int {
	t.Helper()
	team, err := c.EnsureTeam(t.Context(), auth.DefaultTeam)
	check(t, err)
	s, err := c.State(t.Context())
	check(t, err)
	got := map[string]string{}
	linked := map[string]bool{}
	for _, l := range s.Links {
		linked[l.CredentialID] = true
	}
	for _, k := range s.Keys {
		if k.Name == fmt.Sprintf("w%d", w) {
			got["key"] = ""
		}
	}
	for _, cred := range s.Credentials {
		if !strings.HasPrefix(cred.Name, fmt.Sprintf("w%d-", w)) {
			continue
		}
		f, err := c.OpenFields(t.Context(), cred.ID, cred.Version, "token")
		check(t, err)
		got[cred.Name] = f["token"].Reveal()
		if linked[cred.ID] {
			got[cred.Name] += " linked"
		}
	}
	events := 0
	err = c.Events(t.Context(), team.ID, time.Time{}, func(ev auth.Event) bool {
		if ev.Actor == fmt.Sprintf("w%d", w) {
			events++
		}
		return true
	})
	check(t, err)
	for more := range 2 {
		world, wantEvents := writerWorld(w, n+more)
		if maps.Equal(got, world) && events == wantEvents {
			return n + more
		}
	}
	world, wantEvents := writerWorld(w, n)
	t.Fatalf("writer %d was acknowledged %d steps; the store holds %v and %d events, want %v and %d", w, n, got, events, world, wantEvents)
	return 0
}

// TestR4_FirstStartKilledAnywhere: a first start may die at any point; the next
// one starts well, with a KEK and a store that fit together.
func TestR4_FirstStartKilledAnywhere(t *testing.T) {
	t.Parallel()
	points := 0
	for at := 0; points == 0; at++ {
		dir := t.TempDir()
		cmd, out := startChild(t, "first", dir, strconv.Itoa(at))
		for out.Scan() {
			_, _ = fmt.Sscanf(out.Text(), "points %d", &points)
		}
		if err := cmd.Wait(); (err == nil) != (points > 0) || err != nil && cmd.ProcessState.Exited() {
			t.Fatalf("the child of point %d ended with %v", at, err)
		}
		wantGoodStart(t, dir)
	}
	if points < 15 {
		t.Fatalf("only %d points were tried", points)
	}
}

// TestR4_FirstStartKilledAtAnyMoment is the same by the clock.
func TestR4_FirstStartKilledAtAnyMoment(t *testing.T) {
	t.Parallel()
	for range scaled(20, 200) {
		dir := t.TempDir()
		cmd, out := startChild(t, "first", dir, "-1")
		time.Sleep(time.Duration(rand.IntN(60_000)) * time.Microsecond)
		_ = cmd.Process.Kill()
		for out.Scan() {
		}
		_ = cmd.Wait() // killed or done, as it happens
		wantGoodStart(t, dir)
	}
}

// wantGoodStart starts twice over what is in dir.
func wantGoodStart(t *testing.T, dir string) {
	t.Helper()
	var state string
	for range 2 {
		c, err := firstStart(dir, nil)
		check(t, err)
		s, err := c.State(t.Context())
		check(t, err)
		if len(s.Teams) != 1 || len(s.Keys) != 1 {
			t.Fatalf("there are %d teams and %d keys", len(s.Teams), len(s.Keys))
		}
		pem, err := c.Sealed(t.Context(), "ca.key")
		check(t, err)
		equal(t, "sealed value", string(pem), "pem")
		if state != "" {
			equal(t, "state", asJSON(s), state)
		}
		state = asJSON(s)
		check(t, c.Close())
	}
	entries, err := os.ReadDir(dir)
	check(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	// A KEK that never got its name may stay behind; it never sealed anything.
	names = slices.DeleteFunc(names, func(n string) bool { ok, _ := filepath.Match(".kek.new-*", n); return ok })
	if !slices.Equal(names, []string{"kek", "weighbridge.db"}) {
		t.Fatalf("the data directory holds %q", names)
	}
}
