package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/auth/chain"
)

// load fills c.m and c.codec from the driver.
func (c *core) load(ctx context.Context) error {
	var schema, kek, headRow []byte
	rows := map[string][]op{}
	err := c.drv.load(func(bucket, key string, value []byte) error {
		value = append([]byte(nil), value...)
		switch {
		case bucket != bucketMeta:
			rows[bucket] = append(rows[bucket], op{bucket, key, value})
		case key == metaSchema:
			schema = value
		case key == metaKEK:
			kek = value
		case key == metaHead:
			headRow = value
		}
		return nil
	})
	if err != nil {
		return err
	}
	if c.schema, err = schemaOf(schema); err != nil {
		return err
	}
	if c.codec, c.kekRow, err = openRowKey(ctx, c.kek, kek); err != nil {
		return err
	}
	if c.audit, err = chain.NewKeys(c.codec.key); err != nil {
		return err
	}
	b := newBatch()
	if err := c.codec.decode(bucketMeta, metaHead, headRow, &b.head); err != nil {
		return err
	}
	if err := c.openOtherKEK(ctx, b.head.Rotation); err != nil {
		return err
	}
	entries, err := b.decodeTables(ctx, c.codec, rows)
	if err != nil {
		return err
	}
	c.at = markOf(b.head.Commits, headRow)
	c.m.install(b, c.m.next(b))
	if err := checkCounts(b.head, c.m); err != nil {
		return err
	}
	c.ledger = newLedger(entries, c.codec)
	if err := c.ledger.check(c.codec, b.head); err != nil {
		return err
	}
	return c.checkLastEvent(ctx)
}

// decodeTables puts the rows of all tables into b, and returns their entries in
// the ledger. Tables are decoded side by side, for they share nothing: each has
// a map of its own. Of several errors the first table's is returned.
func (b *batch) decodeTables(ctx context.Context, codec *rowCodec, rows map[string][]op) ([]entry, error) {
	type table struct {
		entries []entry
		err     error
	}
	all := make([]table, len(tables()))
	var wg sync.WaitGroup
	for i, bucket := range tables() {
		wg.Go(func() {
			t, own := &all[i], codec.clone()
			t.entries = make([]entry, 0, len(rows[bucket]))
			for _, r := range rows[bucket] {
				if t.err = ctx.Err(); t.err != nil {
					return
				}
				if t.err = b.decodeRow(own, r); t.err != nil {
					return
				}
				t.entries = append(t.entries, entryOf(r))
			}
		})
	}
	wg.Wait()
	var entries []entry
	for i := range all {
		if all[i].err != nil {
			return nil, all[i].err
		}
		entries = append(entries, all[i].entries...)
	}
	return entries, nil
}

// checkLastEvent looks whether the record ends where the last commit left it.
// The other events are checked when they are read.
func (c *core) checkLastEvent(ctx context.Context) error {
	last := c.m.head.LastEvent
	if last == 0 {
		return nil
	}
	rows, err := c.drv.scan(ctx, bucketEvents, eventKey(last), 2)
	if err != nil {
		return err
	}
	// Others may have gone on meanwhile.
	if len(rows) == 0 || rows[0].key != eventKey(last) || len(rows) > 1 && c.drv.exclusive() {
		return damagedRow(bucketEvents, eventKey(last), errors.New("it is missing, or not the last"))
	}
	var line chain.Line
	return c.codec.decode(bucketEvents, eventKey(last), rows[0].value, &line)
}

func schemaOf(row []byte) (int, error) {
	n, err := strconv.Atoi(string(row))
	switch {
	case err != nil || n < 1:
		return 0, &Error{Kind: KindUnavailable, What: whatStore, Detail: "it holds no schema number: it is not a weighbridge store, or it is damaged",
			Next: restoreHint, Cause: ErrDamaged}
	case n > schemaVersion:
		return 0, &Error{Kind: KindUnavailable, What: whatStore,
			Detail: fmt.Sprintf("its schema is %d, and this weighbridge knows %d at most", n, schemaVersion),
			Next:   "use the weighbridge that wrote it, or a newer one", Cause: ErrNewer}
	}
	return n, nil
}

// decodeRow puts a stored row into b, after checking that it says of itself
// what its key says.
func (b *batch) decodeRow(codec *rowCodec, r op) error {
	misplaced := func(id string) error {
		if id == r.key {
			return nil
		}
		return damagedRow(r.bucket, r.key, fmt.Errorf("it is the row of %q", id))
	}
	switch r.bucket {
	case bucketTeams:
		var v auth.Team
		if err := codec.decode(r.bucket, r.key, r.value, &v); err != nil {
			return err
		}
		b.teams[v.ID] = v
		return misplaced(v.ID)
	case bucketCredentials:
		var v auth.Credential
		if err := codec.decode(r.bucket, r.key, r.value, &v); err != nil {
			return err
		}
		b.creds[v.ID] = v
		return misplaced(v.ID)
	case bucketKeys:
		var v auth.Key
		if err := codec.decode(r.bucket, r.key, r.value, &v); err != nil {
			return err
		}
		b.keys[v.ID] = v
		return misplaced(v.ID)
	case bucketLinks:
		var v linkRow
		if err := codec.decode(r.bucket, r.key, r.value, &v); err != nil {
			return err
		}
		credentialID, keyID, _ := strings.Cut(r.key, "/")
		b.links[linkKey{credentialID, keyID}] = v
		return nil
	case bucketSealed:
		var v sealedRow
		if err := codec.decode(r.bucket, r.key, r.value, &v); err != nil {
			return err
		}
		b.sealed[r.key] = v
		return nil
	case bucketDEKs:
		var v dekRow
		if err := codec.decode(r.bucket, r.key, r.value, &v); err != nil {
			return err
		}
		b.deks[r.key] = v
		return nil
	case bucketChains:
		var v chainRow
		if err := codec.decode(r.bucket, r.key, r.value, &v); err != nil {
			return err
		}
		b.chains[r.key] = v
		return nil
	default:
		return b.accounts.decodeRow(codec, r)
	}
}
