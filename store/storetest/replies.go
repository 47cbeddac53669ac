package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/store"
)

// replies: what came of a request is remembered for a day, of so many, and
// changes nothing that requests are decided by.
func replies(t *testing.T, open Opener) {
	now := start
	told := 0
	h := newHouse(t, open, func(o *store.Options) {
		o.Now = func() time.Time { return now }
		o.OnChange = func(auth.State) { told++ }
	})
	revision, calls := h.state().Revision, told
	reserve := func(id, caller string) (store.Reply, bool) {
		t.Helper()
		was, known, err := h.ReserveReply(h.ctx, store.Reply{ID: id, Caller: caller, Request: []byte("digest of " + id)})
		check(t, err)
		return was, known
	}
	if _, known := reserve("a", "me"); known {
		t.Error("known before it came")
	}
	if was, known := reserve("a", "me"); !known || was.Status != 0 {
		t.Errorf("under way: %v %+v", known, was)
	}
	check(t, h.CompleteReply(h.ctx, store.Reply{ID: "a", Status: 201, Header: map[string]string{"ETag": `"x"`}, Body: []byte(`{"id":"1"}`)}))
	check(t, h.ForgetReply(h.ctx, "never"))
	if err := h.CompleteReply(h.ctx, store.Reply{ID: "never", Status: 200}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("complete what was not reserved: %v", err)
	}
	if _, _, err := h.ReserveReply(h.ctx, store.Reply{ID: "b"}); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("without a request: %v", err)
	}
	look := func() {
		t.Helper()
		was, known := reserve("a", "me")
		if !known || was.Status != 201 || string(was.Body) != `{"id":"1"}` || was.Header["ETag"] != `"x"` || string(was.Request) != "digest of a" {
			t.Errorf("done: %v %+v", known, was)
		}
		equal(t, "revision", h.state().Revision, revision)
		equal(t, "changes told of", told, calls)
	}
	look()
	if h.reopen != nil {
		h.reopen()
		revision, calls = h.state().Revision, told
		look()
	}
	h.wantActs(0)
	now = now.Add(store.ReplyLife + time.Second)
	if _, known := reserve("a", "me"); known {
		t.Error("known after its time")
	}
	// The oldest of one caller make room, and nobody else's.
	reserve("other", "you")
	for i := range store.MaxReplies {
		now = now.Add(time.Second)
		reserve(fmt.Sprint("n", i), "me")
	}
	for id, want := range map[string]bool{"other": true, "n1": true, fmt.Sprint("n", store.MaxReplies-1): true} {
		caller := "me"
		if id == "other" {
			caller = "you"
		}
		if _, known := reserve(id, caller); known != want {
			t.Errorf("%s: %v", id, known)
		}
	}
	if _, known := reserve("a", "me"); known {
		t.Error("the oldest made no room")
	}
}
