package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/weighbridge/weighbridge/auth"
)

const (
	// rotateBatch is how many DEKs are committed at once: a commit costs about
	// as much as wrapping so many, and others wait for it.
	rotateBatch = 64
	// rotateParallel bounds what is asked of key services at a time.
	rotateParallel = 8
	// maxLeft is how many former KEKs a store remembers.
	maxLeft = 8

	whatRotation = "rotation of the KEK"
)

// RotateKEK implements Store. Everything that says what was done so far is in
// the rows: a DEK's row names the KEK that wraps it, so there is no list to
// lose. No lock is held while a KEK is asked, and a row that changed meanwhile
// is left for the next look.
func (c *core) RotateKEK(ctx context.Context, to KEK, uri string, ev auth.Event, progress func(done, total int)) error {
	if !c.rotating.TryLock() {
		return &Error{Kind: KindConflict, What: whatRotation, Detail: "it runs already"}
	}
	defer c.rotating.Unlock()
	if err := c.beginRotation(ctx, to, uri, ev); err != nil {
		return err
	}
	report := func() error {
		s, err := c.KEKs(ctx)
		if err == nil && progress != nil && s.Rotation != nil {
			progress(s.Rotation.Done, s.Rotation.Total)
		}
		return err
	}
	if err := report(); err != nil {
		return err
	}
	for {
		done, err := c.endRotation(ctx, to, ev)
		if done || err != nil {
			return err
		}
		stale, err := c.staleDEKs(ctx, to.ID())
		if err != nil {
			return err
		}
		var shut []string
		for batch := range slices.Chunk(stale, rotateBatch) {
			bad, err := c.rewrap(ctx, to, batch)
			if err != nil {
				return err
			}
			shut = append(shut, bad...)
			if err := report(); err != nil {
				return err
			}
		}
		if len(shut) > 0 {
			return notRewrapped(shut)
		}
	}
}

// notRewrapped says which DEKs the old KEK does not open. They are lost with or
// without a rotation.
func notRewrapped(places []string) error {
	const most = 3
	text := strings.Join(places[:min(most, len(places))], ", ")
	if n := len(places) - most; n > 0 {
		text += fmt.Sprintf(" and %d more", n)
	}
	return &Error{Kind: KindUnavailable, What: whatRotation,
		Detail: "everything else is done, and its KEK does not open the DEK of " + text,
		Next:   "set these secrets again or delete them, and rotate once more", Cause: ErrDamaged}
}

// beginRotation tries whether to wraps and unwraps, and makes it the KEK: both
// open the store from then on.
func (c *core) beginRotation(ctx context.Context, to KEK, uri string, ev auth.Event) error {
	// The key that tags the rows never changes while the store is open.
	held, err := wrapRowKey(ctx, to, c.codec.key)
	if err != nil {
		return err
	}
	key, err := to.Unwrap(ctx, held.RowKey, associatedData(rowKeyVersion, tagRowKey))
	if err == nil && !bytes.Equal(key, c.codec.key) {
		err = errors.New("another key came out")
	}
	clear(key)
	if err != nil {
		return &Error{Kind: KindUnavailable, What: "KEK", Ref: to.ID(), Detail: "it does not open what it wrapped" + because(err), Cause: err}
	}
	return c.change(ctx, func(t *tx) error {
		r := t.m.head.Rotation
		switch {
		case r == nil && to.ID() == c.kek.ID(), r != nil && to.ID() == r.To:
			return nil // done, or begun
		case r != nil && to.ID() != r.From:
			return &Error{Kind: KindConflict, What: whatRotation, Detail: "the one to " + r.ToURI + " is not done",
				Next: "let it end first (weighbridge kek rotate without --to), or go back to " + r.FromURI}
		}
		was := c.kekRow.wrappedRowKey
		left := slices.DeleteFunc(slices.Clone(c.kekRow.Left), func(id string) bool { return id == to.ID() })
		t.kek = &kekChange{
			row:      kekRow{wrappedRowKey: held, Also: &was, Left: left},
			rotation: &rotation{From: c.kek.ID(), FromURI: c.kekURI, To: to.ID(), ToURI: uri, Started: t.at},
			current:  to, uri: uri, keks: map[string]KEK{c.kek.ID(): c.kek, to.ID(): to},
		}
		t.record(aboutRotation(ev, auth.ActionKEKRotate, t.kek.rotation))
		return nil
	})
}

func aboutRotation(ev auth.Event, action string, r *rotation) auth.Event {
	ev = derived(ev)
	ev.Action, ev.Reason = action, fmt.Sprintf("from %s (%s) to %s (%s)", r.From, r.FromURI, r.To, r.ToURI)
	return ev
}

// endRotation ends a rotation once its KEK wraps everything. From then on the
// other opens nothing.
func (c *core) endRotation(ctx context.Context, to KEK, ev auth.Event) (done bool, err error) {
	var old KEK
	err = c.change(ctx, func(t *tx) error {
		if err := t.rotatesTo(to); err != nil {
			return err
		}
		r := t.m.head.Rotation
		if r == nil {
			done = true
			return nil
		}
		for _, d := range t.m.deks {
			if d.KEK != r.To {
				return nil
			}
		}
		done, old = true, c.keks[r.From]
		left := append(slices.Clone(c.kekRow.Left), r.From)
		t.kek = &kekChange{
			row:     kekRow{wrappedRowKey: c.kekRow.wrappedRowKey, Left: left[max(0, len(left)-maxLeft):]},
			current: to, uri: r.ToURI, keks: map[string]KEK{to.ID(): to},
		}
		t.record(aboutRotation(ev, auth.ActionKEKRotated, r))
		return nil
	})
	if err != nil {
		return false, err
	}
	if closer, ok := old.(io.Closer); ok {
		_ = closer.Close() // wipes what it keeps
	}
	return done, nil
}

// rotatesTo is ErrConflict unless the rotation on its way is the one to this KEK,
// or the last one was: another weighbridge that shares the store may have gone back
// meanwhile, and what is done for a rotation is done only while it stands.
func (t *tx) rotatesTo(to KEK) error {
	r := t.m.head.Rotation
	if r == nil && t.c.kekRow.KEK == to.ID() || r != nil && r.To == to.ID() {
		return nil
	}
	return &Error{Kind: KindConflict, What: whatRotation, Detail: "the one to " + to.ID() + " was given up for another",
		Next: "weighbridge kek status says which key wraps what"}
}

// staleDEK is a DEK that another KEK wraps.
type staleDEK struct {
	place string
	owner sealOwner
	row   dekRow
	kek   KEK
	next  dekRow
	err   error
}

// staleDEKs lists the DEKs that are not wrapped by the KEK of this id, in order.
func (c *core) staleDEKs(ctx context.Context, id string) (out []staleDEK, err error) {
	err = c.view(ctx, func(m *model) error {
		for _, place := range slices.Sorted(maps.Keys(m.deks)) {
			if row := m.deks[place]; row.KEK != id {
				out = append(out, staleDEK{place: place, owner: m.ownerOf(place), row: row, kek: c.keks[row.KEK]})
			}
		}
		return nil
	})
	return out, err
}

// ownerOf is whom the sealed fields at a place belong to.
func (m *model) ownerOf(place string) sealOwner {
	if name, ok := strings.CutPrefix(place, namedPrefix); ok {
		return namedOwner(name)
	}
	if cred := m.credential(place); cred != nil {
		return credentialOwner(cred.TeamID, cred.ID, cred.Version)
	}
	if k := m.key(place); k != nil && k.S3 != nil {
		return s3KeyOwner(k)
	}
	return sealOwner{}
}

// rewrap wraps the DEKs of a batch by to and commits those whose rows are still
// what they were. It returns the places of those that do not open.
func (c *core) rewrap(ctx context.Context, to KEK, batch []staleDEK) (shut []string, err error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var group sync.WaitGroup
	places := make(chan struct{}, rotateParallel)
	for i := range batch {
		d := &batch[i]
		group.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			if d.err = d.rewrap(ctx, to); outOfReach(d.err) {
				stop() // the others would find the same
			}
		})
	}
	group.Wait()
	var reach error
	for i := range batch {
		switch d := &batch[i]; {
		case d.err == nil:
		case outOfReach(d.err):
			reach = d.err
		case errors.Is(d.err, context.Canceled), errors.Is(d.err, context.DeadlineExceeded):
			reach = cmpError(reach, d.err)
		default:
			shut = append(shut, d.place)
		}
	}
	err = c.change(context.WithoutCancel(ctx), func(t *tx) error {
		if err := t.rotatesTo(to); err != nil {
			return err
		}
		for i := range batch {
			d := &batch[i]
			now, ok := t.m.deks[d.place]
			if d.err == nil && ok && now.KEK == d.row.KEK && now.Version == d.row.Version && bytes.Equal(now.Wrapped, d.row.Wrapped) {
				t.b.deks[d.place] = d.next
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if reach != nil {
		return nil, &Error{Kind: KindUnavailable, What: whatRotation, Detail: "it stopped, and can go on from there" + because(reach),
			Next: "run weighbridge kek rotate once the key can be reached", Cause: reach}
	}
	return shut, nil
}

// cmpError is the first of two errors that there is.
func cmpError(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

func (d *staleDEK) rewrap(ctx context.Context, to KEK) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if d.kek == nil || d.owner.tag == "" || d.owner.version != d.row.Version {
		return ErrDamaged
	}
	aad := d.owner.dekAAD()
	dek, err := d.kek.Unwrap(ctx, d.row.Wrapped, aad)
	if err != nil {
		return err
	}
	defer clear(dek)
	wrapped, err := to.Wrap(ctx, dek, aad)
	if err != nil {
		if !outOfReach(err) && ctx.Err() == nil {
			err = &wrapError{err}
		}
		return err
	}
	d.next = dekRow{Version: d.row.Version, KEK: to.ID(), Wrapped: wrapped}
	return nil
}

// wrapError is a failure to wrap: it says nothing of the DEK.
type wrapError struct{ error }

// OutOfReach marks it as one that may pass.
func (*wrapError) OutOfReach() bool { return true }

// Unwrap gives the cause.
func (e *wrapError) Unwrap() error { return e.error }
