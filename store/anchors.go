package store

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/weighbridge/weighbridge/auth/chain"
)

// maxAnchors is of how many records a shared store notes where they stand: of
// those that went on last. Each takes some 100 bytes of every head.
const maxAnchors = 64

// anchor is where a record outside the store stood.
type anchor struct {
	Writer string `json:"writer"`
	Seq    uint64 `json:"seq"`
	MAC    []byte `json:"mac"`
}

// anchorOf is where the record of one of several weighbridges stood.
type anchorOf struct {
	Seq uint64    `json:"seq"`
	MAC []byte    `json:"mac"`
	At  time.Time `json:"at"`
}

// Anchors are where records of use stood when that was noted last.
type Anchors struct {
	// At says it by the writer of the record.
	At map[string]chain.State
	// Shared says that they are those of several weighbridges, each of which has
	// a record of its own: none need be here.
	Shared bool
}

// Anchor implements Store.
func (c *core) Anchor(ctx context.Context, writer string, at chain.State) error {
	return c.change(ctx, func(t *tx) error {
		h := &t.m.head
		if c.drv.exclusive() {
			if was := h.Anchor; was == nil || was.Writer != writer || was.Seq != at.Seq || !bytes.Equal(was.MAC, at.MAC[:]) {
				t.anchor, t.anchors = &anchor{writer, at.Seq, at.MAC[:]}, map[string]anchorOf{}
			}
			return nil
		}
		if was, ok := h.Anchors[writer]; ok && was.Seq == at.Seq && bytes.Equal(was.MAC, at.MAC[:]) {
			return nil
		}
		t.anchors = map[string]anchorOf{}
		maps.Copy(t.anchors, h.Anchors)
		t.anchors[writer] = anchorOf{at.Seq, at.MAC[:], t.at}
		if len(t.anchors) > maxAnchors {
			delete(t.anchors, slices.MinFunc(slices.Collect(maps.Keys(t.anchors)), func(x, y string) int {
				return cmp.Or(t.anchors[x].At.Compare(t.anchors[y].At), cmp.Compare(x, y))
			}))
		}
		return nil
	})
}

// Anchored implements Store.
func (c *core) Anchored(ctx context.Context) (out Anchors, err error) {
	err = c.view(ctx, func(m *model) error {
		out = Anchors{At: map[string]chain.State{}, Shared: !c.drv.exclusive() || len(m.head.Anchors) > 0}
		if a := m.head.Anchor; a != nil {
			out.At[a.Writer] = chainRow{Seq: a.Seq, MAC: a.MAC}.state()
		}
		for writer, a := range m.head.Anchors {
			out.At[writer] = chainRow{Seq: a.Seq, MAC: a.MAC}.state()
		}
		return nil
	})
	return out, err
}
