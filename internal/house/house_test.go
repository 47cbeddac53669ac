package house_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/house/hub"
	"github.com/weighbridge/weighbridge/internal/house/origin"
	"github.com/weighbridge/weighbridge/internal/house/registry"
	"github.com/weighbridge/weighbridge/internal/workerenv"
	"github.com/weighbridge/weighbridge/signer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// worker is a client of one mode with a key of its own.
type worker struct {
	t      *testing.T
	house  *house.House
	mode   workerenv.Mode
	client *http.Client
}

// inBothModes runs a test for each mode, in one house, with a worker that is
// linked to the Hub's credential.
func inBothModes(t *testing.T, o house.Options, test func(t *testing.T, w worker)) {
	t.Helper()
	h := house.New(t, o)
	key := h.HubWorker("hub")
	for _, mode := range []workerenv.Mode{workerenv.Forward, workerenv.Reverse} {
		t.Run(string(mode), func(t *testing.T) {
			h.Server.Record.Reset()
			test(t, worker{t, h, mode, h.HTTPClient(mode, key.Key)})
		})
	}
}

// get fetches one URL; header comes in pairs.
func (w worker) get(rawURL string, header ...string) (*http.Response, []byte) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, rawURL, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := w.client.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return answer, body
}

// follow is get through every redirect, with the same header on each hop as
// careless clients send it.
func (w worker) follow(rawURL string, header ...string) (*http.Response, []byte) {
	w.t.Helper()
	for range 6 {
		answer, body := w.get(rawURL, header...)
		location := answer.Header.Get("Location")
		if answer.StatusCode/100 != 3 || location == "" {
			return answer, body
		}
		next, err := answer.Request.URL.Parse(location)
		if err != nil {
			w.t.Fatal(err)
		}
		rawURL = next.String()
	}
	w.t.Fatal("too many redirects")
	return nil, nil
}

func fileURL(repo, name string) string {
	return "https://" + hub.Host + "/" + repo + "/resolve/main/" + (&url.URL{Path: name}).EscapedPath()
}

func TestWholeHouseServesEverySampleFile(t *testing.T) {
	files, err := hub.SampleFiles(1)
	if err != nil {
		t.Fatal(err)
	}
	inBothModes(t, house.Options{}, func(t *testing.T, w worker) {
		for _, repo := range []string{hub.SampleGated, hub.SamplePrivate, hub.SampleBridge, hub.SampleOldLFS, hub.SampleRenamed, "datasets/" + hub.SampleData, "spaces/" + hub.SampleSpace} {
			for _, f := range files {
				if f.Path == hub.SampleWeights && repo != hub.SampleGated {
					continue // once is enough for the largest
				}
				answer, body := w.follow(fileURL(repo, f.Path))
				if answer.StatusCode != 200 || origin.SHA256(origin.Bytes(body)) != origin.SHA256(f.Content) {
					t.Errorf("%s of %s: %s, %d bytes: %.200s", f.Path, repo, answer.Status, len(body), body)
				}
			}
		}
		for _, a := range w.house.Server.Record.Authorizations(hub.Host) {
			if a != "Bearer "+w.house.Token.Value() {
				t.Errorf("the Hub saw another Authorization, of %d bytes", len(a))
			}
		}
	})
}

// The CDN refuses any Authorization and any changed byte, so a download that
// arrives shows that neither happened.
func TestT08_SignedURLPassesUntouched(t *testing.T) {
	inBothModes(t, house.Options{}, func(t *testing.T, w worker) {
		for repo, host := range map[string]string{hub.SampleGated: hub.CDNHost, hub.SampleBridge: hub.BridgeHost, hub.SampleOldLFS: hub.LFSHost} {
			header := []string{}
			if w.mode == workerenv.Forward {
				header = []string{"Authorization", "Bearer " + signer.PlaceholderToken}
			}
			answer, body := w.follow(fileURL(repo, hub.SamplePlus), header...)
			if answer.StatusCode != 200 || len(body) != 300_001 {
				t.Errorf("%s: %s, %.200s", host, answer.Status, body)
			}
			if seen := w.house.Server.Record.Authorizations(host); len(seen) != 1 || seen[0] != "" {
				t.Errorf("%s saw %d kinds of Authorization", host, len(seen))
			}
			answer, body = w.follow(fileURL(repo, hub.SamplePlus), append(header, "Range", "bytes=300000-300005")...)
			if answer.StatusCode != 206 || len(body) != 1 || answer.Header.Get("Content-Range") != "bytes 300000-300000/300001" {
				t.Errorf("%s: a range: %s %v", host, answer.Status, answer.Header)
			}
		}
	})
}

func TestT11_CompanionHostsGetNoCredential(t *testing.T) {
	h := house.New(t, house.Options{})
	w := worker{t, h, workerenv.Forward, h.HTTPClient(workerenv.Forward, h.HubWorker("hub").Key)}
	for _, host := range hub.CompanionHosts() {
		w.get("https://" + host + "/anything")
		if seen := h.Server.Record.Authorizations(host); len(seen) != 1 || seen[0] != "" {
			t.Errorf("%s saw %d kinds of Authorization, or none of its requests", host, len(seen))
		}
	}
	// The CAS is a blind tunnel: its clients bring a token of its own.
	answer, _ := w.get("https://"+hub.CASHost+"/v1/reconstructions/00", "Authorization", "Bearer xet_own")
	if seen := h.Server.Record.Authorizations(hub.CASHost); answer.StatusCode != 401 || len(seen) != 2 || seen[1] != "Bearer xet_own" {
		t.Errorf("the CAS: %s, %q", answer.Status, seen)
	}
}

func TestT17_OurKeysNeverGoUpstream(t *testing.T) {
	h := house.New(t, house.Options{})
	key := h.HubWorker("hub")
	alias := "hf_" + strings.TrimPrefix(key.Key, auth.KeyPrefix)
	bare := worker{t, h, workerenv.Reverse, h.HTTPClient(workerenv.Reverse, "")}
	config := fileURL(hub.SampleGated, hub.SampleConfig)
	forward := worker{t, h, workerenv.Forward, h.HTTPClient(workerenv.Forward, key.Key)}
	for name, answer := range map[string]func() *http.Response{
		"header":  func() *http.Response { a, _ := bare.follow(config, "X-Weighbridge-Key", key.Key); return a },
		"bearer":  func() *http.Response { a, _ := bare.follow(config, "Authorization", "Bearer "+alias); return a },
		"URL key": func() *http.Response { a, _ := bare.follow(h.URLKeyURL(key.URLKey, config)); return a },
		"forward, also inside": func() *http.Response {
			a, _ := forward.follow(config, "Authorization", "Bearer "+key.Key, "X-Weighbridge-Key", key.Key)
			return a
		},
	} {
		if a := answer(); a.StatusCode != 200 {
			t.Errorf("%s: %s", name, a.Status)
		}
	}
	// That no key is among what reached the Hub is asserted when the house closes.
}

// echoHouse has an upstream that reflects, and a worker that is linked to the
// bearer credential for it.
func echoHouse(t *testing.T) (*house.Canary, worker) {
	t.Helper()
	const host = "echo.example.com"
	h := house.New(t, house.Options{Mount: func(s *origin.Server) {
		if err := s.Handle(host, registry.Echo()); err != nil {
			t.Fatal(err)
		}
	}})
	secret := h.Secret("tok_")
	h.AddCredential(admin.NewCredential{Name: "echo", Provider: "http_bearer", Fields: map[string]string{"token": secret.Value()}, Patterns: []string{host + "/*"}})
	key := h.AddKey(admin.NewKey{Name: "w", Credentials: []string{"echo"}})
	return secret, worker{t, h, workerenv.Forward, h.HTTPClient(workerenv.Forward, key.Key)}
}

// That the secret is nowhere in the answers is asserted when the house closes.
func TestT51_ReflectedSecretsAreMasked(t *testing.T) {
	secret, w := echoHouse(t)
	for _, way := range []string{"json", "base64", "percent", "gzip", "pieces", "header", "trailer", "error"} {
		answer, body := w.get("https://echo.example.com/"+way, "Accept-Encoding", "gzip")
		if len(body) == 0 && way != "header" {
			t.Errorf("%s: %s and nothing", way, answer.Status)
		}
	}
	seen := w.house.Server.Record.Authorizations("echo.example.com")
	if len(seen) != 1 || seen[0] != "Bearer "+secret.Value() {
		t.Errorf("the upstream saw %d kinds of Authorization", len(seen))
	}
	whole, body := w.get("https://echo.example.com/json")
	part, piece := w.get("https://echo.example.com/json", "Range", "bytes=10-29")
	if whole.StatusCode != 200 || part.StatusCode != 206 || string(piece) != string(body[10:30]) {
		t.Errorf("a range of a masked text: %s %q", part.Status, piece)
	}
}

func TestT54_PlaceholdersAreNotSubstituted(t *testing.T) {
	_, w := echoHouse(t)
	_, body := w.get("https://echo.example.com/json?token="+signer.PlaceholderToken, "Cookie", "token="+signer.PlaceholderToken, "Referer", "https://x/"+signer.PlaceholderToken)
	rows := w.house.Server.Record.On("echo.example.com")
	if len(rows) != 1 || rows[0].Query != "token="+signer.PlaceholderToken || !strings.Contains(string(body), signer.PlaceholderToken) {
		t.Errorf("%d requests, %s", len(rows), body)
	}
}

func TestT06_CredentialDoesNotFollowRedirects(t *testing.T) {
	secretSeen := func(r origin.Request, secret string) bool {
		for _, values := range r.Header {
			if strings.Contains(strings.Join(values, " "), secret) {
				return true
			}
		}
		return strings.Contains(r.Query, secret)
	}
	const from, to = "models.example.com", "sink.example.net"
	h := house.New(t, house.Options{Mount: func(s *origin.Server) {
		redirect := func(w http.ResponseWriter, r *http.Request) {
			status := map[string]int{"/301": 301, "/302": 302, "/303": 303, "/307": 307, "/308": 308}[r.URL.Path]
			http.Redirect(w, r, "https://"+to+"/landed", status)
		}
		for host, handler := range map[string]http.HandlerFunc{from: redirect, to: func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "sink") }} {
			if err := s.Handle(host, handler); err != nil {
				t.Fatal(err)
			}
		}
	}})
	secret := h.Secret("tok_")
	h.AddCredential(admin.NewCredential{Name: "c", Provider: "http_api_key",
		Fields: map[string]string{"headerName": "X-Api-Key", "headerValue": secret.Value()}, Patterns: []string{from + "/*"}})
	w := worker{t, h, workerenv.Forward, h.HTTPClient(workerenv.Forward, h.AddKey(admin.NewKey{Name: "w", Credentials: []string{"c"}}).Key)}
	for _, path := range []string{"/301", "/302", "/303", "/307", "/308"} {
		if answer, body := w.follow("https://" + from + path); answer.StatusCode != 200 || string(body) != "sink" {
			t.Errorf("%s: %s", path, answer.Status)
		}
	}
	for _, r := range h.Server.Record.All() {
		if seen := secretSeen(r, secret.Value()); seen != (r.Host == from) {
			t.Errorf("%s%s saw the secret: %v", r.Host, r.Path, seen)
		}
	}
}

func TestT55_LogAtDebugHoldsNoQuery(t *testing.T) {
	inBothModes(t, house.Options{}, func(t *testing.T, w worker) {
		w.follow(fileURL(hub.SampleGated, hub.SamplePlus))
		w.follow(fileURL(hub.SampleBridge, hub.SamplePlus))
		text := w.house.Log.String()
		for _, what := range []string{"Signature", "Policy=", "X-Amz-", "Key-Pair-Id", "response-content-disposition"} {
			if strings.Contains(text, what) {
				t.Errorf("the log holds %s", what)
			}
		}
		if !strings.Contains(text, hub.SampleGated) {
			t.Error("the log says nothing of the download")
		}
		for _, e := range w.house.AuditEvents() {
			if strings.Contains(e.Path, "?") || strings.Contains(e.Host, "?") {
				t.Errorf("the record holds a query: %+v", e)
			}
		}
	})
}

func TestUseIsOnRecord(t *testing.T) {
	inBothModes(t, house.Options{}, func(t *testing.T, w worker) {
		if answer, _ := w.follow(fileURL(hub.SampleGated, hub.SampleConfig)); answer.StatusCode != 200 {
			t.Fatal(answer.Status)
		}
		count := func(action string) (n int) {
			for _, e := range w.house.AuditEvents() {
				if e.Action == action && e.Mode == string(w.mode) {
					n++
				}
			}
			return n
		}
		for _, e := range w.house.AuditEvents() {
			if e.Action == auth.ActionUsed && (e.CredentialName != "hub" || e.KeyName != "hub" || e.Rule == "") {
				t.Errorf("%+v", e)
			}
		}
		// resolve and resolve-cache; a use is on record before its first byte.
		if n := count(auth.ActionUsed); n != 2 {
			t.Errorf("%d uses on record", n)
		}
		w.house.Eventually("two ends on record", func() bool { return count(auth.ActionFinished) == 2 })
		var counted struct{ Usage []admin.Usage }
		w.house.Call(http.MethodGet, "/api/v1/usage?by=credential", nil, &counted)
		if len(counted.Usage) != 1 || counted.Usage[0].CredentialName != "hub" || counted.Usage[0].Requests < 2 {
			t.Errorf("usage is %+v", counted.Usage)
		}
	})
}

func TestRefusalsNameCodeAndNextStep(t *testing.T) {
	h := house.New(t, house.Options{})
	h.HubWorker("hub")
	unlinked := h.AddKey(admin.NewKey{Name: "unlinked"})
	w := worker{t, h, workerenv.Reverse, h.HTTPClient(workerenv.Reverse, unlinked.Key)}
	nobody := worker{t, h, workerenv.Reverse, h.HTTPClient(workerenv.Reverse, "")}
	for name, c := range map[string]struct {
		worker worker
		url    string
		status int
		code   auth.Code
	}{
		"not linked": {w, fileURL(hub.SampleGated, hub.SampleConfig), 403, auth.CodeNotLinked},
		"no match":   {w, "https://elsewhere.example.com/x", 403, auth.CodeNoCredentialMatched},
		"no key":     {nobody, fileURL(hub.SampleGated, hub.SampleConfig), 401, auth.CodeKeyMissing},
	} {
		answer, body := c.worker.get(c.url)
		if answer.StatusCode != c.status || answer.Header.Get("X-Weighbridge-Error") != string(c.code) || !strings.Contains(string(body), string(c.code)) {
			t.Errorf("%s: %s %v %s", name, answer.Status, answer.Header, body)
		}
	}
	if n := h.Server.Record.Total(); n != 0 {
		t.Errorf("%d requests reached an upstream", n)
	}
}

// What was never looked at proves nothing: the last assertion has seen every
// place.
func TestClosingLooksEverywhere(t *testing.T) {
	h := house.New(t, house.Options{})
	w := worker{t, h, workerenv.Forward, h.HTTPClient(workerenv.Forward, h.HubWorker("hub").Key)}
	w.follow(fileURL(hub.SampleGated, hub.SampleConfig))
	h.Close()
	for _, where := range []string{"log", "worker:", "admin /metrics", "admin /api/v1/audit", "admin /api/v1/keys",
		"admin /api/v1/credentials", h.DataDir + "/weighbridge.db", h.DataDir + "/audit/"} {
		if n := h.Watch.Bytes(where); n < 100 {
			t.Errorf("%s: %d bytes were searched", where, n)
		}
	}
}
