package signer

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/auth"
)

func hubAnswer(t testing.TB, method, path string, reverse bool, lines ...auth.HeaderField) *auth.Answer {
	h := headerLines(append([]auth.HeaderField{{Name: "Content-Type", Value: "application/json; charset=utf-8"}}, lines...))
	if !strings.HasPrefix(path, "https://") {
		path = "https://huggingface.co" + path
	}
	return &auth.Answer{
		Request: auth.Asked{Method: method, Target: target(t, path), Reverse: reverse},
		Status:  200, Header: &h,
		Return: func(ref string) string { return "back:" + ref },
		ReturnPrefix: func(ref string, write bool) string {
			return fmt.Sprintf("base(%s,%v)", ref, write)
		},
	}
}

// hiding is a with xet hidden by the key.
func hiding(a *auth.Answer) *auth.Answer {
	a.Request.Xet = auth.XetHide
	return a
}

// rewritten is what becomes of a body, and whether anything may.
func rewritten(t testing.TB, a *auth.Answer, in string) (string, bool) {
	t.Helper()
	body, err := huggingFace{}.Rewrite(a)
	if err != nil {
		t.Fatal(err)
	}
	if body == nil {
		return in, false
	}
	var out bytes.Buffer
	if err := body(&out, strings.NewReader(in)); err != nil {
		t.Fatal(err)
	}
	return out.String(), true
}

var xetHeaders = []auth.HeaderField{
	{Name: "X-Repo-Commit", Value: commit},
	{Name: "X-Linked-Size", Value: "7"},
	{Name: "x-xet-hash", Value: strings.Repeat("a", 64)},
	{Name: "X-Xet-Refresh-Route", Value: "/api/models/acme/weights/xet-read-token/" + commit},
	{Name: "Link", Value: `<https://huggingface.co/api/models/acme/weights/xet-read-token/` + commit + `>; rel="xet-auth", <https://cas-server.xethub.hf.co/v1/reconstructions/aa>; rel="xet-reconstruction-info"`},
	{Name: "Link", Value: `<https://huggingface.co/api/models?cursor=a,b>; rel="next", </x>; rel=xet-auth`},
}

func TestXetIsHiddenInHeaders(t *testing.T) {
	for _, reverse := range []bool{true, false} {
		for _, method := range []string{"HEAD", "GET"} {
			a := hiding(hubAnswer(t, method, "/acme/weights/resolve/main/model.safetensors", reverse, xetHeaders...))
			a.Status = 302
			if _, is := rewritten(t, a, ""); is {
				t.Error("the body is rewritten")
			}
			if a.Header.Get("X-Xet-Hash") != "" || a.Header.Get("X-Xet-Refresh-Route") != "" {
				t.Error("xet header fields are left")
			}
			if got := a.Header.Values("Link"); !slices.Equal(got, []string{`<https://huggingface.co/api/models?cursor=a,b>; rel="next"`}) {
				t.Errorf("links left: %q", got)
			}
			if a.Header.Get("X-Repo-Commit") != commit || a.Header.Get("X-Linked-Size") != "7" {
				t.Error("other header fields are gone")
			}
		}
	}
	forward := hubAnswer(t, "HEAD", "/acme/weights/resolve/main/model.safetensors", false, xetHeaders...)
	before := slices.Clone(*forward.Header.(*headerLines))
	if body, err := (huggingFace{}).Rewrite(forward); body != nil || err != nil || !slices.Equal(before, *forward.Header.(*headerLines)) {
		t.Error("forward mode changed something")
	}
}

// huggingface_hub 2.x follows a redirect that stays on its endpoint's host,
// and a CDN's HEAD is no substitute for the Hub's own.
func TestReverseModeSettlesTheHeadOfALargeFile(t *testing.T) {
	redirect := func(method string, reverse bool, drop string) *auth.Answer {
		a := hubAnswer(t, method, "/acme/weights/resolve/main/model.safetensors", reverse, xetHeaders...)
		a.Status = 302
		a.Header.Set("Location", "https://us.aws.cdn.hf.co/x?Signature=s")
		a.Header.Set("ETag", `"sha"`)
		a.Header.Del(drop)
		return a
	}
	a := redirect("HEAD", true, "")
	if _, err := (huggingFace{}).Rewrite(a); err != nil {
		t.Fatal(err)
	}
	if a.Status != 200 || a.Header.Get("Location") != "" || a.Header.Get("Content-Length") != "7" || a.Header.Get("ETag") != `"sha"` || a.Header.Get("X-Repo-Commit") != commit {
		t.Errorf("settled: %d %v", a.Status, a.Header)
	}
	if a.Header.Get("X-Xet-Hash") == "" {
		t.Error("the settled answer does not tell of xet")
	}
	for name, a := range map[string]*auth.Answer{
		"GET":          redirect("GET", true, ""),
		"forward mode": redirect("HEAD", false, ""),
		"no size":      redirect("HEAD", true, "X-Linked-Size"),
		"no commit":    redirect("HEAD", true, "X-Repo-Commit"),
	} {
		if _, err := (huggingFace{}).Rewrite(a); err != nil || a.Status != 302 || a.Header.Get("Location") == "" {
			t.Errorf("%s: %d, %v", name, a.Status, err)
		}
	}
}

func TestXetIsHiddenInTheBodiesThatTellOfIt(t *testing.T) {
	in := `{"sha":"x","siblings":[{"rfilename":"a","xetHash":"b"}],"xetEnabled":true}`
	want := `{"sha":"x","siblings":[{"rfilename":"a"}]}`
	for _, c := range []struct {
		method, path string
		hidden       bool
	}{
		{"GET", "/api/models/acme/weights", true},
		{"GET", "/api/models/gpt2", true},
		{"GET", "/api/models/acme/weights/revision/main", true},
		{"GET", "/api/models/gpt2/revision/main", true},
		{"GET", "/api/models/acme/weights/tree/main?recursive=true", true},
		{"GET", "/api/datasets/acme/corpus/tree/main/sub", true},
		{"GET", "/api/spaces/acme/demo", true},
		{"GET", "/api/kernels/acme/demo/revision/main", true},
		{"POST", "/api/models/acme/weights/paths-info/main", true},
		{"POST", "/api/models/gpt2/paths-info/main", true},
		{"GET", "/api/models", false},
		{"HEAD", "/api/models/acme/weights", false},
		{"GET", "/api/models/acme/weights/xet-read-token/main", false},
		{"GET", "/api/models/acme/weights/refs", false},
		{"GET", "/api/buckets/acme/things/tree", false},
		{"GET", "/acme/weights/resolve/main/config.json", false},
		{"GET", "/api/resolve-cache/models/acme/weights/c/config.json", false},
		{"GET", "/acme/weights.git/info/refs?service=git-upload-pack", false},
	} {
		for _, reverse := range []bool{true, false} {
			for _, hide := range []bool{true, false} {
				a := hubAnswer(t, c.method, c.path, reverse)
				if hide {
					hiding(a)
				}
				wants := (huggingFace{}).Prepare(a.Request, &headerLines{})
				if got := wants == auth.WantsWhole; got != (c.hidden && hide) && !(reverse && !hide && strings.Contains(c.path, "xet-read-token")) {
					t.Errorf("%s %s reverse %v hidden %v: wants %v", c.method, c.path, reverse, hide, wants)
				}
				got, _ := rewritten(t, a, in)
				if c.hidden && hide && got != want || !(c.hidden && hide) && got != in {
					t.Errorf("%s %s reverse %v hidden %v: %s", c.method, c.path, reverse, hide, got)
				}
			}
		}
	}
}

// The stricter of the credential's and the key's policy counts; a hub on a host
// of its own is not led through reverse mode, because its store is not known.
func TestXetPolicies(t *testing.T) {
	for _, c := range []struct {
		host             string
		key              auth.XetPolicy
		credential       string
		reverse, forward bool
	}{
		{host: "huggingface.co"},
		{host: "hf.co"},
		{host: "huggingface.co", key: auth.XetPass, credential: "pass"},
		{host: "huggingface.co", key: auth.XetHide, credential: "pass", reverse: true, forward: true},
		{host: "huggingface.co", key: auth.XetPass, credential: "hide", reverse: true, forward: true},
		{host: "huggingface.co", credential: "Hide", reverse: true, forward: true},
		{host: "hub.example.com", reverse: true},
		{host: "hub-ci.huggingface.co", reverse: true},
		{host: "cas-server.xethub.hf.co"},
	} {
		q := auth.Asked{Method: "GET", Target: target(t, "https://"+c.host+"/x"), Xet: c.key, Params: map[string]string{"xet": c.credential}}
		if got := hidesXet(&q); got != c.forward {
			t.Errorf("%+v, forward: hidden %v", c, got)
		}
		q.Reverse = true
		if got := hidesXet(&q); got != c.reverse {
			t.Errorf("%+v, reverse: hidden %v", c, got)
		}
	}
}

func TestReverseModeLeadsBatchLinksBack(t *testing.T) {
	const path = "/acme/weights.git/info/lfs/objects/batch"
	a := hubAnswer(t, "POST", path, true)
	if (huggingFace{}).Prepare(a.Request, &headerLines{}) != auth.WantsWhole {
		t.Error("the body is not asked for")
	}
	a.Header.Set("Content-Type", "application/vnd.git-lfs+json")
	got, _ := rewritten(t, a, `{"href":"a","objects":[{"actions":{"download":{"href":"https://cdn/x?a=b&c=d","header":{"href":"b","x-xet-cas-url":"https://cas-server.xethub.hf.co"}},"upload":{"header":{"X-Xet-Cas-Url":"https://cas-server.xethub.hf.co"}}}}]}`)
	want := `{"href":"a","objects":[{"actions":{"download":{"href":"back:https://cdn/x?a=b&c=d","header":{"href":"b","x-xet-cas-url":"base(https://cas-server.xethub.hf.co,false)"}},"upload":{"header":{"X-Xet-Cas-Url":"base(https://cas-server.xethub.hf.co,true)"}}}}]}`
	if got != want {
		t.Error(got)
	}
	forward := hubAnswer(t, "POST", path, false)
	if _, is := rewritten(t, forward, "{}"); is || (huggingFace{}).Prepare(forward.Request, &headerLines{}) != auth.WantsNothing {
		t.Error("forward mode rewrites the batch")
	}
}

func TestRewriteLeavesOtherAnswersAlone(t *testing.T) {
	const path = "/api/models/acme/weights"
	for name, change := range map[string]func(a *auth.Answer){
		"an error":     func(a *auth.Answer) { a.Status = 404 },
		"a redirect":   func(a *auth.Answer) { a.Status = 307 },
		"not modified": func(a *auth.Answer) { a.Status = 304 },
		"a page":       func(a *auth.Answer) { a.Header.Set("Content-Type", "text/html") },
		"no type":      func(a *auth.Answer) { a.Header.Del("Content-Type") },
	} {
		a := hiding(hubAnswer(t, "GET", path, true))
		change(a)
		if body, err := (huggingFace{}).Rewrite(a); body != nil || err != nil {
			t.Errorf("%s is rewritten: %v", name, err)
		}
	}
	a := hiding(hubAnswer(t, "GET", path, true, auth.HeaderField{Name: "Content-Encoding", Value: "identity"}))
	if body, err := (huggingFace{}).Rewrite(a); body == nil || err != nil {
		t.Errorf("identity is not rewritten: %v", err)
	}
	a = hiding(hubAnswer(t, "GET", path, true, auth.HeaderField{Name: "Content-Encoding", Value: "gzip"}))
	_, err := huggingFace{}.Rewrite(a)
	var e *auth.Error
	if !errors.As(err, &e) || e.Code != auth.CodeUpstreamProtocol {
		t.Errorf("a coding that was not asked for: %v", err)
	}
}

func TestWithoutLinks(t *testing.T) {
	hidden := func(rel string) bool { return strings.HasPrefix(strings.ToLower(rel), "xet-") }
	for in, want := range map[string]string{
		`<a>; rel="next"`:                               `<a>; rel="next"`,
		`<a>;rel=next , <b>;rel=last`:                   `<a>;rel=next , <b>;rel=last`,
		`<a>; rel="xet-auth"`:                           ``,
		`<a>; rel=XET-AUTH, <b>; rel="next"`:            `<b>; rel="next"`,
		`<a>; title="x, y; rel=z"; rel="next xet-auth"`: ``,
		`<a,b;rel="xet-auth">; rel=next`:                `<a,b;rel="xet-auth">; rel=next`,
		`<a>; title="rel=xet-auth"`:                     `<a>; title="rel=xet-auth"`,
		`<a>; rel="next"; rel="xet-auth"`:               `<a>; rel="next"; rel="xet-auth"`,
		`<a>; rel = "xet-auth" ,<b>; rel=next`:          `<b>; rel=next`,
		`<a; rel="xet-auth"`:                            ``,
		`a; rel="xet-auth", <b>; rel=next`:              `<b>; rel=next`,
		`<a>; rel="xet-auth`:                            ``,
		`<a>; rel="xet\-auth"`:                          ``,
		`garbage`:                                       `garbage`,
		``:                                              ``,
	} {
		if got, _ := withoutLinks(in, hidden, "xet-"); got != want {
			t.Errorf("%s becomes %q, want %q", in, got, want)
		}
	}
}
