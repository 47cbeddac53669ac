package store

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/weighbridge/weighbridge/auth"
)

// The tags that begin all associated data: what kind of thing is sealed, and
// the version of its form. A change of the form is a new tag.
const (
	tagCredential = "weighbridge credential field 1"
	tagS3Key      = "weighbridge S3 access key 1"
	tagNamed      = "weighbridge named value 1"
	tagDEK        = "weighbridge DEK 1"
	tagRowKey     = "weighbridge row key 1"
)

// sealOwner is whom sealed fields belong to. All of it is bound to each of
// them, so that none can be moved to another team, row, field or version, nor
// a credential's field be taken for a named value.
type sealOwner struct {
	tag     string
	teamID  string
	id      string
	version uint64
}

func credentialOwner(teamID, id string, version uint64) sealOwner {
	return sealOwner{tag: tagCredential, teamID: teamID, id: id, version: version}
}

// s3KeyOwner is an S3 access key, whose one field is its secret.
func s3KeyOwner(k *auth.Key) sealOwner {
	return sealOwner{tag: tagS3Key, teamID: k.TeamID, id: k.ID, version: k.S3.Version}
}

func namedOwner(name string) sealOwner { return sealOwner{tag: tagNamed, id: name} }

func (o sealOwner) fieldAAD(field string) []byte {
	return associatedData(o.version, o.tag, o.teamID, o.id, field)
}

func (o sealOwner) dekAAD() []byte {
	return associatedData(o.version, tagDEK, o.tag, o.teamID, o.id)
}

// what names the owner in errors.
func (o sealOwner) what() string {
	switch o.tag {
	case tagNamed:
		return whatNamed
	case tagS3Key:
		return whatS3Key
	default:
		return whatCredential
	}
}

// associatedData encodes version and parts so that no two inputs have the same
// encoding: each part is preceded by its length.
func associatedData(version uint64, parts ...string) []byte {
	n := 8
	for _, p := range parts {
		n += 4 + len(p)
	}
	b := make([]byte, 0, n)
	b = binary.BigEndian.AppendUint64(b, version)
	for _, p := range parts {
		b = binary.BigEndian.AppendUint32(b, uint32(len(p)))
		b = append(b, p...)
	}
	return b
}

// envelope is what is stored of sealed fields, as two rows: the fields under
// their DEK, and the DEK under the KEK, so that a rotation of the KEK touches
// the second alone. It is immutable.
type envelope struct {
	fields sealedRow
	dek    dekRow
}

// sealedRow is the row of the fields' ciphertexts (nonce, ciphertext, tag).
type sealedRow struct {
	Version uint64            `json:"version"`
	Fields  map[string][]byte `json:"fields"`
}

// dekRow is the row of the DEK.
type dekRow struct {
	Version uint64 `json:"version"`
	// KEK is the id of the KEK that wraps it.
	KEK     string `json:"kek"`
	Wrapped []byte `json:"wrapped"`
}

// sealUnder seals each field on its own under dek, which row holds wrapped.
func sealUnder(dek []byte, row dekRow, o sealOwner, fields map[string][]byte) (*envelope, error) {
	aead, err := newAEAD(dek)
	if err != nil {
		return nil, err
	}
	e := &envelope{fields: sealedRow{Version: o.version, Fields: make(map[string][]byte, len(fields))}, dek: row}
	for name, value := range fields {
		e.fields.Fields[name] = aead.Seal(nil, nil, value, o.fieldAAD(name))
	}
	return e, nil
}

// open opens the named fields, all of them where none is named, and hands each
// to yield, which must not keep the bytes: they are wiped. A field that is not
// there is passed over.
func (e *envelope) open(ctx context.Context, kek KEK, o sealOwner, names []string, yield func(name string, value []byte)) error {
	if e.fields.Version == o.version && len(e.fields.Fields) == 0 && e.dek.KEK == "" {
		return nil // nothing is sealed
	}
	if e.fields.Version != o.version || e.dek.Version != o.version {
		return damagedSeal(o, fmt.Sprintf("its sealed fields are of version %d, its DEK of version %d, the record of version %d",
			e.fields.Version, e.dek.Version, o.version), nil)
	}
	if e.dek.KEK != kek.ID() {
		return &Error{Kind: KindUnavailable, What: o.what(), Ref: o.id,
			Detail: "it was sealed with the KEK " + e.dek.KEK + ", and the KEK at hand is " + kek.ID(), Cause: ErrWrongKEK}
	}
	dek, err := kek.Unwrap(ctx, e.dek.Wrapped, o.dekAAD())
	if outOfReach(err) {
		return &Error{Kind: KindUnavailable, What: o.what(), Ref: o.id,
			Detail: "the KEK " + kek.ID() + " does not open its DEK now" + because(err), Cause: err}
	}
	if err != nil {
		return &Error{Kind: KindUnavailable, What: o.what(), Ref: o.id,
			Detail: "the KEK " + kek.ID() + " does not open its DEK: it is out of reach, or the row was changed or moved", Cause: err}
	}
	defer clear(dek)
	aead, err := newAEAD(dek)
	if err != nil {
		return damagedSeal(o, "its DEK is malformed", err)
	}
	one := func(name string, sealed []byte) error {
		value, err := aead.Open(nil, nil, sealed, o.fieldAAD(name))
		if err != nil {
			return damagedSeal(o, "its sealed field "+name+" was changed, or belongs elsewhere", err)
		}
		yield(name, value)
		clear(value)
		return nil
	}
	if len(names) == 0 {
		for name, sealed := range e.fields.Fields {
			if err := one(name, sealed); err != nil {
				return err
			}
		}
		return nil
	}
	for _, name := range names {
		if sealed, ok := e.fields.Fields[name]; ok {
			if err := one(name, sealed); err != nil {
				return err
			}
		}
	}
	return nil
}

func damagedSeal(o sealOwner, detail string, cause error) error {
	return &Error{Kind: KindUnavailable, What: o.what(), Ref: o.id, Detail: detail,
		Next: "set its secret again, or restore the store from a backup", Cause: joinCause(ErrDamaged, cause)}
}
