//go:build realclients

package realclients

import (
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/house/hub"
	"github.com/weighbridge/weighbridge/internal/house/origin"
	"github.com/weighbridge/weighbridge/internal/workerenv"
)

// reverseXet downloads with hf_xet in an environment that leads to weighbridge
// and nowhere else, and returns what the client said.
func reverseXet(t *testing.T, h *house.House, key, script string, files []string, env ...string) (dir, out string, err error) {
	t.Helper()
	dir = t.TempDir()
	env = append(slices.Clone(noOtherWay), env...)
	for _, v := range h.WorkerEnv(workerenv.Reverse, key) {
		env = append(env, v.Name+"="+v.Value)
	}
	// Retries wait a tenth of what they would.
	env = append(env, "HF_XET_CLIENT_RETRY_BASE_DELAY=300ms")
	out, err = run(t, dir, env, append([]string{python("python2-xet"), filepath.Join(scriptDir, script), hub.SampleGated, "."}, files...))
	h.Watch.See("output of the client", []byte(out))
	if e := h.Watch.Walk(dir); e != nil {
		t.Error(e)
	}
	return dir, out, err
}

// named are the files of the sample with these paths.
func named(t *testing.T, paths ...string) []hub.File {
	return slices.DeleteFunc(sampleFiles(t, 1), func(f hub.File) bool { return !slices.Contains(paths, f.Path) })
}

// paths counts the requests to host whose path begins so.
func paths(h *house.House, host, prefix string) int {
	return len(h.Server.Record.Where(func(r *origin.Request) bool { return r.Host == host && strings.HasPrefix(r.Path, prefix) }))
}

// TestXetInReverseMode has hf_xet 1.8.0 download through weighbridge alone,
// whatever the store speaks and however short everything lives.
func TestXetInReverseMode(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		hub   hub.Options
		env   []string
		fault origin.Fault
		check func(t *testing.T, h *house.House)
	}{
		"the second version": {check: func(t *testing.T, h *house.House) {
			if paths(h, hub.CASHost, "/v2/reconstructions/") == 0 || paths(h, hub.CASHost, "/v1/reconstructions/") > 0 {
				t.Error("the version is another")
			}
		}},
		"the first version, where there is no other": {hub: hub.Options{XetV1Only: true}, check: func(t *testing.T, h *house.House) {
			if paths(h, hub.CASHost, "/v1/reconstructions/") == 0 {
				t.Error("hf_xet did not fall back")
			}
		}},
		"the first version, as told": {env: []string{"HF_XET_CLIENT_RECONSTRUCTION_API_VERSION=1"}, check: func(t *testing.T, h *house.House) {
			if paths(h, hub.CASHost, "/v2/reconstructions/") > 0 {
				t.Error("hf_xet asked for the second version")
			}
		}},
		"many pieces": {hub: hub.Options{XorbChunks: 1}, check: func(t *testing.T, h *house.House) {
			if n := paths(h, hub.TransferHost, "/xorb/"); n < 40 {
				t.Errorf("%d pieces", n)
			}
		}},
		// hf_xet renews a token half a minute before its end.
		"tokens that end at once": {hub: hub.Options{XetLife: 20 * time.Second}, check: func(t *testing.T, h *house.House) {
			if n := paths(h, hub.Host, "/api/models/"+hub.SampleGated+"/xet-read-token/"); n < 3 {
				t.Errorf("%d tokens for two files", n)
			}
		}},
		// The pieces come so slowly that the URLs of the later ones end before
		// they are asked for: 403, another plan, and on.
		"URLs that end on the way": {
			hub: hub.Options{XorbChunks: 1, SignedLife: 3 * time.Second}, env: []string{"HF_XET_CLIENT_AC_MAX_DOWNLOAD_CONCURRENCY=4"},
			fault: origin.Fault{Kind: origin.Slow, Host: hub.TransferHost, After: 64 << 10, Delay: 400 * time.Millisecond},
			check: func(t *testing.T, h *house.House) {
				if n := paths(h, hub.CASHost, "/v2/reconstructions/"); n < 3 {
					t.Errorf("%d plans for two files", n)
				}
				if !strings.Contains(h.Log.String(), string(auth.CodeBoxExpired)) {
					t.Error("no piece's URL had ended")
				}
			},
		},
		// A piece that breaks off is not made up for from anywhere else: its
		// range is signed. The client asks for it again.
		"pieces that break off": {
			fault: origin.Fault{Kind: origin.Reset, Host: hub.TransferHost, After: 300 << 10, Times: 3},
			check: func(t *testing.T, h *house.House) {
				if n := paths(h, hub.TransferHost, "/xorb/"); n < 5 {
					t.Errorf("%d requests for pieces", n)
				}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := house.New(t, house.Options{Hub: c.hub})
			h.Server.Faults.Add(c.fault)
			key := h.HubWorker("hub")
			dir, out, err := reverseXet(t, h, key.Key, "hub_download.py", []string{hub.SampleWeights, hub.SamplePlus}, c.env...)
			if err != nil {
				t.Fatalf("%v\n%s\nthe log ends:\n%s", err, lastLines(out, 20), lastLines(h.Log.String(), 10))
			}
			if n := compareTree(t, dir, named(t, hub.SampleWeights, hub.SamplePlus)); n != 2 {
				t.Errorf("%d files", n)
			}
			for _, host := range hub.CompanionHosts() {
				for _, a := range h.Server.Record.Authorizations(host) {
					if a != "" && (host != hub.CASHost || !strings.HasPrefix(a, "Bearer xet_")) {
						t.Errorf("%s saw an Authorization of %d bytes", host, len(a))
					}
				}
			}
			if n := len(h.Server.Record.On(hub.CDNHost)); n > 0 {
				t.Errorf("%d requests to the CDN", n)
			}
			c.check(t, h)
		})
	}
}

// TestXetInReverseModeAfterRevocation ends the key while pieces are on their
// way: the client fails, and says so.
func TestXetInReverseModeAfterRevocation(t *testing.T) {
	t.Parallel()
	h := house.New(t, house.Options{Hub: hub.Options{XorbChunks: 1}})
	h.Server.Faults.Add(origin.Fault{Kind: origin.Slow, Host: hub.TransferHost, After: 64 << 10, Delay: 100 * time.Millisecond})
	key := h.HubWorker("hub")
	var pieces int
	var mu sync.Mutex
	revoke := make(chan struct{}, 1)
	h.Server.Record.Observe(func(r origin.Request) {
		mu.Lock()
		defer mu.Unlock()
		if r.Host == hub.TransferHost {
			if pieces++; pieces == 5 {
				revoke <- struct{}{}
			}
		}
	})
	revoked := make(chan error, 1)
	go func() {
		select {
		case <-revoke:
			revoked <- h.API().Call(t.Context(), http.MethodPost, "/api/v1/keys/hub/revoke", nil, nil)
		case <-t.Context().Done():
			revoked <- t.Context().Err()
		}
	}()
	dir, out, err := reverseXet(t, h, key.Key, "hub_download.py", []string{hub.SampleWeights})
	if err == nil || compareTree(t, dir, nil) > 0 {
		t.Fatalf("the download ended well:\n%s", lastLines(out, 20))
	}
	if err := <-revoked; err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out, "403") {
		t.Errorf("the client does not say why:\n%s", lastLines(out, 20))
	}
	if !strings.Contains(h.Log.String(), string(auth.CodeKeyRevoked)) {
		t.Error("nothing was refused for it")
	}
	if n := paths(h, hub.TransferHost, "/xorb/"); n > 40 {
		t.Errorf("%d pieces came after all", n)
	}
}

// TestXetHiddenInReverseMode lets the same clients take the classic path.
func TestXetHiddenInReverseMode(t *testing.T) {
	t.Parallel()
	h := house.New(t, house.Options{})
	h.AddCredential(admin.NewCredential{Name: "hub", Provider: "huggingface", Fields: map[string]string{"token": h.Token.Value()}})
	key := h.AddKey(admin.NewKey{Name: "hidden", Xet: "hide", Credentials: []string{"hub"}})
	for script, files := range map[string][]string{"hub_download.py": {hub.SampleWeights, hub.SamplePlus}, "hub_snapshot.py": nil} {
		h.Server.Record.Reset()
		want := sampleFiles(t, 1)
		if files != nil {
			want = named(t, files...)
		}
		dir, out, err := reverseXet(t, h, key.Key, script, files)
		if err != nil {
			t.Fatalf("%v\n%s", err, lastLines(out, 20))
		}
		if n := compareTree(t, dir, want); n != len(want) {
			t.Errorf("%d files, want %d", n, len(want))
		}
		if len(h.Server.Record.On(hub.CASHost)) > 0 || len(h.Server.Record.On(hub.CDNHost)) == 0 {
			t.Errorf("%s: the bytes came by xet", script)
		}
	}
}
