package store

import (
	"context"

	"github.com/weighbridge/weighbridge/auth"
)

// Link implements Store.
func (c *core) Link(ctx context.Context, teamID, credentialRef, keyRef string, ev auth.Event) (changed bool, err error) {
	err = c.change(ctx, func(t *tx) error {
		cred, k, err := t.m.findBoth(teamID, credentialRef, keyRef)
		if err != nil {
			return err
		}
		if _, ok := t.m.links[linkKey{cred.ID, k.ID}]; ok {
			return nil
		}
		changed = true
		t.link(cred, k, false, ev)
		return nil
	})
	return changed && err == nil, err
}

// Unlink implements Store.
func (c *core) Unlink(ctx context.Context, teamID, credentialRef, keyRef string, ev auth.Event) (changed bool, err error) {
	err = c.change(ctx, func(t *tx) error {
		cred, k, err := t.m.findBoth(teamID, credentialRef, keyRef)
		if err != nil {
			return err
		}
		lk := linkKey{cred.ID, k.ID}
		declarative, ok := t.m.links[lk]
		if !ok {
			return nil
		}
		if declarative {
			return readOnly("link", cred.Name+" – "+k.Name)
		}
		changed = true
		t.b.delLinks[lk] = true
		t.record(aboutLink(ev, auth.ActionLinkDelete, cred, k))
		return nil
	})
	return changed && err == nil, err
}

func (m *model) findBoth(teamID, credentialRef, keyRef string) (*auth.Credential, *auth.Key, error) {
	c, err := m.findCredential(teamID, credentialRef)
	if err != nil {
		return nil, nil, err
	}
	k, err := m.findKey(teamID, keyRef)
	return c, k, err
}

// link puts a link that is not there yet, with an event of its own.
func (t *tx) link(c *auth.Credential, k *auth.Key, declarative bool, ev auth.Event) {
	lk := linkKey{c.ID, k.ID}
	if _, ok := t.b.links[lk]; ok {
		return // named twice in one request
	}
	t.b.links[lk] = linkRow{CreatedAt: t.at, Declarative: declarative}
	t.record(aboutLink(ev, auth.ActionLinkCreate, c, k))
}

// derived is the event of an act turned into one about a part of it, which
// gets an id and an action of its own.
func derived(ev auth.Event) auth.Event {
	ev.ID, ev.Action = "", ""
	return ev
}

// aboutLink completes an event about a link.
func aboutLink(ev auth.Event, action string, c *auth.Credential, k *auth.Key) auth.Event {
	if ev.Action == "" {
		ev.Action = action
	}
	ev.TeamID, ev.CredentialID, ev.CredentialName, ev.Version = c.TeamID, c.ID, c.Name, c.Version
	ev.KeyID, ev.KeyName = k.ID, k.Name
	return ev
}
