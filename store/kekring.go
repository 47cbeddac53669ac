package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"
)

// rotation is a rotation of the KEK that is on its way. It stands in the head,
// whose tag says that the URIs are ours.
type rotation struct {
	From    string    `json:"from"`
	FromURI string    `json:"from_uri"`
	To      string    `json:"to"`
	ToURI   string    `json:"to_uri"`
	Started time.Time `json:"started"`
}

// kekChange is what a transaction changes about the KEKs.
type kekChange struct {
	row      kekRow
	rotation *rotation
	// current is the KEK from then on, and keks are all that are needed.
	current KEK
	uri     string
	keks    map[string]KEK
}

// installKEK takes over what a transaction committed; c.mu is held.
func (c *core) installKEK(k *kekChange) {
	c.kekRow, c.kek, c.kekURI, c.keks = k.row, k.current, k.uri, k.keks
}

// kekOf is the KEK that wraps the DEK of e, or, where that is not at hand, the
// one that is, which says so. c.mu or c.writing is held.
func (c *core) kekOf(e *envelope) KEK {
	if e != nil {
		if k, ok := c.keks[e.dek.KEK]; ok {
			return k
		}
	}
	return c.kek
}

// openOtherKEK opens the second KEK of a rotation that was cut short: the store
// was opened with either.
func (c *core) openOtherKEK(ctx context.Context, r *rotation) error {
	if r == nil {
		return nil
	}
	id, uri := r.To, r.ToURI
	if c.kek.ID() == r.To {
		id, uri = r.From, r.FromURI
	}
	if c.kekURI = r.FromURI; c.kek.ID() == r.To {
		c.kekURI = r.ToURI
	}
	if c.openKEK == nil {
		return nil
	}
	other, err := c.openKEK(ctx, uri)
	if err == nil && other.ID() != id {
		err = fmt.Errorf("what %s names is now the KEK %s", uri, other.ID())
	}
	if err != nil {
		return &Error{Kind: KindUnavailable, What: whatStore,
			Detail: fmt.Sprintf("the rotation from the KEK %s to %s is not done, so both are needed, and %s cannot be opened: %v", r.From, r.To, uri, err),
			Next:   "make it available again; the rotation then goes on", Cause: err}
	}
	c.keks = map[string]KEK{c.kek.ID(): c.kek, id: other}
	if id == r.To {
		c.kek, c.kekURI = other, r.ToURI
	}
	return nil
}

// KEKStatus says which KEK wraps what.
type KEKStatus struct {
	// KEK is the id of the one that wraps what is sealed now, URI what names
	// it.
	KEK string
	URI string
	// Uses are all that wrap something, sorted by id.
	Uses []KEKUse
	// Rotation is the one that is on its way, nil where there is none.
	Rotation *KEKRotation
	// Left are the ids of those that the store was rotated away from, the last
	// one last.
	Left []string
}

// KEKUse is how much a KEK wraps.
type KEKUse struct {
	KEK, URI string
	// DEKs is how many: one for each credential, S3 access key and sealed value.
	DEKs int
	// RowKey says that it opens the store: it wraps the key that tags the rows.
	RowKey bool
}

// KEKRotation is a rotation that is on its way.
type KEKRotation struct {
	From, FromURI, To, ToURI string
	StartedAt                time.Time
	// Done of Total DEKs are wrapped by To.
	Done, Total int
}

// KEKs implements Store.
func (c *core) KEKs(ctx context.Context) (s KEKStatus, err error) {
	err = c.view(ctx, func(m *model) error {
		counts := map[string]*KEKUse{}
		use := func(id string) *KEKUse {
			if counts[id] == nil {
				counts[id] = &KEKUse{KEK: id}
			}
			return counts[id]
		}
		for _, d := range m.deks {
			use(d.KEK).DEKs++
		}
		use(c.kekRow.KEK).RowKey = true
		if c.kekRow.Also != nil {
			use(c.kekRow.Also.KEK).RowKey = true
		}
		s = KEKStatus{KEK: c.kek.ID(), URI: c.kekURI, Left: slices.Clone(c.kekRow.Left)}
		use(s.KEK).URI = s.URI
		if r := m.head.Rotation; r != nil {
			use(r.From).URI, use(r.To).URI = r.FromURI, r.ToURI
			s.Rotation = &KEKRotation{From: r.From, FromURI: r.FromURI, To: r.To, ToURI: r.ToURI, StartedAt: r.Started,
				Done: use(r.To).DEKs, Total: len(m.deks)}
		}
		for _, id := range slices.Sorted(maps.Keys(counts)) {
			s.Uses = append(s.Uses, *counts[id])
		}
		return nil
	})
	return s, err
}
