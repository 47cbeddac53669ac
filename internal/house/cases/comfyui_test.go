package cases

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/config"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/house/origin"
	"github.com/weighbridge/weighbridge/internal/house/registry"
	"github.com/weighbridge/weighbridge/internal/workerenv"
)

// studio is a house with ComfyUI servers of its own, and Comfy Cloud.
type studio struct {
	*house.House
	t       *testing.T
	servers []*registry.ComfyUI
	secret  *house.Canary
	// writer and reader are API keys of either scope.
	writer, reader string
	options        house.Options
}

func newStudio(t *testing.T, servers int) *studio {
	t.Helper()
	s := &studio{t: t, secret: house.NewCanary("comfyui-")}
	var bases []string
	for i := range servers {
		c := registry.NewComfyUI(string(rune('a' + i)))
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Stop() })
		s.servers = append(s.servers, c)
		bases = append(bases, c.URL())
	}
	s.options = house.Options{
		Empty: true,
		Mount: func(o *origin.Server) {
			if err := registry.MountComfy(o, s.secret.Value(), origin.Text("a picture in the cloud"), origin.NewSigner(nil)); err != nil {
				t.Fatal(err)
			}
		},
		Configure: func(c *config.Config) {
			c.ComfyUI.Servers = bases
			c.ComfyUI.Health.Interval = time.Second
		},
	}
	s.open()
	s.writer = s.AddKey(admin.NewKey{Name: "artist", Scope: "write"}).Key
	s.reader = s.AddKey(admin.NewKey{Name: "viewer"}).Key
	return s
}

// open starts weighbridge, on what was left where it ran before.
func (s *studio) open() {
	s.House = house.New(s.t, s.options)
	s.options.DataDir = s.DataDir
	s.Watch.Add(s.secret)
}

// fallBack gives the team the reserved credential, linked to the writer.
func (s *studio) fallBack(on string) {
	s.t.Helper()
	s.AddCredential(admin.NewCredential{
		Name: "comfy-cloud", Provider: "comfy_cloud", NoValidate: true,
		Fields: map[string]string{"api_key": s.secret.Value(), "cloud_fallback": on},
	})
	s.Link("comfy-cloud", "artist")
}

func (s *studio) ask(key, method, path, body string) reply {
	s.t.Helper()
	w := newWorker(s.t, s.House, workerenv.Reverse, key)
	var b []byte
	if body != "" {
		b = []byte(body)
	}
	r := w.ask(method, s.Bridge.ProxyURL()+"/comfyui"+path, b)
	if r.err != nil {
		s.t.Fatalf("%s %s: %v", method, path, r.err)
	}
	return r
}

// submit submits a prompt and returns its id, which begins with the name of
// the server.
func (s *studio) submit(client string) string {
	s.t.Helper()
	r := s.ask(s.writer, "POST", "/prompt", `{"prompt":{"3":{"class_type":"KSampler"}},"client_id":"`+client+`"}`)
	var out struct {
		PromptID string `json:"prompt_id"`
	}
	if err := json.Unmarshal(r.body, &out); err != nil || r.status != 200 || out.PromptID == "" {
		s.t.Fatalf("submitting: %s", r)
	}
	return out.PromptID
}

func serverOf(id string) string { name, _, _ := strings.Cut(id, "-"); return name }

// calm asserts that no server was shown a secret.
func (s *studio) calm() {
	s.t.Helper()
	for _, c := range s.servers {
		if c := c.Complaints(); len(c) > 0 {
			s.t.Errorf("a server was shown: %q", c)
		}
	}
}

// TestComfyUIIsReachedByItsRoute: prompts are spread over the servers, what
// comes of one is asked for where it is, and nobody gets there in another way.
func TestComfyUIIsReachedByItsRoute(t *testing.T) {
	t.Parallel()
	s := newStudio(t, 2)
	ids := map[string]string{}
	for _, client := range []string{"one", "two"} {
		id := s.submit(client)
		ids[serverOf(id)] = id
	}
	if len(ids) != 2 {
		t.Fatalf("two prompts went to %v", ids)
	}
	for range 2 { // not by turns
		for name, id := range ids {
			if r := s.ask(s.writer, "GET", "/history/"+id, ""); !strings.Contains(string(r.body), "ComfyUI_00001_.png") {
				t.Errorf("history of %s: %s", id, r)
			}
			// Both servers call their first picture alike.
			if r := s.ask(s.writer, "GET", "/view?filename=ComfyUI_00001_.png&type=output", ""); string(r.body) != "picture of "+name {
				t.Errorf("the picture of %s: %s", id, r)
			}
			if r := s.ask(s.writer, "POST", "/queue", `{"delete":["`+id+`"]}`); r.status != 200 {
				t.Errorf("%s", r)
			}
		}
	}
	for i, c := range s.servers {
		if d := c.Deleted(); len(d) != 2 || serverOf(d[0]) != string(rune('a'+i)) {
			t.Errorf("server %d deleted %q", i, d)
		}
	}
	if id := s.submit("two"); serverOf(id) != serverOf(s.submit("two")) {
		t.Errorf("a client was sent from one server to another")
	}
	s.calm()

	for _, c := range []struct {
		method, path string
		status       int
		code         auth.Code
	}{
		{"GET", "/queue", 200, ""},
		{"GET", "/api/object_info", 200, ""},
		{"POST", "/prompt", 403, auth.CodeScopeForbidden},
		{"POST", "/api/queue", 403, auth.CodeScopeForbidden},
		{"DELETE", "/userdata/x", 403, auth.CodeScopeForbidden},
		{"GET", "/manager/reboot", 403, auth.CodeScopeForbidden},
		{"GET", "/api/v2/%6danager/reboot", 403, auth.CodeScopeForbidden},
	} {
		body := ""
		if c.method == "POST" {
			body = `{"prompt":{}}`
		}
		if r := s.ask(s.reader, c.method, c.path, body); r.status != c.status || r.code() != c.code {
			t.Errorf("a reader's %s %s: %s", c.method, c.path, r)
		}
	}

	// To be listed opens the route and nothing else.
	if _, err := s.Reload(func(c *config.Config) { c.Unmatched.Reverse = auth.UnmatchedPass }); err != nil {
		t.Fatal(err)
	}
	w := newWorker(t, s.House, workerenv.Reverse, s.writer)
	direct := strings.Replace(s.servers[0].URL(), "http://", "/http:", 1)
	if r := w.ask("GET", s.Bridge.ProxyURL()+direct+"/queue", nil); r.code() != auth.CodeAddressForbidden {
		t.Errorf("past the route: %s", r)
	}
	f := newWorker(t, s.House, workerenv.Forward, s.writer)
	if r := f.ask("GET", s.servers[0].URL()+"/queue", nil); r.err == nil && r.code() != auth.CodeAddressForbidden {
		t.Errorf("past the route, forward: %s", r)
	}
	if r := s.ask(s.writer, "GET", "/queue", ""); r.status != 200 {
		t.Errorf("by the route: %s", r)
	}
	stranger := s.keyOfAnotherTeam()
	if r := s.ask(stranger, "GET", "/queue", ""); r.code() != auth.CodeRouteForbidden {
		t.Errorf("a key of another team: %s", r)
	}
}

// keyOfAnotherTeam makes one.
func (s *studio) keyOfAnotherTeam() string {
	s.t.Helper()
	team, err := s.Bridge.Store().EnsureTeam(s.t.Context(), "others")
	if err != nil {
		s.t.Fatal(err)
	}
	key := auth.NewAPIKey()
	hash, _ := auth.HashAPIKey(key.Reveal())
	if _, err := s.Bridge.Store().CreateKey(s.t.Context(), auth.Key{TeamID: team.ID, Name: "stranger", Scope: auth.ScopeWrite, Hash: hash}, nil, auth.Event{Actor: "house"}); err != nil {
		s.t.Fatal(err)
	}
	return key.Reveal()
}

// TestComfyUILeadsWhereItDoesByTheEndOfABody: who sends one slowly is not led
// by what the configuration was when it began.
func TestComfyUILeadsWhereItDoesByTheEndOfABody(t *testing.T) {
	t.Parallel()
	s := newStudio(t, 3)
	s.keyOfAnotherTeam()
	only := func(i int) func(*config.Config) {
		return func(c *config.Config) { c.ComfyUI.Servers = []string{s.servers[i].URL()} }
	}
	if _, err := s.Reload(only(0)); err != nil {
		t.Fatal(err)
	}
	const prompt = `{"prompt":{"3":{"class_type":"KSampler"}},"client_id":"slow"}`
	for _, c := range []struct {
		name   string
		change func(*config.Config)
		status int
		code   auth.Code
		server string
	}{
		{"another server", only(1), 200, "", "b"},
		{"another team", func(c *config.Config) { only(2)(c); c.ComfyUI.Team = "others" }, 403, auth.CodeRouteForbidden, ""},
	} {
		w := dial(t, s.House)
		w.say("POST /comfyui/prompt HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + s.writer +
			"\r\nExpect: 100-continue\r\nContent-Length: " + strconv.Itoa(len(prompt)) + "\r\n\r\n")
		if r := w.answer("POST"); r.status != 100 { // the body is being waited for
			t.Fatalf("%s: %s", c.name, r)
		}
		if _, err := s.Reload(c.change); err != nil {
			t.Fatal(err)
		}
		w.say(prompt)
		r := w.answer("POST")
		if r.status != c.status || r.code() != c.code || c.server != "" && !strings.Contains(string(r.body), `"`+c.server+`-`) {
			t.Errorf("%s: %s", c.name, r)
		}
	}
	for i, want := range []int{0, 1, 0} {
		if a := strings.Join(s.servers[i].Asked(), "\n"); strings.Count(a, "POST /prompt") != want {
			t.Errorf("server %d was asked %q", i, a)
		}
	}
}

// TestComfyUIPromptsAreFoundAfterARestart on the server that has them, even
// where nobody else names it.
func TestComfyUIPromptsAreFoundAfterARestart(t *testing.T) {
	t.Parallel()
	s := newStudio(t, 3)
	ids := []string{s.submit("x"), s.submit("y"), s.submit("z")}
	s.Close()
	s.open()
	for i, client := range []string{"x", "y", "z"} {
		if r := s.ask(s.writer, "GET", "/history/"+ids[i], ""); !strings.Contains(string(r.body), ids[i]) {
			t.Errorf("%s: %s", ids[i], r)
		}
		if id := s.submit(client); serverOf(id) != serverOf(ids[i]) {
			t.Errorf("the client %s moved from %s to %s", client, ids[i], id)
		}
	}
	// Where that server is gone nobody else is asked.
	if err := s.servers[serverOf(ids[0])[0]-'a'].Stop(); err != nil {
		t.Fatal(err)
	}
	if r := s.ask(s.writer, "GET", "/history/"+ids[0], ""); r.status/100 != 5 || r.code() == "" {
		t.Errorf("of a server that is gone: %s", r)
	}
	if id := s.submit("x"); serverOf(id) == serverOf(ids[0]) {
		t.Errorf("submitted to a server that is gone: %s", id)
	}
}

// TestComfyUIIsNotAskedTwice where a server has taken a request that writes;
// what only asks goes to another one.
func TestComfyUIIsNotAskedTwice(t *testing.T) {
	t.Parallel()
	s := newStudio(t, 1)
	breaking := newTap(t, nil, func(head string) string {
		if strings.HasPrefix(head, "GET /system_stats") {
			return ok
		}
		return "" // it breaks off
	})
	if _, err := s.Reload(func(c *config.Config) {
		c.ComfyUI.Servers = []string{"http://" + breaking.addr(), s.servers[0].URL()}
	}); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		if r := s.ask(s.writer, "GET", "/object_info", ""); r.status != 200 {
			t.Errorf("what only asks: %s", r)
		}
	}
	// A GET that changes something is no question: what restarts one server
	// must not restart the next one too.
	for range 4 {
		if r := s.ask(s.writer, "GET", "/manager/reboot", ""); r.code() != auth.CodeUpstreamUnreachable && r.code() != "" {
			t.Errorf("what writes by GET: %s", r)
		}
	}
	rebooted := 0
	for _, a := range s.servers[0].Asked() {
		if a == "GET /manager/reboot" {
			rebooted++
		}
	}
	if rebooted != 2 {
		t.Errorf("of four requests that change something the other server was given %d, want its own two", rebooted)
	}
	broken, whole := 0, 0
	for range 4 {
		switch r := s.ask(s.writer, "POST", "/prompt", `{"prompt":{}}`); {
		case r.code() == auth.CodeUpstreamUnreachable:
			broken++
		case r.status == 200:
			whole++
		default:
			t.Errorf("%s", r)
		}
	}
	submitted := 0
	for _, a := range s.servers[0].Asked() {
		if a == "POST /prompt" {
			submitted++
		}
	}
	if broken != 2 || whole != 2 || submitted != 2 {
		t.Errorf("%d broke, %d did not, and the other server was given %d", broken, whole, submitted)
	}
}
