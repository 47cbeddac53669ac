package cases

import (
	"net/http"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/house/origin"
	"github.com/weighbridge/weighbridge/internal/workerenv"
)

// TestLife_RegeneratedKeysMayOverlap: both secrets until the old one ends, then
// the new one alone, also on a connection that the old one opened; without an
// overlap the old one ends at once.
func TestLife_RegeneratedKeysMayOverlap(t *testing.T) {
	t.Parallel()
	var now clock
	h := house.New(t, house.Options{Now: now.now, Empty: true, Mount: mount(t, map[string]http.Handler{guarded: files(origin.Random(5, 100))})})
	first := h.AddKey(admin.NewKey{Name: "w", URLKey: true})
	bearer(h, "c", guarded+"/*")
	h.Link("c", "w")
	regenerate := func(query string) admin.Key {
		var k admin.Key
		h.Call(http.MethodPost, "/api/v1/keys/w/regenerate"+query, nil, &k)
		return k
	}
	second := regenerate("?overlap=1h")
	if second.OldUntil == nil {
		t.Errorf("%+v", second)
	}
	const url = "https://" + guarded + "/x"
	for _, mode := range modes {
		for _, key := range []string{first.Key, second.Key} {
			if r := newWorker(t, h, mode, key).get(url); r.status != 200 {
				t.Errorf("%s: %s", mode, r)
			}
		}
	}
	open := newWorker(t, h, workerenv.Forward, first.Key)
	if r := open.get(url); r.status != 200 {
		t.Errorf("%s", r)
	}
	now.jump(61 * time.Minute)
	if r := open.ask(http.MethodGet, url, nil); r.err == nil && r.code() != auth.CodeKeyInvalid {
		t.Errorf("in an open tunnel: %s", r)
	}
	if r := newWorker(t, h, workerenv.Reverse, first.Key).get(url); r.code() != auth.CodeKeyInvalid {
		t.Errorf("the old one: %s", r)
	}
	if r := newWorker(t, h, workerenv.Reverse, second.Key).get(url); r.status != 200 {
		t.Errorf("the new one: %s", r)
	}
	third := regenerate("")
	if r := newWorker(t, h, workerenv.Reverse, second.Key).get(url); r.code() != auth.CodeKeyInvalid {
		t.Errorf("without an overlap: %s", r)
	}
	h.Call(http.MethodPost, "/api/v1/keys/w/revoke", nil, nil)
	if r := newWorker(t, h, workerenv.Reverse, third.Key).get(url); r.code() != auth.CodeKeyRevoked {
		t.Errorf("revoked: %s", r)
	}
}
