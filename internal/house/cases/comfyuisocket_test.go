package cases

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/websocket"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/config"
	"github.com/weighbridge/weighbridge/internal/workerenv"
)

// socket opens a WebSocket on the route.
func (s *studio) socket(key, client string) *websocket.Conn {
	s.t.Helper()
	ws, err := s.trySocket(key, client)
	if err != nil {
		s.t.Fatal(err)
	}
	return ws
}

func (s *studio) trySocket(key, client string) (*websocket.Conn, error) {
	at, err := url.Parse(s.Bridge.ProxyURL())
	if err != nil {
		return nil, err
	}
	c, err := net.DialTimeout("tcp", at.Host, patience)
	if err != nil {
		return nil, err
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	s.t.Cleanup(func() { _ = c.Close() })
	to := &url.URL{Scheme: "ws", Host: at.Host, Path: "/comfyui/ws", RawQuery: "clientId=" + client}
	return websocket.NewClient(&websocket.Config{
		Location: to, Origin: &url.URL{Scheme: "http", Host: at.Host}, Version: websocket.ProtocolVersionHybi13,
		Header: http.Header{"Authorization": {"Bearer " + key}},
	}, c)
}

// hears asserts that the next message has every one of parts in it.
func hears(t *testing.T, ws *websocket.Conn, parts ...string) {
	t.Helper()
	var got string
	if err := websocket.Message.Receive(ws, &got); err != nil {
		t.Fatalf("waiting for %q: %v", parts, err)
	}
	for _, p := range parts {
		if !strings.Contains(got, p) {
			t.Fatalf("heard %q, want %q", got, p)
		}
	}
}

// TestComfyUISpeaksByWebSocket: frames pass both ways, a client hears of its
// prompts, and the connection lives no longer than the key.
func TestComfyUISpeaksByWebSocket(t *testing.T) {
	t.Parallel()
	s := newStudio(t, 2)
	ws := s.socket(s.writer, "painter")
	hears(t, ws, `"sid":"painter"`)
	if err := websocket.Message.Send(ws, strings.Repeat("x", 100_000)); err != nil {
		t.Fatal(err)
	}
	hears(t, ws, strings.Repeat("x", 100_000))
	for range 3 { // always to the server that the client listens to
		hears(t, ws, s.submitted("painter"))
	}
	reading := s.socket(s.reader, "onlooker")
	hears(t, reading, `"sid":"onlooker"`)
	if n := s.Bridge.Proxy().Tunnels(); n != 2 {
		t.Errorf("%d are counted", n)
	}

	s.Call(http.MethodPost, "/api/v1/keys/artist/revoke", nil, nil)
	var more string
	if err := websocket.Message.Receive(ws, &more); err == nil {
		t.Errorf("a revoked key still hears %q", more)
	}
	if _, err := s.trySocket(s.writer, "painter"); err == nil {
		t.Error("a revoked key opens another one")
	}
	if err := websocket.Message.Send(reading, "still there"); err != nil {
		t.Fatal(err)
	}
	hears(t, reading, "still there")
	_ = reading.Close()
	s.Eventually("both to be over", func() bool { return s.Bridge.Proxy().Tunnels() == 0 })

	var used, finished int
	s.Eventually("the record of both", func() bool {
		used, finished = 0, 0
		for _, e := range s.AuditEvents() {
			if e.Path != "/ws" {
				continue
			}
			switch e.Action {
			case auth.ActionUsed:
				used++
			case auth.ActionFinished:
				finished++
				if e.Status != 101 || e.Bytes == 0 {
					t.Errorf("on record: %+v", e)
				}
			}
		}
		return finished == 2
	})
	if used != 2 {
		t.Errorf("%d uses on record", used)
	}
	s.calm()

	// Elsewhere an upgrade is refused as ever, and so is another protocol.
	w := newWorker(t, s.House, workerenv.Reverse, s.reader)
	for what, r := range map[string]reply{
		"another host":     w.ask("GET", s.Bridge.ProxyURL()+"/example.com/ws", nil, "Connection", "Upgrade", "Upgrade", "websocket"),
		"another protocol": w.ask("GET", s.Bridge.ProxyURL()+"/comfyui/ws", nil, "Connection", "Upgrade", "Upgrade", "h2c"),
	} {
		if r.code() != auth.CodeUpgradeForbidden {
			t.Errorf("%s: %s", what, r)
		}
	}
}

// TestComfyUISocketsAreDrained: they may go on for the time that there is, and
// are cut then.
func TestComfyUISocketsAreDrained(t *testing.T) {
	t.Parallel()
	s := newStudio(t, 1)
	ws := s.socket(s.reader, "onlooker")
	hears(t, ws, `"sid":"onlooker"`)
	ctx, give := context.WithCancel(t.Context())
	drained := make(chan error, 1)
	go func() { drained <- s.Bridge.Drain(ctx) }()
	s.Eventually("it drains", func() bool { return s.Bridge.Proxy().Ready() != nil })
	if err := websocket.Message.Send(ws, "still there"); err != nil {
		t.Fatal(err)
	}
	hears(t, ws, "still there")
	give()
	var more string
	if err := websocket.Message.Receive(ws, &more); err == nil {
		t.Errorf("after the time it still hears %q", more)
	}
	if err := <-drained; !errors.Is(err, context.Canceled) {
		t.Errorf("draining: %v", err)
	}
}

// submitted is submit, for who waits to hear of it.
func (s *studio) submitted(client string) string { return `"prompt_id":"` + s.submit(client) + `"` }

// TestComfyUISocketsEndWithTheirPermission: a server that is not listed any
// more, or for another team, is not listened to either.
func TestComfyUISocketsEndWithTheirPermission(t *testing.T) {
	t.Parallel()
	s := newStudio(t, 2)
	ws := s.socket(s.reader, "onlooker")
	hears(t, ws, `"sid":"onlooker"`)
	stays := s.socket(s.reader, "another") // at the other server, which had less to do
	hears(t, stays, `"sid":"another"`)
	left := s.servers[0]
	if strings.Contains(strings.Join(left.Asked(), " "), "onlooker") {
		left = s.servers[1]
	}
	if _, err := s.Reload(func(c *config.Config) { c.ComfyUI.Servers = []string{left.URL()} }); err != nil {
		t.Fatal(err)
	}
	var more string
	if err := websocket.Message.Receive(ws, &more); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("of a server that is not listed any more it still hears %q (%v)", more, err)
	}
	if err := websocket.Message.Send(stays, "still there"); err != nil {
		t.Fatal(err)
	}
	hears(t, stays, "still there")
	if _, err := s.Reload(func(c *config.Config) { c.ComfyUI.Servers = nil }); err != nil {
		t.Fatal(err)
	}
	if err := websocket.Message.Receive(stays, &more); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("without the route it still hears %q (%v)", more, err)
	}
}
