package cases

import (
	"net/http"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/workerenv"
)

// TestKeysAndCredentialsTellWhenTheyWereUsedLast, and from where: by requests
// that stood, and by nothing that was refused for who asked.
func TestKeysAndCredentialsTellWhenTheyWereUsedLast(t *testing.T) {
	t.Parallel()
	var now clock
	h := house.New(t, house.Options{Now: now.now})
	key := h.HubWorker("hub")
	show := func() (k admin.Key) {
		h.Call(http.MethodGet, "/api/v1/keys/hub", nil, &k)
		return k
	}
	if k, c := show(), credential(h, "hub"); k.LastUsedAt != nil || c.LastUsedAt != nil || k.LastUsedFrom != "" {
		t.Errorf("used before anybody used it: %+v, %+v", k, c)
	}
	for _, mode := range []workerenv.Mode{workerenv.Reverse, workerenv.Forward} {
		now.jump(100 * time.Second)
		if r := newWorker(t, h, mode, key.Key).get(gatedURL); r.status != 200 && r.status != 307 {
			t.Fatal(r)
		}
		k, c := show(), credential(h, "hub")
		for what, at := range map[string]*time.Time{"key": k.LastUsedAt, "credential": c.LastUsedAt} {
			if at == nil || now.now().Sub(*at) > 90*time.Second {
				t.Errorf("%s, %v: used at %v, and it is %v", what, mode, at, now.now())
			}
		}
		if k.LastUsedFrom != "127.0.0.1" || c.LastUsedFrom != "127.0.0.1" {
			t.Errorf("%v: from %q, %q", mode, k.LastUsedFrom, c.LastUsedFrom)
		}
	}
	was := *show().LastUsedAt
	now.jump(time.Hour)
	h.Call(http.MethodPatch, "/api/v1/keys/hub", admin.KeyPatch{Sources: &[]string{"192.0.2.0/24"}}, nil)
	if r := newWorker(t, h, workerenv.Reverse, key.Key).get(gatedURL); r.code() != auth.CodeSourceForbidden {
		t.Error(r)
	}
	if k := show(); !k.LastUsedAt.Equal(was) {
		t.Errorf("a refusal counts as a use, at %v", k.LastUsedAt)
	}
}
