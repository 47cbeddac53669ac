package portal

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
)

// A page that panics says that something went wrong, and the log says what.
func TestAPageThatPanicsIsAnswered(t *testing.T) {
	k := newKit(t, nil)
	k.portal.open("GET /panics", func(*visit) error { panic("of a test") })
	k.portal.open("GET /panics/late", func(v *visit) error {
		attachment(v.w, "half.txt", "text/plain")
		_, _ = v.w.Write([]byte("half"))
		panic(errors.New("of a test"))
	})
	b := k.stranger()
	got := b.get("/panics")
	if got.status != http.StatusInternalServerError || !strings.Contains(got.body, "something went wrong here") || strings.Contains(got.body, "of a test") {
		t.Errorf("%d %s", got.status, got.body)
	}
	k.mu.Lock()
	if len(k.log) != 1 || !strings.Contains(k.log[0].Error(), "of a test") {
		t.Errorf("logged: %v", k.log)
	}
	k.log = nil
	k.mu.Unlock()
	// Half a file does not end as if it were one.
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, k.url+"/panics/late", nil)
	k.must(err)
	if resp, err := b.http.Do(r); err == nil {
		_ = resp.Body.Close()
		t.Errorf("half a file: %d", resp.StatusCode)
	}
}

// A person hears of a path at which there is nothing by a page, which leads
// home; a program by the API.
func TestNowhere(t *testing.T) {
	k := newKit(t, nil)
	b := k.owner()
	navigating := func(h http.Header) {
		h.Set("Sec-Fetch-Site", "none")
		h.Set("Sec-Fetch-Mode", "navigate")
	}
	for _, path := range []string{"/keys", "/sign-out", "/t", "/api/v1/nowhere"} {
		got := b.send("GET", path, nil, navigating)
		if got.status != http.StatusNotFound || !strings.Contains(got.body, "there is no such page") || !strings.Contains(got.body, `<a href="/">`) ||
			got.header.Get("Content-Security-Policy") != policy {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
		if got := b.get(path); got.status < 400 || got.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s, for a program: %d %s", path, got.status, got.header.Get("Content-Type"))
		}
	}
	if got := b.send("GET", "/healthz", nil, navigating); got.status != http.StatusOK {
		t.Errorf("what the API serves: %d", got.status)
	}
	// A team of others, or of nobody, leads to one's own, and not to itself.
	for _, path := range []string{"/t/elsewhere", "/t/elsewhere/keys"} {
		got := b.get(path)
		if got.status != http.StatusNotFound || !strings.Contains(got.body, `<a href="/">`) || strings.Contains(got.body, "/api/v1") || strings.Contains(got.body, `href="/t/elsewhere`) {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
}

// The address of an answer to a form leads to the page that the form is about.
func TestWhatAFormWasSentToIsGoneBackTo(t *testing.T) {
	b := newKit(t, nil).owner()
	for path, want := range map[string]string{"/keys/gpu%2F1/url-key": "/keys/gpu%2F1", "/audit/verify/record": "/audit/verify", "/account/password": "/account", "/test/link": "/test"} {
		if got := b.get("/t/default" + path); got.status != http.StatusSeeOther || got.location != "/t/default"+want {
			t.Errorf("%s: %d to %s", path, got.status, got.location)
		}
	}
}

// What a limit cannot be is said, and is no error of ours.
func TestNumbersThatAreNone(t *testing.T) {
	k := newKit(t, nil)
	b := k.owner()
	for _, number := range []string{"nan", "-nan", "inf", "-1", "1e300", "x"} {
		form := url.Values{"name": {"gpu"}, "scope": {"read"}, "ends": {"never"}, "bandwidth": {number}, "rate": {number}}
		if got := b.post("/t/default/keys/new", form); got.status != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d %s", number, got.status, got.body)
		}
	}
}

// The form that makes a root, sent twice, makes one.
func TestARootIsMadeOnce(t *testing.T) {
	k, h := newHouse(t)
	b := k.owner()
	form := url.Values{"once": {onceOf(t, b.page("/t/default/settings/ca/rotate"))}, "name": {"new root"}}
	for range 2 {
		b.does("/t/default/settings/ca/rotate", form)
	}
	if n := len(h.Roots()); n != 2 {
		t.Errorf("%d roots, of which one was there", n)
	}
}

// T60: where several weighbridges share a store, a refresh token that another has
// just exchanged signs nobody out: what is good a while yet is used, or the
// browser asks again.
func TestT60_ARefreshElsewhereSignsNobodyOut(t *testing.T) {
	start := time.Now()
	var ahead atomic.Int64
	k := newKit(t, func(o *admin.Options) { o.Now = func() time.Time { return start.Add(time.Duration(ahead.Load())) } })
	b := k.owner()
	u := mustURL(t, b.url)
	held := map[string]string{}
	for _, c := range b.http.Jar.Cookies(u) {
		held[c.Name] = c.Value
	}
	ahead.Store(int64(14*time.Minute + 30*time.Second)) // the JWT ends in half a minute
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	_, err := admin.NewInsideClient(k.portal.api, r, "", auth.Secret{}).RefreshSession(t.Context(), admin.RefreshSessionRequest{RefreshToken: held[refreshCookie]})
	k.must(err)
	b.page("/t/default")
	late := k.stranger()
	late.http.Jar.SetCookies(u, []*http.Cookie{{Name: refreshCookie, Value: held[refreshCookie]}})
	got := late.get("/t/default?by=key")
	if got.status != http.StatusOK || !strings.Contains(got.body, `content="1;url=/t/default?by=key"`) || len(got.header.Values("Set-Cookie")) != 0 {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := late.post("/t/default/keys/new", url.Values{}); got.status != http.StatusServiceUnavailable || !strings.Contains(got.body, "refresh_raced") {
		t.Errorf("a form: %d %s", got.status, got.body)
	}
}

// lazy is a connection whose deadlines for writing are looked at.
type lazy struct {
	*httptest.ResponseRecorder
	set []time.Time
}

// SetWriteDeadline is what http.ResponseController finds.
func (l *lazy) SetWriteDeadline(t time.Time) error {
	l.set = append(l.set, t)
	return nil
}

// left is a browser that is gone, and says so when it is written to.
type left struct{ *httptest.ResponseRecorder }

// Write implements io.Writer.
func (l left) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

// A stream on which nothing happens says that it is there, and ends where nobody
// is any more.
func TestAStreamSaysThatItIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := httptest.NewRecorder()
		v := &visit{w: w, r: httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)}
		body, open := io.Pipe()
		if err := v.stream(body, func(*stream) error { time.Sleep(3*sayAlive + time.Second); return nil }); err != nil {
			t.Error(err)
		}
		if n := strings.Count(w.Body.String(), "event: alive\n"); n != 3 {
			t.Errorf("%d times", n)
		}
		v.w = left{w}
		if err := v.stream(body, func(*stream) error { _, err := io.ReadAll(body); return err }); err != nil {
			t.Error(err)
		}
		if _, err := open.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("what it reads goes on: %v", err)
		}
	})
}

// A browser that takes nothing of a stream ends it; one that is quiet does not,
// and what follows on the connection has time of its own.
func TestAStreamWaitsForNobody(t *testing.T) {
	w := &lazy{ResponseRecorder: httptest.NewRecorder()}
	s := newStream(w)
	k := &kit{t: t}
	k.must(s.event("x", []byte("y")))
	k.must(s.alive())
	if len(w.set) != 6 {
		t.Fatalf("%v", w.set)
	}
	for i, at := range w.set {
		if at.IsZero() != (i%2 == 1) || i%2 == 0 && time.Until(at) > time.Minute {
			t.Errorf("%d: %v", i, at)
		}
	}
	if got := w.Body.String(); got != "retry: 2000\n\nevent: x\ndata: y\n\nevent: alive\ndata\n\n" {
		t.Errorf("%q", got)
	}
}
