package store

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"time"
)

// The buckets (tables) of a store. Every row but those of bucketMeta is JSON
// followed by its tag.
const (
	// bucketMeta: "schema", "kek" (both without a tag) and "head".
	bucketMeta        = "meta"
	bucketTeams       = "teams"       // team id -> auth.Team
	bucketCredentials = "credentials" // credential id -> auth.Credential
	bucketKeys        = "keys"        // key id -> auth.Key
	bucketLinks       = "links"       // credential id "/" key id -> linkRow
	bucketSealed      = "sealed"      // credential id or "name/"+name -> sealedRow
	bucketDEKs        = "deks"        // the same -> dekRow
	bucketChains      = "chains"      // chainPrefix + team id -> chainRow
	bucketUsers       = "users"       // user id -> userRow
	bucketMembers     = "members"     // team id "/" user id -> auth.Membership
	bucketTokens      = "tokens"      // access token id -> auth.AccessToken
	bucketSessions    = "sessions"    // session id -> auth.Session
	bucketReplies     = "replies"     // digest of a request -> Reply
	bucketEvents      = "events"      // microseconds, big endian -> a line of its chain

	metaSchema = "schema"
	metaKEK    = "kek"
	metaHead   = "head"

	namedPrefix = "name/"
)

// buckets lists all of them, and tables those that are held in memory and
// counted in the head.
func buckets() []string { return append(tables(), bucketMeta, bucketEvents) }

func tables() []string {
	return []string{bucketTeams, bucketCredentials, bucketKeys, bucketLinks, bucketSealed, bucketDEKs, bucketChains,
		bucketUsers, bucketMembers, bucketTokens, bucketSessions, bucketReplies}
}

// late reports whether a file may be without the table: it was written before
// there was that one. That a table was taken out is told by the head.
func late(table string) bool {
	return slices.Contains([]string{bucketChains, bucketUsers, bucketMembers, bucketTokens, bucketSessions, bucketReplies}, table)
}

// schemaVersion is the number of the form that this code writes; it reads that
// and every older one. A change of any row's form is a new number and a step
// from the old one, which is part of the first change that is made: a file to
// which nothing was written since stays what it was.
//
//	1  the first
//	2  users, members, access tokens and sessions, events that name them; replies
//	3  anchors of several records: of a store that several weighbridges share,
//	   and of what was one
const (
	schemaVersion = 3
	// schemaOwn is what a store of one weighbridge is written as.
	schemaOwn = 2
)

// kekRow says which KEK a store belongs to, and proves it: the key that tags
// its rows, wrapped by that KEK. Nothing else of it is authenticated.
type kekRow struct {
	wrappedRowKey
	// Also is the KEK that a rotation comes from, while it is on its way:
	// either opens the store.
	Also *wrappedRowKey `json:"also,omitempty"`
	// Left are the KEKs that the store was rotated away from, the last one
	// last: for an error, and for nothing else.
	Left []string `json:"left,omitempty"`
}

type wrappedRowKey struct {
	KEK    string `json:"kek"`
	RowKey []byte `json:"row_key"`
}

// head is written with every commit. What it counts is checked when a store is
// opened, so that rows cannot vanish unnoticed.
type head struct {
	Commits  uint64 `json:"commits"`
	Revision uint64 `json:"revision"`
	// Stamp is the latest time that a row was given; see core.stamp.
	Stamp time.Time `json:"stamp"`
	// LastEvent is the key of the last event.
	LastEvent uint64         `json:"last_event"`
	Rows      map[string]int `json:"rows"`
	// Writer is the name of what writes the record of acts, from the first on.
	Writer string `json:"writer,omitempty"`
	// Anchor is where the record of use stood; see core.Anchor.
	Anchor *anchor `json:"anchor,omitempty"`
	// Anchors are those of the records of several weighbridges, by their
	// writers.
	Anchors map[string]anchorOf `json:"anchors,omitempty"`
	// Digest is that of the ledger of all rows.
	Digest []byte `json:"digest"`
	// Rotation is the one of the KEK that is on its way.
	Rotation *rotation `json:"rotation,omitempty"`
	// KEKURI is what names the KEK that the last rotation of a shared store led
	// to: for those who have it open and saw nothing of that rotation.
	KEKURI string `json:"kek_uri,omitempty"`
}

// linkRow is the row of a link; its ids are in its key.
type linkRow struct {
	CreatedAt   time.Time `json:"created_at"`
	Declarative bool      `json:"declarative,omitempty"`
}

// rowKeyVersion is that of the form in which the key that tags rows is wrapped.
const rowKeyVersion = 1

// tagSize is how much of HMAC-SHA-256 a row carries: 128 bits (RFC 2104,
// section 5: no less than half of the output).
const tagSize = 16

// rowCodec encodes rows with a tag that binds the value to its bucket and key
// under a key that only the KEK opens. Damage to a page is found, and nobody
// who can write the file but does not hold the KEK can change a pattern, a
// scope or a hash in it. It is not safe for concurrent use; clone it.
type rowCodec struct {
	key []byte
	mac hash.Hash
	buf []byte
}

func newRowCodec(key []byte) *rowCodec {
	return &rowCodec{key: key, mac: hmac.New(sha256.New, key)}
}

func (c *rowCodec) clone() *rowCodec { return newRowCodec(c.key) }

func (c *rowCodec) tag(bucket, key string, body []byte) []byte {
	c.mac.Reset()
	c.buf = binary.BigEndian.AppendUint32(c.buf[:0], uint32(len(bucket)))
	c.buf = append(c.buf, bucket...)
	c.buf = binary.BigEndian.AppendUint32(c.buf, uint32(len(key)))
	c.buf = append(c.buf, key...)
	c.mac.Write(c.buf)
	c.mac.Write(body)
	c.buf = c.mac.Sum(c.buf[:0])
	return c.buf[:tagSize]
}

func (c *rowCodec) encode(bucket, key string, v any) ([]byte, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode a row of %s: %w", bucket, err)
	}
	return c.encodeBody(bucket, key, body), nil
}

// encodeBody encodes what is JSON already.
func (c *rowCodec) encodeBody(bucket, key string, body []byte) []byte {
	return append(body, c.tag(bucket, key, body)...)
}

func (c *rowCodec) decode(bucket, key string, row []byte, v any) error {
	n := len(row) - tagSize
	if n < 0 || !hmac.Equal(c.tag(bucket, key, row[:n]), row[n:]) {
		return damagedRow(bucket, key, errors.New("its tag does not fit"))
	}
	if err := decodeStrict(row[:n], v); err != nil {
		return damagedRow(bucket, key, err)
	}
	return nil
}

// decodeStrict decodes exactly one JSON value without unknown members: a row
// of a form that this code does not know is refused rather than half read and
// written back.
func decodeStrict(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("something follows the row")
	}
	return nil
}

func damagedRow(bucket, key string, cause error) error {
	if bucket == bucketEvents || len(key) > 2*MaxName || CheckName("", "x"+key) != nil {
		// Not text, or no longer.
		key = fmt.Sprintf("%x", key[:min(len(key), 16)])
	}
	return &Error{Kind: KindUnavailable, What: whatStore, Detail: fmt.Sprintf("the row %q of %s is not what was written", key, bucket),
		Next: restoreHint, Cause: joinCause(ErrDamaged, cause)}
}

const restoreHint = "keep a copy of it and restore it from a backup"

func joinCause(sentinel, cause error) error {
	if cause == nil {
		return sentinel
	}
	return fmt.Errorf("%w: %w", sentinel, cause)
}

// newRowKey makes the key that tags rows, and the row that holds it.
func newRowKey(ctx context.Context, kek KEK) (*rowCodec, []byte, error) {
	key := make([]byte, kekSize)
	_, _ = rand.Read(key) // never fails since Go 1.24
	wrapped, err := wrapRowKey(ctx, kek, key)
	if err != nil {
		return nil, nil, err
	}
	row, err := json.Marshal(kekRow{wrappedRowKey: wrapped})
	return newRowCodec(key), row, err
}

func wrapRowKey(ctx context.Context, kek KEK, key []byte) (wrappedRowKey, error) {
	wrapped, err := kek.Wrap(ctx, key, associatedData(rowKeyVersion, tagRowKey))
	if err != nil {
		return wrappedRowKey{}, cannotWrap(kek, err)
	}
	return wrappedRowKey{KEK: kek.ID(), RowKey: wrapped}, nil
}

// cannotWrap is the error of a KEK that does not wrap.
func cannotWrap(kek KEK, err error) error {
	return &Error{Kind: KindUnavailable, What: "KEK", Ref: kek.ID(), Detail: "it cannot wrap a key now" + because(err), Cause: err}
}

// openRowKey opens the key that tags rows: the check of the KEK.
func openRowKey(ctx context.Context, kek KEK, row []byte) (*rowCodec, kekRow, error) {
	var r kekRow
	if err := decodeStrict(row, &r); err != nil {
		return nil, r, damagedRow(bucketMeta, metaKEK, err)
	}
	held := r.wrappedRowKey
	if r.Also != nil && r.Also.KEK == kek.ID() {
		held = *r.Also
	}
	if held.KEK != kek.ID() {
		if slices.Contains(r.Left, kek.ID()) {
			return nil, r, &Error{Kind: KindUnavailable,
				Detail: fmt.Sprintf("the KEK %s opens this store no longer: weighbridge kek rotate has rotated it to %s", kek.ID(), r.KEK),
				Next:   "name the KEK that it was rotated to in the setting kek", Cause: ErrWrongKEK}
		}
		return nil, r, &Error{Kind: KindUnavailable,
			Detail: fmt.Sprintf("the KEK %s does not open this store: it was sealed with %s", kek.ID(), r.KEK),
			Next:   "give it the KEK that it was made with (setting kek)", Cause: ErrWrongKEK}
	}
	key, err := kek.Unwrap(ctx, held.RowKey, associatedData(rowKeyVersion, tagRowKey))
	if err != nil {
		detail := "although it was sealed with it: the KEK is out of reach, or the store is damaged"
		if outOfReach(err) {
			detail = "now" + because(err)
		}
		return nil, r, &Error{Kind: KindUnavailable, Detail: "the KEK " + kek.ID() + " does not open this store " + detail, Cause: err}
	}
	return newRowCodec(key), r, nil
}

// eventKey is the key of the event at n microseconds since 1970.
func eventKey(n uint64) string { return string(binary.BigEndian.AppendUint64(nil, n)) }

// eventMicros is the least key that an event of time t can have.
func eventMicros(t time.Time) uint64 { return uint64(max(t.UnixMicro(), 0)) }
