//go:build realclients

package realclients

import (
	"fmt"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/house/clients"
	"github.com/weighbridge/weighbridge/internal/house/hub"
	"github.com/weighbridge/weighbridge/internal/workerenv"
)

// The repositories that nobody gets.
const (
	unaccepted = "elsewhere/gated-model" // gated, and the token's user was not let in
	missing    = "acme/no-such-model"
	limited    = "acme/bridge-model" // answers 429
)

// refusal is a download that fails, and what the person who tried it has to
// read, whatever the client made of it.
type refusal struct {
	name, repo, key string
	modes           []workerenv.Mode // both where it is nil
	// hub is what huggingface_hub prints, curl what curl -i does.
	hub, curl []string
}

// TestWhatAPersonReads refuses downloads for every everyday reason, and holds
// what huggingface_hub and curl then print to a sentence that helps.
func TestWhatAPersonReads(t *testing.T) {
	t.Parallel()
	// A key is made that ends in an hour, an hour and more ago.
	var late atomic.Bool
	y := newYardWith(t, house.Options{Now: func() time.Time {
		if late.Load() {
			return time.Now()
		}
		return time.Now().Add(-2 * time.Hour)
	}})
	good := y.key(clients.Row{})
	y.refuse(t)
	late.Store(true)
	both := []workerenv.Mode{workerenv.Forward, workerenv.Reverse}
	for _, c := range []refusal{
		{name: "not accepted", repo: unaccepted, key: good.Key,
			hub:  []string{"GatedRepoError", "you are not in the authorized list. Visit https://huggingface.co/" + unaccepted + " to ask for access."},
			curl: []string{"you are not in the authorized list. Visit https://huggingface.co/" + unaccepted + " to ask for access.", `X-Weighbridge-Decision: used credential "hub"`}},
		{name: "missing", repo: missing, key: good.Key,
			hub:  []string{"RepositoryNotFoundError", "Please make sure you specified the correct `repo_id`"},
			curl: []string{"404", "Repository not found"}},
		{name: "rate limit", repo: limited, key: good.Key,
			hub:  []string{"429 Too Many Requests: you have reached your 'resolvers' rate limit", "Rate limited. Waiting 1.0s before retry"},
			curl: []string{"429", `RateLimit: "resolvers";r=0;t=0`, "We had to rate limit you."}},
		{name: "revoked token", repo: hub.SampleGated, key: y.keys["stale"].Key,
			hub:  []string{"GatedRepoError", `weighbridge: used credential "stale" by huggingface.co/*: the upstream refused it`},
			curl: []string{"401", `X-Weighbridge-Decision: used credential "stale" by huggingface.co/*: the upstream refused it`}},
		{name: "revoked token, private", repo: hub.SamplePrivate, key: y.keys["stale"].Key,
			hub:  []string{"401 Unauthorized", `weighbridge: used credential "stale" by huggingface.co/*: the upstream refused it`},
			curl: []string{"401", `X-Weighbridge-Decision: used credential "stale" by huggingface.co/*: the upstream refused it`}},
		{name: "no credential", repo: hub.SampleGated, key: y.keys["bare"].Key, modes: both[:1],
			hub:  []string{"GatedRepoError", "weighbridge: nothing was put on the request: ", `no credential that is linked to the API key "bare" matches`},
			curl: []string{"401", "X-Weighbridge-Decision: nothing was put on the request"}},
		{name: "no credential", repo: hub.SampleGated, key: y.keys["bare"].Key, modes: both[1:],
			hub:  []string{"weighbridge: not_linked", `it is not linked to the API key "bare"`, "weighbridge link CREDENTIAL KEY"},
			curl: []string{`"code":"not_linked"`, "weighbridge link CREDENTIAL KEY"}},
		{name: "revoked key", repo: hub.SampleGated, key: y.keys["gone"].Key,
			hub:  []string{"weighbridge: key_revoked"},
			curl: []string{`"code":"key_revoked"`}},
		{name: "expired key", repo: hub.SampleGated, key: y.keys["late"].Key,
			hub:  []string{"weighbridge: key_expired"},
			curl: []string{`"code":"key_expired"`}},
		{name: "route", repo: hub.SampleGated, key: y.keys["narrow"].Key,
			hub:  []string{"weighbridge: route_forbidden"},
			curl: []string{`"code":"route_forbidden"`}},
	} {
		for _, mode := range both {
			if c.modes != nil && c.modes[0] != mode {
				continue
			}
			for _, client := range []string{"huggingface_hub 2.x", "huggingface_hub 1.x", "curl"} {
				t.Run(fmt.Sprintf("%s/%s/%s", c.name, mode, client), func(t *testing.T) {
					t.Parallel()
					y.read(t, c, mode, client)
				})
			}
		}
	}
}

// refuse makes the reasons, and the keys that meet them.
func (y *yard) refuse(t *testing.T) {
	t.Helper()
	if err := y.Hub.AddRepo(hub.Repo{Kind: hub.Models, ID: unaccepted, Access: hub.Gated,
		Revisions: map[string][]hub.File{"main": sampleFiles(t, 1)[:1]}}); err != nil {
		t.Fatal(err)
	}
	busy := hub.RateLimited(0, 0)
	busy.Path = limited
	y.Server.Faults.Add(busy)

	token := y.Secret("hf_")
	y.Hub.AddToken(hub.SampleToken(token.Value()))
	y.AddCredential(admin.NewCredential{Name: "stale", Provider: "huggingface", Fields: map[string]string{"token": token.Value()}})
	y.Hub.RevokeToken(token.Value())
	// The Hub answers nobody who it is, or the credential would be found out.
	silent := hub.RateLimited(0, 0)
	silent.Path = "/api/whoami-v2"
	y.Server.Faults.Add(silent)

	ended := time.Now().Add(-time.Hour)
	for _, k := range []admin.NewKey{
		{Name: "stale", Credentials: []string{"stale"}},
		{Name: "bare"},
		{Name: "gone", Credentials: []string{"hub"}},
		{Name: "late", Credentials: []string{"hub"}},
		{Name: "narrow", Credentials: []string{"hub"}, Routes: []string{"huggingface.co/acme/public-model/*"}},
	} {
		y.keys[k.Name] = y.AddKey(k)
	}
	y.EndKey("late", ended)
	y.Call(http.MethodPost, "/api/v1/keys/gone/revoke", nil, nil)
}

// read runs a client that is refused, and looks for what helps.
func (y *yard) read(t *testing.T, c refusal, mode workerenv.Mode, client string) {
	url := "https://" + hub.Host + "/" + c.repo + "/resolve/main/" + hub.SampleWeights
	var env []string
	for _, v := range y.WorkerEnv(mode, c.key) {
		env = append(env, v.Name+"="+v.Value)
	}
	download := func(environment string) []string {
		return []string{python(environment), filepath.Join(scriptDir, "hub_download.py"), c.repo, ".", hub.SampleWeights}
	}
	want, command := c.hub, download("python2")
	switch client {
	case "huggingface_hub 1.x":
		command = download("python1")
	case "curl":
		want, command = c.curl, []string{"curl", "-sSLi", "--fail-with-body", url}
		if mode == workerenv.Reverse {
			command = []string{"curl", "-sSLi", "--fail-with-body", "-H", "Authorization: Bearer " + c.key, y.ReverseURL(url)}
		}
	}
	if mode == workerenv.Reverse {
		env = append(env, noOtherWay...)
	}
	out, err := run(t, t.TempDir(), env, command)
	y.Watch.See("output of "+client, []byte(out))
	if err == nil {
		t.Fatalf("the download was not refused:\n%s", lastLines(out, 20))
	}
	for _, w := range want {
		if !says(out, w) {
			t.Errorf("nothing says %q:\n%s", w, lastLines(out, 30))
		}
	}
}
