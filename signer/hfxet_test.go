package signer

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/auth"
)

const (
	tokenRoute = "/api/models/acme/weights/xet-read-token/" + commit
	storeHost  = "https://cas-server.xethub.hf.co"
	planURL    = storeHost + "/v1/reconstructions/aa"
)

func TestReverseModeLeadsTheHeadersOfXet(t *testing.T) {
	a := hubAnswer(t, "HEAD", "/acme/weights/resolve/main/model.safetensors", true, xetHeaders...)
	a.Status = 302
	if _, is := rewritten(t, a, ""); is {
		t.Error("a HEAD's body is rewritten")
	}
	if got := a.Header.Get("X-Xet-Hash"); got != strings.Repeat("a", 64) {
		t.Errorf("hash %q", got)
	}
	if got := a.Header.Get("X-Xet-Refresh-Route"); got != "back:"+tokenRoute {
		t.Errorf("refresh route %q", got)
	}
	// The proxy leads back what is no sealed base by itself.
	want := []string{
		`<https://huggingface.co` + tokenRoute + `>; rel="xet-auth", <base(` + storeHost + `,false)/v1/reconstructions/aa>; rel="xet-reconstruction-info"`,
		`<https://huggingface.co/api/models?cursor=a,b>; rel="next", </x>; rel=xet-auth`,
	}
	if got := a.Header.Values("Link"); !slices.Equal(got, want) {
		t.Errorf("links %q", got)
	}
}

func TestLeadStore(t *testing.T) {
	a := hubAnswer(t, "GET", "/x", true)
	for in, want := range map[string]string{
		storeHost:                            "base(" + storeHost + ",false)",
		storeHost + "/":                      "base(" + storeHost + ",false)",
		storeHost + ":443":                   "base(" + storeHost + ":443,false)",
		planURL:                              "base(" + storeHost + ",false)/v1/reconstructions/aa",
		planURL + "?a=%2B":                   "base(" + storeHost + ",false)/v1/reconstructions/aa?a=%2B",
		"HTTPS://CAS-Server.xethub.hf.co/v1": "base(HTTPS://CAS-Server.xethub.hf.co,false)/v1",
		"https://cas-server.xethub-ap.hf.co": "back:https://cas-server.xethub-ap.hf.co",
		"https://cas-7.xethub-eu.hf.co":      "base(https://cas-7.xethub-eu.hf.co,false)",
		// Neither the Hub nor a host of signed URLs is a store.
		"https://huggingface.co/v1":            "back:https://huggingface.co/v1",
		"https://transfer.xethub.hf.co/v1":     "back:https://transfer.xethub.hf.co/v1",
		"https://evil.example/v1":              "back:https://evil.example/v1",
		"https://cas-server.xethub.hf.co.evil": "back:https://cas-server.xethub.hf.co.evil",
		"/v1/reconstructions/aa":               "back:/v1/reconstructions/aa",
		"https://a b/":                         "back:https://a b/",
	} {
		if got := leadStore(a, in, false); got != want {
			t.Errorf("%s becomes %s, want %s", in, got, want)
		}
	}
	// What cannot be sealed comes back with a slash, and clients append one.
	a.ReturnPrefix = func(string, bool) string { return "http://proxy/cas/" }
	if got := leadStore(a, planURL, false); got != "http://proxy/cas/v1/reconstructions/aa" {
		t.Error(got)
	}
}

func TestReverseModeLeadsTheTokensStore(t *testing.T) {
	const in = `{"casUrl":"https:\/\/cas-server.xethub.hf.co","exp":1756489133,"accessToken":"xet_a","x":{"casUrl":"https://cas-server.xethub.hf.co"}}`
	for path, write := range map[string]string{
		tokenRoute:                                          "false",
		"/api/models/gpt2/xet-read-token/main":              "false",
		"/api/buckets/acme/things/xet-read-token":           "false",
		"/api/datasets/acme/corpus/xet-write-token/main":    "true",
		"/api/models/gpt2/xet-write-token/main?create_pr=1": "true",
	} {
		a := hubAnswer(t, "GET", path, true, auth.HeaderField{Name: "X-Xet-Cas-Url", Value: storeHost})
		if (huggingFace{}).Prepare(a.Request, &headerLines{}) != auth.WantsWhole {
			t.Errorf("%s: the body is not asked for", path)
		}
		got, _ := rewritten(t, a, in)
		base := "base(" + storeHost + "," + write + ")"
		if want := strings.Replace(in, `https:\/\/cas-server.xethub.hf.co`, base, 1); got != want {
			t.Errorf("%s: %s", path, got)
		}
		if got := a.Header.Get("X-Xet-Cas-Url"); got != base {
			t.Errorf("%s: header %s", path, got)
		}
		for name, a := range map[string]*auth.Answer{
			"hidden":  hiding(hubAnswer(t, "GET", path, true)),
			"forward": hubAnswer(t, "GET", path, false),
		} {
			if got, is := rewritten(t, a, in); is || got != in {
				t.Errorf("%s, %s: rewritten", path, name)
			}
		}
	}
}

// @huggingface/hub asks for a file's place in xet, follows the links of the
// answer to the letter, and insists on them where it gets this type.
func TestFileInformation(t *testing.T) {
	const path = "/acme/weights/resolve/main/model.safetensors"
	header := func(accept ...string) *headerLines {
		h := &headerLines{{Name: "Range", Value: "bytes=0-0"}}
		for _, v := range accept {
			h.Add("Accept", v)
		}
		return h
	}
	const both = "application/vnd.xet-fileinfo+json, */*"
	for _, c := range []struct {
		name          string
		reverse, hide bool
		accept        []string
		wants         auth.Wants
		left          string
	}{
		{"reverse", true, false, []string{both}, auth.WantsPlain, both},
		{"reverse, another type", true, false, []string{"*/*"}, auth.WantsNothing, "*/*"},
		{"reverse, none", true, false, nil, auth.WantsNothing, ""},
		{"forward", false, false, []string{both}, auth.WantsNothing, both},
		{"hidden", true, true, []string{both}, auth.WantsNothing, "*/*"},
		{"hidden, forward", false, true, []string{"text/html;q=0.5 , Application/Vnd.Xet-FileInfo+JSON;q=1", "a/b"}, auth.WantsNothing, "text/html;q=0.5, a/b"},
		{"hidden, nothing else", false, true, []string{"application/vnd.xet-fileinfo+json"}, auth.WantsNothing, ""},
	} {
		a := hubAnswer(t, "GET", path, c.reverse)
		if c.hide {
			hiding(a)
		}
		h := header(c.accept...)
		if got := (huggingFace{}).Prepare(a.Request, h); got != c.wants {
			t.Errorf("%s: wants %v", c.name, got)
		}
		if got := h.Get("Accept"); got != c.left || len(h.Values("Accept")) > 1 {
			t.Errorf("%s: Accept %q", c.name, h.Values("Accept"))
		}
	}
	const in = `{"hash":"aa","refreshUrl":"https://huggingface.co/r","reconstructionUrl":"` + planURL + `","etag":"\"x\"","size":7}`
	const want = `{"hash":"aa","refreshUrl":"back:https://huggingface.co/r","reconstructionUrl":"base(` + storeHost + `,false)/v1/reconstructions/aa","etag":"\"x\"","size":7}`
	a := hubAnswer(t, "GET", path, true)
	a.Header.Set("Content-Type", "application/vnd.xet-fileinfo+json; charset=utf-8")
	if got, _ := rewritten(t, a, in); got != want {
		t.Error(got)
	}
	forward := hubAnswer(t, "GET", path, false)
	forward.Header.Set("Content-Type", "application/vnd.xet-fileinfo+json")
	if got, is := rewritten(t, forward, in); is {
		t.Errorf("forward mode: %s", got)
	}
}

const (
	planV1 = `{"offset_into_first_range":0,"terms":[{"hash":"aa","unpacked_length":9,"range":{"start":0,"end":1}}],
 "fetch_info":{"aa":[{"range":{"start":0,"end":1},"url":"https://transfer.xethub.hf.co/x?a=%2B&b=c\u0026d","url_range":{"start":0,"end":8}}]}}`
	planV2 = `{"offset_into_first_range":0,"terms":[],"xorbs":{"aa":[{"url":"https://transfer.xethub.hf.co/x?a=%2B","ranges":[{"chunks":{"start":0,"end":1},"bytes":{"start":0,"end":8}}]},{"url":"u2","ranges":[]}]}}`
)

func TestReverseModeLeadsReconstructions(t *testing.T) {
	for path, in := range map[string]string{
		"/v1/reconstructions/aa":         planV1,
		"/v2/reconstructions/aa":         planV2,
		"/reconstructions?file_id=aa":    planV1,
		"/v1/reconstructions?file_id=aa": planV1,
	} {
		a := hubAnswer(t, "GET", storeHost+path, true)
		if (huggingFace{}).Prepare(a.Request, &headerLines{}) != auth.WantsPlain {
			t.Errorf("%s: what is asked for", path)
		}
		want := strings.NewReplacer(`"url":"`, `"url":"back:`, `\u0026`, "&").Replace(in)
		if got, _ := rewritten(t, a, in); got != want {
			t.Errorf("%s becomes %s", path, got)
		}
		// Whatever its type; and not where it is no plan.
		a.Header.Set("Content-Type", "application/octet-stream")
		if got, _ := rewritten(t, a, in); got != want {
			t.Errorf("%s becomes %s", path, got)
		}
		a.Status = 416
		if _, is := rewritten(t, a, in); is {
			t.Errorf("%s: an error is rewritten", path)
		}
		forward := hubAnswer(t, "GET", storeHost+path, false)
		if _, is := rewritten(t, forward, in); is || (huggingFace{}).Prepare(forward.Request, &headerLines{}) != auth.WantsNothing {
			t.Errorf("%s: rewritten in forward mode", path)
		}
	}
	for _, other := range []string{storeHost + "/v1/chunks/default/aa", storeHost + "/", "https://transfer.xethub.hf.co/v1/reconstructions/aa", "/v1/reconstructions/aa"} {
		a := hubAnswer(t, "GET", other, true)
		if _, is := rewritten(t, a, planV1); is {
			t.Errorf("%s is rewritten", other)
		}
	}
}

func TestReconstructionsEndWhereTheyAreBroken(t *testing.T) {
	open := func(length string) (auth.BodyRewrite, error) {
		a := hubAnswer(t, "GET", planURL, true)
		if length != "" {
			a.Header.Set("Content-Length", length)
		}
		return huggingFace{}.Rewrite(a)
	}
	wantProtocol := func(what string, err error) {
		t.Helper()
		var e *auth.Error
		if !errors.As(err, &e) || e.Code != auth.CodeUpstreamProtocol {
			t.Errorf("%s: %v, want %s", what, err, auth.CodeUpstreamProtocol)
		}
	}
	for _, in := range []string{planV1[:len(planV1)-1], planV2 + "x", `{"xorbs":{"a":[{"url":"` + strings.Repeat("u", maxJSONString) + `"}]}}`, "<html>"} {
		body, err := open("")
		if err != nil {
			t.Fatal(err)
		}
		wantProtocol(in[:6], body(io.Discard, strings.NewReader(in)))
	}
	// One byte over the cap, told beforehand and not.
	if _, err := open("16777216"); err != nil {
		t.Errorf("16 MiB: %v", err)
	}
	_, err := open("16777217")
	wantProtocol("over 16 MiB, as announced", err)
	for over := range int64(2) {
		body, err := open("")
		if err != nil {
			t.Fatal(err)
		}
		text := io.MultiReader(strings.NewReader(`["`), io.LimitReader(&repeat{text: strings.Repeat("x", 1000), left: 32 << 20}, maxJSON-4+over), strings.NewReader(`"]`))
		switch err := body(io.Discard, text); {
		case over == 0 && err != nil:
			t.Errorf("16 MiB: %v", err)
		case over == 1:
			wantProtocol("over 16 MiB", err)
		}
	}
	// What breaks on the way is not the text's fault.
	broken := errors.New("broken")
	body, _ := open("")
	if err := body(io.Discard, io.MultiReader(strings.NewReader(`{"a":`), errReader{broken})); !errors.Is(err, broken) {
		t.Errorf("a broken source: %v", err)
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

// A plan of any length passes in the memory of one URL.
func TestReconstructionsStream(t *testing.T) {
	const length = 4 << 20
	entry := `{"url":"https://transfer.xethub.hf.co/x?a=%2B&b=` + strings.Repeat("c", 1000) + `","ranges":[{"bytes":{"start":0,"end":8}}]},`
	src := io.MultiReader(strings.NewReader(`{"xorbs":{"aa":[`), &repeat{text: strings.Repeat(entry, 10), left: length}, strings.NewReader(`{}]}}`))
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	before, most, writes := m.HeapAlloc, uint64(0), 0
	err := editJSON(writerFunc(func(p []byte) (int, error) {
		if writes++; writes%64 == 0 { // a MiB
			runtime.GC() // what is left is held
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapAlloc)
		}
		return len(p), nil
	}), src, planEdit(func(s string) string { return s + "x" }))
	if err != nil {
		t.Fatal(err)
	}
	if most == 0 || most > before+length/4 {
		t.Errorf("the heap grew from %d to %d bytes", before, most)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestStoreReadRule(t *testing.T) {
	for _, c := range []struct {
		method, path string
		want         auth.Class
	}{
		{"GET", "/v1/reconstructions/aa", auth.ClassRead},
		{"GET", "/v2/file-chunk-hashes/aa", auth.ClassRead},
		{"HEAD", "/v1/files/aa", auth.ClassRead},
		{"POST", "/v1/telemetry", auth.ClassRead},
		{"POST", "/v2/telemetry", auth.ClassRead},
		{"PUT", "/v1/telemetry", auth.ClassWrite},
		{"POST", "/telemetry", auth.ClassWrite},
		{"POST", "/v1/telemetry/aa", auth.ClassWrite},
		{"POST", "/v1/xorbs/default/aa", auth.ClassWrite},
		{"POST", "/v1/shards", auth.ClassWrite},
		{"POST", "/v2/shards", auth.ClassWrite},
		{"DELETE", "/v1/files/aa", auth.ClassWrite},
		// Not in a spelling that some router could read otherwise.
		{"POST", "/v1/telemetr%79", auth.ClassWrite},
		{"POST", "/v1/telemetry%2Faa", auth.ClassWrite},
	} {
		if got := (huggingFace{}).Classify(c.method, target(t, storeHost+c.path)); got != c.want {
			t.Errorf("%s %s: %v, want %v", c.method, c.path, got, c.want)
		}
	}
	if got := (huggingFace{}).Classify("POST", target(t, "https://transfer.xethub.hf.co/v1/telemetry")); got != auth.ClassWrite {
		t.Errorf("telemetry elsewhere: %v", got)
	}
}

func TestMapLinks(t *testing.T) {
	upper := func(_, target string) string { return strings.ToUpper(target) }
	for in, want := range map[string]string{
		`<a>; rel="next"`:              `<A>; rel="next"`,
		` <a,b> ;rel=x , <c>; rel="d"`: ` <A,B> ;rel=x , <C>; rel="d"`,
		`<a>; title="<b>, <c>"`:        `<A>; title="<b>, <c>"`,
		`a; rel=x`:                     `a; rel=x`,
		`<a; rel=x`:                    `<a; rel=x`,
		``:                             ``,
		`,`:                            `,`,
	} {
		if got := mapLinks(in, upper); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}

// FuzzReconstruction: a plan is changed as decoding, changing and encoding it
// would change it, and otherwise not by a byte; and the same however it
// arrives.
func FuzzReconstruction(f *testing.F) {
	for _, s := range []string{
		planV1, planV2, `{"url":"a","URL":"\u0061","x":{"url":["b"],"y":[{"url":"c&d<>"}]},"url":null}`, `{"url":"\ud800"}`,
		`{"fetch_info":{"url":[{"url":"\/a"}]}}`, `[{"url":"a"},"url"]`, `{"url":{"url":"a"}}`, `{"url":""}`, `{"url":"a`, `{"u\u0072l":"a"}`, ``, ` 1 `,
	} {
		f.Add([]byte(s), uint64(1))
	}
	back := func(s string) string {
		if s == "" {
			return s
		}
		return "http://p/" + s
	}
	f.Fuzz(func(t *testing.T, in []byte, seed uint64) {
		var whole, pieces bytes.Buffer
		errWhole := editJSON(&whole, bytes.NewReader(in), planEdit(back))
		errPieces := editJSON(&pieces, &raggedReader{in, rand.New(rand.NewPCG(seed, 0))}, planEdit(back))
		if (errWhole == nil) != (errPieces == nil) || errWhole == nil && !bytes.Equal(whole.Bytes(), pieces.Bytes()) {
			t.Fatalf("%q in pieces: %q, %v; whole: %q, %v", in, pieces.Bytes(), errPieces, whole.Bytes(), errWhole)
		}
		if errors.Is(errWhole, errJSONDepth) || errors.Is(errWhole, errJSONLong) {
			return
		}
		if valid := json.Valid(in) || len(bytes.Trim(in, " \t\r\n")) == 0; (errWhole == nil) != valid {
			t.Fatalf("%q: error %v, valid %v", in, errWhole, valid)
		}
		if !json.Valid(in) {
			return
		}
		changed := false
		want := withURLs(decodeExactly(t, in), back, &changed)
		if got := decodeExactly(t, whole.Bytes()); !reflect.DeepEqual(want, got) {
			t.Fatalf("%q becomes %q", in, whole.Bytes())
		}
		if !changed && !bytes.Equal(in, whole.Bytes()) {
			t.Fatalf("%q becomes %q, with nothing to change", in, whole.Bytes())
		}
	})
}

// raggedReader gives pieces of random length.
type raggedReader struct {
	rest []byte
	rand *rand.Rand
}

func (r *raggedReader) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.rest[:1+r.rand.IntN(min(len(r.rest), 64))])
	r.rest = r.rest[n:]
	return n, nil
}

// withURLs is the reference: every string member called url, whatever the case
// of its name, changed.
func withURLs(v any, back func(string) string, changed *bool) any {
	switch v := v.(type) {
	case jsonObject:
		out := jsonObject{}
		for _, m := range v {
			value := withURLs(m.Value, back, changed)
			if s, ok := value.(string); ok && strings.EqualFold(m.Name, "url") {
				value = back(s)
				*changed = *changed || value != s
			}
			out = append(out, jsonMember{m.Name, value})
		}
		return out
	case []any:
		out := []any{}
		for _, e := range v {
			out = append(out, withURLs(e, back, changed))
		}
		return out
	}
	return v
}
