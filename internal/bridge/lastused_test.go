package bridge

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

func some() (map[string]bool, error) { return map[string]bool{"key_1": true, "cred_1": true}, nil }

// wantUsed checks the last use of a thing.
func wantUsed(t *testing.T, u *lastUsed, id string, at time.Time, address string) {
	t.Helper()
	got, from, ok := u.last(id)
	if ok != !at.IsZero() || !got.Equal(at) || from != address {
		t.Errorf("%s: %v from %q (%v), want %v from %q", id, got, from, ok, at, address)
	}
}

// TestLastUseIsNotedOnceAMinute, written with what is still there, and read by
// the next start.
func TestLastUseIsNotedOnceAMinute(t *testing.T) {
	path := filepath.Join(t.TempDir(), usedFile)
	u := openLastUsed(path, zerolog.Nop())
	began := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	wantUsed(t, u, "key_1", time.Time{}, "")
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { u.see("key_1", "192.0.2.1", began) })
	}
	all.Wait()
	u.see("key_1", "192.0.2.2", began.Add(59*time.Second))
	wantUsed(t, u, "key_1", began, "192.0.2.1")
	u.see("key_1", "192.0.2.2", began.Add(time.Minute))
	wantUsed(t, u, "key_1", began.Add(time.Minute), "192.0.2.2")
	u.see("key_1", "192.0.2.3", began.Add(-time.Hour)) // the clock went back
	wantUsed(t, u, "key_1", began.Add(-time.Hour), "192.0.2.3")
	u.see("cred_1", "192.0.2.4", began)
	u.see("key_gone", "192.0.2.5", began)
	u.write(some)
	wantUsed(t, u, "key_gone", time.Time{}, "")
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info, err)
	}
	again := openLastUsed(path, zerolog.Nop())
	wantUsed(t, again, "key_1", began.Add(-time.Hour), "192.0.2.3")
	wantUsed(t, again, "cred_1", began, "192.0.2.4")
	check(t, os.Remove(path))
	again.write(some)
	if _, err := os.Stat(path); err == nil {
		t.Error("it was written although nothing was noted")
	}
}

// TestLastUseThatCannotBeReadOrWrittenIsTold, and stops nothing.
func TestLastUseThatCannotBeReadOrWrittenIsTold(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "below", usedFile)
	var log bytes.Buffer
	u := openLastUsed(path, zerolog.New(&log))
	now := time.Now()
	u.see("key_1", "192.0.2.1", now)
	u.write(some)
	if !strings.Contains(log.String(), "cannot be written") {
		t.Errorf("log: %s", log.String())
	}
	check(t, os.Mkdir(filepath.Dir(path), 0o700))
	u.write(some) // it is tried again
	wantUsed(t, openLastUsed(path, zerolog.Nop()), "key_1", now.UTC().Truncate(time.Second), "192.0.2.1")
	check(t, os.WriteFile(path, []byte(`{"key_1": CANARY`), 0o600))
	log.Reset()
	u = openLastUsed(path, zerolog.New(&log))
	if !strings.Contains(log.String(), "cannot be read") || strings.Contains(log.String(), "CANARY") {
		t.Errorf("log: %s", log.String())
	}
	wantUsed(t, u, "key_1", time.Time{}, "")
}

// TestNotingAUseAllocatesNothing but once a minute.
func TestNotingAUseAllocatesNothing(t *testing.T) {
	u := openLastUsed("", zerolog.Nop())
	now := time.Now()
	u.see("key_1", "192.0.2.1", now)
	if n := testing.AllocsPerRun(100, func() { u.see("key_1", "192.0.2.1", now) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	u.write(some) // kept in memory: there is nowhere to write to
	wantUsed(t, u, "key_1", now.UTC().Truncate(time.Second), "192.0.2.1")
}
