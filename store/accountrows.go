package store

import (
	"errors"
	"fmt"

	"github.com/weighbridge/weighbridge/auth"
)

// userRow is the row of a user: the record, and the password that no JSON of it
// holds.
type userRow struct {
	auth.User
	Password string `json:"password,omitempty"`
}

func rowOfUser(u *auth.User) userRow { return userRow{*u, u.Password.Reveal()} }

func (r userRow) user() auth.User {
	r.User.Password = auth.NewPasswordHash(r.Password)
	return r.User
}

// ops puts and deletes the rows of e.
func (e *accountEdits) ops(put func(bucket, key string, v any) error, del func(bucket, key string)) error {
	users := make(map[string]userRow, len(e.users.put))
	for id, u := range e.users.put {
		users[id] = rowOfUser(&u)
	}
	for id := range e.users.del {
		del(bucketUsers, id)
	}
	for k := range e.members.del {
		del(bucketMembers, k.row())
	}
	for id := range e.tokens.del {
		del(bucketTokens, id)
	}
	for id := range e.sessions.del {
		del(bucketSessions, id)
	}
	for id := range e.replies.del {
		del(bucketReplies, id)
	}
	return errors.Join(
		putAll(put, bucketUsers, users, rowID),
		putAll(put, bucketMembers, e.members.put, memberKey.row),
		putAll(put, bucketTokens, e.tokens.put, rowID),
		putAll(put, bucketSessions, e.sessions.put, rowID),
		putAll(put, bucketReplies, e.replies.put, rowID),
	)
}

// decodeRow puts a stored row of the accounts into e.
func (e *accountEdits) decodeRow(codec *rowCodec, r op) error {
	switch r.bucket {
	case bucketUsers:
		return decodeAs(codec, r, func(v userRow) string { e.users.set(v.ID, v.user()); return v.ID })
	case bucketMembers:
		return decodeAs(codec, r, func(v auth.Membership) string {
			k := memberKeyOf(&v)
			e.members.set(k, v)
			return k.row()
		})
	case bucketTokens:
		return decodeAs(codec, r, func(v auth.AccessToken) string { e.tokens.set(v.ID, v); return v.ID })
	case bucketSessions:
		return decodeAs(codec, r, func(v auth.Session) string { e.sessions.set(v.ID, v); return v.ID })
	case bucketReplies:
		return decodeAs(codec, r, func(v Reply) string { e.replies.set(v.ID, v); return v.ID })
	default:
		return damagedRow(r.bucket, r.key, fmt.Errorf("no such table"))
	}
}

// decodeAs decodes a row, hands it to keep, and checks that it says of itself
// what its key says.
func decodeAs[V any](codec *rowCodec, r op, keep func(V) (key string)) error {
	var v V
	if err := codec.decode(r.bucket, r.key, r.value, &v); err != nil {
		return err
	}
	if key := keep(v); key != r.key {
		return damagedRow(r.bucket, r.key, fmt.Errorf("it is the row of %q", key))
	}
	return nil
}
