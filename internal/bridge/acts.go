package bridge

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/auth/audit"
)

// headEvery is how often a signed head covers what was done since the last.
const headEvery = time.Minute

// signActs signs the record of acts until ctx ends. The record of use signs
// itself.
func (b *Bridge) signActs(ctx context.Context) {
	Every(ctx, headEvery, func() { b.signHead(ctx) })
}

// signHead signs what there is to sign, and notes where the record of use
// stands. Where it cannot, the next one covers it.
func (b *Bridge) signHead(ctx context.Context) {
	if err := b.store.SignHead(ctx); err != nil && ctx.Err() == nil {
		b.log.Warn().Err(err).Msg("the record of acts could not be signed; the next head covers it")
	}
	if b.record != nil {
		writer, at := b.record.Head()
		if err := b.store.Anchor(ctx, writer, at); err != nil && ctx.Err() == nil {
			b.log.Warn().Err(err).Msg("where the record of use stands could not be noted")
		}
	}
}

// compareAnchor puts on record that the record of use holds less than was noted
// before: files were removed or cut off while nothing ran, or a backup was
// restored without them. It is said once; from then on the record goes on from
// what is there.
func (b *Bridge) compareAnchor(ctx context.Context, f *audit.File) error {
	anchors, err := b.store.Anchored(ctx)
	if err != nil || len(anchors.At) == 0 {
		return err
	}
	writer, at := f.Head()
	noted, known := anchors.At[writer]
	what := ""
	switch {
	case !known && anchors.Shared:
		return nil // the first start of another weighbridge
	case !known:
		was := slices.Sorted(maps.Keys(anchors.At))[0]
		noted = anchors.At[was]
		what = fmt.Sprintf("the record of use of %s, which stood at event %d, is missing; it begins anew as %s", was, noted.Seq, writer)
	case at.Seq < noted.Seq:
		what = fmt.Sprintf("the record of use of %s ends at event %d of no team, and had reached %d: its end is missing", writer, at.Seq, noted.Seq)
	default:
		return nil
	}
	b.log.Error().Msg(what)
	return b.store.Record(ctx, auth.Event{Action: auth.ActionAuditMissing, TeamID: b.team.ID, Actor: "system", Outcome: auth.OutcomeFailed, Reason: what})
}
