//go:build realclients

package realclients

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/weighbridge/weighbridge/config"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/house/clients"
	"github.com/weighbridge/weighbridge/internal/house/hub"
	"github.com/weighbridge/weighbridge/internal/workerenv"
)

// What the page and `weighbridge env` say of clients that no variable takes
// through a proxy with TLS: as soon as one of them can, this says so.
func TestNoVariableTakesTheseThroughTLS(t *testing.T) {
	t.Parallel()
	y := newYardWith(t, house.Options{Configure: func(c *config.Config) { c.TLS.OwnCA = true }})
	i := slices.IndexFunc(clients.Table(), func(r clients.Row) bool { return r.Name == "curl" })
	row := clients.Table()[i]
	words := y.words(t, row)
	var env []string
	for _, v := range y.WorkerEnv(workerenv.Forward, y.key(row).Key) {
		env = append(env, v.Name+"="+v.Value)
	}
	if said := workerenv.Warnings(workerenv.Options{Mode: workerenv.Forward, ProxyURL: y.Bridge.ProxyURL()}); len(said) != 2 {
		t.Fatalf("env says %q", said)
	}
	words.Dir = t.TempDir()
	for name, command := range map[string][]string{
		"curl":    {"curl", "-fsSL", "-o", "{dir}/{file}", "{url}"},
		"wget":    {"wget", "-nv", "--tries=1", "--ca-certificate={bundle}", "-O", "{dir}/{file}", "{url}"},
		"aria2c":  {"aria2c", "-q", "--max-tries=1", "--ca-certificate={bundle}", "-d", "{dir}", "-o", "{file}", "{url}"},
		"urllib":  {"{python}", "{scripts}/fetch_urllib.py", "{url}", "{dir}/{file}"},
		"aiohttp": {"{python1}", "{scripts}/fetch_aiohttp.py", "{url}", "{dir}/{file}"},
	} {
		row.Command = command
		y.Server.Record.Reset()
		out, err := run(t, words.Dir, env, row.Argv(words))
		y.Watch.See("output of "+name, []byte(out))
		if err == nil || len(y.Server.Record.On(hub.Host)) > 0 {
			t.Errorf("%s went through: %v, %s\n%s", name, err, filepath.Base(words.Dir), lastLines(out, 5))
		}
	}
}
