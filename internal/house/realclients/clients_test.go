//go:build realclients

package realclients

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/house/clients"
	"github.com/weighbridge/weighbridge/internal/house/hub"
	"github.com/weighbridge/weighbridge/internal/workerenv"
	"github.com/weighbridge/weighbridge/signer"
)

// TestRealClients runs every row of the table twice against a gated
// repository: with exactly the variables that the row names, and with all that
// `weighbridge env` prints.
func TestRealClients(t *testing.T) {
	h := house.New(t, house.Options{Hub: hub.Options{Git: true}})
	keys := map[string]admin.Key{"": h.HubWorker("hub")}
	for _, row := range clients.Table() {
		p := strings.Join(row.Patterns, " ")
		key, ok := keys[p]
		if !ok {
			key = h.HubWorker("org", row.Patterns...)
			keys[p] = key
		}
		t.Run(row.Name, func(t *testing.T) {
			printed := h.WorkerEnv(row.Mode, key.Key)
			words := wordsFor(h, row, key)
			named, err := row.Environ(printed, words)
			if err != nil {
				t.Fatal(err)
			}
			all := []string{}
			for _, v := range printed {
				all = append(all, v.Name+"="+v.Value)
			}
			for name, env := range map[string][]string{"named variables": named, "all variables": append(all, named...)} {
				t.Run(name, func(t *testing.T) { drive(t, h, row, env, words) })
			}
			if !onRecord(h, row, key.Name) {
				t.Error("no use is on record")
			}
		})
	}
}

// onRecord reports whether the record holds a use of the key's credential,
// which has the same name.
func onRecord(h *house.House, row clients.Row, name string) bool {
	for _, e := range h.AuditEvents() {
		if e.Action == auth.ActionUsed && e.Mode == string(row.Mode) && e.KeyName == name && e.CredentialName == name {
			return true
		}
	}
	return false
}

func wordsFor(h *house.House, row clients.Row, key admin.Key) clients.Words {
	file := "https://" + hub.Host + "/" + hub.SampleGated + "/resolve/main/" + hub.SampleWeights
	words := clients.Words{
		Python: filepath.Join(venv, "bin", "python"), Scripts: scriptDir, Repo: hub.SampleGated, File: hub.SampleWeights,
		URL: file, KeyURL: h.URLKeyURL(key.URLKey, file), Key: key.Key, Bundle: h.CABundle(), Token: signer.PlaceholderToken,
	}
	if row.Mode == workerenv.Reverse {
		words.URL = h.ReverseURL(file)
	}
	return words
}

// drive runs one client and holds the Hub's record against what may have
// reached it.
func drive(t *testing.T, h *house.House, row clients.Row, env []string, words clients.Words) {
	h.Server.Record.Reset()
	words.Dir = t.TempDir()
	out, err := run(t, words.Dir, env, row.Argv(words))
	h.Watch.See("output of "+row.Name, []byte(out))
	if err != nil {
		t.Fatalf("%v\n%s\nthe log ends:\n%s", err, lastLines(out, 20), lastLines(h.Log.String(), 6))
	}
	dir := words.Dir
	if clone := filepath.Join(dir, "clone"); exists(clone) {
		dir = clone
	}
	want := 1
	if row.Whole {
		files, err := hub.SampleFiles(1)
		if err != nil {
			t.Fatal(err)
		}
		want = len(files)
	}
	if n := compareTree(t, dir, 1); n != want {
		t.Errorf("%d files arrived, want %d", n, want)
	}
	if err := h.Watch.Walk(words.Dir); err != nil {
		t.Error(err)
	}

	bearer := "Bearer " + h.Token.Value()
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("hf_user:"+h.Token.Value()))
	for _, r := range h.Server.Record.On(hub.Host) {
		if a := r.Authorization(); a != bearer && a != basic {
			t.Errorf("%s %s reached the Hub without the token (%d bytes of Authorization)", r.Method, r.Path, len(a))
		}
	}
	for _, host := range hub.CompanionHosts() {
		for _, a := range h.Server.Record.Authorizations(host) {
			if a != "" && !(host == hub.CASHost && strings.HasPrefix(a, "Bearer xet_")) {
				t.Errorf("%s saw an Authorization of %d bytes", host, len(a))
			}
		}
	}
	if got := len(h.Server.Record.On(hub.TransferHost)) > 0; got != (row.Way == clients.Xet) {
		t.Errorf("the bytes came by xet: %v, want %s", got, row.Way)
	}
	if got := len(h.Server.Record.On(hub.CDNHost)) > 0; got != (row.Way == clients.CDN) {
		t.Errorf("the bytes came by a signed URL: %v, want %s", got, row.Way)
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimSuffix(s, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
