package audit

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// collected is a sink that keeps, and can fail.
type collected struct {
	mu    sync.Mutex
	fail  error
	tries int
	lines []string
}

func (c *collected) Send(_ context.Context, lines []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tries++
	if c.fail != nil {
		return c.fail
	}
	c.lines = append(c.lines, strings.Split(strings.TrimSuffix(string(lines), "\n"), "\n")...)
	return nil
}

func (c *collected) set(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fail = err
}

func (c *collected) requests(action string) (ids []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.lines {
		var e auth.Event
		if json.Unmarshal([]byte(l), &e) == nil && e.Action == action {
			ids = append(ids, e.RequestID)
		}
	}
	return ids
}

func (c *collected) newest() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lines[len(c.lines)-1]
}

func noActs(context.Context, uint64, func(uint64, []byte) bool) error { return nil }

func follow(t testing.TB, f *File, o FollowerOptions) *Follower {
	t.Helper()
	o.Name, o.Record, o.retry = "siem", f, 10*time.Millisecond
	if o.Acts == nil {
		o.Acts = noActs
	}
	if o.Report == nil {
		o.Report = func(error) {}
	}
	to, err := NewFollower(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = to.Close() })
	return to
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: never", what)
		}
	}
}

// A follower that fails holds nobody up, is told of once, and gets everything
// in order once it works, also over a restart.
func TestAFollowerGetsEverythingInOrder(t *testing.T) {
	dir := t.TempDir()
	f := openTest(t, dir, FileOptions{})
	recordAll(t, f, 1, 0, 5) // before there was a follower
	sink := &collected{}
	var told atomic.Int64
	acts := func(_ context.Context, behind uint64, yield func(uint64, []byte) bool) error {
		if behind < 1<<62 {
			yield(1<<62, []byte(`{"id":"evt_act","action":"key.create","request_id":"req_act"}`))
		}
		return nil
	}
	to := follow(t, f, FollowerOptions{Sink: sink, Acts: acts, Report: func(error) { told.Add(1) }})
	recordAll(t, f, 1, 5, 20)
	eventually(t, "the first are sent", func() bool { return len(sink.requests(auth.ActionUsed)) == 15 })
	sink.set(errors.New("down"))
	recordAll(t, f, 1, 20, 25)
	eventually(t, "it fails", func() bool { return told.Load() == 1 })
	sink.set(nil)
	eventually(t, "the others are sent", func() bool { return len(sink.requests(auth.ActionUsed)) == 20 && told.Load() == 2 })
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	recordAll(t, f, 1, 25, 30)
	to = follow(t, f, FollowerOptions{Sink: sink, Acts: acts})
	eventually(t, "after a restart", func() bool { return len(sink.requests(auth.ActionUsed)) == 25 })
	for i, id := range sink.requests(auth.ActionUsed) {
		if id != fmt.Sprint("req_", i+5) {
			t.Fatalf("request %d is %s", i, id)
		}
	}
	if n := sink.requests("key.create"); len(n) != 1 {
		t.Errorf("%d acts", len(n))
	}
	if to.Dropped() != 0 || to.Sent() == 0 {
		t.Errorf("%d dropped, %d sent", to.Dropped(), to.Sent())
	}
}

// A place that a power failure left empty holds nobody up: it is told of, and
// everything is sent once more.
func TestAFollowerWhosePlaceIsLostBeginsAnew(t *testing.T) {
	dir := t.TempDir()
	f := openTest(t, dir, FileOptions{})
	sink := &collected{}
	to := follow(t, f, FollowerOptions{Sink: sink})
	recordAll(t, f, 1, 0, 5)
	eventually(t, "all are sent", func() bool { return len(sink.requests(auth.ActionUsed)) == 5 })
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(to.path(), 0); err != nil {
		t.Fatal(err)
	}
	var told atomic.Pointer[error]
	again := &collected{}
	follow(t, f, FollowerOptions{Sink: again, Report: func(err error) { told.CompareAndSwap(nil, &err) }})
	if err := told.Load(); err == nil || !strings.Contains((*err).Error(), "cannot be read") {
		t.Errorf("it told %v", err)
	}
	eventually(t, "all are sent again", func() bool { return len(again.requests(auth.ActionUsed)) == 5 })
}

// What falls too far behind is dropped, counted and said, and only for it.
func TestAFollowerThatFallsBehindIsBounded(t *testing.T) {
	f := openTest(t, t.TempDir(), FileOptions{})
	sink := &collected{fail: errors.New("down")}
	var said atomic.Pointer[string]
	to := follow(t, f, FollowerOptions{Sink: sink, MaxLag: 20 << 10, Report: func(err error) {
		if err != nil && strings.Contains(err.Error(), "dropped") {
			s := err.Error()
			said.Store(&s)
		}
	}})
	recordAll(t, f, 1, 0, 100) // some 100 KiB
	eventually(t, "some are dropped", func() bool { return to.Dropped() > 0 && said.Load() != nil })
	sink.set(nil)
	recordAll(t, f, 1, 100, 101)
	eventually(t, "the last is sent", func() bool {
		ids := sink.requests(auth.ActionUsed)
		return len(ids) > 0 && ids[len(ids)-1] == "req_100"
	})
	if n := len(sink.requests(auth.ActionUsed)); n > 50 {
		t.Errorf("%d requests were sent of 101, with %d events dropped", n, to.Dropped())
	}
	if n := count(all(t, f))[auth.ActionUsed]; n != 101 {
		t.Errorf("%d are on record", n)
	}
}

// What retention took before a follower had it is counted, said, and on
// record, where the follower finds it too; what it had had is no gap.
func TestAFollowerCountsWhatRetentionTook(t *testing.T) {
	for name, down := range map[string]bool{"it was down": true, "it had all": false} {
		t.Run(name, func(t *testing.T) {
			c := newClock(time.Date(2026, 9, 20, 12, 0, 0, 0, time.UTC))
			f := openTest(t, t.TempDir(), FileOptions{Now: c.Now})
			sink := &collected{}
			to := follow(t, f, FollowerOptions{Sink: sink})
			recordAll(t, f, 1, 0, 1)
			eventually(t, "the first is sent", func() bool { return len(sink.requests(auth.ActionUsed)) == 1 })
			if down {
				sink.set(errors.New("down"))
				recordAll(t, f, 1, 1, 5)
			} else {
				eventually(t, "its outcome is sent", func() bool { return len(sink.requests(auth.ActionFinished)) == 1 })
			}
			c.Advance(31 * 24 * time.Hour)
			recordAll(t, f, 1, 5, 6)
			if gone, err := f.Prune(c.Now()); err != nil || len(gone) != 1 {
				t.Fatalf("%v, %v", gone, err)
			}
			sink.set(nil)
			eventually(t, "the last is sent", func() bool {
				ids := sink.requests(auth.ActionUsed)
				return len(ids) > 0 && ids[len(ids)-1] == "req_5"
			})
			want := int64(0)
			if down {
				want = 1
				eventually(t, "the follower is told", func() bool { return len(sink.requests(auth.ActionFollowerLost)) == 1 })
			}
			if n := count(all(t, f))[auth.ActionFollowerLost]; to.Gaps() != want || int64(n) != want {
				t.Errorf("%d gaps, %d on record", to.Gaps(), n)
			}
		})
	}
}

// T12: a webhook's token goes to the webhook and nowhere else, and an error
// does not tell the URL.
func TestT12_AWebhookIsNotRedirected(t *testing.T) {
	const canary = "CANARY"
	var stolen atomic.Int64
	thief := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { stolen.Add(1) }))
	defer thief.Close()
	var got bytes.Buffer
	redirect := true
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if redirect {
			http.Redirect(w, r, thief.URL, http.StatusTemporaryRedirect)
			return
		}
		if r.Header.Get("Authorization") != "Bearer "+canary || r.Header.Get("Content-Type") != "application/x-ndjson" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = io.Copy(&got, r.Body)
	}))
	defer hook.Close()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	s := WebhookSink(client, hook.URL+"/?key="+canary, func() (auth.Secret, error) { return auth.NewSecret(canary), nil })
	err := s.Send(t.Context(), []byte("{}\n"))
	if err == nil || !strings.Contains(err.Error(), "307") || strings.Contains(err.Error(), canary) {
		t.Errorf("a redirect: %v", err)
	}
	redirect = false
	if err := s.Send(t.Context(), []byte("{}\n")); err != nil || got.String() != "{}\n" {
		t.Errorf("%q, %v", got.String(), err)
	}
	hook.Close()
	if err := s.Send(t.Context(), []byte("{}\n")); err == nil || strings.Contains(err.Error(), canary) {
		t.Errorf("nobody there: %v", err)
	}
	if stolen.Load() != 0 {
		t.Error("the redirect was followed")
	}
}

func TestFileSinkRotates(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.jsonl")
	s := FileSink(path, 100, 2)
	for i := range 20 {
		if err := s.Send(t.Context(), fmt.Appendf(nil, "%039d\n", i)); err != nil {
			t.Fatal(err)
		}
	}
	var lines []string
	for _, name := range []string{path + ".2", path + ".1", path} {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		for in := bufio.NewScanner(f); in.Scan(); {
			lines = append(lines, in.Text())
		}
		_ = f.Close()
	}
	if len(lines) != 6 || lines[0] != fmt.Sprintf("%039d", 14) {
		t.Errorf("%d lines from %s", len(lines), lines[0])
	}
	if _, err := os.Stat(path + ".3"); err == nil {
		t.Error("there is a third")
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Error(st.Mode(), err)
	}
}
