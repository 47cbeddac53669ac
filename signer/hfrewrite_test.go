package signer

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/auth"
)

func hubAnswer(t testing.TB, method, path string, reverse bool, lines ...auth.HeaderField) *auth.Answer {
	h := headerLines(append([]auth.HeaderField{{Name: "Content-Type", Value: "application/json; charset=utf-8"}}, lines...))
	return &auth.Answer{
		Method: method, Target: target(t, "https://huggingface.co"+path), Status: 200, Header: &h, Reverse: reverse,
		Return: func(ref string) string { return "back:" + ref },
	}
}

var xetHeaders = []auth.HeaderField{
	{Name: "X-Repo-Commit", Value: commit},
	{Name: "X-Linked-Size", Value: "7"},
	{Name: "x-xet-hash", Value: strings.Repeat("a", 64)},
	{Name: "X-Xet-Refresh-Route", Value: "/api/models/acme/weights/xet-read-token/" + commit},
	{Name: "Link", Value: `<https://huggingface.co/api/models/acme/weights/xet-read-token/` + commit + `>; rel="xet-auth", <https://cas-server.xethub.hf.co/v1/reconstructions/aa>; rel="xet-reconstruction-info"`},
	{Name: "Link", Value: `<https://huggingface.co/api/models?cursor=a,b>; rel="next", </x>; rel=xet-auth`},
}

func TestReverseModeHidesXetInHeaders(t *testing.T) {
	for _, method := range []string{"HEAD", "GET"} {
		a := hubAnswer(t, method, "/acme/weights/resolve/main/model.safetensors", true, xetHeaders...)
		a.Status = 302
		body, err := huggingFace{}.Rewrite(a)
		if err != nil || body != nil {
			t.Fatalf("body rewrite %v, %v", body != nil, err)
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

func TestReverseModeRewritesTheBodiesThatTellOfXet(t *testing.T) {
	in := `{"sha":"x","siblings":[{"rfilename":"a","xetHash":"b"}],"xetEnabled":true}`
	want := `{"sha":"x","siblings":[{"rfilename":"a"}]}`
	for _, c := range []struct {
		method, path string
		rewritten    bool
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
		{"GET", "/acme/weights/resolve/main/config.json", false},
		{"GET", "/api/resolve-cache/models/acme/weights/c/config.json", false},
		{"GET", "/acme/weights.git/info/refs?service=git-upload-pack", false},
	} {
		to := target(t, "https://huggingface.co"+c.path)
		if got := (huggingFace{}).NeedsBody(c.method, to, true); got != c.rewritten {
			t.Errorf("%s %s: NeedsBody %v", c.method, c.path, got)
		}
		if (huggingFace{}).NeedsBody(c.method, to, false) {
			t.Errorf("%s %s: NeedsBody in forward mode", c.method, c.path)
		}
		body, err := huggingFace{}.Rewrite(hubAnswer(t, c.method, c.path, true))
		if err != nil || (body != nil) != c.rewritten {
			t.Errorf("%s %s: rewrite %v, %v", c.method, c.path, body != nil, err)
			continue
		}
		if body != nil {
			var out bytes.Buffer
			if err := body(&out, strings.NewReader(in)); err != nil || out.String() != want {
				t.Errorf("%s %s: %s, %v", c.method, c.path, out.String(), err)
			}
		}
	}
}

func TestReverseModeLeadsBatchLinksBack(t *testing.T) {
	const path = "/acme/weights.git/info/lfs/objects/batch"
	if !(huggingFace{}).NeedsBody("POST", target(t, "https://huggingface.co"+path), true) {
		t.Error("the body is not asked for")
	}
	a := hubAnswer(t, "POST", path, true)
	a.Header.Set("Content-Type", "application/vnd.git-lfs+json")
	body, err := huggingFace{}.Rewrite(a)
	if err != nil || body == nil {
		t.Fatalf("rewrite %v, %v", body != nil, err)
	}
	var out bytes.Buffer
	err = body(&out, strings.NewReader(`{"objects":[{"actions":{"download":{"href":"https://cdn/x?a=b&c=d"}}}]}`))
	if want := `{"objects":[{"actions":{"download":{"href":"back:https://cdn/x?a=b&c=d"}}}]}`; err != nil || out.String() != want {
		t.Errorf("%s, %v", out.String(), err)
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
		a := hubAnswer(t, "GET", path, true)
		change(a)
		if body, err := (huggingFace{}).Rewrite(a); body != nil || err != nil {
			t.Errorf("%s is rewritten: %v", name, err)
		}
	}
	a := hubAnswer(t, "GET", path, true, auth.HeaderField{Name: "Content-Encoding", Value: "identity"})
	if body, err := (huggingFace{}).Rewrite(a); body == nil || err != nil {
		t.Errorf("identity is not rewritten: %v", err)
	}
	a = hubAnswer(t, "GET", path, true, auth.HeaderField{Name: "Content-Encoding", Value: "gzip"})
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
