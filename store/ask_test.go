package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/weighbridge/weighbridge/auth"
)

// heldKEK is a key service that takes its time: while it is held, each question
// waits until it is let go.
type heldKEK struct {
	KEK
	mu      sync.Mutex
	hold    chan struct{}
	waiting chan struct{} // one for each question that waits
	down    atomic.Bool
}

func (k *heldKEK) wait(ctx context.Context) error {
	k.mu.Lock()
	hold := k.hold
	k.mu.Unlock()
	if hold != nil {
		k.waiting <- struct{}{}
		select {
		case <-hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if k.down.Load() {
		return errDown
	}
	return nil
}

func (k *heldKEK) Wrap(ctx context.Context, dek, aad []byte) ([]byte, error) {
	if err := k.wait(ctx); err != nil {
		return nil, err
	}
	return k.KEK.Wrap(ctx, dek, aad)
}

func (k *heldKEK) Unwrap(ctx context.Context, wrapped, aad []byte) ([]byte, error) {
	if err := k.wait(ctx); err != nil {
		return nil, err
	}
	return k.KEK.Unwrap(ctx, wrapped, aad)
}

func (k *heldKEK) holdOn() (release func()) {
	hold := make(chan struct{})
	k.mu.Lock()
	k.hold = hold
	k.mu.Unlock()
	return sync.OnceFunc(func() {
		k.mu.Lock()
		k.hold = nil
		k.mu.Unlock()
		close(hold)
	})
}

// While a key service is asked for one act, others are done: keys are made and
// revoked, credentials linked and destroyed, the KEK of what was sealed opened.
// What was asked for is done once the answer is there, with what is so then.
func TestASlowKeyServiceHoldsUpNobody(t *testing.T) {
	t.Parallel()
	kek := &heldKEK{KEK: newKEK(t), waiting: make(chan struct{}, 100)}
	c, _, team := newBolt(t, kek)
	old := create(t, c, team, "old", "secret of old")
	other := create(t, c, team, "other", "secret of other")
	release := kek.holdOn()
	defer release()

	var slow sync.WaitGroup
	for what, act := range map[string]func() error{
		"create": func() error {
			_, err := c.CreateCredential(t.Context(), auth.Credential{TeamID: team, Name: "new", Provider: "p"},
				auth.Fields{"token": auth.NewSecret("secret of new")}, nil, auth.Event{})
			return err
		},
		"rotate": func() error {
			_, err := c.UpdateCredential(t.Context(), team, "old", nil, auth.Fields{"token": auth.NewSecret("secret of old")}, auth.Event{})
			return err
		},
		// Sealed again, because a field beside it changes: it is opened first.
		"params": func() error {
			_, err := c.UpdateCredential(t.Context(), team, "other", func(row *auth.Credential) error {
				row.Params = map[string]string{"region": "eu-1"}
				return nil
			}, nil, auth.Event{})
			return err
		},
		"S3 key": func() error {
			_, err := c.CreateS3Key(t.Context(), auth.Key{TeamID: team, Name: "s3", Scope: auth.ScopeRead, S3: &auth.S3Access{AccessKeyID: auth.NewS3AccessKeyID()}},
				auth.NewSecret("s3 secret"), nil, auth.Event{})
			return err
		},
		"named": func() error { return c.PutSealed(t.Context(), "box", []byte("value")) },
	} {
		slow.Go(func() {
			if err := act(); err != nil {
				t.Errorf("%s: %v", what, err)
			}
		})
	}
	for range 5 {
		<-kek.waiting
	}
	// None of them is done, and all of this is.
	hash, _ := auth.HashAPIKey(auth.NewAPIKey().Reveal())
	k, err := c.CreateKey(t.Context(), auth.Key{TeamID: team, Name: "k", Hash: hash}, nil, auth.Event{})
	check(t, err)
	changed, err := c.Link(t.Context(), team, old.ID, k.ID, auth.Event{})
	check(t, err)
	equal(t, "linked", changed, true)
	_, err = c.UpdateCredential(t.Context(), team, "other", func(row *auth.Credential) error { row.Patterns = []string{"a.example/*"}; return nil }, nil, auth.Event{})
	check(t, err)
	if _, err := c.Credential(t.Context(), team, "new"); !errors.Is(err, ErrNotFound) {
		t.Errorf("it is there before its DEK is: %v", err)
	}

	release()
	slow.Wait()
	for name, want := range map[string]uint64{"new": 1, "old": 2, "other": 2} {
		cred, err := c.Credential(t.Context(), team, name)
		check(t, err)
		equal(t, "version of "+name, cred.Version, want)
		f, err := c.OpenFields(t.Context(), cred.ID, cred.Version, "token")
		check(t, err)
		equal(t, "token", f["token"].Reveal(), "secret of "+name)
		if name == "other" && (len(cred.Patterns) != 1 || cred.Params["region"] != "eu-1") {
			t.Errorf("of two changes at once one is lost: %+v", cred)
		}
	}
	equal(t, "other", other.Version, 1)
	v, err := c.Sealed(t.Context(), "box")
	check(t, err)
	equal(t, "named", string(v), "value")
}

// What destroys a secret needs no key service.
func TestRevokingWhileTheKeyServiceIsDown(t *testing.T) {
	t.Parallel()
	kek := &heldKEK{KEK: newKEK(t), waiting: make(chan struct{}, 100)}
	c, path, team := newBolt(t, kek)
	cred := create(t, c, team, "c", "secret of c")
	kek.down.Store(true)
	if _, err := c.UpdateCredential(t.Context(), team, "c", nil, auth.Fields{"token": auth.NewSecret("anew")}, auth.Event{}); !errors.Is(err, ErrUnavailable) {
		t.Errorf("rotated without its service: %v", err)
	}
	out, err := c.UpdateCredential(t.Context(), team, "c", func(row *auth.Credential) error { row.Status = auth.StatusRevoked; return nil }, auth.Fields{}, auth.Event{})
	check(t, err)
	f, err := c.OpenFields(t.Context(), cred.ID, out.Version)
	check(t, err)
	equal(t, "secret", f["token"].Reveal(), "")
	s, err := c.KEKs(t.Context())
	check(t, err)
	for _, u := range s.Uses {
		equal(t, "DEKs", u.DEKs, 0)
	}
	check(t, c.Close())
	kek.down.Store(false)
	c = reopen(t, path, kek)
	f, err = c.OpenFields(t.Context(), cred.ID, out.Version)
	check(t, err)
	equal(t, "secret after a restart", f["token"].Reveal(), "")
	// A rotation has nothing to wrap of it.
	check(t, c.RotateKEK(t.Context(), newKEK(t), "memory:", auth.Event{}, nil))
	check(t, c.DeleteCredential(t.Context(), team, "c", auth.Event{}))
	check(t, c.Close())
}

// Declared credentials are compared with what is stored in as few rounds as
// there are kinds of questions, however many they are.
func TestASyncAsksInRounds(t *testing.T) {
	t.Parallel()
	kek := &heldKEK{KEK: newKEK(t), waiting: make(chan struct{}, 100)}
	c, _, team := newBolt(t, kek)
	declared := func(secret string) (out []DeclaredCredential) {
		for i := range 3 * maxAsking {
			out = append(out, DeclaredCredential{Credential: auth.Credential{Name: fmt.Sprintf("c%d", i), Provider: "p"},
				Secrets: auth.Fields{"token": auth.NewSecret(secret)}})
		}
		return out
	}
	for _, secret := range []string{"one", "one", "two"} {
		check(t, c.SyncDeclarative(t.Context(), team, declared(secret), nil, auth.Event{}))
		cred, err := c.Credential(t.Context(), team, "c7")
		check(t, err)
		f, err := c.OpenFields(t.Context(), cred.ID, cred.Version)
		check(t, err)
		equal(t, "token", f["token"].Reveal(), secret)
		equal(t, "version", cred.Version, map[string]uint64{"one": 1, "two": 2}[secret])
	}
}
