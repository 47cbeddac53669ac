//go:build realclients

package realclients

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/config"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/house/clients"
	"github.com/weighbridge/weighbridge/internal/house/hub"
	"github.com/weighbridge/weighbridge/internal/workerenv"
)

// noOtherWay is what a worker in reverse mode has beside weighbridge: nothing.
// Whatever it asks of another host ends at a port where nobody listens.
var noOtherWay = []string{"HTTPS_PROXY=http://127.0.0.1:1", "https_proxy=http://127.0.0.1:1"}

// resumed is how much of a file is in place before a row that resumes.
const resumed = 1_000_000

// TestRealClients runs every row of the table: with exactly the variables that
// the row names, and with all that `weighbridge env` prints. Each section has
// a house of its own, in each mode, and they stand side by side.
func TestRealClients(t *testing.T) {
	t.Parallel()
	for _, mode := range []workerenv.Mode{workerenv.Forward, workerenv.Reverse} {
		for _, section := range clients.Sections() {
			var rows []clients.Row
			for _, row := range clients.Table() {
				if row.Mode == mode && row.Section == section {
					rows = append(rows, row)
				}
			}
			if len(rows) == 0 {
				continue
			}
			t.Run(fmt.Sprintf("%s: %s", mode, section), func(t *testing.T) {
				t.Parallel()
				git := slices.ContainsFunc(rows, func(r clients.Row) bool { return r.Command[0] == "git" })
				y := newYardWith(t, house.Options{Hub: hub.Options{Git: git}, Configure: func(c *config.Config) {
					c.TLS.OwnCA = section == clients.TLS
				}})
				for _, row := range rows {
					t.Run(row.Name, func(t *testing.T) { y.runRow(t, row) })
				}
			})
		}
	}
}

// runRow runs one row in every environment that it is for.
func (y *yard) runRow(t *testing.T, row clients.Row) {
	y.Hub.TakeRespelled(row.Respells)
	y.signer.TakeRespelled(row.Respells)
	words := y.words(t, row)
	printed := y.WorkerEnv(row.Mode, y.key(row).Key)
	named, err := row.Environ(printed, words)
	if err != nil {
		t.Fatal(err)
	}
	if row.Section == clients.Store {
		row.Command = append(y.osStore(t), row.Command...)
	}
	t.Run("named variables", func(t *testing.T) { y.drive(t, row, around(row, named), words) })
	if row.Section != clients.Store { // which is about there being no such variables
		all := []string{}
		for _, v := range printed {
			all = append(all, v.Name+"="+v.Value)
		}
		t.Run("all variables", func(t *testing.T) { y.drive(t, row, around(row, append(all, named...)), words) })
	}
	if row.Way == clients.Blind && row.Section != clients.TLS {
		// A tunnel that nobody opens shows the upstream's own certificate.
		roots := filepath.Join(t.TempDir(), "upstream.pem")
		if err := os.WriteFile(roots, y.Server.RootPEM(), 0o600); err != nil {
			t.Fatal(err)
		}
		env := append([]string(nil), named...)
		for i, v := range env {
			env[i] = strings.Replace(v, words.Bundle, roots, 1)
		}
		t.Run("the upstream's certificate alone", func(t *testing.T) { y.drive(t, row, env, words) })
	}
	if name := y.subject(t, row).credential; name != "" && !onRecord(y.House, row, y.key(row).Name, name) {
		t.Error("no use is on record")
	}
}

// around is the environment in which a row runs: in reverse mode there is no
// other way out.
func around(row clients.Row, env []string) []string {
	if row.Mode == workerenv.Reverse {
		env = append(append([]string(nil), noOtherWay...), env...)
		if row.Section == clients.TLS { // which HTTPS_PROXY is for as well
			env = append(env, "NO_PROXY=127.0.0.1", "no_proxy=127.0.0.1")
		}
	}
	return env
}

// onRecord reports whether the record holds a use of the credential by the key.
func onRecord(h *house.House, row clients.Row, key, credential string) bool {
	for _, e := range h.AuditEvents() {
		if e.Action == auth.ActionUsed && e.Mode == string(row.Mode) && e.KeyName == key && e.CredentialName == credential {
			return true
		}
	}
	return false
}

// drive runs one client and compares what arrived, here and at the upstreams.
func (y *yard) drive(t *testing.T, row clients.Row, env []string, words clients.Words) {
	y.Server.Record.Reset()
	s := y.subject(t, row)
	words.Dir = t.TempDir()
	if row.Resume {
		y.begin(t, filepath.Join(words.Dir, s.file), s)
	}
	out, err := run(t, words.Dir, env, row.Argv(words))
	y.Watch.See("output of "+row.Name, []byte(out))
	if err != nil {
		t.Fatalf("%v\n%s\nthe log ends:\n%s", err, lastLines(out, 30), lastLines(y.Log.String(), 8))
	}
	dir := words.Dir
	if clone := filepath.Join(dir, "clone"); exists(clone) {
		dir = clone
	}
	if n := compareTree(t, dir, s.files); n != len(s.files) {
		t.Errorf("%d files arrived, want %d\n%s", n, len(s.files), lastLines(out, 20))
	}
	if err := y.Watch.Walk(words.Dir); err != nil {
		t.Error(err)
	}
	y.verify(t, row)
}

// begin puts the beginning of a file in place.
func (y *yard) begin(t *testing.T, path string, s subject) {
	t.Helper()
	part := make([]byte, resumed)
	if _, err := s.files[0].Content.ReadAt(part, 0); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, part, 0o600); err != nil {
		t.Fatal(err)
	}
}

// osStore is what runs a command where the operating system's store has our
// root and the fakes', which plays the public ones.
func (y *yard) osStore(t *testing.T) []string {
	t.Helper()
	dir := t.TempDir()
	for name, pem := range map[string][]byte{"weighbridge.crt": y.rootPEM(t), "public.crt": y.Server.RootPEM()} {
		if err := os.WriteFile(filepath.Join(dir, name), pem, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out := []string{"unshare", "--mount"}
	if os.Geteuid() != 0 {
		// Where users may not have namespaces of their own, unshare says so
		// and the test fails: it has to run as root there.
		out = append(out, "--map-root-user")
	}
	return append(out, "sh", filepath.Join(scriptDir, "os_store.sh"), dir)
}

// rootPEM is our root as a worker gets it.
func (y *yard) rootPEM(t *testing.T) []byte {
	t.Helper()
	out, err := run(t, t.TempDir(), nil, []string{"curl", "-fsS", y.Bridge.ProxyURL() + "/.weighbridge/ca.pem"})
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return []byte(out)
}

// verify holds the record of the fakes against what may have reached them.
func (y *yard) verify(t *testing.T, row clients.Row) {
	t.Helper()
	for _, r := range y.Server.Record.All() {
		want, ok := y.expected(r.Host, r.Authorization())
		if !ok {
			t.Errorf("%s %s%s saw an Authorization of %d bytes, want %s", r.Method, r.Host, r.Path, len(r.Authorization()), want)
		}
		if strings.Contains(r.Query, "token=") {
			t.Errorf("%s %s%s saw a token in the query", r.Method, r.Host, r.Path)
		}
	}
	for _, r := range y.Server.Record.All() {
		if shown := r.Header.Get("X-Api-Key"); (shown == y.comfy.Value()) != comfyHost(r.Host) {
			t.Errorf("%s %s%s saw an X-API-Key of %d bytes", r.Method, r.Host, r.Path, len(shown))
		}
	}
	if got := len(y.Server.Record.On(hub.TransferHost)) > 0; got != (row.Way == clients.Xet) {
		t.Errorf("the bytes came by xet: %v, want %s", got, row.Way)
	}
	cdn := y.Server.Record.On(cdnHost(row.What))
	if got := len(cdn) > 0; got != (row.Way == clients.CDN) {
		t.Errorf("the bytes came by a signed URL: %v, want %s", got, row.Way)
	}
	if row.Resume {
		n := int64(0)
		for _, r := range cdn {
			n += r.Bytes
			if !strings.HasPrefix(r.Header.Get("Range"), fmt.Sprintf("bytes=%d-", resumed)) {
				t.Errorf("the CDN was asked for the range %q", r.Header.Get("Range"))
			}
		}
		if size := y.subject(t, row).files[0].Content.Size(); n != size-resumed {
			t.Errorf("%d bytes were fetched, want %d", n, size-resumed)
		}
	}
}
