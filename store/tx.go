package store

import (
	"cmp"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// tx is one change while it is being made. It reads the model as it stands
// before the change.
type tx struct {
	c      *core
	m      *model
	at     time.Time // the stamp of all that is put
	b      *batch
	events []auth.Event
	kek    *kekChange
	// answers are what KEKs were asked for this change.
	answers *answers
	// asFound says that nobody is told that a change was made where none is.
	asFound bool
	// sign says that a signed head goes on record.
	sign bool
	// anchor is the new one, anchors, where it is not nil, are the new ones of
	// several weighbridges.
	anchor  *anchor
	anchors map[string]anchorOf
}

func (t *tx) empty() bool {
	b := t.b
	return t.kek == nil && !t.sign && t.anchor == nil && t.anchors == nil && b.accounts.len()+len(b.delTeams)+len(t.events)+len(b.teams)+len(b.creds)+len(b.keys)+len(b.links)+len(b.sealed)+len(b.deks)+
		len(b.delCreds)+len(b.delKeys)+len(b.delLinks)+len(b.delPlace)+len(b.delDEKs) == 0
}

func (t *tx) putEnvelope(place string, e *envelope) {
	t.b.sealed[place], t.b.deks[place] = e.fields, e.dek
}

// putNothing stores that nothing is sealed at place any more, for which no KEK
// is needed: what is destroyed can be destroyed while none can be reached.
func (t *tx) putNothing(place string, version uint64) {
	t.b.sealed[place], t.b.delDEKs[place] = sealedRow{Version: version}, true
}

// deleteLinks deletes every link for which gone holds.
func (t *tx) deleteLinks(gone func(linkKey) bool) {
	for _, l := range t.m.state.Links {
		if k := (linkKey{l.CredentialID, l.KeyID}); gone(k) {
			t.b.delLinks[k] = true
		}
	}
}

// record puts an event on record with what is changed. It fills ID and Time
// where they are empty.
func (t *tx) record(ev auth.Event) {
	if ev.ID == "" {
		ev.ID = auth.NewID(t.at)
	}
	if ev.Time.IsZero() {
		ev.Time = t.c.now()
	}
	ev.Time = ev.Time.UTC()
	if ev.Outcome == "" {
		ev.Outcome = auth.OutcomeOf(&ev)
	}
	ev.Writer, ev.Seq, ev.MAC = "", 0, "" // the chain's
	t.events = append(t.events, ev)
}

// ops are the rows of the transaction, the head among them, and the ledger as
// they leave it. It completes the batch's head.
func (t *tx) ops() ([]op, *ledger, error) {
	b, codec := t.b, t.c.codec
	b.head = head{
		Commits:   t.m.head.Commits + 1,
		Revision:  t.m.head.Revision,
		Stamp:     t.at,
		LastEvent: t.m.head.LastEvent,
		Writer:    t.m.head.Writer,
		Anchor:    cmp.Or(t.anchor, t.m.head.Anchor),
		Anchors:   t.m.head.Anchors,
		Rotation:  t.m.head.Rotation,
		KEKURI:    t.m.head.KEKURI,
	}
	if t.anchors != nil {
		b.head.Anchors = t.anchors
	}
	if t.kek != nil {
		b.head.Rotation = t.kek.rotation
		if !t.c.drv.exclusive() {
			b.head.KEKURI = t.kek.uri
		}
	}
	if b.changesState(t.m) {
		b.head.Revision++
	}
	var ops []op
	put := func(bucket, key string, v any) error {
		row, err := codec.encode(bucket, key, v)
		ops = append(ops, op{bucket, key, row})
		return err
	}
	del := func(bucket string, keys map[string]bool) {
		for key := range keys {
			ops = append(ops, op{bucket, key, nil})
		}
	}
	err := errors.Join(
		putAll(put, bucketTeams, b.teams, rowID),
		putAll(put, bucketCredentials, b.creds, rowID),
		putAll(put, bucketKeys, b.keys, rowID),
		putAll(put, bucketLinks, b.links, linkKey.row),
		putAll(put, bucketSealed, b.sealed, rowID),
		putAll(put, bucketDEKs, b.deks, rowID),
	)
	if err != nil {
		return nil, nil, err
	}
	err = b.accounts.ops(put, func(bucket, key string) { ops = append(ops, op{bucket, key, nil}) })
	if err != nil {
		return nil, nil, err
	}
	del(bucketTeams, b.delTeams)
	del(bucketCredentials, b.delCreds)
	del(bucketKeys, b.delKeys)
	del(bucketSealed, b.delPlace)
	del(bucketDEKs, b.delPlace)
	del(bucketDEKs, b.delDEKs)
	for k := range b.delLinks {
		ops = append(ops, op{bucketLinks, k.row(), nil})
	}
	lines, err := t.lines()
	if err != nil {
		return nil, nil, err
	}
	for _, l := range lines {
		// Keys only grow, and none is less than the time of its event: events
		// come out in the order in which they were committed, and those at or
		// after some time are found without reading all.
		n := max(b.head.LastEvent+1, eventMicros(t.at), eventMicros(l.at))
		b.head.LastEvent = n
		ops = append(ops, op{bucketEvents, eventKey(n), codec.encodeBody(bucketEvents, eventKey(n), l.text)})
	}
	if err := putAll(put, bucketChains, b.chains, rowID); err != nil {
		return nil, nil, err
	}
	b.head.Rows = t.m.countsAfter(b) // the chains among them
	if t.kek != nil {
		row, err := json.Marshal(t.kek.row)
		if err != nil {
			return nil, nil, err
		}
		ops = append(ops, op{bucketMeta, metaKEK, row})
	}
	if n := t.c.nextSchema(); t.c.schema != n {
		ops = append(ops, schemaRow(n))
	}
	slices.SortFunc(ops, compareOps) // bbolt is fastest in order
	rows := t.c.ledger.with(ops, codec)
	b.head.Digest = rows.digest(codec)
	if err := put(bucketMeta, metaHead, b.head); err != nil {
		return nil, nil, err
	}
	return ops, rows, nil
}

func putAll[K comparable, V any](put func(bucket, key string, v any) error, bucket string, rows map[K]V, key func(K) string) error {
	for k, v := range rows {
		if err := put(bucket, key(k), v); err != nil {
			return err
		}
	}
	return nil
}

func rowID(id string) string { return id }

// row is the key of the link's row. Ids hold no slash.
func (k linkKey) row() string { return k.credentialID + "/" + k.keyID }

func compareOps(a, b op) int {
	return cmp.Or(strings.Compare(a.bucket, b.bucket), strings.Compare(a.key, b.key))
}
