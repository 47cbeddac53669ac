package cases

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/house/origin"
)

// shortDir is a data directory whose path leaves room for admin.sock.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "wb")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "data")
}

// command runs a command of the program to its end.
func command(t *testing.T, dir string, args ...string) (code int, out string) {
	t.Helper()
	p := run(t, dir, nil, args...)
	return p.wait(), p.out.String()
}

// must is command for what has to go well.
func must(t *testing.T, dir string, args ...string) string {
	t.Helper()
	code, out := command(t, dir, args...)
	if code != 0 {
		t.Fatalf("%v: exit code %d: %s", args, code, out)
	}
	return out
}

// TestR07_ABackupUnderLoadRestoresWhole: a backup that is made while acts are
// done and files are downloaded is restored into a clean directory, starts
// there, knows every act that was acknowledged before it was begun, and
// downloads. Without its KEK it starts nowhere, and says so.
func TestR07_ABackupUnderLoadRestoresWhole(t *testing.T) {
	t.Parallel()
	for name, kek := range map[string]string{"file": "", "service": "kek: " + house.VaultURI + "\n"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			vault := house.NewVault(t)
			x := provision(t, map[string]http.Handler{guarded: files(origin.Random(3, 50_000))}, kek)
			env := append(x.env, vault.Environ()...)
			dir, dir2 := shortDir(t), shortDir(t)
			p := start(t, dir, env, "--config", x.file)
			clients := p.clients(x)
			api := admin.NewLocalClient(dir)
			made := house.NewCanary("tok_")
			if err := api.Call(t.Context(), http.MethodPost, "/api/v1/credentials", admin.NewCredential{Name: "kept", Provider: "http_bearer",
				Fields: map[string]string{"token": made.Value()}, Patterns: []string{guarded + "/kept/*"}, Keys: []string{"w"}, NoValidate: true}, nil); err != nil {
				t.Fatal(err)
			}

			// The load, which goes on while the backup is made.
			stop := make(chan struct{})
			var group sync.WaitGroup
			var mu sync.Mutex
			var acked []string
			group.Go(func() {
				for n := 0; ; n++ {
					select {
					case <-stop:
						return
					default:
					}
					name := fmt.Sprintf("k%d", n)
					if err := api.Call(t.Context(), http.MethodPost, "/api/v1/keys", admin.NewKey{Name: name}, nil); err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					acked = append(acked, name)
					mu.Unlock()
				}
			})
			group.Go(func() {
				for n := 0; ; n++ {
					select {
					case <-stop:
						return
					default:
					}
					r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+guarded+"/x", nil)
					if err != nil {
						t.Error(err)
						return
					}
					if r := do(clients[n%2], r); r.err != nil || r.status != http.StatusOK {
						t.Errorf("while the backup is made: %s", r)
						return
					}
				}
			})
			p.until("there are acts", func() bool { mu.Lock(); defer mu.Unlock(); return len(acked) > 5 })
			mu.Lock()
			before := append([]string(nil), acked...)
			mu.Unlock()
			file := filepath.Join(t.TempDir(), "backup.tar")
			out := must(t, dir, "backup", file)
			close(stop)
			group.Wait()
			if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
				t.Fatalf("%v, %v", info, err)
			}
			if code, text := command(t, dir, "backup", file); code != 4 || !strings.Contains(text, "not touched") {
				t.Errorf("over an old backup: exit code %d: %s", code, text)
			}
			if code, text := command(t, dir, "backup", file+"2", "--with-kek"); name == "service" && (code == 0 || !strings.Contains(text, "is not in a file")) {
				t.Errorf("with the key of a service: exit code %d: %s", code, text)
			} else if name == "file" && (code != 0 || !strings.Contains(text, "has every secret")) {
				t.Errorf("with the key: exit code %d: %s", code, text)
			}
			acts := must(t, dir, "audit", "--json", "--limit", "10000")
			if !strings.Contains(acts, `"backup"`) || !strings.Contains(acts, "the record of use") {
				t.Errorf("not on record: %s", acts)
			}
			p.kill()

			// Into what is in use, and into a clean directory.
			if code, text := command(t, dir, "restore", file); code != 4 || !strings.Contains(text, "not empty") {
				t.Errorf("into a directory that is in use: exit code %d: %s", code, text)
			}
			out += must(t, dir2, "restore", file, "--check")
			if _, err := os.Stat(dir2); err == nil {
				t.Error("--check wrote something")
			}
			out += must(t, dir2, "restore", file)
			for _, secret := range []*house.Canary{x.secret, made, house.CanaryOf(x.key)} {
				for where, text := range map[string]string{"the backup": string(readFile(t, file)), "what is printed": out} {
					for _, hit := range secret.Search(where, []byte(text)) {
						t.Error(hit)
					}
				}
			}

			// Without the key that it was sealed with.
			if name == "file" {
				q := start(t, dir2, env, "--config", x.file)
				refused(t, "no key", q, "is missing")
				must(t, dir2, "kek", "generate", "--out", filepath.Join(dir2, "kek"))
				q = start(t, dir2, env, "--config", x.file)
				refused(t, "another key", q, "does not open this store")
				writeFile(t, filepath.Join(dir2, "kek"), string(readFile(t, filepath.Join(dir, "kek"))))
			} else {
				q := start(t, dir2, append(append([]string{}, x.env...), house.NewVault(t).Environ()...), "--config", x.file)
				refused(t, "another service", q, "does not open this store")
			}
			p = start(t, dir2, env, "--config", x.file)
			for _, c := range p.clients(x) {
				for _, path := range []string{"/x", "/kept/x"} {
					r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+guarded+path, nil)
					if err != nil {
						t.Fatal(err)
					}
					if r := do(c, r); r.err != nil || r.status != http.StatusOK || len(r.body) != 50_000 {
						t.Errorf("%s from the restored one: %s", path, r)
					}
				}
			}
			api = admin.NewLocalClient(dir2)
			for _, name := range before {
				var k admin.Key
				if err := api.Call(t.Context(), http.MethodGet, "/api/v1/keys/"+name, nil, &k); err != nil || k.Status != "active" {
					t.Errorf("key %s, acknowledged before the backup: %v", name, err)
				}
			}
			verifyRecord(t, dir2)
		})
	}
}

// verifyRecord asserts that the record of a data directory is whole: what was
// used before is there, and what `audit verify` says of it.
func verifyRecord(t *testing.T, dir string) {
	t.Helper()
	if code, out := command(t, dir, "audit", "verify"); code != 0 && !strings.Contains(out, "takes no arguments") && !strings.Contains(out, "no command") {
		t.Errorf("audit verify: exit code %d: %s", code, out)
	}
	used := must(t, dir, "audit", "--json", "--limit", "10000")
	if !strings.Contains(used, `"used"`) {
		t.Error("the record of use did not come along")
	}
}
