package cases

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/internal/house"
)

// usable asserts that a key is one that weighbridge knows: nothing is linked
// to it, so that is what it is told.
func usable(t *testing.T, proxy, key string) {
	t.Helper()
	if r := web(t, proxy+"/unlisted.example.net/x", key); r.code() != "no_credential_matched" {
		t.Errorf("the key that was shown: %s", r)
	}
}

// TestR04_AFirstStartKilledAtAnyMoment: the next start works and shows a key
// that works; a start after it shows no secret, and the key works on.
func TestR04_AFirstStartKilledAtAnyMoment(t *testing.T) {
	t.Parallel()
	start(t, filepath.Join(t.TempDir(), "data"), nil).kill() // builds the program
	begun := time.Now()
	whole := start(t, filepath.Join(t.TempDir(), "data"), nil)
	whole.serving()
	took := time.Since(begun)
	whole.kill()
	chance := house.Random(t)
	for round := range soak(15) {
		dir := filepath.Join(t.TempDir(), "data")
		p := start(t, dir, nil)
		// The first moments and the last are where something can be half done.
		time.Sleep(time.Duration(chance.Float64() * 1.2 * float64(took)))
		p.kill()
		first := p.key()

		second := start(t, dir, nil)
		proxy, admin := second.serving()
		key := second.key()
		switch {
		case key != "":
			usable(t, proxy, key)
			if first != "" && web(t, proxy+"/unlisted.example.net/x", first).code() != "key_invalid" && first != key {
				t.Errorf("round %d: two keys were shown and both are good", round)
			}
		case first == "":
			t.Fatalf("round %d: no key was ever shown:\n%s", round, second.log())
		default:
			usable(t, proxy, first)
			key = first
		}
		if r := web(t, admin+"/readyz", ""); r.status != http.StatusOK {
			t.Errorf("round %d: %s", round, r)
		}
		second.kill()
		for _, p := range []*process{p, second} {
			if strings.Contains(p.out.String(), "panic") || strings.Contains(p.log(), "wbk_") {
				t.Errorf("round %d: %s", round, p.log())
			}
		}
		if round%3 > 0 {
			continue // a start too many is worth a try now and then
		}
		third := start(t, dir, nil)
		proxy, _ = third.serving()
		if out := third.out.String(); strings.Contains(out, "wbk_") {
			t.Errorf("round %d: a secret was shown again", round)
		}
		usable(t, proxy, key)
		third.kill()
	}
}

// TestStartingOnWhatIsBroken: one clear line that names the thing and the next
// step, an exit code, no trace of a stack, and nothing changed on disk.
func TestStartingOnWhatIsBroken(t *testing.T) {
	t.Parallel()
	good := filepath.Join(t.TempDir(), "data")
	p := start(t, good, nil)
	proxy, _ := p.serving()
	key := p.key()
	db, kek := filepath.Join(good, "weighbridge.db"), filepath.Join(good, "kek")

	// While it runs: the same directory, the same port.
	for what, args := range map[string][]string{
		"another process": nil,
		"port in use":     {"--listen", strings.TrimPrefix(proxy, "http://")},
	} {
		dir := good
		if args != nil {
			dir = filepath.Join(t.TempDir(), "data")
		}
		q := start(t, dir, nil, args...)
		refused(t, what, q, map[string]string{"another process": "weighbridge.db", "port in use": "in use"}[what])
	}
	usable(t, proxy, key)
	p.kill()

	other := filepath.Join(t.TempDir(), "data")
	q := start(t, other, nil)
	q.serving()
	q.kill()

	for _, c := range []struct {
		name, says string
		harm       func(t *testing.T)
	}{
		{"another key", "does not open this store", func(t *testing.T) { writeFile(t, kek, string(readFile(t, filepath.Join(other, "kek")))) }},
		{"no key", "is missing", func(t *testing.T) { remove(t, kek) }},
		{"an empty key", "kek", func(t *testing.T) { writeFile(t, kek, "") }},
		{"half a key", "kek", func(t *testing.T) { writeFile(t, kek, string(readFile(t, kek)[:10])) }},
		{"a key that others may read", "kek", func(t *testing.T) { chmod(t, kek, 0o644) }},
		{"a directory that others may enter", "chmod 700", func(t *testing.T) { chmod(t, good, 0o755) }},
		{"half a database", "weighbridge.db", func(t *testing.T) { truncate(t, db, 9000) }},
		{"a database of zeros", "weighbridge.db", func(t *testing.T) { writeFile(t, db, string(make([]byte, 32<<10))) }},
		{"a database of something else", "weighbridge.db", func(t *testing.T) { writeFile(t, db, strings.Repeat("not a database\n", 4000)) }},
		{"the database of another", "does not open this store", func(t *testing.T) { writeFile(t, db, string(readFile(t, filepath.Join(other, "weighbridge.db")))) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			keptDB, keptKEK := readFile(t, db), readFile(t, kek)
			c.harm(t)
			harmed, _ := os.ReadFile(db)
			q := start(t, good, nil)
			refused(t, c.name, q, c.says)
			if now, _ := os.ReadFile(db); !bytes.Equal(now, harmed) {
				t.Error("the database was written to")
			}
			writeFile(t, db, string(keptDB))
			writeFile(t, kek, string(keptKEK))
			chmod(t, kek, 0o600)
			chmod(t, good, 0o700)
		})
	}
	// With everything back in its place nothing is lost.
	p = start(t, good, nil)
	proxy, _ = p.serving()
	usable(t, proxy, key)
	if p.key() != "" {
		t.Error("a secret was shown again")
	}
}

// refused asserts that a program does not start, and says why in a line.
func refused(t *testing.T, what string, p *process, says string) {
	t.Helper()
	code, err := p.wait(), p.out.String()
	lines := strings.Split(strings.TrimSpace(err), "\n")
	if code == 0 || code == 2 || !strings.Contains(err, says) {
		t.Errorf("%s: exit code %d, %q", what, code, err)
	}
	if len(lines) > 4 || strings.Contains(err, "goroutine ") || strings.Contains(err, "panic") || strings.Contains(err, "wbk_") {
		t.Errorf("%s: more than a clear line: %s", what, err)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func truncate(t *testing.T, path string, size int64) {
	t.Helper()
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
}
