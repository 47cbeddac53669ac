package store

import (
	"context"
	"fmt"

	"github.com/weighbridge/weighbridge/auth"
)

// s3SecretField is the one sealed field of an S3 access key.
const s3SecretField = "secretAccessKey"

// CreateS3Key implements Store.
func (c *core) CreateS3Key(ctx context.Context, k auth.Key, secret auth.Secret, credentials []string, ev auth.Event) (auth.Key, error) {
	asGiven := k
	err := c.change(ctx, func(t *tx) error {
		k = asGiven
		if k.S3 == nil || k.Declarative {
			return invalid(whatS3Key, k.Name, "it is not an S3 access key that can be made here")
		}
		k = cloneKey(k)
		k.S3.Version = 1
		var err error
		if k, err = t.newKey(k); err != nil {
			return err
		}
		if err := t.checkHashes(&k); err != nil {
			return err
		}
		if err := t.putS3Secret(&k, secret); err != nil {
			return err
		}
		return t.created(&k, credentials, ev)
	})
	if err != nil {
		return auth.Key{}, err
	}
	return cloneKey(k), nil
}

// RegenerateS3Key implements Store.
func (c *core) RegenerateS3Key(ctx context.Context, teamID, ref string, secret auth.Secret, ev auth.Event) (out auth.Key, err error) {
	err = c.change(ctx, func(t *tx) error {
		old, err := t.m.findKey(teamID, ref)
		switch {
		case err != nil:
			return err
		case old.S3 == nil:
			return invalid(whatKey, old.Name, "it is not an S3 access key")
		case !old.RevokedAt.IsZero():
			return invalid(whatS3Key, old.Name, "it was revoked, for good")
		}
		out = cloneKey(*old)
		out.S3.Version++
		out.UpdatedAt = t.at
		t.b.keys[out.ID] = out
		if ev.Action == "" {
			ev.Action = auth.ActionKeyRegenerate
		}
		t.record(aboutKey(ev, auth.ActionKeyRegenerate, &out))
		return t.putS3Secret(&out, secret)
	})
	if err != nil {
		return auth.Key{}, err
	}
	return cloneKey(out), nil
}

// S3Secret implements Store.
func (c *core) S3Secret(ctx context.Context, keyID string, version uint64) (auth.Secret, error) {
	var (
		owner sealOwner
		e     *envelope
		kek   KEK
	)
	err := c.view(ctx, func(m *model) error {
		k := m.key(keyID)
		if k == nil || k.S3 == nil {
			return notFound(whatS3Key, keyID)
		}
		if k.S3.Version != version {
			return &Error{Kind: KindNotFound, What: whatS3Key, Ref: keyID,
				Detail: fmt.Sprintf("its version %d is gone; it is at %d", version, k.S3.Version)}
		}
		owner, e = s3KeyOwner(k), m.envelope(k.ID)
		kek = c.kekOf(e)
		return nil
	})
	if err != nil {
		return auth.Secret{}, err
	}
	f, err := openFields(ctx, kek, owner, nil, e, []string{s3SecretField})
	if err != nil {
		return auth.Secret{}, err
	}
	secret := f[s3SecretField]
	if secret.IsZero() {
		return auth.Secret{}, damagedSeal(owner, "its secret is missing", nil)
	}
	return secret, nil
}

// putS3Secret seals the secret of k, which replaces any that it had.
func (t *tx) putS3Secret(k *auth.Key, secret auth.Secret) error {
	if secret.IsZero() {
		return invalid(whatS3Key, k.Name, "it has no secret")
	}
	plain := map[string][]byte{s3SecretField: []byte(secret.Reveal())}
	defer wipe(plain)
	e, err := t.seal(s3KeyOwner(k), plain)
	if err != nil {
		return err
	}
	t.putEnvelope(k.ID, e)
	return nil
}

// checkS3Key checks what the store itself relies on.
func checkS3Key(k *auth.Key) error {
	if !k.Hash.IsZero() || !k.URLKeyHash.IsZero() {
		return invalid(whatS3Key, k.Name, "it has a hash as well: a key is presented in one way")
	}
	if err := k.S3.Check(); err != nil {
		return invalid(whatS3Key, k.Name, err.Error())
	}
	return nil
}

// keepS3 puts back of an S3 access key what UpdateKey does not change.
func keepS3(old, k *auth.Key) error {
	if (old.S3 == nil) != (k.S3 == nil) {
		return invalid(whatKey, old.Name, "an API key and an S3 access key cannot become each other")
	}
	if k.S3 != nil {
		k.S3.AccessKeyID, k.S3.Version = old.S3.AccessKeyID, old.S3.Version
	}
	return nil
}
