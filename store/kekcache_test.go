package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// TestCaseR_KeyServiceDown: what was unwrapped serves for five minutes and not
// a moment longer; then it is refused, and served again once the service is
// back. Nothing of it is in memory after that time, asked for or not.
func TestCaseR_KeyServiceDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := &remoteKEK{KEK: newKEK(t)}
		cache := NewKEKCache(service, KEKCacheOptions{Keep: DefaultKEKCache}).(*kekCache)
		s, err := OpenMemory(Options{KEK: cache})
		check(t, err)
		team, err := s.EnsureTeam(t.Context(), auth.DefaultTeam)
		check(t, err)
		a, b := create(t, s, team.ID, "a", "secret of a"), create(t, s, team.ID, "b", "secret of b")
		opens := func(c auth.Credential) error {
			f, err := s.OpenFields(t.Context(), c.ID, c.Version, "token")
			if err == nil && f["token"].Reveal() != "secret of "+c.Name {
				t.Fatal("another secret came out")
			}
			return err
		}
		check(t, opens(a))
		kept := cache.recent.Front().Value.(*cachedDEK).dek
		asked := service.asked.Load()
		service.down.Store(true)
		if err := opens(b); !errors.Is(err, ErrUnavailable) || !errors.Is(err, errDown) {
			t.Fatalf("what was not unwrapped yet: error is %v", err)
		}
		time.Sleep(DefaultKEKCache - time.Nanosecond)
		check(t, opens(a))
		if n := service.asked.Load() - asked; n != 1 {
			t.Fatalf("the service was asked %d times", n)
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		for _, x := range kept {
			if x != 0 {
				t.Fatal("it was not wiped in time")
			}
		}
		if err := opens(a); !errors.Is(err, errDown) {
			t.Fatalf("error is %v", err)
		}
		// For a second nobody waits for the service in vain.
		asked = service.asked.Load()
		for range 50 {
			if err := opens(a); !errors.Is(err, errDown) {
				t.Fatalf("error is %v", err)
			}
		}
		if service.asked.Load() != asked {
			t.Fatal("a service that is down was asked again at once")
		}
		service.down.Store(false)
		time.Sleep(pauseWhenDown)
		check(t, opens(a))
		check(t, opens(b))
		check(t, cache.Close())
		equal(t, "kept after the end", len(cache.entries), 0)
		check(t, opens(a))
		equal(t, "kept after the end", len(cache.entries), 0)
		synctest.Wait()
	})
}

// TestKEKCacheIsBounded: the DEK not used for the longest goes, and is wiped.
func TestKEKCacheIsBounded(t *testing.T) {
	service := &remoteKEK{KEK: newKEK(t)}
	cache := NewKEKCache(service, KEKCacheOptions{Keep: time.Hour, Size: 3}).(*kekCache)
	wrapped := make([][]byte, 5)
	unwrap := func(i int) {
		t.Helper()
		dek, err := cache.Unwrap(t.Context(), wrapped[i], nil)
		check(t, err)
		equal(t, "DEK", string(dek), fmt.Sprint(i))
		clear(dek) // which must not reach what is kept
	}
	for i := range wrapped {
		var err error
		wrapped[i], err = cache.Wrap(t.Context(), []byte(fmt.Sprint(i)), nil)
		check(t, err)
		unwrap(i)
		unwrap(0)
	}
	equal(t, "number kept", len(cache.entries), 3)
	asked := service.asked.Load()
	unwrap(0)
	equal(t, "asked for what is used", service.asked.Load(), asked)
	unwrap(1)
	equal(t, "asked for what is not", service.asked.Load(), asked+1)
	// Another owner's data finds nothing.
	if _, err := cache.Unwrap(t.Context(), wrapped[0], []byte("another")); err == nil {
		t.Fatal("it opened for another owner")
	}
	check(t, cache.Close())
}

// TestKEKCacheAsksOnce: zero keeps nothing, and many at once still ask once;
// the end of one caller is not that of the others.
func TestKEKCacheAsksOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := &remoteKEK{KEK: newKEK(t), delay: time.Second}
		cache := NewKEKCache(service, KEKCacheOptions{}).(*kekCache)
		wrapped, err := cache.Wrap(t.Context(), []byte("dek"), nil)
		check(t, err)
		short, stop := context.WithTimeout(t.Context(), time.Millisecond)
		defer stop()
		var group sync.WaitGroup
		group.Go(func() {
			if _, err := cache.Unwrap(short, wrapped, nil); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("error is %v", err)
			}
		})
		synctest.Wait()
		for range 20 {
			group.Go(func() {
				dek, err := cache.Unwrap(t.Context(), wrapped, nil)
				if err != nil || string(dek) != "dek" {
					t.Errorf("it gave %q, %v", dek, err)
				}
			})
		}
		group.Wait()
		equal(t, "times asked", service.asked.Load(), 1)
		equal(t, "kept", len(cache.entries), 0)
		_, err = cache.Unwrap(t.Context(), wrapped, nil)
		check(t, err)
		equal(t, "times asked", service.asked.Load(), 2)
	})
}

// What is asked of a key service, and what is not because it was kept, can be
// seen from outside, over all caches that there are.
func TestKEKMeterCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := &remoteKEK{KEK: newKEK(t)}
		meter := &KEKMeter{}
		cache := NewKEKCache(service, KEKCacheOptions{Keep: time.Minute, Meter: meter}).(*kekCache)
		other := NewKEKCache(service, KEKCacheOptions{Keep: time.Minute, Meter: meter}).(*kekCache)
		wrapped, err := cache.Wrap(t.Context(), []byte("dek"), nil)
		check(t, err)
		equal(t, "before anything", meter.Stats(), KEKStats{})
		unwrap := func(c *kekCache, aad string, want bool) {
			t.Helper()
			if _, err := c.Unwrap(t.Context(), wrapped, []byte(aad)); (err == nil) != want {
				t.Fatalf("error is %v", err)
			}
		}
		begun := time.Now().UTC()
		unwrap(cache, "", true)
		time.Sleep(time.Second)
		unwrap(cache, "", true)
		unwrap(cache, "another", false)
		service.down.Store(true)
		unwrap(other, "", false)
		unwrap(other, "", false) // nobody is asked
		equal(t, "all of it", meter.Stats(), KEKStats{Hits: 1, Misses: 4, Unwrapped: 1, Refused: 1, Unreachable: 1, Kept: 1, Last: begun})
		service.down.Store(false)
		time.Sleep(2 * time.Second)
		unwrap(other, "", true)
		equal(t, "kept by both", meter.Stats().Kept, 2)
		check(t, cache.Close())
		equal(t, "kept by the other", meter.Stats().Kept, 1)
		time.Sleep(time.Minute)
		synctest.Wait()
		equal(t, "kept in the end", meter.Stats().Kept, 0)
	})
}
