package store

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// The ledger kept from change to change is the one that is made of the rows
// themselves, and no two different sets of rows have one digest.
func TestLedgerFollowsTheRows(t *testing.T) {
	codec := newRowCodec(make([]byte, kekSize))
	rapid.Check(t, func(t *rapid.T) {
		rows := map[string]op{}
		l := &ledger{}
		for range rapid.IntRange(1, 12).Draw(t, "changes") {
			var ops []op
			named := map[string]bool{}
			for range rapid.IntRange(0, 6).Draw(t, "rows") {
				o := op{bucket: rapid.SampledFrom([]string{bucketKeys, bucketLinks, bucketEvents}).Draw(t, "table"), key: fmt.Sprint(rapid.IntRange(0, 9).Draw(t, "key"))}
				place := placeOf(o.bucket, o.key)
				if named[place] {
					continue
				}
				named[place] = true
				if rapid.Bool().Draw(t, "put") {
					o.value = make([]byte, tagSize+2)
					_, _ = rand.Read(o.value)
				}
				ops = append(ops, o)
				if o.bucket == bucketEvents {
					continue
				}
				if delete(rows, place); o.value != nil {
					rows[place] = o
				}
			}
			before := *l
			next := l.with(ops, codec)
			if *l != before {
				t.Fatal("the ledger before was changed")
			}
			var fresh []entry
			for o := range maps.Values(rows) {
				fresh = append(fresh, entryOf(o))
			}
			if want := newLedger(fresh, codec); !slices.Equal(all(next), all(want)) || !bytes.Equal(next.digest(codec), want.digest(codec)) {
				t.Fatalf("got %v, want %v", all(next), all(want))
			}
			if same := slices.Equal(all(next), all(l)); same != bytes.Equal(next.digest(codec), l.digest(codec)) {
				t.Fatalf("equal is %v, of the digests it is not", same)
			}
			l = next
		}
	})
}

// all are the entries of every shard.
func all(l *ledger) (out []entry) {
	for _, s := range l {
		if s != nil {
			out = append(out, s.entries...)
		}
	}
	return out
}
