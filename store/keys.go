package store

import (
	"context"
	"maps"
	"slices"

	"github.com/weighbridge/weighbridge/auth"
)

// Key implements Store.
func (c *core) Key(ctx context.Context, teamID, ref string) (out auth.Key, err error) {
	err = c.view(ctx, func(m *model) error {
		k, err := m.findKey(teamID, ref)
		if err == nil {
			out = cloneKey(*k)
		}
		return err
	})
	return out, err
}

// CreateKey implements Store.
func (c *core) CreateKey(ctx context.Context, k auth.Key, credentials []string, ev auth.Event) (auth.Key, error) {
	err := c.change(ctx, func(t *tx) error {
		if k.Declarative {
			return readOnly(whatKey, k.Name)
		}
		if k.S3 != nil {
			return invalid(whatS3Key, k.Name, "its secret is missing")
		}
		var err error
		if k, err = t.newKey(k); err != nil {
			return err
		}
		if err := t.checkHashes(&k); err != nil {
			return err
		}
		return t.created(&k, credentials, ev)
	})
	if err != nil {
		return auth.Key{}, err
	}
	return cloneKey(k), nil
}

// created records a new key and links it.
func (t *tx) created(k *auth.Key, credentials []string, ev auth.Event) error {
	t.record(aboutKey(ev, auth.ActionKeyCreate, k))
	for _, ref := range credentials {
		cred, err := t.m.findCredential(k.TeamID, ref)
		if err != nil {
			return err
		}
		t.link(cred, k, false, derived(ev))
	}
	return nil
}

// newKey puts a new key; that its hashes are free is the caller's to check.
func (t *tx) newKey(k auth.Key) (auth.Key, error) {
	if err := t.m.findTeam(k.TeamID); err != nil {
		return k, err
	}
	if err := checkKey(&k); err != nil {
		return k, err
	}
	if _, ok := t.m.keyNames[nameKey{k.TeamID, k.Name}]; ok {
		return k, taken(whatKey, k.Name)
	}
	k = normalKey(k)
	k.ID, k.CreatedAt, k.UpdatedAt = t.id(whatKey, k.Name), t.at, t.at
	t.b.keys[k.ID] = k
	return k, nil
}

// UpdateKey implements Store.
func (c *core) UpdateKey(ctx context.Context, teamID, ref string, change func(*auth.Key) error, ev auth.Event) (out auth.Key, err error) {
	err = c.change(ctx, func(t *tx) error {
		old, err := t.m.findKey(teamID, ref)
		if err != nil {
			return err
		}
		out = cloneKey(*old)
		if old.Declarative {
			return readOnly(whatKey, old.Name)
		}
		if change != nil {
			if err := change(&out); err != nil {
				return err
			}
		}
		out = normalKey(out)
		out.ID, out.TeamID, out.Declarative = old.ID, old.TeamID, old.Declarative
		out.CreatedAt, out.UpdatedAt = old.CreatedAt, old.UpdatedAt
		if err := keepS3(old, &out); err != nil {
			return err
		}
		if err := checkKey(&out); err != nil {
			return err
		}
		if id, ok := t.m.keyNames[nameKey{out.TeamID, out.Name}]; ok && id != out.ID {
			return taken(whatKey, out.Name)
		}
		if err := t.checkHashes(&out); err != nil {
			return err
		}
		if !old.RevokedAt.IsZero() && !out.RevokedAt.Equal(old.RevokedAt) {
			return invalid(whatKey, old.Name, "it was revoked, for good")
		}
		if sameRow(old, &out) {
			return nil
		}
		out.UpdatedAt = t.at
		t.b.keys[out.ID] = out
		t.record(aboutKey(ev, auth.ActionKeyUpdate, &out))
		return nil
	})
	if err != nil {
		return auth.Key{}, err
	}
	return cloneKey(out), nil
}

// DeleteKey implements Store.
func (c *core) DeleteKey(ctx context.Context, teamID, ref string, ev auth.Event) error {
	return c.change(ctx, func(t *tx) error {
		k, err := t.m.findKey(teamID, ref)
		if err != nil {
			return err
		}
		if k.Declarative {
			return readOnly(whatKey, k.Name)
		}
		t.b.delKeys[k.ID] = true
		if k.S3 != nil {
			t.b.delPlace[k.ID] = true
		}
		t.deleteLinks(func(l linkKey) bool { return l.keyID == k.ID })
		t.record(aboutKey(ev, auth.ActionKeyDelete, k))
		return nil
	})
}

// checkKey checks what the store itself relies on.
func checkKey(k *auth.Key) error {
	if err := CheckName(whatKey, k.Name); err != nil {
		return err
	}
	if k.S3 != nil {
		return checkS3Key(k)
	}
	if k.Hash.IsZero() {
		return invalid(whatKey, k.Name, "it has no hash")
	}
	if k.Hash == k.URLKeyHash {
		return invalid(whatKey, k.Name, "its URL key is the API key itself")
	}
	return nil
}

// checkHashes refuses a key whose hashes belong to another: a presented key
// must be one identity.
func (t *tx) checkHashes(k *auth.Key) error {
	for _, h := range []auth.KeyHash{k.Hash, k.URLKeyHash} {
		if id, ok := t.m.hashes[h]; ok && id != k.ID && !h.IsZero() {
			return sharedHash(k.Name, t.m.key(id), k.TeamID)
		}
	}
	if k.S3 != nil {
		if id, ok := t.m.s3IDs[k.S3.AccessKeyID]; ok && id != k.ID {
			return &Error{Kind: KindExists, What: whatS3Key, Ref: k.Name, Detail: "its access key id is taken", Next: "try again"}
		}
	}
	return nil
}

// sharedHash does not name a key of another team.
func sharedHash(name string, other *auth.Key, teamID string) error {
	owner := "another API key"
	if other != nil && other.TeamID == teamID {
		owner = "the API key \"" + other.Name + "\""
	}
	return &Error{Kind: KindExists, What: whatKey, Ref: name, Detail: "its value is that of " + owner,
		Next: "give every key a value of its own"}
}

// normalKey is k as it comes back from any driver, sharing nothing with the
// caller.
func normalKey(k auth.Key) auth.Key {
	k = cloneKey(k)
	k.ExpiresAt, k.RevokedAt = normalTime(k.ExpiresAt), normalTime(k.RevokedAt)
	return k
}

func cloneKey(k auth.Key) auth.Key {
	k.Routes, k.Sources = slices.Clone(k.Routes), slices.Clone(k.Sources)
	if k.Previous != nil {
		old := *k.Previous
		old.Until = normalTime(old.Until)
		k.Previous = &old
	}
	if k.S3 != nil {
		s3 := *k.S3
		s3.Buckets, s3.Prefixes, s3.Aliases = slices.Clone(s3.Buckets), slices.Clone(s3.Prefixes), maps.Clone(s3.Aliases)
		k.S3 = &s3
	}
	return k
}

// aboutKey completes an event about k.
func aboutKey(ev auth.Event, action string, k *auth.Key) auth.Event {
	if ev.Action == "" {
		ev.Action = action
	}
	ev.TeamID, ev.KeyID, ev.KeyName = k.TeamID, k.ID, k.Name
	return ev
}
