package cases

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/internal/house"
)

// TestATokenThatIsTakenNoMoreIsExchangedAnew: the worker sees nothing of it;
// where the upstream refuses whatever it is given, it is asked twice and the
// issuer not again and again.
func TestATokenThatIsTakenNoMoreIsExchangedAnew(t *testing.T) {
	t.Parallel()
	var c clock
	var exchanges, good, asked atomic.Int64
	good.Store(1)
	validating := make(chan struct{})
	h := house.New(t, house.Options{Empty: true, Now: c.now, Mount: mount(t, map[string]http.Handler{
		entraHost: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = fmt.Fprintf(w, `{"expires_in":86000,"access_token":"access-token-%d"}`, exchanges.Add(1))
		}),
		azureHost: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.UserAgent() == "weighbridge" {
				close(validating) // and as long as it lasts no refusal brings about another
				<-r.Context().Done()
				return
			}
			asked.Add(1)
			if r.Header.Get("Authorization") != fmt.Sprintf("Bearer access-token-%d", good.Load()) {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			_, _ = fmt.Fprint(w, "weights")
		}),
	})})
	h.AddCredential(admin.NewCredential{NoValidate: true, Name: "c", Provider: "azure_blob", Patterns: []string{azureHost + "/*"}, Fields: map[string]string{
		"tenantId": "acme", "clientId": "00000000-1111-2222-3333-444444444444", "clientSecret": h.Secret("s~8").Value()}})
	key := h.AddKey(admin.NewKey{Name: "w", Credentials: []string{"c"}}).Key
	ctx, cancel := context.WithCancel(t.Context())
	var validation sync.WaitGroup
	validation.Go(func() { _ = h.API().Call(ctx, http.MethodPost, "/api/v1/credentials/c/validate", nil, nil) })
	defer validation.Wait()
	defer cancel()
	<-validating
	exchanges.Store(0)
	for i, mode := range modes {
		w := newWorker(t, h, mode, key)
		n := int64(i)
		expect := func(what string, status int, tokens, requests int64) {
			t.Helper()
			asked.Store(0)
			r := w.get("https://" + azureHost + "/models/x")
			if r.status != status || exchanges.Load() != tokens || asked.Load() != requests {
				t.Errorf("%s, %s: %s after %d exchanges and %d requests", mode, what, r, exchanges.Load(), asked.Load())
			}
		}
		expect("at first", 200, 1+2*n, 1)
		c.jump(time.Minute)
		good.Store(2 + 2*n)
		expect("revoked", 200, 2+2*n, 2)
		good.Store(-1)
		expect("refused whatever it is", 401, 2+2*n, 1) // the token is fresh
		c.jump(time.Minute)
		expect("refused again", 401, 3+2*n, 2)
		good.Store(3 + 2*n)
	}
}
