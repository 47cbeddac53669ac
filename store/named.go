package store

import (
	"bytes"
	"context"

	"github.com/weighbridge/weighbridge/auth"
)

// namedField is the one field of a named sealed value.
const namedField = "value"

// EnsureTeam implements Store.
func (c *core) EnsureTeam(ctx context.Context, name string) (team auth.Team, err error) {
	// A team that is there is found even while the disk is full.
	err = c.view(ctx, func(m *model) error {
		if id, ok := m.teamNames[name]; ok {
			team = *m.team(id)
		}
		return nil
	})
	if err != nil || team.ID != "" {
		return team, err
	}
	err = c.change(ctx, func(t *tx) error {
		if err := CheckName(whatTeam, name); err != nil {
			return err
		}
		if id, ok := t.m.teamNames[name]; ok {
			team = *t.m.team(id)
			return nil
		}
		team = auth.Team{ID: auth.NewID(t.at), Name: name, CreatedAt: t.at}
		t.b.teams[team.ID] = team
		return nil
	})
	if err != nil {
		return auth.Team{}, err
	}
	return team, nil
}

// PutSealed implements Store.
func (c *core) PutSealed(ctx context.Context, name string, value []byte) error {
	if err := CheckName(whatNamed, name); err != nil {
		return err
	}
	return c.change(ctx, func(t *tx) error {
		e, err := t.seal(namedOwner(name), map[string][]byte{namedField: value})
		if err != nil {
			return err
		}
		t.putEnvelope(namedPrefix+name, e)
		return nil
	})
}

// EnsureSealed implements Store.
func (c *core) EnsureSealed(ctx context.Context, name string, value []byte) ([]byte, error) {
	if err := CheckName(whatNamed, name); err != nil {
		return nil, err
	}
	made := false
	err := c.change(ctx, func(t *tx) error {
		if _, ok := t.m.sealed[namedPrefix+name]; ok {
			made, t.asFound = false, true
			return nil
		}
		made = true
		e, err := t.seal(namedOwner(name), map[string][]byte{namedField: value})
		if err != nil {
			return err
		}
		t.putEnvelope(namedPrefix+name, e)
		return nil
	})
	if err != nil || made {
		return value, err
	}
	return c.Sealed(ctx, name)
}

// Sealed implements Store.
func (c *core) Sealed(ctx context.Context, name string) (value []byte, err error) {
	var e *envelope
	var kek KEK
	err = c.view(ctx, func(m *model) error {
		if _, ok := m.sealed[namedPrefix+name]; !ok {
			return notFound(whatNamed, name)
		}
		e = m.envelope(namedPrefix + name)
		kek = c.kekOf(e)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if e == nil {
		return nil, damagedSeal(namedOwner(name), "its DEK is missing", nil)
	}
	found := false
	err = e.open(ctx, kek, namedOwner(name), []string{namedField}, func(_ string, v []byte) {
		value, found = bytes.Clone(v), true
	})
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, damagedSeal(namedOwner(name), "its ciphertext is missing", nil)
	}
	return value, nil
}
