package session

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/weighbridge/weighbridge/auth"
)

// Hashes that another implementation made (the reference one, argon2 -id -e,
// of "password" with the salt "somesalt") are read.
func TestForeignHashesFit(t *testing.T) {
	h := newHasher(cheap())
	sum, err := hex.DecodeString("09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7") // phc-winner-argon2, test.c: t=2, m=2^16, p=1
	check(t, err)
	stored := auth.NewPasswordHash("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$" + base64.RawStdEncoding.EncodeToString(sum))
	for password, want := range map[string]bool{"password": true, "passwore": false, "": false} {
		ok, err := h.same(t.Context(), stored, auth.NewSecret(password), false)
		if err != nil || ok != want {
			t.Errorf("%q: %v, %v", password, ok, err)
		}
	}
}

func TestHashesAreSaltedAndRead(t *testing.T) {
	h := newHasher(cheap())
	p := auth.NewSecret(rightPassword)
	a, err := h.hash(t.Context(), p)
	check(t, err)
	b, err := h.hash(t.Context(), p)
	check(t, err)
	if a.Equal(b.Secret) {
		t.Error("two hashes are one")
	}
	ok, err := h.same(t.Context(), a, p, true)
	if err != nil || !ok {
		t.Errorf("%v, %v", ok, err)
	}
	// Nobody's password is none at all.
	for _, p := range []auth.Secret{{}, auth.NewSecret(rightPassword)} {
		if ok, err := h.same(t.Context(), auth.PasswordHash{}, p, false); ok || err != nil {
			t.Errorf("a user without a password: %v, %v", ok, err)
		}
	}
	good := a.Reveal()
	for _, bad := range []string{
		"x", "$argon2id$", strings.Replace(good, "argon2id", "argon2i", 1), strings.Replace(good, "v=19", "v=16", 1),
		strings.Replace(good, "m=64,", "m=99999999,", 1), strings.Replace(good, "t=1,", "t=0,", 1), strings.Replace(good, "p=1$", "p=0$", 1),
		strings.Replace(good, "t=1,", "t=99999,", 1), strings.Replace(good, "m=64,", "m=064,", 1), good + "$", good[:len(good)-30],
	} {
		if ok, err := h.same(t.Context(), auth.NewPasswordHash(bad), p, false); ok || !errors.Is(err, errHash) {
			t.Errorf("%s: %v, %v", bad, ok, err)
		}
	}
}

// However many sign in at once, a few hashes are reckoned at a time, the others
// wait in a line that has an end, and nobody waits for ever.
func TestHashingIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHasher(cheap())
		hold, running, busy := make(chan struct{}), make(chan struct{}, 1000), make(chan error, 1000)
		const all = hashing + maxWaiting + 10
		for range all {
			go func() {
				busy <- h.strangers.turn(t.Context(), func() { running <- struct{}{}; <-hold })
			}()
		}
		synctest.Wait()
		if len(running) != hashing || len(busy) != 10 {
			t.Errorf("%d at a time, %d were turned away", len(running), len(busy))
		}
		gone, stop := context.WithCancel(t.Context())
		stop()
		if err := h.strangers.turn(gone, func() {}); err == nil {
			t.Error("whoever is gone has a turn")
		}
		// A flood of strangers does not keep a known device out.
		stored, err := h.hash(t.Context(), auth.NewSecret(rightPassword))
		check(t, err)
		if ok, err := h.same(t.Context(), stored, auth.NewSecret(rightPassword), true); !ok || err != nil {
			t.Errorf("a known device: %v, %v", ok, err)
		}
		if _, err := h.same(t.Context(), stored, auth.NewSecret(rightPassword), false); !errors.Is(err, errBusy) {
			t.Errorf("one stranger more: %v", err)
		}
		close(hold)
		refused := 0
		for range all {
			if err := <-busy; errors.Is(err, errBusy) {
				refused++
			}
		}
		if refused != 10 {
			t.Errorf("%d were turned away", refused)
		}
	})
}
