package proxy

import (
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/proxy/box"
)

// returning is a reverse exchange without any connection.
func returning(t testing.TB, uri string) *exchange {
	t.Helper()
	pol, err := compilePolicy(Policy{Routes: map[string]string{"comfy": "http://10.0.0.5:8188/base"}})
	if err != nil {
		t.Fatal(err)
	}
	snap, err := auth.Compile(auth.State{
		Teams: []auth.Team{{ID: "team_1", Name: "default"}}, Keys: []auth.Key{{ID: "key_1", TeamID: "team_1", Name: "k"}},
	}, auth.Options{})
	if err != nil {
		t.Fatal(err)
	}
	sealer, err := box.New(box.Options{Keys: [][]byte{box.NewKey()}, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	x := &exchange{
		p: &Proxy{o: Options{Boxes: sealer, Now: time.Now, Logger: zerolog.Nop()}}, policy: pol, snap: snap,
		mode: reverse, authority: "proxy:8080", at: time.Now(),
	}
	if x.identity, err = snap.IdentifyID("key_1", time.Now()); err != nil {
		t.Fatal(err)
	}
	if rest, ok := strings.CutPrefix(uri, "/.weighbridge/k/wbu_x"); ok {
		x.back.prefix, uri = "/.weighbridge/k/wbu_x", rest
	}
	if e := x.locate(uri); e != nil {
		t.Fatal(e)
	}
	return x
}

func TestRelativeAndAbsoluteReferencesLeadBackThroughUs(t *testing.T) {
	hub := "/huggingface.co/org/model/resolve/main/f?x=1"
	for _, c := range []struct{ uri, ref, want string }{
		// A relative one stays relative and gets the prefix; the query stays.
		{hub, "/api/resolve-cache/m/c/f?%2Forg=&etag=%22a%22", "/huggingface.co/api/resolve-cache/m/c/f?%2Forg=&etag=%22a%22"},
		{hub, "other", "/huggingface.co/org/model/resolve/main/other"},
		{hub, "../dev/f", "/huggingface.co/org/model/resolve/dev/f"},
		{hub, "../../../../../../f", "/huggingface.co/f"},
		{hub, "?y=2", "/huggingface.co/org/model/resolve/main/f?y=2"},
		{hub, "#top", "/huggingface.co/org/model/resolve/main/f?x=1#top"},
		{"/.weighbridge/k/wbu_x" + hub, "/a", "/.weighbridge/k/wbu_x/huggingface.co/a"},
		// An absolute one goes to our base.
		{hub, "https://huggingface.co/b?c=d#e", "http://proxy:8080/huggingface.co/b?c=d#e"},
		{hub, "HTTPS://HuggingFace.co/b", "http://proxy:8080/huggingface.co/b"},
		{hub, "https://huggingface.co", "http://proxy:8080/huggingface.co/"},
		{hub, "//cdn.example/b", "http://proxy:8080/cdn.example/b"},
		{hub, "https://cdn.example:8443/b%2Fc+d", "http://proxy:8080/cdn.example:8443/b%2Fc+d"},
		{hub, "http://cdn.example/b", "http://proxy:8080/http:cdn.example/b"},
		{hub, "https://minio/b", "http://proxy:8080/minio:443/b"},
		{hub, "https://[2001:db8::1]/b", "http://proxy:8080/[2001:db8::1]/b"},
		{"/.weighbridge/k/wbu_x" + hub, "https://cdn.example/b", "http://proxy:8080/.weighbridge/k/wbu_x/cdn.example/b"},
		// A plain upstream, and a route with a base path.
		{"/http:plain.example/a/b", "c", "/http:plain.example/a/c"},
		{"/comfy/api/view", "/base/next", "/comfy/next"},
		{"/comfy/api/view", "http://10.0.0.5:8188/base/n?q", "http://proxy:8080/comfy/n?q"},
		{"/comfy/api/view", "/elsewhere", "/http:10.0.0.5:8188/elsewhere"},
		{"/comfy/api/view", "/basement", "/http:10.0.0.5:8188/basement"},
		// What is ours already, or not for us, stays.
		{hub, "http://proxy:8080/huggingface.co/b", "http://proxy:8080/huggingface.co/b"},
		{hub, "mailto:a@b", "mailto:a@b"},
		// What nobody could follow leads nowhere.
		{hub, "https://user:secret@cdn.example/b", "http://proxy:8080/"},
		{hub, "", ""},
	} {
		x := returning(t, c.uri)
		if got := x.returnURL(c.ref); got != c.want {
			t.Errorf("%s: %s -> %s, want %s", c.uri, c.ref, got, c.want)
		}
	}
}

func TestSignedReferencesAreSealed(t *testing.T) {
	signed := "https://cdn.example/f?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=20260101T000000Z&X-Amz-Expires=3600&X-Amz-Signature=a%2Fb"
	x := returning(t, "/huggingface.co/org/model/resolve/main/f?token=x")
	x.p.o.Now = func() time.Time { return time.Date(2026, 1, 1, 0, 30, 0, 0, time.UTC) }
	x.at = x.p.o.Now()
	sealer, err := box.New(box.Options{Keys: [][]byte{box.NewKey()}, Now: x.p.o.Now})
	if err != nil {
		t.Fatal(err)
	}
	x.p.o.Boxes = sealer
	got := x.returnURL(signed)
	text, ok := strings.CutPrefix(got, "http://proxy:8080/.weighbridge/s/")
	if !ok {
		t.Fatalf("not sealed: %s", got)
	}
	b, err := sealer.Open(text)
	if err != nil {
		t.Fatal(err)
	}
	if b.Target.String() != signed || b.KeyID != "key_1" || b.TeamID != "team_1" || b.Kind != box.KindURL {
		t.Errorf("box %+v", b)
	}
	if b.Origin.String() != "https://huggingface.co/org/model/resolve/main/f" {
		t.Errorf("origin %s", b.Origin.String())
	}
	if !b.Expires.Equal(time.Date(2026, 1, 1, 1, 0, 0, 0, time.UTC)) {
		t.Errorf("expires %v, want the end of the signature", b.Expires)
	}
	// What follows from a sealed URL comes without a key, so it is sealed too.
	x.box = &b
	if got := x.returnURL("/plain"); !strings.Contains(got, sealed) {
		t.Errorf("a redirect of a sealed URL is not sealed: %s", got)
	}
}

func TestLinkTargetsAreRewrittenAndTheRestIsNot(t *testing.T) {
	x := returning(t, "/huggingface.co/api/models")
	in := `<https://huggingface.co/api/models?cursor=a,b>; rel="next"; title="a <b>, \" c", </rel>; rel=prev, <broken`
	want := `<http://proxy:8080/huggingface.co/api/models?cursor=a,b>; rel="next"; title="a <b>, \" c", </huggingface.co/rel>; rel=prev, <broken`
	if got := x.returnLink(in); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestForwardModeLeavesReferencesAlone(t *testing.T) {
	x := returning(t, "/huggingface.co/a")
	x.mode = forward
	for _, ref := range []string{"/a", "https://huggingface.co/b"} {
		if got := x.returnURL(ref); got != ref {
			t.Errorf("%s became %s", ref, got)
		}
	}
}

func TestSignatureEnds(t *testing.T) {
	for q, want := range map[string]string{
		"X-Amz-Date=20260409T120000Z&X-Amz-Expires=3600&X-Amz-Signature=x": "2026-04-09T13:00:00Z",
		"x-goog-date=20260409T120000Z&x-goog-expires=60":                   "2026-04-09T12:01:00Z",
		"Expires=1775736000&Signature=a&Key-Pair-Id=b":                     "2026-04-09T12:00:00Z",
		"se=2026-04-09T12%3A00%3A00Z&sig=x":                                "2026-04-09T12:00:00Z",
		"se=2026-04-09&sig=x":                                              "2026-04-09T00:00:00Z",
		"X-Amz-Expires=3600":                                               "",
		"Expires=never":                                                    "",
		"":                                                                 "",
	} {
		end, ok := signatureEnd(q)
		got := ""
		if ok {
			got = end.UTC().Format(time.RFC3339)
		}
		if got != want {
			t.Errorf("%s: %s, want %s", q, got, want)
		}
	}
}

// A slip in a path is told what it probably was.
func TestReversePathsSayWhatWasMeant(t *testing.T) {
	pol, _ := compilePolicy(Policy{})
	for uri, says := range map[string]string{
		"/":                           "HF_ENDPOINT ends in /huggingface.co",
		"/acme/model/resolve/main/x":  "Begin the path with the upstream's host",
		"/https://huggingface.co/a":   "Leave the scheme out",
		"/http://models.example.com/": "with one slash",
		"/healthz":                    "/.weighbridge/healthz",
		"/ca.pem":                     "/.weighbridge/ca.pem",
	} {
		x := &exchange{p: &Proxy{o: Options{Now: time.Now}}, policy: pol, mode: reverse, authority: "proxy:8080"}
		if err := x.locate(uri); err == nil || err.Code != auth.CodeBadTarget || !strings.Contains(err.NextStep(), says) {
			t.Errorf("%s: %v, target %v", uri, err, x.target)
		}
	}
}

func TestReversePathsThatNameNoUpstreamAreRefused(t *testing.T) {
	pol, _ := compilePolicy(Policy{})
	for _, uri := range []string{
		"/", "//huggingface.co/a", "/model", "/favicon", "/http:/a", "/huggingface.co:0/a", "/huggingface.co%2Fa", "/user@huggingface.co/a",
		"/huggingface.co/../evil.example/a", "/huggingface.co/%2e%2e/a", "/http:8080/x", "/https:huggingface.co/x", "/?a", "/127.1/a", "/huggingface.co./a",
	} {
		x := &exchange{p: &Proxy{o: Options{Now: time.Now}}, policy: pol, mode: reverse, authority: "proxy:8080"}
		if err := x.locate(uri); err == nil || err.Code != auth.CodeBadTarget {
			t.Errorf("%s: %v, target %v", uri, err, x.target)
		}
	}
}
