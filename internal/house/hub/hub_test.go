package hub_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/weighbridge/weighbridge/internal/house/hub"
	"github.com/weighbridge/weighbridge/internal/house/origin"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	accepted    = "hf_accepted"
	notAccepted = "hf_notaccepted"
	writer      = "hf_writer"
	fine        = "hf_fine"
	fineNoGated = "hf_finenogated"
	garbage     = "hf_garbage"
)

// clock is a time that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Now()} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

type visitor struct {
	t      *testing.T
	client *http.Client
}

// visit starts a Hub with the sample and every kind of token.
func visit(t *testing.T, o hub.Options) (*hub.Hub, visitor) {
	t.Helper()
	h, err := hub.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	client := h.Server.Client()
	t.Cleanup(func() {
		client.CloseIdleConnections()
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	h.AddToken(hub.SampleToken(accepted))
	h.AddToken(hub.Token{Value: notAccepted, User: "bob"})
	h.AddToken(hub.Token{Value: writer, User: "carol", Role: hub.RoleWrite, Grants: []string{"acme/*"}})
	h.AddToken(hub.Token{Value: fine, User: "dave", Role: hub.RoleFineGrained, Grants: []string{"acme/*"}})
	h.AddToken(hub.Token{Value: fineNoGated, User: "dave", Role: hub.RoleFineGrained, NoGated: true, Grants: []string{"acme/*"}})
	if err := h.AddSample(); err != nil {
		t.Fatal(err)
	}
	return h, visitor{t, client}
}

// do sends a request; header comes in pairs. The body is read to its end.
func (v visitor) do(method, rawURL, body string, header ...string) (*http.Response, []byte) {
	v.t.Helper()
	r, err := http.NewRequestWithContext(v.t.Context(), method, rawURL, strings.NewReader(body))
	if err != nil {
		v.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := v.client.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	out, err := io.ReadAll(answer.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return answer, out
}

// get fetches with a token; "" is anonymous.
func (v visitor) get(rawURL, token string, header ...string) (*http.Response, []byte) {
	v.t.Helper()
	if token != "" {
		header = append(header, "Authorization", "Bearer "+token)
	}
	return v.do(http.MethodGet, rawURL, "", header...)
}

func resolveURL(repo, revision, file string) string {
	return "https://huggingface.co/" + repo + "/resolve/" + url.PathEscape(revision) + "/" + (&url.URL{Path: file}).EscapedPath()
}

func sample(t *testing.T, seed uint64, name string) hub.File {
	t.Helper()
	files, err := hub.SampleFiles(seed)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f.Path == name {
			return f
		}
	}
	t.Fatalf("no sample file %s", name)
	return hub.File{}
}

func same(t *testing.T, what string, got []byte, want origin.Content) {
	t.Helper()
	if origin.SHA256(origin.Bytes(got)) != origin.SHA256(want) {
		t.Errorf("%s: %d other bytes, want %d", what, len(got), want.Size())
	}
}

func TestWhoMayHaveWhat(t *testing.T) {
	_, v := visit(t, hub.Options{})
	const (
		restricted = "GatedRepo"
		noRepo     = "RepoNotFound"
	)
	for _, c := range []struct {
		repo, token string
		file        int
		fileCode    string
		info        int
		message     string
	}{
		{hub.SamplePublic, "", 302, "", 200, ""},
		{hub.SamplePublic, garbage, 401, "", 401, "Invalid credentials in Authorization header"},
		{hub.SamplePublic, notAccepted, 302, "", 200, ""},
		{hub.SamplePrivate, "", 401, "", 401, "Invalid username or password."},
		{hub.SamplePrivate, garbage, 401, "", 401, "Invalid credentials in Authorization header"},
		{hub.SamplePrivate, notAccepted, 404, noRepo, 404, "Repository not found"},
		{hub.SamplePrivate, accepted, 302, "", 200, ""},
		{hub.SampleGated, "", 401, restricted, 200, "Please log in."},
		{hub.SampleGated, garbage, 401, restricted, 401, "Please log in."},
		{hub.SampleGated, notAccepted, 403, restricted, 200, "not in the authorized list"},
		{hub.SampleGated, fineNoGated, 403, restricted, 200, "not in the authorized list"},
		{hub.SampleGated, fine, 302, "", 200, ""},
		{hub.SampleGated, accepted, 302, "", 200, ""},
		{"acme/missing", "", 401, "", 401, "Invalid username or password."},
		{"acme/missing", garbage, 401, "", 401, "Invalid credentials in Authorization header"},
		{"acme/missing", accepted, 404, noRepo, 404, "Repository not found"},
		{hub.SampleDisabled, "", 403, "", 403, "Access to this resource is disabled."},
		{hub.SampleDisabled, accepted, 403, "", 403, "Access to this resource is disabled."},
	} {
		answer, body := v.get(resolveURL(c.repo, "main", hub.SampleWeights), c.token)
		if answer.StatusCode != c.file || answer.Header.Get("X-Error-Code") != c.fileCode ||
			!strings.Contains(answer.Header.Get("X-Error-Message"), c.message) {
			t.Errorf("file of %s by %q: %s %q %q", c.repo, c.token, answer.Status, answer.Header.Get("X-Error-Code"), answer.Header.Get("X-Error-Message"))
		}
		var said struct{ Error string }
		if c.file >= 400 && (json.Unmarshal(body, &said) != nil || said.Error != answer.Header.Get("X-Error-Message")) {
			t.Errorf("file of %s by %q: the body says %q", c.repo, c.token, body)
		}
		if answer, _ := v.get("https://huggingface.co/api/models/"+c.repo, c.token); answer.StatusCode != c.info {
			t.Errorf("info of %s by %q: %s", c.repo, c.token, answer.Status)
		}
		want := c.file
		if want == 302 {
			want = 200
		}
		if answer, _ := v.get("https://huggingface.co/api/models/"+c.repo+"/auth-check", c.token); answer.StatusCode != want {
			t.Errorf("auth-check of %s by %q: %s", c.repo, c.token, answer.Status)
		}
		if answer, _ := v.get("https://huggingface.co/api/models/"+c.repo+"/xet-read-token/main", c.token); answer.StatusCode != want {
			t.Errorf("xet token of %s by %q: %s", c.repo, c.token, answer.Status)
		}
	}
	for url, code := range map[string]string{
		resolveURL(hub.SampleGated, "main", "missing.bin"):           "EntryNotFound",
		resolveURL(hub.SampleGated, "nowhere", hub.SampleWeights):    "RevisionNotFound",
		"https://huggingface.co/api/models/acme/gated-model/tree/no": "RevisionNotFound",
	} {
		answer, _ := v.get(url, accepted)
		if answer.StatusCode != 404 || answer.Header.Get("X-Error-Code") != code || (code == "EntryNotFound" && answer.Header.Get("X-Repo-Commit") == "") {
			t.Errorf("%s: %s %v", url, answer.Status, answer.Header)
		}
	}
	// Only a token that may write mints write power.
	write := "https://huggingface.co/api/models/" + hub.SampleGated + "/xet-write-token/main"
	for token, status := range map[string]int{"": 401, accepted: 403, writer: 200} {
		if answer, _ := v.get(write, token); answer.StatusCode != status {
			t.Errorf("write token by %q: %s", token, answer.Status)
		}
	}
}

func TestSmallFile(t *testing.T) {
	_, v := visit(t, hub.Options{})
	for _, name := range []string{hub.SampleConfig, hub.SampleOdd, hub.SampleUnicode, hub.SampleEmpty, "tokenizer/vocab.txt"} {
		f := sample(t, 1, name)
		answer, _ := v.get(resolveURL(hub.SampleGated, "main", name), accepted)
		to := answer.Header.Get("Location")
		if answer.StatusCode != 307 || !strings.HasPrefix(to, "/api/resolve-cache/models/acme/gated-model/") || !strings.Contains(to, "?") ||
			answer.Header.Get("X-Repo-Commit") == "" || answer.Header.Get("ETag") == "" {
			t.Fatalf("%s: %s %v", name, answer.Status, answer.Header)
		}
		bare, _, _ := strings.Cut(to, "?")
		for _, location := range []string{to, bare} {
			if answer, _ := v.get("https://huggingface.co"+location, ""); answer.StatusCode != 401 {
				t.Errorf("%s without a token: %s", location, answer.Status)
			}
			head, _ := v.do(http.MethodHead, "https://huggingface.co"+location, "", "Authorization", "Bearer "+accepted, "Accept-Encoding", "gzip")
			if head.StatusCode != 200 || head.ContentLength != f.Content.Size() || head.Header.Get("Content-Encoding") != "" {
				t.Errorf("HEAD %s: %s %v", location, head.Status, head.Header)
			}
			answer, body := v.get("https://huggingface.co"+location, accepted)
			same(t, location, body, f.Content)
			if chunked := answer.ContentLength < 0; chunked != f.Chunked || answer.Header.Get("X-Repo-Commit") == "" {
				t.Errorf("%s: chunked %v", location, chunked)
			}
		}
	}
	answer, body := v.get("https://huggingface.co/api/resolve-cache/models/"+hub.SampleGated+"/"+
		commitOf(v, hub.SampleGated)+"/"+hub.SampleConfig, accepted, "Accept-Encoding", "gzip")
	if answer.Header.Get("Content-Encoding") != "gzip" || answer.ContentLength >= 0 || !strings.HasPrefix(answer.Header.Get("ETag"), `W/"`) || len(body) == 0 {
		t.Errorf("gzip: %v", answer.Header)
	}
}

func commitOf(v visitor, repo string) string {
	v.t.Helper()
	_, body := v.get("https://huggingface.co/api/models/"+repo+"/revision/main", accepted)
	var info struct{ SHA string }
	if err := json.Unmarshal(body, &info); err != nil {
		v.t.Fatal(err)
	}
	return info.SHA
}

func TestLargeFileAndItsCDN(t *testing.T) {
	now := newClock()
	_, v := visit(t, hub.Options{Now: now.Now})
	f := sample(t, 1, hub.SamplePlus)
	for repo, host := range map[string]string{
		hub.SampleGated: hub.CDNHost, hub.SampleBridge: hub.BridgeHost, hub.SampleOldLFS: hub.LFSHost,
		"datasets/" + hub.SampleData: hub.CDNHost, "spaces/" + hub.SampleSpace: hub.CDNHost,
	} {
		answer, _ := v.get(resolveURL(repo, "main", hub.SamplePlus), accepted, "Range", "bytes=0-0")
		location := answer.Header.Get("Location")
		if answer.StatusCode != 302 || !strings.HasPrefix(location, "https://"+host+"/") {
			t.Fatalf("%s: %s %s", repo, answer.Status, location)
		}
		digest := `"` + origin.SHA256(f.Content) + `"`
		for name, want := range map[string]string{
			"X-Linked-Size": "300001", "X-Linked-Etag": digest, "Etag": digest, "Accept-Ranges": "bytes",
		} {
			if answer.Header.Get(name) != want {
				t.Errorf("%s: %s is %q", repo, name, answer.Header.Get(name))
			}
		}
		if xet := answer.Header.Get("X-Xet-Hash") != "" && strings.Contains(answer.Header.Get("Link"), `rel="xet-auth"`); xet != (repo != hub.SampleOldLFS) {
			t.Errorf("%s is in xet: %v", repo, xet)
		}
		answer, body := v.get(location, "")
		same(t, repo, body, f.Content)
		if answer.StatusCode != 200 || answer.Header.Get("ETag") == digest || !strings.Contains(answer.Header.Get("Content-Disposition"), "weights") {
			t.Errorf("%s: %s %v", repo, answer.Status, answer.Header)
		}
		if answer, _ := v.get(location, "", "Range", "bytes=5-9"); answer.StatusCode != 206 || answer.Header.Get("Content-Range") != "bytes 5-9/300001" {
			t.Errorf("%s: a range: %s", repo, answer.Status)
		}
		if answer, _ := v.get(location, "", "Range", "bytes=300001-"); answer.StatusCode != 416 {
			t.Errorf("%s: beyond the end: %s", repo, answer.Status)
		}
		if answer, body := v.get(location, accepted); answer.StatusCode != 400 || !strings.Contains(string(body), "InvalidArgument") {
			t.Errorf("%s: with a token: %s %s", repo, answer.Status, body)
		}
		if answer, body := v.get(strings.Replace(location, "%3B", ";", 1), ""); answer.StatusCode != 403 || !strings.Contains(string(body), "SignatureDoesNotMatch") {
			t.Errorf("%s: a changed byte: %s %s", repo, answer.Status, body)
		}
		now.Add(time.Hour)
		if answer, body := v.get(location, ""); answer.StatusCode != 403 || !strings.Contains(string(body), "expired") {
			t.Errorf("%s: after its end: %s %s", repo, answer.Status, body)
		}
	}
}

func TestRevisionsNamesAndRenames(t *testing.T) {
	h, v := visit(t, hub.Options{})
	other := sample(t, 2, hub.SampleConfig)
	answer, _ := v.get("https://huggingface.co/"+hub.SampleGated+"/resolve/refs%2Fpr%2F1/"+hub.SampleConfig, accepted)
	if answer.StatusCode != 307 || answer.Header.Get("X-Repo-Commit") != h.Commit(hub.Models, hub.SampleGated, "refs/pr/1") {
		t.Fatalf("an encoded revision: %s %v", answer.Status, answer.Header)
	}
	_, body := v.get("https://huggingface.co"+answer.Header.Get("Location"), accepted)
	same(t, "refs/pr/1", body, other.Content)
	if answer, _ := v.get("https://huggingface.co/"+hub.SampleGated+"/resolve/refs/pr/1/"+hub.SampleConfig, accepted); answer.StatusCode != 404 {
		t.Errorf("a decoded revision: %s", answer.Status)
	}
	if answer, _ := v.get(resolveURL(hub.SampleLegacy, "main", hub.SampleConfig), ""); answer.StatusCode != 307 {
		t.Errorf("a legacy id: %s", answer.Status)
	}
	for from, to := range map[string]string{
		"/api/models/" + hub.SampleRenamed + "/tree/main?recursive=true": "/api/models/" + hub.SampleGated + "/tree/main?recursive=true",
		"/" + hub.SampleRenamed + "/resolve/refs%2Fpr%2F1/a%2Bb":         "/" + hub.SampleGated + "/resolve/refs%2Fpr%2F1/a%2Bb",
		"/api/datasets/ACME/Gated-Data":                                  "/api/datasets/" + hub.SampleData,
		"/Acme/gated-model.git/info/refs?service=git-upload-pack":        "/" + hub.SampleGated + ".git/info/refs?service=git-upload-pack",
	} {
		answer, _ := v.get("https://huggingface.co"+from, accepted)
		if answer.StatusCode != 307 || answer.Header.Get("Location") != to {
			t.Errorf("%s: %s %s", from, answer.Status, answer.Header.Get("Location"))
		}
	}
	if answer, _ := v.get("https://hf.co/acme/x?y=1", ""); answer.StatusCode != 301 || answer.Header.Get("Location") != "https://huggingface.co/acme/x?y=1" {
		t.Errorf("hf.co: %s %v", answer.Status, answer.Header)
	}
}

type treeRow struct {
	Type, Path, XetHash string
	Size                int64
	LFS                 *struct{ OID string }
}

func TestListings(t *testing.T) {
	_, v := visit(t, hub.Options{})
	list := func(token string) (rows []treeRow, pages int) {
		next := "https://huggingface.co/api/models/" + hub.SampleGated + "/tree/main?recursive=true&expand=false"
		for next != "" {
			answer, body := v.get(next, token)
			var page []treeRow
			if err := json.Unmarshal(body, &page); err != nil {
				t.Fatal(err)
			}
			rows, pages = append(rows, page...), pages+1
			link, rel, _ := strings.Cut(answer.Header.Get("Link"), ">")
			if next = strings.TrimPrefix(link, "<"); next != "" && (rel != `; rel="next"` || !strings.HasPrefix(next, "https://huggingface.co/")) {
				t.Fatalf("a link: %s", answer.Header.Get("Link"))
			}
		}
		return rows, pages
	}
	rows, pages := list(accepted)
	if pages < 2 {
		t.Errorf("%d pages", pages)
	}
	files := 0
	for _, r := range rows {
		if r.Type == "file" {
			files++
		}
		if r.Path == hub.SampleWeights && (len(r.XetHash) != 64 || strings.Contains(r.XetHash, "*") || r.LFS == nil) {
			t.Errorf("%+v", r)
		}
	}
	if files != 9 {
		t.Errorf("%d files", files)
	}
	rows, _ = list("")
	for _, r := range rows {
		if r.Path == hub.SampleWeights && r.XetHash != strings.Repeat("*", 64) {
			t.Errorf("shown to nobody in particular: %+v", r)
		}
	}
	answer, body := v.do(http.MethodPost, "https://huggingface.co/api/models/"+hub.SampleGated+"/paths-info/main",
		url.Values{"paths": {hub.SampleWeights, "odd", "none"}, "expand": {"False"}}.Encode(),
		"Content-Type", "application/x-www-form-urlencoded", "Authorization", "Bearer "+accepted)
	var some []treeRow
	if err := json.Unmarshal(body, &some); err != nil || answer.StatusCode != 200 || len(some) != 2 || some[1].Type != "directory" {
		t.Errorf("paths-info: %s %s", answer.Status, body)
	}
	for path, want := range map[string]string{
		"/api/models/" + hub.SampleGated + "/refs":                   `"targetCommit"`,
		"/api/models/" + hub.SampleGated + "/commits/main":           `"title"`,
		"/api/models/" + hub.SampleGated + "/revision/refs%2Fpr%2F1": `"gated":"manual"`,
		"/api/datasets/" + hub.SampleData:                            `"siblings"`,
		"/api/spaces/" + hub.SampleSpace:                             `"siblings"`,
		"/api/agent-harnesses":                                       `"harnesses"`,
		"/.well-known/meta.json":                                     hub.CDNHost,
	} {
		answer, body := v.get("https://huggingface.co"+path, accepted)
		if answer.StatusCode != 200 || !strings.Contains(string(body), want) {
			t.Errorf("%s: %s %s", path, answer.Status, body)
		}
	}
	if answer, _ := v.do(http.MethodHead, "https://huggingface.co/api/telemetry/x/y", ""); answer.StatusCode != 200 {
		t.Errorf("telemetry: %s", answer.Status)
	}
}

func TestAccountsAndLimits(t *testing.T) {
	h, v := visit(t, hub.Options{})
	const whoami = "https://huggingface.co/api/whoami-v2"
	for token, want := range map[string]string{
		accepted: `"role":"read"`, writer: `"role":"write"`, fine: `"canReadGatedRepos":true`, fineNoGated: `"canReadGatedRepos":false`,
	} {
		if answer, body := v.get(whoami, token); answer.StatusCode != 200 || !strings.Contains(string(body), want) {
			t.Errorf("%s: %s %s", token, answer.Status, body)
		}
	}
	answer, _ := v.get(whoami, garbage)
	if answer.StatusCode != 401 || answer.Header.Get("RateLimit") == "" || answer.Header.Get("RateLimit-Policy") == "" {
		t.Errorf("garbage: %s %v", answer.Status, answer.Header)
	}
	h.RevokeToken(accepted)
	if answer, _ := v.get(whoami, accepted); answer.StatusCode != 401 {
		t.Errorf("revoked: %s", answer.Status)
	}
	h.Server.Faults.Add(hub.RateLimited(1, 7))
	h.Server.Faults.Add(hub.RetryAfter(1, 9))
	if answer, _ := v.get(whoami, writer); answer.StatusCode != 429 || !strings.Contains(answer.Header.Get("RateLimit"), "r=0;t=7") {
		t.Errorf("rate limited: %s %v", answer.Status, answer.Header)
	}
	if answer, _ := v.get(whoami, writer); answer.StatusCode != 429 || answer.Header.Get("Retry-After") != "9" {
		t.Errorf("retry after: %s %v", answer.Status, answer.Header)
	}
	if answer, _ := v.get(whoami, writer); answer.StatusCode != 200 {
		t.Errorf("afterwards: %s", answer.Status)
	}
}

func TestSafetensorsIsWellFormed(t *testing.T) {
	c, err := hub.Safetensors(3, hub.Tensor{Name: "a", Shape: []int{2, 3}}, hub.Tensor{Name: "b", Shape: []int{5}})
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, c.Size())
	if _, err := c.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	n := int(b[0]) | int(b[1])<<8
	var header map[string]struct {
		Dtype   string
		Shape   []int
		Offsets []int `json:"data_offsets"`
	}
	if err := json.Unmarshal(b[8:8+n], &header); err != nil {
		t.Fatal(err)
	}
	if n%8 != 0 || len(b) != 8+n+44 || header["a"].Offsets[1] != 24 || header["b"].Offsets[0] != 24 || header["b"].Offsets[1] != 44 {
		t.Errorf("header of %d bytes, file of %d: %+v", n, len(b), header)
	}
}

func TestGitAndLFS(t *testing.T) {
	h, v := visit(t, hub.Options{Git: true})
	if !(len(h.Commit(hub.Models, hub.SampleGated, "main")) == 40) {
		t.Error("no commit")
	}
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("anyone:"+accepted))
	refs := "https://huggingface.co/" + hub.SampleGated + "/info/refs?service=git-upload-pack"
	answer, _ := v.do(http.MethodGet, refs, "")
	if answer.StatusCode != 401 || !strings.HasPrefix(answer.Header.Get("WWW-Authenticate"), "Basic") {
		t.Errorf("anonymous: %s %v", answer.Status, answer.Header)
	}
	if answer, _ := v.get(refs, accepted); answer.StatusCode != 401 {
		t.Errorf("Bearer on a git route: %s", answer.Status)
	}
	answer, body := v.do(http.MethodGet, refs, "", "Authorization", basic)
	if answer.StatusCode != 200 || !strings.Contains(string(body), h.Commit(hub.Models, hub.SampleGated, "main")+" refs/heads/main") {
		t.Errorf("refs: %s %s", answer.Status, body)
	}
	if answer, _ := v.do(http.MethodGet, strings.Replace(refs, "upload", "receive", 1), "", "Authorization", basic); answer.StatusCode != 403 {
		t.Errorf("a read token pushes: %s", answer.Status)
	}
	f := sample(t, 1, hub.SampleWeights)
	ask := `{"operation":"download","transfers":["basic"],"objects":[{"oid":"` + origin.SHA256(f.Content) + `","size":1},{"oid":"00","size":1}]}`
	answer, body = v.do(http.MethodPost, "https://huggingface.co/"+hub.SampleGated+".git/info/lfs/objects/batch", ask,
		"Authorization", basic, "Content-Type", "application/vnd.git-lfs+json")
	var batch struct {
		Objects []struct {
			Actions struct{ Download struct{ Href string } }
			Error   *struct{ Code int }
		}
	}
	if err := json.Unmarshal(body, &batch); err != nil || answer.StatusCode != 200 || len(batch.Objects) != 2 || batch.Objects[1].Error == nil {
		t.Fatalf("batch: %s %s", answer.Status, body)
	}
	_, body = v.get(batch.Objects[0].Actions.Download.Href, "")
	same(t, "href", body, f.Content)
	answer, _ = v.do(http.MethodPost, "https://huggingface.co/"+hub.SampleGated+".git/info/lfs/objects/batch",
		strings.Replace(ask, "download", "upload", 1), "Authorization", basic)
	if answer.StatusCode != 403 {
		t.Errorf("a read token uploads: %s", answer.Status)
	}
}
