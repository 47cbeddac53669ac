package house_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/config"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/house/hub"
	"github.com/weighbridge/weighbridge/internal/workerenv"
)

// Followers get acts and use, and no secret.
func TestFollowersGetActsAndUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "record.jsonl")
	var mu sync.Mutex
	var posted strings.Builder
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		posted.Write(body)
	}))
	defer hook.Close()
	h := house.New(t, house.Options{Configure: func(c *config.Config) {
		c.Audit.Followers = []config.Follower{
			{Name: "local", Type: "file", Path: path}, {Name: "siem", Type: "webhook", URL: hook.URL}, {Name: "out", Type: "stdout"},
		}
	}})
	w := worker{t, h, workerenv.Forward, h.HTTPClient(workerenv.Forward, h.HubWorker("hub").Key)}
	if answer, _ := w.follow(fileURL(hub.SampleGated, hub.SampleConfig)); answer.StatusCode != 200 {
		t.Fatal(answer.Status)
	}
	whole := func(text string) bool {
		for _, action := range []string{auth.ActionKeyCreate, auth.ActionCredentialCreate, auth.ActionUsed, auth.ActionFinished} {
			if !strings.Contains(text, `"action":"`+action+`"`) {
				return false
			}
		}
		return true
	}
	h.Eventually("the file has acts and use", func() bool {
		b, _ := os.ReadFile(path)
		return whole(string(b))
	})
	h.Eventually("the webhook has acts and use", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return whole(posted.String())
	})
	h.Eventually("the standard output has some", func() bool { return h.Watch.Bytes("standard output") > 1000 })
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	h.Watch.See("follower file", b)
	mu.Lock()
	h.Watch.See("follower webhook", []byte(posted.String()))
	mu.Unlock()
	var metrics []byte
	h.Call(http.MethodGet, "/metrics", nil, &metrics)
	if !strings.Contains(string(metrics), `weighbridge_audit_follower_dropped_total{follower="siem"} 0`) {
		t.Error("what was dropped is not counted")
	}
	h.Close()
}
