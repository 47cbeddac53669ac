package signer

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// issuer counts exchanges and can be held up or made to fail.
type issuer struct {
	asked atomic.Int64
	takes time.Duration
	fail  atomic.Pointer[error]
	life  time.Duration
}

func (i *issuer) fetch(ctx context.Context) (token, error) {
	n := i.asked.Add(1)
	select {
	case <-time.After(i.takes):
	case <-ctx.Done():
		return token{}, ctx.Err()
	}
	if err := i.fail.Load(); err != nil {
		return token{}, *err
	}
	return token{value: auth.NewSecret("token-" + string(rune('0'+n))), life: i.life}, nil
}

func TestTokensAreExchangedOnceForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tokens := newTokens(time.Now)
		defer tokens.Close()
		i := &issuer{takes: time.Second, life: time.Hour}
		key := tokenKey{"cred", 1, "read"}
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if v, err := tokens.get(t.Context(), key, i.fetch); err != nil || v.Reveal() != "token-1" {
					t.Errorf("%q, %v", v.Reveal(), err)
				}
			})
		}
		// One that does not wait does not end it for the others.
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := tokens.get(ctx, key, i.fetch); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		wg.Wait()
		if n := i.asked.Load(); n != 1 {
			t.Errorf("%d exchanges", n)
		}
		for _, other := range []tokenKey{{"cred", 1, "write"}, {"cred", 2, "read"}, {"other", 1, "read"}} {
			if _, err := tokens.get(t.Context(), other, i.fetch); err != nil {
				t.Error(err)
			}
		}
		if n := i.asked.Load(); n != 4 {
			t.Errorf("%d exchanges", n)
		}
		// What version 1 left behind went with version 2.
		if _, kept := tokens.kept[key]; kept {
			t.Error("the token of an older version is kept")
		}
	})
}

func TestTokensAreRenewedAheadWhileTheOldOneServes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tokens := newTokens(time.Now)
		defer tokens.Close()
		i := &issuer{takes: time.Second, life: 100 * time.Minute}
		key := tokenKey{"cred", 1, ""}
		get := func() string {
			v, err := tokens.get(t.Context(), key, i.fetch)
			if err != nil {
				t.Error(err)
			}
			return v.Reveal()
		}
		at := func(d time.Duration, want string, exchanges int64) {
			t.Helper()
			time.Sleep(d)
			if got := get(); got != want || i.asked.Load() != exchanges {
				t.Errorf("%s after %d exchanges, want %s after %d", got, i.asked.Load(), want, exchanges)
			}
			time.Sleep(2 * time.Second)
		}
		at(0, "token-1", 1)
		at(79*time.Minute, "token-1", 1)
		broken := errors.New("broken")
		i.fail.Store(&broken)
		if get(); true {
			time.Sleep(2 * time.Minute)
		}
		synctest.Wait()
		if got := get(); got != "token-1" {
			t.Errorf("%s although the old one is good", got)
		}
		time.Sleep(2 * time.Second)
		i.fail.Store(nil)
		time.Sleep(time.Minute)
		if got := get(); got != "token-1" {
			t.Errorf("%s while it is renewed", got)
		}
		time.Sleep(2 * time.Second)
		if got := get(); got == "token-1" {
			t.Error("it was not renewed")
		}
		// After its end an old one serves no more, and an error is one.
		i.fail.Store(&broken)
		time.Sleep(96 * time.Minute)
		if _, err := tokens.get(t.Context(), key, i.fetch); !errors.Is(err, broken) {
			t.Error(err)
		}
		n := i.asked.Load()
		if _, err := tokens.get(t.Context(), key, i.fetch); !errors.Is(err, broken) || i.asked.Load() != n {
			t.Errorf("%v, %d exchanges in a row", err, i.asked.Load()-n+1)
		}
		time.Sleep(2 * tokenPause)
		i.fail.Store(nil)
		current := get()
		if tokens.drop("cred", 1, "Bearer "+current) {
			t.Error("a fresh one was dropped")
		}
		time.Sleep(tokenFresh)
		if tokens.drop("cred", 1, "Bearer another") || tokens.drop("other", 1, current) || tokens.drop("cred", 2, current) || get() != current {
			t.Error("another one's drop dropped it")
		}
		if !tokens.drop("cred", 1, "Bearer "+current) || get() == current {
			t.Error("it is given out after it was dropped")
		}
		// Others were on their way with it: they may try with the new one, which
		// stays, and so it is before that is there.
		second := get()
		if !tokens.drop("cred", 1, "Bearer "+current) || get() != second {
			t.Error("a second request is not asked once more, or takes the new one along")
		}
		if tokens.drop("cred", 1, "Bearer "+second) {
			t.Error("a fresh one was dropped")
		}
		time.Sleep(tokenFresh)
		for n := range 2 {
			if !tokens.drop("cred", 1, "Bearer "+second) {
				t.Errorf("refusal %d before another one is there", n+1)
			}
		}
		if tokens.drop("cred", 1, "Bearer "+current) || tokens.drop("cred", 2, "Bearer "+second) {
			t.Error("what was given up before that, or of another version, is asked with once more")
		}
	})
}

func TestTokensEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tokens := newTokens(time.Now)
		i := &issuer{takes: 24 * time.Hour, life: time.Hour}
		got := make(chan error, 1)
		go func() {
			_, err := tokens.get(t.Context(), tokenKey{}, i.fetch)
			got <- err
		}()
		synctest.Wait()
		tokens.Close()
		if err := <-got; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if _, err := tokens.get(t.Context(), tokenKey{}, i.fetch); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		// An issuer that does not answer is given up.
		tokens = newTokens(time.Now)
		defer tokens.Close()
		begun := time.Now()
		if _, err := tokens.get(t.Context(), tokenKey{}, i.fetch); !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) != tokenPatience {
			t.Errorf("%v after %s", err, time.Since(begun))
		}
	})
}

func TestTokensAreBounded(t *testing.T) {
	tokens := newTokens(fixedClock)
	defer tokens.Close()
	i := &issuer{life: time.Hour}
	get := func(credential string, n int) {
		t.Helper()
		if _, err := tokens.get(t.Context(), tokenKey{credential: credential, purpose: strconv.Itoa(n)}, i.fetch); err != nil {
			t.Fatal(err)
		}
	}
	get("other", 0)
	for n := range maxTokens + 10 {
		get("one", n)
	}
	if n := len(tokens.kept); n != maxShare+1 {
		t.Errorf("%d are kept, want a share and that of the other credential", n)
	}
	for n := range maxTokens + 10 {
		get("credential "+strconv.Itoa(n), 0)
	}
	if n := len(tokens.kept); n > maxTokens {
		t.Errorf("%d are kept", n)
	}
}

// Exchanges go on for workers that have gone, and are bounded all the same.
func TestTokenExchangesAreBounded(t *testing.T) {
	tokens := newTokens(fixedClock)
	defer tokens.Close()
	gone, leave := context.WithCancel(t.Context())
	leave()
	var begun atomic.Int32
	stuck := func(ctx context.Context) (token, error) {
		begun.Add(1)
		<-ctx.Done()
		return token{}, ctx.Err()
	}
	var refused *obstacle
	for n := range 10 * maxExchanges {
		_, err := tokens.get(gone, tokenKey{credential: "one", purpose: strconv.Itoa(n)}, stuck)
		if n >= maxExchanges && !errors.As(err, &refused) {
			t.Fatalf("exchange %d: %v", n, err)
		}
	}
	i := &issuer{life: time.Hour}
	if _, err := tokens.get(t.Context(), tokenKey{credential: "other"}, i.fetch); err != nil {
		t.Errorf("another credential: %v", err)
	}
	tokens.Close()
	if n := begun.Load(); n > maxExchanges {
		t.Errorf("%d exchanges", n)
	}
}
