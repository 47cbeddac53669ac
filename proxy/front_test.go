package proxy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// fakeFront is a protocol in which X-Fake names who asks and the path is that
// of the hub.
type fakeFront struct{}

func (fakeFront) Name() string { return "fake3" }

func (fakeFront) Speaks(_, _, _ string, h auth.Header) auth.Speech {
	switch h.Get("X-Fake") {
	case "":
		return auth.Foreign
	case "stranger":
		return auth.Perhaps
	}
	return auth.Native
}

func (fakeFront) Enter(_ context.Context, a *auth.Arrival) (*auth.Entry, error) {
	e := &auth.Entry{Length: a.Length}
	for _, f := range a.Fields {
		switch f.Name {
		case "X-Fake":
			if f.Value == "stranger" {
				return nil, auth.NewError(auth.CodeKeyInvalid, "nobody's", nil)
			}
			e.Identify = func(s *auth.Snapshot, now time.Time) (auth.Identity, error) { return s.IdentifyID(f.Value, now) }
		case "X-Also":
			t, err := auth.ParseURL(f.Value)
			if err != nil {
				return nil, err
			}
			e.Also = append(e.Also, auth.Object{Method: "GET", Target: t})
		case "X-Body":
			e.Body = io.MultiReader(strings.NewReader("part"), broken{})
			e.Length = 10
		case "X-Rewrite":
			e.Wants = auth.WantsPlain
			e.Rewrite = func(an *auth.Answer) (auth.BodyRewrite, error) {
				an.Header.Set("X-Front", "seen")
				return func(dst io.Writer, src io.Reader) error {
					b, err := io.ReadAll(src)
					if err != nil {
						return err
					}
					_, err = dst.Write(bytes.ToUpper(b))
					return err
				}, nil
			}
		default:
			e.Fields = append(e.Fields, f)
		}
	}
	if a.Body != nil && e.Body == nil {
		e.Body = a.Body
	}
	switch {
	case strings.HasPrefix(a.URI, "/refused"):
		return e, auth.NewError(auth.CodeRouteForbidden, "not this one", nil)
	case a.URI == "/own":
		e.Reply = &auth.Reply{Status: 200, Fields: []auth.HeaderField{{Name: "Content-Type", Value: "text/fake"}}, Body: []byte("mine")}
		return e, nil
	}
	host := hubHost
	if strings.HasPrefix(a.URI, "/elsewhere") {
		host = otherHost
	}
	t, err := auth.ParseTarget("https", host, a.URI)
	e.Target = t
	return e, err
}

func (fakeFront) Refuse(err *auth.Error, resource, id string) auth.Reply {
	return auth.Reply{Status: 418, Fields: []auth.HeaderField{{Name: "X-Fake-Id", Value: id}}, Body: []byte("fake: " + string(err.Code) + " " + resource)}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("the rest cannot be verified") }

func frontRig(t *testing.T) (*rig, *origin) {
	r := newRig(t, rigOptions{
		policy:  Policy{UnmatchedReverse: auth.UnmatchedPass, Routes: map[string]string{"route": "https://" + otherHost}},
		options: func(o *Options) { o.Front = fakeFront{} },
	})
	r.route(otherHost+":443", newOrigin(t, ok, otherHost))
	return r, r.hub(ok)
}

func (r *rig) fronted(target string, extra ...string) *workerReply {
	r.t.Helper()
	return r.worker().get(target, r.addr, extra...)
}

func TestAFrontTakesTheSameRoad(t *testing.T) {
	r, hub := frontRig(t)
	a := r.fronted("/a%2Fb?c=d", "X-Fake: key_read", "Range: bytes=0-1", "Authorization: FAKE sig", "X-Forwarded-For: 1.2.3.4")
	if a.status != 200 || string(a.body) != "hello" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	q := hub.last()
	if q.target != "/a%2Fb?c=d" || q.fields.Get("Authorization") != "Bearer "+canary || q.fields.Get("Range") != "bytes=0-1" || q.fields.has("X-Forwarded-For") {
		t.Errorf("%s", q.head)
	}
	used := r.recorder.eventually(auth.ActionFinished, 1)
	if len(used) != 1 || used[0].Mode != "fake3" || used[0].KeyID != "key_read" || used[0].Host != hubHost || used[0].Path != "/a%2Fb" {
		t.Errorf("%+v", used)
	}
}

func TestAFrontWordsItsRefusals(t *testing.T) {
	r, hub := frontRig(t)
	for name, c := range map[string]struct {
		target string
		extra  []string
		code   auth.Code
	}{
		"by the front":       {"/refused/x?secret=1", []string{"X-Fake: key_read"}, auth.CodeRouteForbidden},
		"by the decision":    {"/whoami", []string{"X-Fake: key_read"}, auth.CodeScopeForbidden},
		"never bare":         {"/elsewhere", []string{"X-Fake: key_read"}, auth.CodeNoCredentialMatched},
		"by whom it is":      {"/a", []string{"X-Fake: key_none"}, auth.CodeKeyInvalid},
		"stranger":           {"/bucket/a", []string{"X-Fake: stranger"}, auth.CodeKeyInvalid},
		"by another object":  {"/a", []string{"X-Fake: key_read", "X-Also: https://" + otherHost + "/b"}, auth.CodeNoCredentialMatched},
		"another credential": {"/a", []string{"X-Fake: key_read", "X-Also: http://" + plainHost + "/b"}, auth.CodeNotLinked},
	} {
		a := r.fronted(c.target, c.extra...)
		path, _, _ := strings.Cut(c.target, "?")
		if a.status != 418 || a.code() != string(c.code) || string(a.body) != "fake: "+string(c.code)+" "+path || a.header.Get("X-Fake-Id") != a.header.Get(headerRequestID) {
			t.Errorf("%s: %d %s %q", name, a.status, a.code(), a.body)
		}
	}
	hub.none()
	// Who was authenticated is on record, and nobody else.
	for _, e := range r.recorder.of(auth.ActionDenied) {
		if e.KeyID != "key_read" || e.Host == ":0" {
			t.Errorf("%+v", e)
		}
	}
	// What speaks the protocol without anything of ours and names an upstream is
	// reverse mode's.
	for _, target := range []string{"/" + hubHost + "/a", "/route/a"} {
		if a := r.reverse(target, "X-Fake: stranger"); a.status != 200 {
			t.Errorf("%s: %d %s", target, a.status, a.body)
		}
	}
}

func TestAFrontMayAnswerByItselfAndRewrite(t *testing.T) {
	const limit = 3
	r := newRig(t, rigOptions{options: func(o *Options) { o.Front, o.KeyTransfers = fakeFront{}, limit }})
	r.hub(ok)
	if a := r.fronted("/own", "X-Fake: key_read"); a.status != 200 || string(a.body) != "mine" || a.header.Get("Content-Type") != "text/fake" {
		t.Errorf("%d %s", a.status, a.body)
	}
	// It is on record like every other use, and counts among the key's.
	ends := r.recorder.eventually(auth.ActionFinished, 1)
	if used := r.recorder.of(auth.ActionUsed); len(used) != 1 || used[0].KeyID != "key_read" || used[0].Mode != "fake3" || len(ends) != 1 || ends[0].Status != 200 || ends[0].Bytes != 4 {
		t.Errorf("%+v, %+v", used, ends)
	}
	for r.proxy.busy.take("key_read", limit) {
	}
	if a := r.fronted("/own", "X-Fake: key_read"); a.code() != string(auth.CodeTooManyTransfers) {
		t.Errorf("%d %s", a.status, a.body)
	}
	r.recorder.set(func(m *memory) { m.fail = auth.NewError(auth.CodeAuditUnavailable, "ENOSPC", nil) })
	if a := r.fronted("/own", "X-Fake: key_write"); a.code() != string(auth.CodeAuditUnavailable) || string(a.body) == "mine" {
		t.Errorf("%d %s", a.status, a.body)
	}
	r.recorder.set(func(m *memory) { m.fail = nil })
	for range limit {
		r.proxy.busy.give("key_read")
	}
	r.revoke()
	if a := r.fronted("/own", "X-Fake: key_read"); a.code() != string(auth.CodeKeyRevoked) {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := r.fronted("/a", "X-Fake: key_write", "X-Rewrite: yes"); string(a.body) != "HELLO" || a.header.Get("X-Front") != "seen" {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestABodyThatAFrontCannotVerifyBreaksUpstream(t *testing.T) {
	r := newRig(t, rigOptions{options: func(o *Options) { o.Front = fakeFront{} }})
	hub := r.hub(func(q *request) bool {
		return text(q, "200 OK", "stored")
	})
	w := r.worker()
	w.send("PUT /a HTTP/1.1\r\nHost: " + r.addr + "\r\nX-Fake: key_write\r\nX-Body: yes\r\nContent-Length: 4\r\n\r\nwhat")
	if a := w.read("PUT"); a.status != 418 || a.code() != string(auth.CodeBadRequest) {
		t.Errorf("%d %s %s", a.status, a.code(), a.body)
	}
	if got := hub.requests(); len(got) != 0 {
		t.Errorf("the upstream got a whole body: %q", got[0].body)
	}
}

// anywhere is a Picker that is never to be asked.
type anywhere struct{}

func (anywhere) Pick(*auth.Wish) (*auth.Pick, error) {
	return nil, auth.NewError(auth.CodeInternal, "nobody should ask", nil)
}

// TestAFrontLetsNoWebSocketThrough, whatever the first segment of its paths is
// called: that is a bucket, and not the route of the same name.
func TestAFrontLetsNoWebSocketThrough(t *testing.T) {
	r, hub := frontRig(t)
	r.must(r.proxy.SetPolicy(Policy{Pickers: map[string]Picker{"studio": anywhere{}}}))
	a := r.fronted("/studio/x", "X-Fake: key_read", "Connection: Upgrade", "Upgrade: websocket")
	if a.status != 418 || string(a.body) != "fake: upgrade_forbidden /studio/x" {
		t.Errorf("%d %s", a.status, a.body)
	}
	hub.none()
}
