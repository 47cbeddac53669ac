package store

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"time"
)

// Replies remember, for a while, what came of requests that may come again
// under the same Idempotency-Key. Nothing of it is part of the State or of the
// record. They must be given nothing that holds a secret: they are tagged and
// counted as every row, and not sealed.
type Replies interface {
	// ReserveReply notes, before anything else is done, that the request r.ID is
	// under way. Where one of that id is known from within ReplyLife, that one is
	// returned, known is true and nothing has changed. What is older goes, and
	// so does the oldest of a caller beyond MaxReplies and of all beyond
	// MaxAllReplies.
	ReserveReply(ctx context.Context, r Reply) (was Reply, known bool, err error)
	// CompleteReply keeps what came of it: Status, Header and Body of r.
	// ErrNotFound where it was not reserved, or made room.
	CompleteReply(ctx context.Context, r Reply) error
	// ForgetReply forgets that a request was made. It may be unknown.
	ForgetReply(ctx context.Context, id string) error
}

// Reply is what came of one request.
type Reply struct {
	// ID is a digest of who asks, for what, under which key, and Caller one of
	// who asks.
	ID     string `json:"id"`
	Caller string `json:"caller"`
	// Request is a digest of the request, under a key that is not kept beside it.
	Request []byte    `json:"request"`
	At      time.Time `json:"at"`
	// Status is that of the answer; 0 while there is none.
	Status int               `json:"status,omitempty"`
	Header map[string]string `json:"header,omitempty"`
	Body   json.RawMessage   `json:"body,omitempty"`
}

const (
	// ReplyLife is how long a reply is remembered: longer than anything tries
	// again by itself.
	ReplyLife = 24 * time.Hour
	// MaxReplies is how many are remembered of one caller, and MaxAllReplies of
	// all: they are held in memory.
	MaxReplies    = 256
	MaxAllReplies = 4096
)

const whatReply = "reply"

// ReserveReply implements Replies.
func (c *core) ReserveReply(ctx context.Context, r Reply) (was Reply, known bool, err error) {
	err = c.change(ctx, func(t *tx) error {
		old, ok := t.m.accounts.replies[r.ID]
		if ok && t.at.Sub(old.At) < ReplyLife {
			was, known = old, true
			return nil
		}
		was, known = Reply{}, false
		if r.ID == "" || r.Caller == "" || len(r.Request) == 0 {
			return invalid(whatReply, "", "it does not say of which request")
		}
		t.makeRoom(r.Caller)
		delete(t.b.accounts.replies.del, r.ID) // where its old one went this moment
		t.b.accounts.replies.set(r.ID, Reply{ID: r.ID, Caller: r.Caller, Request: slices.Clone(r.Request), At: t.at})
		return nil
	})
	return was, known, err
}

// makeRoom removes what is old, and the oldest where one more would be too many.
func (t *tx) makeRoom(caller string) {
	var all []Reply
	own := 0
	for id, r := range t.m.accounts.replies {
		if t.at.Sub(r.At) >= ReplyLife {
			t.b.accounts.replies.remove(id)
			continue
		}
		all = append(all, r)
		if r.Caller == caller {
			own++
		}
	}
	if own < MaxReplies && len(all) < MaxAllReplies {
		return
	}
	slices.SortFunc(all, func(a, b Reply) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID)) })
	left := len(all)
	for _, r := range all {
		if mine := r.Caller == caller; left >= MaxAllReplies || mine && own >= MaxReplies {
			t.b.accounts.replies.remove(r.ID)
			left--
			if mine {
				own--
			}
		}
	}
}

// CompleteReply implements Replies.
func (c *core) CompleteReply(ctx context.Context, r Reply) error {
	return c.change(ctx, func(t *tx) error {
		old, ok := t.m.accounts.replies[r.ID]
		if !ok {
			return notFound(whatReply, r.ID)
		}
		old.Status, old.Header, old.Body = r.Status, r.Header, slices.Clone(r.Body)
		t.b.accounts.replies.set(r.ID, old)
		return nil
	})
}

// ForgetReply implements Replies.
func (c *core) ForgetReply(ctx context.Context, id string) error {
	return c.change(ctx, func(t *tx) error {
		if _, ok := t.m.accounts.replies[id]; ok {
			t.b.accounts.replies.remove(id)
		}
		return nil
	})
}
