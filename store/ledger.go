package store

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"slices"
	"strings"
	"sync"
)

// shards is into how many parts a ledger is cut, so that a change hashes the
// parts that it touches and not all rows of a large store.
const shards = 256

// ledger is the tag of every row of the tables. Its digest stands in the head
// of each commit, so that no row can be taken out, put back or replaced by what
// it once was (a key before it was revoked) without notice: its tag alone would
// still fit. It is immutable.
type ledger [shards]*shard

// shard holds the entries whose places hash to it, sorted by place, and their
// HMAC; nil where there are none.
type shard struct {
	entries []entry
	sum     []byte
}

type entry struct {
	place string // bucket, a zero byte, key
	tag   [tagSize]byte
}

func placeOf(bucket, key string) string { return bucket + "\x00" + key }

// shardOf spreads places evenly; whoever chose places to fill one shard would
// slow themselves down, and nothing else.
func shardOf(place string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(place)) // never fails
	return int(h.Sum32() % shards)
}

// entryOf is the entry of an encoded row.
func entryOf(o op) entry {
	e := entry{place: placeOf(o.bucket, o.key)}
	copy(e.tag[:], o.value[max(0, len(o.value)-tagSize):])
	return e
}

// newLedger is the ledger of all entries.
func newLedger(entries []entry, c *rowCodec) *ledger {
	var parts [shards][]entry
	for _, e := range entries {
		i := shardOf(e.place)
		parts[i] = append(parts[i], e)
	}
	l := &ledger{}
	var wg sync.WaitGroup
	const together = shards / 8 // so many at a time make a goroutine worth it
	for from := 0; from < shards; from += together {
		wg.Go(func() {
			for i := from; i < from+together; i++ {
				l[i] = newShard(parts[i], c)
			}
		})
	}
	wg.Wait()
	return l
}

func newShard(entries []entry, c *rowCodec) *shard {
	if len(entries) == 0 {
		return nil
	}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.place, b.place) })
	mac := hmac.New(sha256.New, c.key)
	b := []byte("weighbridge ledger shard 1\x00")
	for i := range entries {
		b = binary.BigEndian.AppendUint32(b, uint32(len(entries[i].place)))
		b = append(b, entries[i].place...)
		b = append(b, entries[i].tag[:]...)
	}
	mac.Write(b)
	return &shard{entries: entries, sum: mac.Sum(nil)}
}

// with is l after ops; l stays as it is.
func (l *ledger) with(ops []op, c *rowCodec) *ledger {
	put, touched := map[int][]entry{}, map[int]map[string]bool{}
	for _, o := range ops {
		if o.bucket == bucketMeta || o.bucket == bucketEvents {
			continue
		}
		place := placeOf(o.bucket, o.key)
		i := shardOf(place)
		if touched[i] == nil {
			touched[i] = map[string]bool{}
		}
		touched[i][place] = true
		if o.value != nil {
			put[i] = append(put[i], entryOf(o))
		}
	}
	out := *l
	for i, gone := range touched {
		entries := put[i]
		if l[i] != nil {
			for _, e := range l[i].entries {
				if !gone[e.place] {
					entries = append(entries, e)
				}
			}
		}
		out[i] = newShard(entries, c)
	}
	return &out
}

// digest is HMAC-SHA-256 over all shards under the key that tags rows.
func (l *ledger) digest(c *rowCodec) []byte {
	mac := hmac.New(sha256.New, c.key)
	mac.Write([]byte("weighbridge ledger 1\x00"))
	var none [sha256.Size]byte
	for _, s := range l {
		if s == nil {
			mac.Write(none[:])
			continue
		}
		mac.Write(s.sum)
	}
	return mac.Sum(nil)
}

// check compares what was read with what the last commit wrote.
func (l *ledger) check(c *rowCodec, h head) error {
	if bytes.Equal(l.digest(c), h.Digest) {
		return nil
	}
	return &Error{Kind: KindUnavailable, What: whatStore,
		Detail: "a row is not the one that the last change left: one was taken out, put back, or replaced by an older one",
		Next:   restoreHint, Cause: joinCause(ErrDamaged, errors.New("the digest of all rows does not fit"))}
}
