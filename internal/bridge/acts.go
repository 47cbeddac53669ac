package bridge

import (
	"context"
	"time"
)

// headEvery is how often a signed head covers what was done since the last.
const headEvery = time.Minute

// signActs signs the record of acts until ctx ends. The record of use signs
// itself.
func (b *Bridge) signActs(ctx context.Context) {
	tick := time.NewTicker(headEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			b.signHead(ctx)
		}
	}
}

// signHead signs what there is to sign. Where it cannot, the next one covers
// it.
func (b *Bridge) signHead(ctx context.Context) {
	if err := b.store.SignHead(ctx); err != nil && ctx.Err() == nil {
		b.log.Warn().Err(err).Msg("the record of acts could not be signed; the next head covers it")
	}
}
