package bridge

import (
	"context"
	"errors"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/store"
)

// The first API key and the note that it was shown.
const (
	firstKeyName = "worker"
	welcomedName = "welcome/shown"
)

// Welcome is what the first start shows, once.
type Welcome struct {
	// Key is the API key called "worker".
	Key auth.Secret
}

// prepareWelcome makes the first API key, unless its secret was already
// shown. A first start that was killed before it was shown leaves a key that
// nobody knows: the next start gives that key a new secret and shows it, unless
// the store is shared, where it may be another weighbridge's to show. A
// configuration that declares keys of its own needs no first key.
func (b *Bridge) prepareWelcome(ctx context.Context, declaresKeys, shared bool) (*Welcome, error) {
	_, err := b.store.Sealed(ctx, welcomedName)
	switch {
	case err == nil:
		return nil, nil
	case !errors.Is(err, store.ErrNotFound):
		return nil, err
	case declaresKeys:
		return nil, b.store.PutSealed(ctx, welcomedName, []byte("declared"))
	}
	secret := auth.NewAPIKey()
	hash, _ := auth.HashAPIKey(secret.Reveal())
	ev := auth.Event{Time: b.o.Now().UTC(), TeamID: b.team.ID, Actor: "system"}
	_, err = b.store.Key(ctx, b.team.ID, firstKeyName)
	switch {
	case errors.Is(err, store.ErrNotFound):
		ev.Action = auth.ActionKeyCreate
		_, err = b.store.CreateKey(ctx, auth.Key{
			TeamID: b.team.ID, Name: firstKeyName, Scope: auth.ScopeRead, Preview: secret.Preview(), Hash: hash,
		}, nil, ev)
		if shared && errors.Is(err, store.ErrExists) {
			return nil, nil
		}
	case err == nil && shared:
		return nil, nil
	case err == nil:
		ev.Action = auth.ActionKeyRegenerate
		_, err = b.store.UpdateKey(ctx, b.team.ID, firstKeyName, func(k *auth.Key) error {
			k.Hash, k.Preview = hash, secret.Preview()
			return nil
		}, ev)
	}
	if err != nil {
		return nil, err
	}
	return &Welcome{Key: secret}, nil
}

// Welcomed notes that the welcome was shown: no later start shows a secret.
func (b *Bridge) Welcomed(ctx context.Context) error {
	return b.store.PutSealed(ctx, welcomedName, []byte("shown"))
}
