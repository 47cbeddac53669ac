package comfyui

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/signer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a route with a clock and servers that a test sets.
type rig struct {
	*Route
	t   *testing.T
	now time.Time

	lock sync.Mutex
	sick map[string]error
}

func newRig(t *testing.T, file string, servers ...string) *rig {
	t.Helper()
	r := &rig{t: t, now: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC), sick: map[string]error{}}
	var err error
	r.Route, err = New(Options{
		File: file, Now: func() time.Time { return r.now },
		Ask: func(_ context.Context, url string) error {
			r.lock.Lock()
			defer r.lock.Unlock()
			return r.sick[strings.TrimSuffix(url, "/health")]
		},
	})
	if err == nil {
		err = r.Set(Settings{TeamID: "team", Servers: servers, Path: "/health", Interval: time.Hour, Timeout: time.Minute, Remember: time.Hour})
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// wish is a request of the team's key "k".
func (r *rig) wish(method, uri, body string) *auth.Wish {
	r.t.Helper()
	snap, err := auth.Compile(auth.State{}, auth.Options{Providers: signer.Providers()})
	if err != nil {
		r.t.Fatal(err)
	}
	w := &auth.Wish{
		Identity: auth.Identity{TeamID: "team", KeyID: "k", KeyName: "artist", Scope: auth.ScopeWrite},
		Method:   method, Snapshot: snap, Now: r.now,
	}
	w.Path, w.RawQuery, w.HasQuery = strings.Cut(uri, "?")
	if body != "" {
		w.Peek = func(n int) ([]byte, *auth.Error) { return []byte(body)[:min(n, len(body))], nil }
	}
	return w
}

// pick is the server of a request, which ends at once.
func (r *rig) pick(method, uri, body string) string {
	r.t.Helper()
	p, err := r.Pick(r.wish(method, uri, body))
	if err != nil {
		return string(auth.AsError(err).Code)
	}
	if p.Done != nil {
		p.Done()
	}
	return p.Name
}

// submit submits a prompt that gets an id, and returns its server.
func (r *rig) submit(id, client string) string {
	r.t.Helper()
	p, err := r.Pick(r.wish("POST", "/prompt", `{"prompt":{"1":{}},"client_id":`+strconv.Quote(client)+`}`))
	if err != nil {
		r.t.Fatal(err)
	}
	p.Done()
	p.Observe(200, []byte(`{"prompt_id":`+strconv.Quote(id)+`,"number":1}`))
	return p.Name
}

const serverA, serverB, serverC = "http://10.0.0.1:8188", "https://b.example/gpu", "http://10.0.0.3:8188"

func TestTheServerWithTheFewestRequestsIsNext(t *testing.T) {
	r := newRig(t, "", serverA, serverB, serverC)
	held := map[string]*auth.Pick{}
	for range 3 {
		p, err := r.Pick(r.wish("GET", "/object_info", ""))
		if err != nil {
			t.Fatal(err)
		}
		held[p.Name] = p
	}
	if len(held) != 3 {
		t.Fatalf("three requests went to %d servers", len(held))
	}
	held[serverB].Done()
	for range 3 {
		if got := r.pick("GET", "/queue", ""); got != serverB {
			t.Errorf("picked %s, want the one that has nothing to do", got)
		}
	}
	p, err := r.Pick(r.wish("GET", "/api/queue?x=1", ""))
	if err != nil || p.Target.Redacted() != "https://b.example/gpu/api/queue" || p.Target.RawQuery != "x=1" || p.Root != "/gpu" || p.Opened == "" {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestWhatBelongsToAPromptIsAskedForWhereItIs(t *testing.T) {
	r := newRig(t, "", serverA, serverB, serverC)
	where := map[string]string{}
	for _, id := range []string{"p1", "p2", "p3"} {
		where[id] = r.submit(id, "client of "+id)
	}
	if len(where) != 3 || where["p1"] == where["p2"] {
		t.Fatalf("%v", where)
	}
	for id, server := range where {
		for _, c := range [][3]string{
			{"GET", "/history/" + id, ""}, {"GET", "/api/history/" + id, ""}, {"GET", "/api/jobs/" + id, ""}, {"GET", "/job/" + id + "/status", ""},
			{"GET", "/view?filename=x.png&prompt_id=" + id, ""}, {"POST", "/queue", `{"delete":["` + id + `"]}`}, {"POST", "/api/interrupt", `{"prompt_id":"` + id + `"}`},
			{"POST", "/history", `{"clear":false,"delete":["` + id + `"]}`}, {"GET", "/queue?clientId=client+of+" + id, ""},
			{"POST", "/prompt", `{"client_id":"client of ` + id + `","prompt":{}}`},
		} {
			if got := r.pick(c[0], c[1], c[2]); got != server {
				t.Errorf("%s %s went to %s, want %s", c[0], c[1], got, server)
			}
		}
	}
	// Without any id it is where the key was last.
	if got := r.pick("GET", "/queue", ""); got != where["p3"] {
		t.Errorf("the queue was asked for at %s", got)
	}
	// A body of which only the beginning is seen, or that is no JSON, is any.
	for _, body := range []string{`{"prompt":{"a":`, `[]`, `nonsense`, `{"client_id":7}`} {
		if got := r.pick("POST", "/prompt", body); !strings.HasPrefix(got, "http") {
			t.Errorf("%s: %s", body, got)
		}
	}
	r.now = r.now.Add(2 * time.Hour)
	got := map[string]bool{}
	for range 3 {
		got[r.pick("GET", "/history/p1", "")] = true
	}
	if len(got) != 3 {
		t.Errorf("after its time a prompt is still at %v", got)
	}
}

func TestFilesAreWhereTheirHistoryWas(t *testing.T) {
	r := newRig(t, "", serverA, serverB)
	for _, id := range []string{"p1", "p2"} {
		server := r.submit(id, "")
		p, err := r.Pick(r.wish("GET", "/history/"+id, ""))
		if err != nil || p.Name != server {
			t.Fatalf("%+v, %v", p, err)
		}
		p.Done()
		p.Observe(200, []byte(`{"`+id+`":{"prompt":[1],"outputs":{"9":{"images":[{"filename":"1.png","subfolder":"x","type":"output"}],"text":["a"]},"10":{"gifs":[{"filename":"`+id+`.mp4","subfolder":"","type":"temp"}]}}}}`))
		if got := r.pick("GET", "/view?filename=1.png&subfolder=x", ""); got != server {
			t.Errorf("the picture of %s was asked for at %s", id, got)
		}
	}
	if a, b := r.pick("GET", "/view?filename=p1.mp4&type=temp", ""), r.pick("GET", "/view?filename=p2.mp4&type=temp", ""); a == b {
		t.Errorf("both films are at %s", a)
	}
	up := r.pick("POST", "/upload/image", "")
	for range 3 {
		if got := r.pick("POST", "/prompt", `{"prompt":{}}`); got != up {
			t.Errorf("a prompt went to %s, and what it names was uploaded to %s", got, up)
		}
	}
}

func TestAServerThatIsDownGetsNothing(t *testing.T) {
	r := newRig(t, "", serverA, serverB)
	r.submit("p1", "c")
	at := r.pick("GET", "/history/p1", "")
	p, err := r.Pick(r.wish("GET", "/history/p1", ""))
	if err != nil {
		t.Fatal(err)
	}
	p.Done()
	if p.Failed(auth.NewError(auth.CodeUpstreamUnreachable, "gone", nil), true) {
		t.Error("what only one server has is asked for at another")
	}
	if got := r.pick("GET", "/history/p1", ""); got != "route_unavailable" {
		t.Errorf("its history is asked for at %s", got)
	}
	for range 3 {
		if got := r.pick("POST", "/prompt", `{"client_id":"c","prompt":{}}`); got == at {
			t.Error("a server that is down got a prompt")
		}
	}
	// A check finds it again; one that fails only the second time in a row.
	ctx := t.Context()
	all := func(n int) {
		for range n {
			for _, s := range r.servers {
				r.check(ctx, s, r.set)
			}
		}
	}
	all(1)
	if got := r.pick("GET", "/history/p1", ""); got != at {
		t.Errorf("the server that is back is not asked: %s", got)
	}
	r.with(func() { r.sick[at] = errors.New("late") })
	all(1)
	if got := r.pick("GET", "/history/p1", ""); got != at {
		t.Errorf("one late answer and it is %s", got)
	}
	all(1)
	if got := r.pick("GET", "/history/p1", ""); got != "route_unavailable" {
		t.Errorf("two late answers and it is %s", got)
	}
	r.with(func() { r.sick[serverA], r.sick[serverB] = errors.New("late"), errors.New("late") })
	all(2)
	if got := r.pick("GET", "/queue", ""); got != "route_unavailable" {
		t.Errorf("nothing is there, and %s was picked", got)
	}
}

// with changes what the servers answer.
func (r *rig) with(f func()) {
	r.lock.Lock()
	defer r.lock.Unlock()
	f()
}

func TestRunAsksAtOnceAndWhenTheSettingsChange(t *testing.T) {
	asked := make(chan string)
	r, err := New(Options{
		Ask: func(ctx context.Context, url string) error {
			select {
			case asked <- url:
			case <-ctx.Done():
			}
			return nil
		},
		Wait: func(ctx context.Context, _ time.Duration) error { <-ctx.Done(); return ctx.Err() },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var run sync.WaitGroup
	run.Go(func() { r.Run(ctx) })
	for _, base := range []string{serverA, serverB} {
		if err := r.Set(Settings{Servers: []string{base}, Path: "/queue", Interval: time.Hour, Timeout: time.Hour}); err != nil {
			t.Fatal(err)
		}
		if got := <-asked; got != base+"/queue" {
			t.Errorf("asked %s", got)
		}
	}
	stop()
	run.Wait()
	if err := r.Set(Settings{Servers: []string{"10.0.0.5:8188", "http://x/?q=1"}}); err == nil || !strings.Contains(err.Error(), "10.0.0.5") || !strings.Contains(err.Error(), "query") {
		t.Errorf("bad servers: %v", err)
	}
}

func TestOthersKeysAreRefused(t *testing.T) {
	r := newRig(t, "", serverA)
	w := r.wish("GET", "/queue", "")
	w.Identity.TeamID = "others"
	if _, err := r.Pick(w); auth.AsError(err).Code != auth.CodeRouteForbidden {
		t.Errorf("%v", err)
	}
	empty := newRig(t, "")
	if got := empty.pick("GET", "/queue", ""); got != "route_unavailable" {
		t.Errorf("without servers: %s", got)
	}
}

func TestPlacesOutliveTheProcess(t *testing.T) {
	file := filepath.Join(t.TempDir(), "places.jsonl")
	r := newRig(t, file, serverA, serverB, serverC)
	ids := []string{"p1", "p2", "p3"}
	var at []string
	for _, id := range ids {
		at = append(at, r.submit(id, ""))
	}
	// As a process leaves it that is killed while it writes.
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteString(`{"what":"torn","ser`)
		_ = f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	again := newRig(t, file, serverC, serverB, serverA)
	for i, id := range ids {
		if got := again.pick("GET", "/history/"+id, ""); got != at[i] {
			t.Errorf("%s is asked for at %s, want %s", id, got, at[i])
		}
	}
	b, err := os.ReadFile(file)
	if err != nil || strings.Contains(string(b), "torn") || strings.Contains(string(b), "p1") {
		t.Errorf("kept: %s, %v", b, err)
	}
	// What is over is forgotten, and where a server is gone its prompts are free.
	few := newRig(t, file, serverA)
	for _, id := range ids {
		if got := few.pick("GET", "/history/"+id, ""); got != serverA {
			t.Errorf("%s is asked for at %s", id, got)
		}
	}
	p, err := openPlaces(file, few.now.Add(24*time.Hour))
	if err != nil || len(p.at) != 0 {
		t.Errorf("%d places are remembered for ever, %v", len(p.at), err)
	}
	if err := p.close(); err != nil {
		t.Error(err)
	}
}

func TestPlacesAreBounded(t *testing.T) {
	p := newPlaces()
	now := time.Unix(0, 0)
	for i := range maxPlaces + 10 {
		p.put("k", ofPrompt(strconv.Itoa(i)), serverA, now.Add(time.Hour), now)
	}
	if len(p.at) != maxPlaces || p.of["k"].Len() != maxPlaces {
		t.Errorf("%d places, %d of an age", len(p.at), p.of["k"].Len())
	}
	if p.get(ofPrompt("0"), now) != "" || p.get(ofPrompt(strconv.Itoa(maxPlaces+9)), now) != serverA {
		t.Error("not the oldest one went")
	}
}

// TestOneKeyCrowdsOutItsOwnPlacesOnly: any key may name as many clients as it
// likes, also one that may only read.
func TestOneKeyCrowdsOutItsOwnPlacesOnly(t *testing.T) {
	file := filepath.Join(t.TempDir(), "places")
	r := newRig(t, file, serverA, serverB)
	where := r.submit("p", "painter")
	w := r.wish("GET", "/queue", "")
	w.Identity.KeyID, w.Identity.Scope = "another", auth.ScopeRead
	w.HasQuery = true
	for i := range maxPlaces + 10 {
		w.RawQuery = "clientId=" + strconv.Itoa(i)
		p, err := r.Pick(w)
		if err != nil {
			t.Fatal(err)
		}
		p.Done()
	}
	for _, r := range []*rig{r, newRig(t, file, serverA, serverB)} {
		if got := r.places.get(ofPrompt("p"), r.now); got != where {
			t.Errorf("the prompt is at %q, was submitted to %s", got, where)
		}
		if got := r.places.get(ofClient("painter"), r.now); got != where {
			t.Errorf("its client belongs to %q, want %s", got, where)
		}
		if n := len(r.places.at); n != maxPlaces {
			t.Errorf("%d places", n)
		}
	}
}

func TestCloudPaths(t *testing.T) {
	r := newRig(t, "", serverA)
	for uri, want := range map[string]string{
		"/prompt": "/api/prompt", "/api/prompt": "/api/prompt", "/ws?clientId=x": "/ws", "/api/ws": "/ws",
		"/history/p": "/api/history_v2/p", "/api/history/p": "/api/history_v2/p", "/history": "/api/history_v2", "/history_v2/p": "/api/history_v2/p",
		"/": "/api/", "/view?filename=a": "/api/view", "/api/userdata/a%2Fb": "/api/userdata/a%2Fb", "/api": "/api/api",
	} {
		c, err := readCall(r.wish("GET", uri, ""))
		if err != nil || cloudPath(c) != want {
			t.Errorf("%s: %s, want %s (%v)", uri, cloudPath(c), want, err)
		}
	}
}

func TestWhatWritesByGET(t *testing.T) {
	r := newRig(t, "", serverA)
	for uri, want := range map[string]bool{
		"/manager/reboot": true, "/api/manager/queue/start": true, "/v2/manager/queue/reset": true, "/api/v2/%6Danager/reboot": true, "/%61pi/manager/reboot": true,
		// As a server in front of ComfyUI may hand them on.
		"//manager/reboot": true, "/api//v2//manager/reboot": true, "//api/manager/reboot": true, "/manager%2Freboot": true, "/api%2Fv2%2Fsnapshot/restore": true,
		"/userdata/manager%2Freboot": false,
		"/customnode/getlist":        true, "/snapshot/restore?target=x": true, "/externalmodel/getlist": true,
		"/queue": false, "/view?filename=manager": false, "/history/manager": false, "/managers": false, "/": false,
	} {
		p, err := r.Pick(r.wish("GET", uri, ""))
		if err != nil || p.Write != want {
			t.Errorf("%s: %v, %v", uri, p, err)
		}
	}
}

func FuzzReadCall(f *testing.F) {
	for _, s := range []string{"/prompt", "/api/history/x", "//", "/%", "/view?filename=%zz", "/api/v2/manager"} {
		f.Add("POST", s, `{"client_id":"x","delete":["y"],"prompt":{}}`)
	}
	f.Fuzz(func(t *testing.T, method, uri, body string) {
		if !strings.HasPrefix(uri, "/") {
			return
		}
		w := &auth.Wish{Identity: auth.Identity{Scope: auth.ScopeWrite}, Method: method, Peek: func(n int) ([]byte, *auth.Error) { return []byte(body), nil }}
		w.Path, w.RawQuery, w.HasQuery = strings.Cut(uri, "?")
		c, err := readCall(w)
		if err != nil {
			t.Fatal(err)
		}
		if p := cloudPath(c); !strings.HasPrefix(p, "/") {
			t.Errorf("%q leads to %q", uri, p)
		}
		submittedID([]byte(body))
		filesIn([]byte(body))
	})
}
