package house_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/house/hub"
	"github.com/weighbridge/weighbridge/internal/house/origin"
)

// sampleBytes is a file of the sample.
func sampleBytes(t *testing.T, name string) []byte {
	t.Helper()
	files, err := hub.SampleFiles(1)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f.Path == name {
			out := make([]byte, f.Content.Size())
			if _, err := f.Content.ReadAt(out, 0); err != nil {
				t.Fatal(err)
			}
			return out
		}
	}
	t.Fatalf("the sample has no %s", name)
	return nil
}

// onlyItsOwnToken asserts what the hosts of xet may have seen: the store the
// worker's own token, the transfer host nothing, the Hub ours.
func onlyItsOwnToken(t *testing.T, h *house.House) {
	t.Helper()
	for _, a := range h.Server.Record.Authorizations(hub.Host) {
		if a != "Bearer "+h.Token.Value() {
			t.Errorf("the Hub saw another Authorization, of %d bytes", len(a))
		}
	}
	for _, a := range h.Server.Record.Authorizations(hub.CASHost) {
		if !strings.HasPrefix(a, "Bearer xet_") {
			t.Errorf("the store saw %.12q", a)
		}
	}
	for _, a := range h.Server.Record.Authorizations(hub.TransferHost) {
		if a != "" {
			t.Errorf("the transfer host saw %.12q", a)
		}
	}
}

// A worker that reaches nothing but weighbridge uses xet end to end, whatever
// it shows its key by and whichever version the store speaks.
func TestXetThroughReverseMode(t *testing.T) {
	for name, o := range map[string]hub.Options{"v2": {XorbChunks: 1}, "v1 only": {XorbChunks: 1, XetV1Only: true}} {
		t.Run(name, func(t *testing.T) {
			h := house.New(t, house.Options{Hub: o})
			key := h.HubWorker("hub")
			org := h.HubWorker("org", "huggingface.co/acme/*")
			h.AddCredential(admin.NewCredential{Name: "hub2", Provider: "huggingface", Fields: map[string]string{"token": h.Token.Value()}})
			routed := h.AddKey(admin.NewKey{Name: "routed", Routes: []string{"huggingface.co/" + hub.SampleGated + "/*"}, Credentials: []string{"hub2"}})
			workers := map[string]xetWorker{
				"a key":                     newXetWorker(t, h, key.Key, ""),
				"a key in the Hub's form":   newXetWorker(t, h, "hf_"+strings.TrimPrefix(key.Key, auth.KeyPrefix), ""),
				"a URL key":                 newXetWorker(t, h, "", key.URLKey),
				"an organisation's pattern": newXetWorker(t, h, org.Key, ""),
				"a key with routes":         newXetWorker(t, h, routed.Key, ""),
			}
			first := newXetWorker(t, h, key.Key, "")
			first.version = "v1"
			workers["the first version"] = first
			for who, w := range workers {
				t.Run(who, func(t *testing.T) {
					w.t = t
					h.Server.Record.Reset()
					name, least := hub.SamplePlus, 3
					if who == "a key" {
						name, least = hub.SampleWeights, 40
					}
					if got := w.download(hub.SampleGated, name); !bytes.Equal(got, sampleBytes(t, name)) {
						t.Errorf("%d other bytes", len(got))
					}
					onlyItsOwnToken(t, h)
					if n := len(h.Server.Record.On(hub.TransferHost)); n < least {
						t.Errorf("%d requests for pieces", n)
					}
					for _, r := range h.Server.Record.On(hub.CASHost) {
						if r.Header.Get("X-Xet-Session-Id") != "01session" || !strings.HasPrefix(r.Header.Get("Range"), "bytes=") || r.Header.Get("Accept-Encoding") != "identity" {
							t.Errorf("the store got %v", r.Header)
						}
					}
					if n := len(h.Server.Record.On(hub.CDNHost)); n > 0 {
						t.Errorf("%d requests to the CDN", n)
					}
				})
			}
		})
	}
}

// What @huggingface/hub does: it asks for the file's information, and follows
// the links, and what the answer says, to the letter.
func TestXetInformationIsFollowedToTheLetter(t *testing.T) {
	h := house.New(t, house.Options{})
	w := newXetWorker(t, h, h.HubWorker("hub").Key, "")
	f, answer, body := w.file(http.MethodGet, hub.SampleGated, hub.SampleWeights,
		"Accept", "application/vnd.xet-fileinfo+json, */*", "Range", "bytes=0-0", "Accept-Encoding", "gzip")
	var info struct{ Hash, RefreshURL, ReconstructionURL string }
	if err := json.Unmarshal(body, &info); err != nil || answer.StatusCode != 200 {
		t.Fatalf("%s %s", answer.Status, body)
	}
	if answer.Header.Get("Content-Type") != "application/vnd.xet-fileinfo+json" || info.Hash != f.hash || f.plan == "" || f.size == 0 {
		t.Errorf("%v %s", answer.Header, body)
	}
	want := sampleBytes(t, hub.SampleWeights)
	for _, at := range [][2]string{{f.auth, f.plan}, {info.RefreshURL, info.ReconstructionURL}} {
		token := w.token(at[0])
		base, ok := strings.CutSuffix(at[1], "/v1/reconstructions/"+f.hash)
		if !ok {
			t.Fatalf("the path of the reconstruction is not visible in %s", at[1])
		}
		var got []byte
		plan := w.plan(base, f.hash, token, 0, f.size-1)
		for _, p := range plan.pieces() {
			got = append(got, w.fetch(p)...)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%d other bytes", len(got))
		}
	}
	// Of a file that is not in xet it gets the first byte from the CDN.
	_, answer, _ = w.file(http.MethodGet, hub.SampleOldLFS, hub.SamplePlus, "Accept", "application/vnd.xet-fileinfo+json, */*", "Range", "bytes=0-0")
	answer, body = w.must(206, http.MethodGet, answer.Header.Get("Location"), "", "Range", "bytes=0-0")
	if len(body) != 1 || answer.Header.Get("Content-Range") != "bytes 0-0/300001" {
		t.Errorf("%v", answer.Header)
	}
}

// Every use of a sealed URL asks again whether the key stands.
func TestXetAfterAKeyHasEnded(t *testing.T) {
	h := house.New(t, house.Options{Hub: hub.Options{XorbChunks: 4}})
	key := h.HubWorker("hub")
	other := h.AddKey(admin.NewKey{Name: "other", Credentials: []string{"hub"}})
	w := newXetWorker(t, h, key.Key, "")
	f, _, _ := w.file(http.MethodHead, hub.SampleGated, hub.SampleWeights)
	token := w.token(f.auth)
	plan := w.plan(token.CASURL, f.hash, token, 0, f.size-1)
	pieces := plan.pieces()
	refused := func(code auth.Code, method, at, body string, header ...string) {
		t.Helper()
		before := h.Server.Record.Total()
		answer, out := w.must(403, method, at, body, header...)
		if answer.Header.Get("X-Weighbridge-Error") != string(code) {
			t.Errorf("%s, want %s: %s", answer.Header.Get("X-Weighbridge-Error"), code, out)
		}
		if h.Server.Record.Total() != before {
			t.Error("it reached an upstream")
		}
	}
	jwt := []string{"Authorization", "Bearer " + token.AccessToken}

	w.fetch(pieces[0])
	// A changed letter, in either kind; somebody else's key along.
	tamper := func(s string, from int) string {
		b := []byte(s)
		if b[from]++; b[from] == '{' || b[from] == '[' || b[from] == ':' {
			b[from] = 'B'
		}
		return string(b)
	}
	sealed := len(h.Bridge.ProxyURL()) + len("/.weighbridge/s/")
	for at := sealed; at < len(pieces[1].url); at += 97 {
		refused(auth.CodeBoxInvalid, http.MethodGet, tamper(pieces[1].url, at), "", "Range", pieces[1].byteRange)
	}
	for at := sealed; at < len(token.CASURL); at += 97 {
		refused(auth.CodeBoxInvalid, http.MethodGet, tamper(token.CASURL, at)+"/v2/reconstructions/"+f.hash, "", jwt...)
	}
	refused(auth.CodeBoxInvalid, http.MethodGet, pieces[1].url, "", "Range", pieces[1].byteRange, "Authorization", "Bearer "+other.Key)
	refused(auth.CodeBoxInvalid, http.MethodGet, token.CASURL+"/v2/reconstructions/"+f.hash, "", "X-Weighbridge-Key", other.Key, "Authorization", jwt[1])
	// Reading is all that a base made for reading is good for.
	w.must(200, http.MethodPost, token.CASURL+"/v1/telemetry", "{}", jwt...)
	refused(auth.CodeScopeForbidden, http.MethodPost, token.CASURL+"/v1/xorbs/default/"+f.hash, "x", jwt...)
	refused(auth.CodeScopeForbidden, http.MethodPost, token.CASURL+"/v1/shards", "x", jwt...)
	refused(auth.CodeScopeForbidden, http.MethodPut, pieces[1].url, "x")

	h.Unlink("hub", "hub")
	refused(auth.CodeNotLinked, http.MethodGet, pieces[1].url, "", "Range", pieces[1].byteRange)
	refused(auth.CodeNotLinked, http.MethodGet, token.CASURL+"/v2/reconstructions/"+f.hash, "", jwt...)
	h.Link("hub", "hub")
	w.fetch(pieces[1])
	h.Call(http.MethodPost, "/api/v1/keys/hub/revoke", nil, nil)
	refused(auth.CodeKeyRevoked, http.MethodGet, pieces[2].url, "", "Range", pieces[2].byteRange)
	refused(auth.CodeKeyRevoked, http.MethodGet, token.CASURL+"/v2/reconstructions/"+f.hash, "", jwt...)
	if answer, _ := w.must(403, http.MethodGet, f.auth, "", w.authorized()...); answer.Header.Get("X-Weighbridge-Error") != string(auth.CodeKeyRevoked) {
		t.Errorf("a new token: %v", answer.Header)
	}
	onlyItsOwnToken(t, h)
}

// movedClock is a clock that a test puts forward.
type movedClock struct {
	mu    sync.Mutex
	ahead time.Duration
}

func (c *movedClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

func (c *movedClock) forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}

// A piece's URL ends with its signature, and the client asks for another plan.
// The store's address stays, because clients renew the token and never it.
func TestXetOfALongDownload(t *testing.T) {
	clock := &movedClock{}
	h := house.New(t, house.Options{Now: clock.now, Hub: hub.Options{XorbChunks: 4, SignedLife: 10 * time.Minute}})
	w := newXetWorker(t, h, h.HubWorker("hub").Key, "")
	f, _, _ := w.file(http.MethodHead, hub.SampleGated, hub.SampleWeights)
	token := w.token(f.auth)
	address := token.CASURL
	plan := w.plan(address, f.hash, token, 0, f.size-1)
	var got []byte
	for i := range plan.pieces() {
		if i%4 == 3 {
			clock.forward(11 * time.Minute)
			p := plan.pieces()[i]
			before := h.Server.Record.Total()
			answer, _ := w.must(403, http.MethodGet, p.url, "", "Range", p.byteRange)
			if answer.Header.Get("X-Weighbridge-Error") != string(auth.CodeBoxExpired) || h.Server.Record.Total() != before {
				t.Errorf("an expired piece: %v", answer.Header)
			}
			if clock.now().Unix() > token.Exp-30 {
				token = w.token(f.auth)
			}
			plan = w.plan(address, f.hash, token, 0, f.size-1)
		}
		got = append(got, w.fetch(plan.pieces()[i])...)
	}
	if !bytes.Equal(got, sampleBytes(t, hub.SampleWeights)) {
		t.Errorf("%d other bytes", len(got))
	}
	if token.CASURL == address {
		t.Error("the token was never renewed")
	}
	clock.forward(8 * 24 * time.Hour)
	answer, _ := w.must(403, http.MethodGet, address+"/v2/reconstructions/"+f.hash, "", "Authorization", "Bearer "+token.AccessToken)
	if answer.Header.Get("X-Weighbridge-Error") != string(auth.CodeBoxExpired) {
		t.Errorf("an address of last week: %v", answer.Header)
	}
}

// A key that may write gets an address to write to, with the token to do so.
func TestXetUploadsNeedScopeWrite(t *testing.T) {
	h := house.New(t, house.Options{})
	secret := h.Secret("hf_").Value()
	h.Hub.AddToken(hub.Token{Value: secret, User: "bob", Role: hub.RoleWrite, Grants: []string{"acme/*"}})
	h.AddCredential(admin.NewCredential{Name: "push", Provider: "huggingface", Fields: map[string]string{"token": secret}})
	writer := h.AddKey(admin.NewKey{Name: "writer", Scope: "write", URLKey: true, Credentials: []string{"push"}})
	reader := h.AddKey(admin.NewKey{Name: "reader", Credentials: []string{"push"}})
	w := newXetWorker(t, h, writer.Key, "")
	r := newXetWorker(t, h, reader.Key, "")
	route := func(w xetWorker, kind string) string {
		return w.base + "/api/models/" + hub.SampleGated + "/xet-" + kind + "-token/main"
	}
	// The fake's store takes no uploads: its own refusal shows that one arrived.
	upload := func(what, at string, arrives bool, header ...string) {
		t.Helper()
		h.Server.Record.Reset()
		answer, _, err := w.ask(http.MethodPost, at, "x", append(header, "Authorization", "Bearer xet_its-own")...)
		if err != nil {
			t.Fatal(err)
		}
		refused := answer.Header.Get("X-Weighbridge-Error")
		if got := h.Server.Record.On(hub.CASHost); arrives != (len(got) == 1) || arrives != (refused == "") || !arrives && refused != string(auth.CodeScopeForbidden) {
			t.Errorf("%s: %s %s, %d requests at the store", what, answer.Status, refused, len(got))
		} else if arrives && got[0].Authorization() != "Bearer xet_its-own" {
			t.Errorf("%s: the store saw another Authorization", what)
		}
	}
	write := w.token(route(w, "write")).CASURL
	upload("an address for writing", write+"/v1/shards", true)
	upload("an address for writing", write+"/v1/xorbs/default/aa", true)
	upload("an address for reading", w.token(route(w, "read")).CASURL+"/v1/shards", false)
	for what, other := range map[string]xetWorker{"a key that reads": r, "a URL key": newXetWorker(t, h, "", writer.URLKey)} {
		answer, body := other.must(403, http.MethodGet, route(other, "write"), "", other.authorized()...)
		if answer.Header.Get("X-Weighbridge-Error") != string(auth.CodeScopeForbidden) {
			t.Errorf("a token to write for %s: %s", what, body)
		}
	}
	// Directly, with the key beside the token.
	direct := h.ReverseURL("https://" + hub.CASHost + "/v1/shards")
	upload("the writer's key", direct, true, "X-Weighbridge-Key", writer.Key)
	upload("the reader's key", direct, false, "X-Weighbridge-Key", reader.Key)
	scope := "read"
	h.Call(http.MethodPatch, "/api/v1/keys/writer", admin.KeyPatch{Scope: &scope}, nil)
	upload("an address for writing, of a key that only reads by now", write+"/v1/shards", false)
}

// Xet is hidden in both modes where the credential or the key says so, and the
// classic path works in its place.
func TestXetIsHidden(t *testing.T) {
	h := house.New(t, house.Options{Hub: hub.Options{TreePage: 5}})
	token := map[string]string{"token": h.Token.Value()}
	hiding := map[string]string{"token": h.Token.Value(), "xet": "hide"}
	h.AddCredential(admin.NewCredential{Name: "shows", Provider: "huggingface", Fields: token})
	h.AddCredential(admin.NewCredential{Name: "hides", Provider: "huggingface", Fields: hiding})
	keys := map[string]string{
		"neither":                     h.AddKey(admin.NewKey{Name: "a", Credentials: []string{"shows"}}).Key,
		"the key says pass":           h.AddKey(admin.NewKey{Name: "b", Xet: "pass", Credentials: []string{"shows"}}).Key,
		"the credential":              h.AddKey(admin.NewKey{Name: "c", Credentials: []string{"hides"}}).Key,
		"the key":                     h.AddKey(admin.NewKey{Name: "d", Xet: "hide", Credentials: []string{"shows"}}).Key,
		"the credential, not the key": h.AddKey(admin.NewKey{Name: "e", Xet: "pass", Credentials: []string{"hides"}}).Key,
	}
	for who, key := range keys {
		hidden := who != "neither" && who != "the key says pass"
		for _, mode := range modes {
			t.Run(fmt.Sprintf("%s in %s mode", who, mode), func(t *testing.T) {
				w := worker{t, h, mode, h.HTTPClient(mode, key)}
				file := fileURL(hub.SampleGated, hub.SamplePlus)
				telling := func(what, text string) {
					t.Helper()
					if strings.Contains(strings.ToLower(text), "xet") == hidden {
						t.Errorf("%s: hidden %v: %.400s", what, hidden, text)
					}
				}
				header := func(h http.Header) string {
					h = h.Clone()
					for _, name := range []string{"Access-Control-Expose-Headers", "Location"} {
						h.Del(name) // the CDN's path has the word in it
					}
					return fmt.Sprint(h)
				}
				answer, _ := w.get(file)
				telling("GET", header(answer.Header))
				r, _ := http.NewRequestWithContext(t.Context(), http.MethodHead, file, nil)
				answer, err := w.client.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				_ = answer.Body.Close()
				telling("HEAD", header(answer.Header))
				answer, _ = w.get(file, "Accept", "application/vnd.xet-fileinfo+json, */*", "Range", "bytes=0-0")
				telling("file information", header(answer.Header))
				if isInfo := answer.StatusCode == 200; isInfo == hidden {
					t.Errorf("file information: %s", answer.Status)
				}
				api := "https://" + hub.Host + "/api/models/" + hub.SampleGated
				answer, body := w.get(api + "/tree/main?recursive=true")
				telling("tree", string(body))
				if !json.Valid(body) || !strings.Contains(answer.Header.Get("Link"), `rel="next"`) {
					t.Errorf("tree: %v %s", answer.Header, body)
				}
				answer, body = w.get(api + "/revision/main")
				telling("model", string(body))
				if answer.StatusCode != 200 || !json.Valid(body) {
					t.Errorf("model: %s", answer.Status)
				}
				form, err := http.NewRequestWithContext(t.Context(), http.MethodPost, api+"/paths-info/main", strings.NewReader(url.Values{"paths": {hub.SamplePlus}}.Encode()))
				if err != nil {
					t.Fatal(err)
				}
				form.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				answer, err = w.client.Do(form)
				if err != nil {
					t.Fatal(err)
				}
				var info bytes.Buffer
				_, _ = info.ReadFrom(answer.Body)
				_ = answer.Body.Close()
				telling("paths-info", info.String())
				if !json.Valid(info.Bytes()) {
					t.Errorf("paths-info: %s", info.String())
				}
				_, got := w.follow(file)
				if !bytes.Equal(got, sampleBytes(t, hub.SamplePlus)) {
					t.Errorf("the classic path brings %d other bytes", len(got))
				}
			})
		}
	}
}

// A plan that breaks off, or is none, never looks like one that ended.
func TestXetPlansThatBreakNeverEndCleanly(t *testing.T) {
	h := house.New(t, house.Options{})
	w := newXetWorker(t, h, h.HubWorker("hub").Key, "")
	f, _, _ := w.file(http.MethodHead, hub.SampleGated, hub.SamplePlus)
	token := w.token(f.auth)
	long := `{"xorbs":{"aa":[` + strings.Repeat(`{"url":"https://`+hub.TransferHost+`/x?X-Xet-Signed-Range=bytes%3D0-1"},`, 200)
	for name, fault := range map[string]origin.Fault{
		"short":     {Kind: origin.Short, After: 200},
		"cut off":   {Kind: origin.Answer, Status: 200, Body: long},
		"no JSON":   {Kind: origin.Answer, Status: 200, Body: "<html></html>"},
		"too large": {Kind: origin.Answer, Status: 200, Body: `{"a":1` + strings.Repeat(" ", 16<<20) + `}`},
	} {
		fault.Host = hub.CASHost
		h.Server.Faults.Clear()
		h.Server.Faults.Add(fault)
		answer, body, err := w.ask(http.MethodGet, token.CASURL+"/v2/reconstructions/"+f.hash, "", "Authorization", "Bearer "+token.AccessToken)
		if err == nil && answer.StatusCode == 200 {
			t.Errorf("%s: %d bytes that end cleanly", name, len(body))
		}
		if strings.Contains(string(body), hub.TransferHost) {
			t.Errorf("%s: a URL of the transfer host came through", name)
		}
	}
	h.Server.Faults.Clear()
	plan := w.plan(token.CASURL, f.hash, token, 0, f.size-1)
	w.fetch(plan.pieces()[0])
}
