package cases

import (
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/websocket"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/house/registry"
	"github.com/weighbridge/weighbridge/internal/workerenv"
)

// TestComfyUIFallsBackToTheCloud where the team wants it so and the key is
// linked; what was submitted there stays there.
func TestComfyUIFallsBackToTheCloud(t *testing.T) {
	t.Parallel()
	s := newStudio(t, 1)
	if err := s.servers[0].Stop(); err != nil {
		t.Fatal(err)
	}
	refused := func(key, why string) {
		t.Helper()
		r := s.ask(key, "POST", "/prompt", `{"prompt":{}}`)
		if r.status != 503 || r.code() != auth.CodeRouteUnavailable || !strings.Contains(string(r.body), why) || r.header.Get("Retry-After") == "" {
			t.Errorf("want 503 because %s: %s", why, r)
		}
	}
	refused(s.writer, "no credential comfy-cloud is linked")
	s.fallBack("false")
	refused(s.writer, "fallback to Comfy Cloud is off")
	s.Call(http.MethodPatch, "/api/v1/credentials/comfy-cloud", map[string]any{"fields": map[string]string{"cloud_fallback": "true"}}, nil)
	other := s.AddKey(admin.NewKey{Name: "unlinked", Scope: "write"}).Key
	refused(other, "no credential comfy-cloud is linked")

	id := s.submit("client")
	if serverOf(id) != "cloud" {
		t.Fatalf("the prompt went to %s", id)
	}
	r := s.ask(s.writer, "GET", "/queue", "")
	if r.status != 200 || r.header.Get("X-Weighbridge-Fallback") != "comfy_cloud" {
		t.Errorf("%s, %v", r, r.header)
	}
	if r := s.ask(s.writer, "GET", "/history/"+id, ""); !strings.Contains(string(r.body), "ComfyUI_00001_.png") || r.header.Get("X-Weighbridge-Fallback") == "" {
		t.Errorf("history: %s", r)
	}
	w := newWorker(t, s.House, workerenv.Reverse, s.writer)
	if r := w.follow(s.Bridge.ProxyURL() + "/comfyui/view?filename=ComfyUI_00001_.png"); string(r.body) != "a picture in the cloud" {
		t.Errorf("the picture: %s from %s", r, r.url)
	}
	ws := s.socket(s.writer, "client")
	hears(t, ws, `"server":"cloud"`)

	// Scope counts there too.
	s.Link("comfy-cloud", "viewer")
	if r := s.ask(s.reader, "POST", "/prompt", `{"prompt":{}}`); r.code() != auth.CodeScopeForbidden {
		t.Errorf("a reader: %s", r)
	}

	if err := s.servers[0].Start(); err != nil {
		t.Fatal(err)
	}
	s.Eventually("the server to be available", func() bool {
		return serverOf(s.submit("another")) == "a"
	})
	if r := s.ask(s.writer, "GET", "/history/"+id, ""); r.header.Get("X-Weighbridge-Fallback") == "" {
		t.Errorf("what is in the cloud was looked for elsewhere: %s", r)
	}
	s.Unlink("comfy-cloud", "artist")
	var more string
	if err := websocket.Message.Receive(ws, &more); err == nil {
		t.Errorf("without the link it still hears %q", more)
	}
	s.Link("comfy-cloud", "artist")
	s.Call(http.MethodPost, "/api/v1/credentials/comfy-cloud/revoke", nil, nil)
	if r := s.ask(s.writer, "GET", "/history/"+id, ""); r.code() != auth.CodeRouteUnavailable || !strings.Contains(string(r.body), "revoked") {
		t.Errorf("after the revocation: %s", r)
	}
	s.calm()
	rows := s.Server.Record.On(registry.ComfyStoreHost)
	for i := range rows {
		if where := secretIn(&rows[i], s.secret); where != "" {
			t.Errorf("the store was shown the key in %s", where)
		}
	}
	if len(rows) == 0 {
		t.Error("the store was not asked")
	}
}
