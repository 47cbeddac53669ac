package portal

import (
	"bufio"
	"context"
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/workerenv"
)

// From an empty team to the lines to export: each step says what is next, and
// the key of the last one is shown in that answer alone.
func TestTheGuideLeadsFromNothingToAKey(t *testing.T) {
	k := newKit(t, nil)
	b := k.owner()
	page := b.page("/t/default/guide")
	if !strings.Contains(page, `href="/t/default/credentials/new?guide=1&amp;provider=huggingface"`) || strings.Contains(page, `action="/t/default/guide"`) {
		t.Errorf("without a credential: %s", page)
	}
	c := k.hub("hub")
	_, err := k.local.CreateKey(t.Context(), admin.NewKey{Name: "worker"}) // the one that the first start makes
	k.must(err)
	page = b.page("/t/default/guide")
	if !strings.Contains(page, `value="worker-2"`) || !strings.Contains(page, `value="`+c.ID+`" checked`) {
		t.Errorf("with a credential: %s", page)
	}
	if overview := b.page("/t/default"); !strings.Contains(overview, `href="/t/default/guide"`) {
		t.Error("the overview does not lead to the guide")
	}
	form := url.Values{"once": {onceOf(t, page)}, "name": {"worker-2"}, "credentials": {c.ID}, "proxy": {"http://weights.internal:8080/"}}
	got := b.post("/t/default/guide", form)
	secret := keySecret.FindString(got.body)
	if got.status != http.StatusOK || secret == "" {
		t.Fatalf("%d %s", got.status, got.body)
	}
	text := html.UnescapeString(got.body)
	want, err := rendered(workerenv.Options{Mode: workerenv.Reverse, ProxyURL: "http://weights.internal:8080", Key: auth.NewSecret(secret)}, "sh")
	k.must(err)
	if !strings.Contains(text, want) || strings.Index(text, "way-reverse") > strings.Index(text, "way-forward") {
		t.Error("a worker of the Hub alone is not led to reverse mode first")
	}
	made, err := k.local.GetKey(t.Context(), "worker-2")
	k.must(err)
	if !strings.Contains(got.body, `sse-connect="/t/default/live/first-use/`+made.ID+`"`) {
		t.Error("nothing waits for the first request")
	}
	if to := b.does("/t/default/guide", form); to != "/t/default/guide?done=shown-once" {
		t.Errorf("the form, sent again, leads to %s", to)
	}
	noSecret(t, "the guide", b.page("/t/default/guide?done=shown-once"), secret)
}

// The page hears of the first request as it comes: of one that was refused, why;
// of one that was served, what it was; and then nothing more.
func TestTheFirstUseIsToldLive(t *testing.T) {
	k := newKit(t, nil)
	k.hub("hub")
	key, err := k.local.CreateKey(t.Context(), admin.NewKey{Name: "gpu", Credentials: []string{"hub"}})
	k.must(err)
	me, err := k.local.GetSystem(t.Context())
	k.must(err)
	b := k.owner()
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, k.url+"/t/default/live/first-use/"+key.ID, nil)
	k.must(err)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("Accept", "text/event-stream")
	resp, err := b.http.Do(r)
	k.must(err)
	defer func() { _ = resp.Body.Close() }()
	for i, e := range []auth.Event{
		{Action: auth.ActionDenied, Code: auth.CodeNotLinked, Reason: "it is <b>not</b> linked"},
		{Action: auth.ActionUsed, CredentialName: "hub"},
		{Action: auth.ActionFinished, CredentialName: "hub", Status: 200, Bytes: 665},
	} {
		e.ID, e.TeamID, e.KeyID, e.KeyName, e.Host, e.Path = auth.NewID(time.Now()), me.TeamID, key.ID, key.Name, "huggingface.co", "/a/b"
		e.Time = time.Now().Add(time.Duration(i) * time.Millisecond)
		k.must(k.record.Record(e).Wait(t.Context()))
	}
	var all strings.Builder
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		all.WriteString(lines.Text() + "\n")
	}
	told := all.String()
	for _, want := range []string{"not_linked", "it is &lt;b&gt;not&lt;/b&gt; linked", "huggingface.co/a/b", "665 B", "event: end\n"} {
		if !strings.Contains(told, want) {
			t.Errorf("it does not tell %q: %s", want, told)
		}
	}
	if last := told[strings.LastIndex(told, "event: first-use"):]; strings.Contains(last, "not_linked") || !strings.Contains(last, "Received.") {
		t.Errorf("the last of it: %s", last)
	}
}

// How a worker reaches the proxy follows from how the visitor reaches us, where
// the proxy listens everywhere.
func TestHowAWorkerReachesTheProxy(t *testing.T) {
	for name, c := range map[string]struct {
		host   string
		sys    admin.System
		proxy  string
		bundle string
	}{
		"here":                  {"127.0.0.1:8081", admin.System{ProxyURL: "http://127.0.0.1:8080", CABundle: "/d/ca.pem"}, "http://127.0.0.1:8080", "/d/ca.pem"},
		"elsewhere, everywhere": {"gpu-gate:8081", admin.System{ProxyURL: "http://127.0.0.1:8080", CABundle: "/d/ca.pem", ProxyEverywhere: true}, "http://gpu-gate:8080", remoteBundle},
		"elsewhere, loopback":   {"gpu-gate:8081", admin.System{ProxyURL: "http://127.0.0.1:8080"}, "http://127.0.0.1:8080", remoteBundle},
		"IPv6":                  {"[2001:db8::1]:8081", admin.System{ProxyURL: "https://127.0.0.1:8080", ProxyEverywhere: true}, "https://[2001:db8::1]:8080", remoteBundle},
		"a socket":              {"127.0.0.1:8081", admin.System{ProxyURL: "unix:/run/x"}, "", remoteBundle},
	} {
		v := &visit{r: &http.Request{Host: c.host}}
		if got := v.reachOf(&c.sys); got.Proxy != c.proxy || got.Bundle != c.bundle {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
