package store

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// Credential implements Store.
func (c *core) Credential(ctx context.Context, teamID, ref string) (out auth.Credential, err error) {
	err = c.view(ctx, func(m *model) error {
		cred, err := m.findCredential(teamID, ref)
		if err == nil {
			out = cloneCredential(*cred)
		}
		return err
	})
	return out, err
}

// CreateCredential implements Store.
func (c *core) CreateCredential(ctx context.Context, cred auth.Credential, secrets auth.Fields, keys []string, ev auth.Event) (auth.Credential, error) {
	asGiven := cred
	err := c.change(ctx, func(t *tx) error {
		cred = asGiven
		if cred.Declarative {
			return readOnly(whatCredential, cred.Name)
		}
		var err error
		if cred, err = t.newCredential(cred, secrets); err != nil {
			return err
		}
		t.record(aboutCredential(ev, auth.ActionCredentialCreate, &cred))
		for _, ref := range keys {
			k, err := t.m.findKey(cred.TeamID, ref)
			if err != nil {
				return err
			}
			t.link(&cred, k, false, derived(ev))
		}
		return nil
	})
	if err != nil {
		return auth.Credential{}, err
	}
	return cloneCredential(cred), nil
}

// newCredential puts a new credential and its sealed fields.
func (t *tx) newCredential(c auth.Credential, secrets auth.Fields) (auth.Credential, error) {
	if err := t.m.findTeam(c.TeamID); err != nil {
		return c, err
	}
	if err := checkCredential(&c, secrets); err != nil {
		return c, err
	}
	if _, ok := t.m.credNames[nameKey{c.TeamID, c.Name}]; ok {
		return c, taken(whatCredential, c.Name)
	}
	c = normalCredential(c)
	c.ID, c.Version, c.CreatedAt, c.UpdatedAt = t.id(whatCredential, c.Name), 1, t.at, t.at
	return c, t.putCredential(c, secrets)
}

// putCredential puts the record, and its sealed fields under a new DEK.
func (t *tx) putCredential(c auth.Credential, secrets auth.Fields) error {
	plain := plainFields(secrets)
	defer wipe(plain)
	t.b.creds[c.ID] = c
	if len(plain) == 0 {
		t.putNothing(c.ID, c.Version)
		return nil
	}
	e, err := t.seal(credentialOwner(c.TeamID, c.ID, c.Version), plain)
	if err != nil {
		return err
	}
	t.putEnvelope(c.ID, e)
	return nil
}

// UpdateCredential implements Store.
func (c *core) UpdateCredential(ctx context.Context, teamID, ref string, change func(*auth.Credential) error, secrets auth.Fields, ev auth.Event) (out auth.Credential, err error) {
	asGiven := secrets
	err = c.change(ctx, func(t *tx) error {
		secrets := asGiven
		old, err := t.m.findCredential(teamID, ref)
		if err != nil {
			return err
		}
		out = cloneCredential(*old)
		if old.Declarative {
			return readOnly(whatCredential, old.Name)
		}
		if change != nil {
			if err := change(&out); err != nil {
				return err
			}
		}
		out = normalCredential(out)
		out.ID, out.TeamID, out.Version, out.Declarative = old.ID, old.TeamID, old.Version, old.Declarative
		out.CreatedAt, out.UpdatedAt = old.CreatedAt, old.UpdatedAt
		if id, ok := t.m.credNames[nameKey{out.TeamID, out.Name}]; ok && id != out.ID {
			return taken(whatCredential, out.Name)
		}
		if old.Status == auth.StatusRevoked && out.Status != auth.StatusRevoked {
			return invalid(whatCredential, old.Name, "it was revoked, for good")
		}
		if secrets == nil && fieldsDiffer(old, &out) {
			if secrets, err = t.openAll(ctx, old); err != nil {
				return err
			}
		}
		if err := checkCredential(&out, secrets); err != nil {
			return err
		}
		if secrets == nil && sameRow(old, &out) {
			return nil
		}
		out.UpdatedAt = t.at
		if secrets == nil {
			t.b.creds[out.ID] = out
		} else {
			out.Version++
			if err := t.putCredential(out, secrets); err != nil {
				return err
			}
		}
		t.record(aboutCredential(ev, auth.ActionCredentialUpdate, &out))
		return nil
	})
	if err != nil {
		return auth.Credential{}, err
	}
	return cloneCredential(out), nil
}

// DeleteCredential implements Store.
func (c *core) DeleteCredential(ctx context.Context, teamID, ref string, ev auth.Event) error {
	return c.change(ctx, func(t *tx) error {
		cred, err := t.m.findCredential(teamID, ref)
		if err != nil {
			return err
		}
		if cred.Declarative {
			return readOnly(whatCredential, cred.Name)
		}
		t.deleteCredential(cred)
		t.deleteLinks(func(k linkKey) bool { return k.credentialID == cred.ID })
		t.record(aboutCredential(ev, auth.ActionCredentialDelete, cred))
		return nil
	})
}

// deleteCredential deletes the record, its sealed fields and its DEK; the
// links are the caller's.
func (t *tx) deleteCredential(c *auth.Credential) {
	t.b.delCreds[c.ID] = true
	t.b.delPlace[c.ID] = true
}

// checkCredential checks what the store itself relies on.
func checkCredential(c *auth.Credential, secrets auth.Fields) error {
	if err := CheckName(whatCredential, c.Name); err != nil {
		return err
	}
	if c.Provider == "" {
		return invalid(whatCredential, c.Name, "a provider is required")
	}
	for field := range secrets {
		if _, ok := c.Params[field]; ok {
			return invalid(whatCredential, c.Name, fmt.Sprintf("the field %q is given as a secret and as a parameter", field))
		}
	}
	return nil
}

// fieldsDiffer reports whether the fields that are not sealed, or what they
// mean, differ.
func fieldsDiffer(a, b *auth.Credential) bool {
	return a.Provider != b.Provider || !maps.Equal(a.Params, b.Params)
}

// sameRow reports whether two records would be stored as the same bytes.
func sameRow(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// normalCredential is c as it comes back from any driver, sharing nothing with
// the caller.
func normalCredential(c auth.Credential) auth.Credential {
	c = cloneCredential(c)
	c.ExpiresAt = normalTime(c.ExpiresAt)
	c.Reading.ExpiresAt = normalTime(c.Reading.ExpiresAt)
	c.AnsweredAt = normalTime(c.AnsweredAt)
	if c.Report != nil {
		c.Report.At, c.Report.ExpiresAt = normalTime(c.Report.At), normalTime(c.Report.ExpiresAt)
	}
	return c
}

func cloneCredential(c auth.Credential) auth.Credential {
	c.Patterns = slices.Clone(c.Patterns)
	c.Params = maps.Clone(c.Params)
	c.Previews = maps.Clone(c.Previews)
	c.Reading.Facts = slices.Clone(c.Reading.Facts)
	c.Reading.Warnings = slices.Clone(c.Reading.Warnings)
	if c.Report != nil {
		r := *c.Report
		r.Facts, r.Warnings = slices.Clone(r.Facts), slices.Clone(r.Warnings)
		r.Wait = 0
		c.Report = &r
	}
	return c
}

// normalTime is t in UTC and in microseconds.
func normalTime(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Microsecond)
}

// aboutCredential completes an event about c.
func aboutCredential(ev auth.Event, action string, c *auth.Credential) auth.Event {
	if ev.Action == "" {
		ev.Action = action
	}
	ev.TeamID, ev.CredentialID, ev.CredentialName, ev.Version = c.TeamID, c.ID, c.Name, c.Version
	return ev
}
