package store

import (
	"context"
	"fmt"
	"slices"

	"github.com/weighbridge/weighbridge/auth"
)

// OpenFields implements Store.
func (c *core) OpenFields(ctx context.Context, credentialID string, version uint64, names ...string) (auth.Fields, error) {
	var (
		owner  sealOwner
		params map[string]string
		e      *envelope
		kek    KEK
	)
	// What is taken out here is never changed in place, so it may be read on
	// after the lock is let go: no key service is asked under it.
	err := c.view(ctx, func(m *model) error {
		cred := m.credential(credentialID)
		if cred == nil {
			err := *notFound(whatCredential, credentialID)
			err.Cause = auth.ErrOutdated
			return &err
		}
		if cred.Version != version {
			return &Error{Kind: KindNotFound, What: whatCredential, Ref: credentialID,
				Detail: fmt.Sprintf("its version %d is gone; it is at %d", version, cred.Version), Cause: auth.ErrOutdated}
		}
		owner, params, e = credentialOwner(cred.TeamID, cred.ID, version), cred.Params, m.envelope(cred.ID)
		kek = c.kekOf(e)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return openFields(ctx, kek, owner, params, e, names)
}

func openFields(ctx context.Context, kek KEK, owner sealOwner, params map[string]string, e *envelope, names []string) (auth.Fields, error) {
	if e == nil {
		return nil, damagedSeal(owner, "its sealed fields or its DEK are missing", nil)
	}
	out := make(auth.Fields, max(len(names), len(params)+len(e.fields.Fields)))
	for name, value := range params {
		if len(names) == 0 || slices.Contains(names, name) {
			out[name] = auth.NewSecret(value)
		}
	}
	err := e.open(ctx, kek, owner, names, func(name string, value []byte) {
		out[name] = auth.NewSecret(string(value))
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// envelope puts the two rows of a sealed thing together; nil where one is
// missing.
func (m *model) envelope(place string) *envelope {
	fields, ok := m.sealed[place]
	dek, ok2 := m.deks[place]
	if !ok || !ok2 && len(fields.Fields) > 0 {
		return nil
	}
	return &envelope{fields: fields, dek: dek}
}

// openAll opens every sealed field of a credential and none of its params.
func (t *tx) openAll(ctx context.Context, c *auth.Credential) (auth.Fields, error) {
	e := t.m.envelope(c.ID)
	return openFields(ctx, answeredKEK{t.c.kekOf(e), t.answers}, credentialOwner(c.TeamID, c.ID, c.Version), nil, e, nil)
}

// plainFields are the fields to seal. A field that holds nothing is not
// stored.
func plainFields(f auth.Fields) map[string][]byte {
	out := make(map[string][]byte, len(f))
	for name, s := range f {
		if !s.IsZero() {
			out[name] = []byte(s.Reveal())
		}
	}
	return out
}

// wipe overwrites copies of secrets that were made on the way.
func wipe(fields map[string][]byte) {
	for _, v := range fields {
		clear(v)
	}
}

// sameSecrets compares the contents of two sets of fields in constant time:
// every field is compared, whatever the others gave. Fields that hold nothing
// count as absent.
func sameSecrets(a, b auth.Fields) bool {
	same := true
	for name, s := range a {
		same = s.Equal(b[name]) && same
	}
	for name, s := range b {
		if _, ok := a[name]; !ok {
			same = s.IsZero() && same
		}
	}
	return same
}
