package cases

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/house/origin"
)

// use is one request in the history of a key.
type use struct {
	began, ended time.Time
	reply        reply
}

// TestR09_WhatIsRevokedIsRefusedFromThatMomentOn: users keep asking, over kept
// connections and open tunnels, while their key, credential or link ends. A
// request that began after the act was acknowledged is refused, one that ended
// before it began was served, and nobody is served once more after a refusal.
func TestR09_WhatIsRevokedIsRefusedFromThatMomentOn(t *testing.T) {
	t.Parallel()
	h := house.New(t, house.Options{Empty: true, Mount: mount(t, map[string]http.Handler{guarded: files(origin.Text("weights"))})})
	for round := range soak(2) {
		for what, end := range map[string]struct {
			path, method string
			code         auth.Code
		}{
			"key":        {"/api/v1/keys/%[1]s/revoke", http.MethodPost, auth.CodeKeyRevoked},
			"credential": {"/api/v1/credentials/%[1]s/revoke", http.MethodPost, auth.CodeCredentialNotUsable},
			"link":       {"/api/v1/links/%[1]s/%[1]s", http.MethodDelete, auth.CodeNotLinked},
			"expired":    {"", "", auth.CodeKeyExpired},
		} {
			name := fmt.Sprint(what, round)
			path := fmt.Sprintf("/%s/weights", name)
			h.AddCredential(admin.NewCredential{Name: name, Provider: "http_bearer", Fields: map[string]string{"token": h.Secret("tok_").Value()},
				Patterns: []string{guarded + "/" + name + "/*"}})
			key := h.AddKey(admin.NewKey{Name: name, Unmatched: "deny", Credentials: []string{name}}).Key

			var over atomic.Bool
			var served atomic.Int64
			var users sync.WaitGroup
			histories := make([][]use, 4)
			for i := range histories {
				w := newWorker(t, h, modes[i%2], key)
				users.Go(func() {
					for refused := 0; refused < 3 && !over.Load(); {
						began := time.Now()
						r := w.ask("GET", "https://"+guarded+path, nil)
						histories[i] = append(histories[i], use{began, time.Now(), r})
						if r.status != 200 {
							refused++
						} else {
							served.Add(1)
						}
					}
				})
			}
			h.Eventually("all of them are at work", func() bool { return served.Load() > 8 })
			asked := time.Now()
			if end.path == "" {
				h.EndKey(name, time.Now())
			} else {
				h.Call(end.method, fmt.Sprintf(end.path, name), nil, nil)
			}
			known := time.Now()
			stop := time.AfterFunc(patience, func() { over.Store(true) })
			users.Wait()
			stop.Stop()
			for i, history := range histories {
				refused := false
				for _, u := range history {
					served := u.reply.status == 200 && u.reply.err == nil
					switch {
					case served && (refused || u.began.After(known)):
						t.Errorf("%s: user %d was served %v after the act", name, i, u.began.Sub(known))
					case !served && u.ended.Before(asked):
						t.Errorf("%s: user %d was refused before the act: %s", name, i, u.reply)
					case !served && u.reply.code() != end.code:
						t.Errorf("%s: user %d: %s", name, i, u.reply)
					}
					refused = refused || !served
				}
				if !refused {
					t.Errorf("%s: user %d was never refused", name, i)
				}
			}
		}
	}
}
