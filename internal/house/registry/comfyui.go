package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/websocket"
)

// ComfyUI is a fake ComfyUI server, or what Comfy Cloud has in its place. Like
// a real one it knows the prompts that were submitted to it and nothing of
// others, calls its pictures by numbers, and tells the client of a prompt, and
// no other, about it. It complains of every request that shows it a secret.
type ComfyUI struct {
	name   string
	server *http.Server
	addr   string

	mu         sync.Mutex
	prompts    map[string]bool
	clients    map[string]*websocket.Conn
	deleted    []string
	asked      []string
	complaints []string
}

// NewComfyUI makes a server that is asked by ServeHTTP, called name in what it
// answers.
func NewComfyUI(name string) *ComfyUI {
	return &ComfyUI{name: name, prompts: map[string]bool{}, clients: map[string]*websocket.Conn{}}
}

// Start serves on 127.0.0.1: on a port of the system's choice at first, on the
// same one after Stop.
func (c *ComfyUI) Start() error {
	addr := c.addr
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	c.addr = l.Addr().String()
	c.server = &http.Server{Handler: c, ReadHeaderTimeout: time.Minute}
	go func(s *http.Server) { _ = s.Serve(l) }(c.server)
	return nil
}

// Stop cuts every connection.
func (c *ComfyUI) Stop() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for _, w := range c.clients {
		errs = append(errs, w.Close())
	}
	c.clients = map[string]*websocket.Conn{}
	if c.server != nil {
		_ = c.server.Close()
		c.server = nil
	}
	return errors.Join(errs...)
}

// URL is the base URL.
func (c *ComfyUI) URL() string { return "http://" + c.addr }

// Asked are the requests so far but those about health, as "METHOD path?query".
func (c *ComfyUI) Asked() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.asked...)
}

// Complaints are what was wrong with requests.
func (c *ComfyUI) Complaints() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.complaints...)
}

// Deleted are the prompts that were taken out of the queue.
func (c *ComfyUI) Deleted() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.deleted...)
}

// ServeHTTP implements http.Handler.
func (c *ComfyUI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for _, name := range []string{"Authorization", "Proxy-Authorization", "X-Api-Key", "X-Weighbridge-Key", "Cookie"} {
		if r.Header.Get(name) != "" {
			c.mu.Lock()
			c.complaints = append(c.complaints, name+" at "+r.URL.Path)
			c.mu.Unlock()
			http.Error(w, "no secrets, please", http.StatusBadRequest)
			return
		}
	}
	path := strings.TrimPrefix(r.URL.Path, "/api")
	if path != "/system_stats" {
		c.mu.Lock()
		c.asked = append(c.asked, r.Method+" "+r.URL.RequestURI())
		c.mu.Unlock()
	}
	first, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	switch r.Method + " " + first {
	case "GET ws":
		// A browser's Origin is none of a worker's.
		(&websocket.Server{Handler: func(ws *websocket.Conn) { c.messages(ws, r.URL.Query().Get("clientId")) }}).ServeHTTP(w, r)
	case "POST prompt":
		c.submit(w, r)
	case "POST queue", "POST interrupt":
		var in struct {
			Delete   []string
			PromptID string `json:"prompt_id"`
		}
		_ = json.NewDecoder(r.Body).Decode(&in)
		c.mu.Lock()
		if c.deleted = append(c.deleted, in.Delete...); in.PromptID != "" {
			c.deleted = append(c.deleted, in.PromptID)
		}
		c.mu.Unlock()
	case "GET history", "GET history_v2":
		c.history(w, rest)
	case "GET view":
		if !c.has(c.ofFile(r.URL.Query().Get("filename"))) {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "image/png")
		_, _ = io.WriteString(w, "picture of "+c.name)
	default:
		c.answer(w, map[string]any{"server": c.name, "path": r.URL.Path})
	}
}

func (c *ComfyUI) answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_ = json.NewEncoder(w).Encode(v)
}

func (c *ComfyUI) has(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.prompts[id]
}

// file is the picture of a prompt; all servers call their first one alike.
func (c *ComfyUI) file(id string) string {
	_, number, _ := strings.Cut(id, "-")
	return "ComfyUI_" + number + "_.png"
}

func (c *ComfyUI) ofFile(file string) string {
	return c.name + "-" + strings.TrimSuffix(strings.TrimPrefix(file, "ComfyUI_"), "_.png")
}

func (c *ComfyUI) submit(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Prompt   map[string]any
		ClientID string `json:"client_id"`
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || in.Prompt == nil {
		http.Error(w, `{"error":{"type":"no_prompt"}}`, http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	id := fmt.Sprintf("%s-%05d", c.name, len(c.prompts)+1)
	c.prompts[id] = true
	ws := c.clients[in.ClientID]
	c.mu.Unlock()
	if ws != nil {
		_ = websocket.Message.Send(ws, `{"type":"executed","data":{"prompt_id":"`+id+`"}}`)
	}
	c.answer(w, map[string]any{"prompt_id": id, "number": 1, "node_errors": map[string]any{}})
}

func (c *ComfyUI) history(w http.ResponseWriter, id string) {
	out := map[string]any{}
	if c.has(id) {
		out[id] = map[string]any{"outputs": map[string]any{"9": map[string]any{
			"images": []map[string]string{{"filename": c.file(id), "subfolder": "", "type": "output"}},
		}}}
	}
	c.answer(w, out)
}

// messages is a client's WebSocket: it is greeted at once, and gets back what
// it says.
func (c *ComfyUI) messages(ws *websocket.Conn, client string) {
	_ = websocket.Message.Send(ws, `{"type":"status","data":{"sid":"`+client+`","server":"`+c.name+`"}}`)
	c.mu.Lock()
	c.clients[client] = ws
	c.mu.Unlock()
	for {
		var said string
		if websocket.Message.Receive(ws, &said) != nil {
			break
		}
		_ = websocket.Message.Send(ws, said)
	}
	c.mu.Lock()
	delete(c.clients, client)
	c.mu.Unlock()
}
