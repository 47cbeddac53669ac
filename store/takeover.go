package store

import (
	"cmp"
	"context"
	"fmt"
	"strings"
)

// catchUp takes over what others changed since the last commit that is known
// here. c.writing is held. Where it fails nothing has changed.
func (c *core) catchUp(ctx context.Context, t turn) error {
	n, err := t.since(ctx, c.at)
	if err != nil || n == nil {
		return err
	}
	return c.takeOver(ctx, n)
}

// takeOver makes what others changed part of the model, after the same checks
// as at a start: the tag of every row, the number of rows, the digest of all;
// and that it is newer than what is known. So nobody who can write the database
// but does not hold the KEK can slip something in while weighbridge runs, nor put
// old rows back as if they were new. c.writing is held.
func (c *core) takeOver(ctx context.Context, n *news) error {
	rows := n.rows
	if n.all {
		rows = c.ledger.difference(rows)
	}
	b := newBatch()
	var kek []byte
	head, schema := []byte(nil), c.schema
	for _, r := range rows {
		var err error
		switch {
		case r.bucket != bucketMeta && r.value == nil:
			c.m.drop(b, r)
		case r.bucket != bucketMeta:
			err = b.decodeRow(c.codec, r)
		case r.key == metaHead:
			head, err = r.value, c.codec.decode(r.bucket, r.key, r.value, &b.head)
		case r.key == metaKEK:
			kek = r.value
		case r.key == metaSchema:
			schema, err = schemaOf(r.value)
		}
		if err != nil {
			return err
		}
	}
	if head == nil {
		return damagedRow(bucketMeta, metaHead, fmt.Errorf("others changed rows and left no head"))
	}
	to := markOf(b.head.Commits, head)
	switch {
	case n.all && c.contact.isBack(): // and then all was forgotten by which it would show
		return wentBack("it is at change number %d, and it cannot be seen any more whether number %d is among them", to.commit, c.at.commit)
	case to.commit <= c.at.commit:
		return wentBack("its rows are of change number %d, and number %d was known here", to.commit, c.at.commit)
	case to != n.last:
		return wentBack("its rows are of change number %d, and its last one is number %d", to.commit, n.last.commit)
	}
	ledger := c.ledger.with(rows, c.codec)
	if err := ledger.check(c.codec, b.head); err != nil {
		return err
	}
	if err := compareCounts(b.head, c.m.countsAfter(b)); err != nil {
		return err
	}
	var change *kekChange
	if kek != nil {
		var err error
		if change, err = c.kekNews(ctx, kek, &b.head); err != nil {
			return err
		}
	}
	changed, state := b.head.Revision != c.m.head.Revision, c.m.next(b)
	if changed && c.check != nil {
		_ = c.check(state) // it is stored, whatever is thought of it
	}
	c.ledger, c.schema, c.at = ledger, schema, to
	c.mu.Lock()
	c.m.install(b, state)
	if change != nil {
		c.installKEK(change)
	}
	c.mu.Unlock()
	if changed && c.onChange != nil {
		c.onChange(state)
	}
	if c.onOthers != nil {
		c.onOthers()
	}
	return nil
}

// difference is what changes l into all: the rows whose tags differ, and for
// those that are gone a row without a value. Rows of bucketMeta have no entry,
// and are all there.
func (l *ledger) difference(all []op) []op {
	known := map[string][tagSize]byte{}
	for _, s := range l {
		if s == nil {
			continue
		}
		for _, e := range s.entries {
			known[e.place] = e.tag
		}
	}
	var out []op
	for _, o := range all {
		e := entryOf(o)
		if tag, ok := known[e.place]; !ok || tag != e.tag || o.bucket == bucketMeta {
			out = append(out, o)
		}
		delete(known, e.place)
	}
	for place := range known {
		bucket, key, _ := strings.Cut(place, "\x00")
		out = append(out, op{bucket, key, nil})
	}
	return out
}

// drop puts into b that the row r goes, where m has it.
func (m *model) drop(b *batch, r op) {
	first, second, _ := strings.Cut(r.key, "/")
	a, e := &m.accounts, &b.accounts
	switch r.bucket {
	case bucketTeams:
		dropFrom(b.delTeams, r.key, m.team(r.key) != nil)
	case bucketCredentials:
		dropFrom(b.delCreds, r.key, m.credential(r.key) != nil)
	case bucketKeys:
		dropFrom(b.delKeys, r.key, m.key(r.key) != nil)
	case bucketLinks:
		k := linkKey{first, second}
		_, ok := m.links[k]
		dropFrom(b.delLinks, k, ok)
	case bucketSealed: // with its DEK, where it has one
		_, ok := m.sealed[r.key]
		dropFrom(b.delPlace, r.key, ok)
		delete(b.delDEKs, r.key)
	case bucketDEKs:
		_, ok := m.deks[r.key]
		dropFrom(b.delDEKs, r.key, ok && !b.delPlace[r.key])
	case bucketUsers:
		dropEdit(&e.users, a.users, r.key)
	case bucketMembers:
		dropEdit(&e.members, a.members, memberKey{first, second})
	case bucketTokens:
		dropEdit(&e.tokens, a.tokens, r.key)
	case bucketSessions:
		dropEdit(&e.sessions, a.sessions, r.key)
	case bucketReplies:
		dropEdit(&e.replies, a.replies, r.key)
	}
}

func dropFrom[K comparable](del map[K]bool, k K, known bool) {
	if known {
		del[k] = true
	}
}

func dropEdit[K comparable, V any](e *edits[K, V], rows map[K]V, k K) {
	if _, ok := rows[k]; ok {
		e.remove(k)
	}
}

// kekNews is what another weighbridge changed about the KEKs. One that cannot
// be opened here opens nothing, and says so whenever it is needed; all else
// goes on, revocations above all.
func (c *core) kekNews(ctx context.Context, row []byte, h *head) (*kekChange, error) {
	out := &kekChange{rotation: h.Rotation, keks: map[string]KEK{}}
	if err := decodeStrict(row, &out.row); err != nil {
		return nil, damagedRow(bucketMeta, metaKEK, err)
	}
	get := func(id, uri string) KEK {
		if k, ok := c.keks[id]; ok {
			return k
		}
		k := &absentKEK{id: id, uri: uri, open: c.openKEK}
		if there := k.look(ctx); there != nil {
			return there
		}
		return k
	}
	if r := h.Rotation; r != nil {
		out.keks[r.From], out.keks[r.To] = get(r.From, r.FromURI), get(r.To, r.ToURI)
		out.current, out.uri = out.keks[r.To], r.ToURI
		return out, nil
	}
	// Its rotation may have begun and ended since the last look.
	uri := cmp.Or(h.KEKURI, c.kekURI)
	out.current, out.uri = get(out.row.KEK, uri), uri
	out.keks[out.row.KEK] = out.current
	return out, nil
}
