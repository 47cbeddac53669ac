package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/weighbridge/weighbridge/auth"
)

// SyncDeclarative implements Store.
func (c *core) SyncDeclarative(ctx context.Context, teamID string, creds []DeclaredCredential, keys []DeclaredKey, ev auth.Event) error {
	return c.declare(ctx, teamID, ev, func(s *declaring) error {
		for i := range creds {
			if err := s.credential(ctx, &creds[i]); err != nil {
				return err
			}
		}
		for i := range keys {
			if err := s.key(&keys[i]); err != nil {
				return err
			}
		}
		if err := s.checkHashes(); err != nil {
			return err
		}
		s.removeUnlisted()
		if err := s.findLinks(creds, keys); err != nil {
			return err
		}
		s.syncLinks()
		return nil
	})
}

// RenewDeclared implements Store.
func (c *core) RenewDeclared(ctx context.Context, teamID string, creds []DeclaredCredential, keys []DeclaredKey, ev auth.Event) error {
	return c.declare(ctx, teamID, ev, func(s *declaring) error {
		for _, d := range creds {
			old := s.t.m.credential(s.t.m.credNames[nameKey{teamID, d.Credential.Name}])
			if old == nil || !old.Declarative || old.Provider != d.Credential.Provider {
				continue
			}
			d.Credential.Patterns = old.Patterns
			if err := s.credential(ctx, &d); err != nil {
				return err
			}
		}
		for _, d := range keys {
			old := s.t.m.key(s.t.m.keyNames[nameKey{teamID, d.Key.Name}])
			if old == nil || !old.Declarative {
				continue
			}
			next := *old
			next.Hash, next.URLKeyHash, next.Preview = d.Key.Hash, d.Key.URLKeyHash, d.Key.Preview
			d.Key = next
			if err := s.key(&d); err != nil {
				return err
			}
		}
		return s.checkHashes()
	})
}

// declare lets rows change declarative rows of a team, and records ev where it
// changed any.
func (c *core) declare(ctx context.Context, teamID string, ev auth.Event, rows func(*declaring) error) error {
	return c.change(ctx, func(t *tx) error {
		if err := t.m.findTeam(teamID); err != nil {
			return err
		}
		s := &declaring{t: t, teamID: teamID, ev: ev, creds: map[string]*auth.Credential{}, keys: map[string]*auth.Key{}, links: map[linkKey]bool{}}
		if err := rows(s); err != nil {
			return err
		}
		t.asFound = true // each start declares it again
		if !t.empty() {
			if ev.Action == "" {
				ev.Action = auth.ActionConfigReload
			}
			ev.TeamID = teamID
			t.record(ev)
		}
		return nil
	})
}

// declaring is one synchronisation while it is being made.
type declaring struct {
	t      *tx
	teamID string
	ev     auth.Event
	// creds and keys are the declared rows by name, as they will stand.
	creds map[string]*auth.Credential
	keys  map[string]*auth.Key
	// links are the declared links, wanted the same in order.
	links  map[linkKey]bool
	wanted []linkKey
}

// event is the sync's event turned into one about a row.
func (s *declaring) event() auth.Event { return derived(s.ev) }

// credential puts one declared credential where it differs from what is
// stored.
func (s *declaring) credential(ctx context.Context, d *DeclaredCredential) error {
	name := d.Credential.Name
	if _, ok := s.creds[name]; ok {
		return invalid(whatCredential, name, "it is declared twice")
	}
	next := normalCredential(d.Credential)
	next.TeamID, next.Declarative = s.teamID, true
	id, ok := s.t.m.credNames[nameKey{s.teamID, name}]
	if !ok {
		next, err := s.t.newCredential(next, d.Secrets)
		if err != nil {
			return err
		}
		s.creds[name] = &next
		s.t.record(aboutCredential(s.event(), auth.ActionCredentialCreate, &next))
		return nil
	}
	old := s.t.m.credential(id)
	if !old.Declarative {
		return clash(whatCredential, name)
	}
	s.creds[name] = &next
	if err := checkCredential(&next, d.Secrets); err != nil {
		return err
	}
	next.ID, next.Version, next.CreatedAt, next.UpdatedAt = old.ID, old.Version, old.CreatedAt, old.UpdatedAt
	stored, err := s.t.openAll(ctx, old)
	if errors.Is(err, errAsk) {
		return nil // the sync is made anew, then knowing
	}
	damaged := errors.Is(err, ErrDamaged) // then what is declared repairs it
	if err != nil && !damaged {
		return err
	}
	fresh := damaged || fieldsDiffer(old, &next) || !sameSecrets(stored, d.Secrets)
	if !fresh {
		keepFindings(old, &next)
	}
	switch {
	case fresh:
		next.Version++
		next.UpdatedAt = s.t.at
		if err := s.t.putCredential(next, d.Secrets); err != nil {
			return err
		}
	case !sameRow(old, &next):
		next.UpdatedAt = s.t.at
		s.t.b.creds[next.ID] = next
	default:
		return nil
	}
	s.t.record(aboutCredential(s.event(), auth.ActionCredentialUpdate, &next))
	return nil
}

// keepFindings leaves to next what was found out about its fields, which are
// those of old: declaring them again does not undo it.
func keepFindings(old, next *auth.Credential) {
	next.Report, next.AnsweredAt = old.Report, old.AnsweredAt
	if old.Report == nil && old.Status == auth.StatusValid {
		return
	}
	next.Status, next.Reason = old.Status, old.Reason
	if old.Report != nil {
		if end := old.Report.ExpiresAt; !end.IsZero() && (next.ExpiresAt.IsZero() || end.Before(next.ExpiresAt)) {
			next.ExpiresAt = end
		}
	}
}

// key puts one declared key where it differs from what is stored.
func (s *declaring) key(d *DeclaredKey) error {
	name := d.Key.Name
	if _, ok := s.keys[name]; ok {
		return invalid(whatKey, name, "it is declared twice")
	}
	next := normalKey(d.Key)
	next.TeamID, next.Declarative = s.teamID, true
	id, ok := s.t.m.keyNames[nameKey{s.teamID, name}]
	if !ok {
		next, err := s.t.newKey(next)
		if err != nil {
			return err
		}
		s.keys[name] = &next
		s.t.record(aboutKey(s.event(), auth.ActionKeyCreate, &next))
		return nil
	}
	old := s.t.m.key(id)
	if !old.Declarative {
		return clash(whatKey, name)
	}
	s.keys[name] = &next
	if err := checkKey(&next); err != nil {
		return err
	}
	next.ID, next.CreatedAt, next.UpdatedAt = old.ID, old.CreatedAt, old.UpdatedAt
	if sameRow(old, &next) {
		return nil
	}
	next.UpdatedAt = s.t.at
	s.t.b.keys[next.ID] = next
	s.t.record(aboutKey(s.event(), auth.ActionKeyUpdate, &next))
	return nil
}

func clash(what, name string) error {
	return &Error{Kind: KindExists, What: what, Ref: name,
		Detail: "it is declared in the configuration, and the name belongs to one that was made by hand",
		Next:   "rename or delete one of the two"}
}

// checkHashes refuses declared keys that share a hash with each other or with
// a key that stays. Declared keys may exchange theirs.
func (s *declaring) checkHashes() error {
	owners := map[auth.KeyHash]*auth.Key{}
	for _, k := range s.keys {
		for _, h := range []auth.KeyHash{k.Hash, k.URLKeyHash} {
			if h.IsZero() {
				continue
			}
			if other, ok := owners[h]; ok {
				return sharedHash(k.Name, other, s.teamID)
			}
			owners[h] = k
			id, ok := s.t.m.hashes[h]
			if !ok {
				continue
			}
			if other := s.t.m.key(id); other.TeamID != s.teamID || !other.Declarative {
				return sharedHash(k.Name, other, s.teamID)
			}
		}
	}
	return nil
}

// removeUnlisted deletes the declarative rows that are no longer declared, and
// their links.
func (s *declaring) removeUnlisted() {
	for i := range s.t.m.state.Credentials {
		c := &s.t.m.state.Credentials[i]
		if _, listed := s.creds[c.Name]; c.TeamID == s.teamID && c.Declarative && !listed {
			s.t.deleteCredential(c)
			s.t.record(aboutCredential(s.event(), auth.ActionCredentialDelete, c))
		}
	}
	for i := range s.t.m.state.Keys {
		k := &s.t.m.state.Keys[i]
		if _, listed := s.keys[k.Name]; k.TeamID == s.teamID && k.Declarative && !listed {
			s.t.b.delKeys[k.ID] = true
			s.t.record(aboutKey(s.event(), auth.ActionKeyDelete, k))
		}
	}
	if len(s.t.b.delCreds)+len(s.t.b.delKeys) > 0 {
		s.t.deleteLinks(func(k linkKey) bool { return s.t.b.delCreds[k.credentialID] || s.t.b.delKeys[k.keyID] })
	}
}

// findCredential resolves a declared name as it will stand after the sync.
func (s *declaring) findCredential(name string) (*auth.Credential, error) {
	if c, ok := s.creds[name]; ok {
		return c, nil
	}
	c, err := s.t.m.findCredential(s.teamID, name)
	if err == nil && s.t.b.delCreds[c.ID] {
		return nil, notFound(whatCredential, name)
	}
	return c, err
}

func (s *declaring) findKey(name string) (*auth.Key, error) {
	if k, ok := s.keys[name]; ok {
		return k, nil
	}
	k, err := s.t.m.findKey(s.teamID, name)
	if err == nil && s.t.b.delKeys[k.ID] {
		return nil, notFound(whatKey, name)
	}
	return k, err
}

// findLinks resolves the declared links.
func (s *declaring) findLinks(creds []DeclaredCredential, keys []DeclaredKey) error {
	for i := range creds {
		c := s.creds[creds[i].Credential.Name]
		for _, name := range creds[i].Keys {
			k, err := s.findKey(name)
			if err != nil {
				return undeclared(err, whatCredential, c.Name)
			}
			s.want(linkKey{c.ID, k.ID})
		}
	}
	for i := range keys {
		k := s.keys[keys[i].Key.Name]
		for _, name := range keys[i].Credentials {
			c, err := s.findCredential(name)
			if err != nil {
				return undeclared(err, whatKey, k.Name)
			}
			s.want(linkKey{c.ID, k.ID})
		}
	}
	return nil
}

func (s *declaring) want(k linkKey) {
	if !s.links[k] {
		s.links[k] = true
		s.wanted = append(s.wanted, k)
	}
}

// undeclared says whose declaration names what does not exist.
func undeclared(err error, what, name string) error {
	e, ok := err.(*Error)
	if !ok {
		return err
	}
	named := *e
	named.Detail = fmt.Sprintf("there is none, and the declared %s %q names it", what, name)
	return &named
}

// syncLinks makes the declarative links those in s.links. A link that was made
// by hand and is now declared becomes declarative; one that is not declared
// stays as it is.
func (s *declaring) syncLinks() {
	for _, l := range s.t.m.state.Links {
		lk := linkKey{l.CredentialID, l.KeyID}
		declarative := s.t.m.links[lk]
		if declarative == s.links[lk] || s.t.b.delLinks[lk] {
			continue
		}
		c, k := s.t.m.credential(lk.credentialID), s.t.m.key(lk.keyID)
		switch {
		case c == nil || k == nil || c.TeamID != s.teamID:
		case declarative:
			s.t.b.delLinks[lk] = true
			s.t.record(aboutLink(s.event(), auth.ActionLinkDelete, c, k))
		default:
			s.t.b.links[lk] = linkRow{CreatedAt: l.CreatedAt, Declarative: true}
		}
	}
	for _, lk := range s.wanted {
		if _, old := s.t.m.links[lk]; !old {
			s.t.link(s.credentialByID(lk.credentialID), s.keyByID(lk.keyID), true, s.event())
		}
	}
}

// credentialByID finds a credential as it will stand after the sync.
func (s *declaring) credentialByID(id string) *auth.Credential {
	if c, ok := s.t.b.creds[id]; ok {
		return &c
	}
	return s.t.m.credential(id)
}

func (s *declaring) keyByID(id string) *auth.Key {
	if k, ok := s.t.b.keys[id]; ok {
		return &k
	}
	return s.t.m.key(id)
}
