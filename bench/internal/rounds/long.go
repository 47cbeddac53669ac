package rounds

import (
	"context"
	"time"

	"github.com/weighbridge/weighbridge/bench/internal/field"
	"github.com/weighbridge/weighbridge/bench/internal/load"
	"github.com/weighbridge/weighbridge/bench/internal/report"
)

// longSize is the body over which memory must stay flat.
const longSize = 20 << 30

// long measures, once, whether a very long body costs memory: the peak of the
// whole against that of a body of a twentieth.
func (c *comparison) long(ctx context.Context) error {
	if !chosen(c.o.Works, string(report.Long)) || !chosen(c.o.Peers, field.Weighbridge) || !chosen(c.o.Modes, string(field.TLSToTLS)) {
		return nil
	}
	for _, p := range c.peers {
		if p.Name != field.Weighbridge || p.Mode != field.TLSToTLS {
			continue
		}
		c.say("one long body")
		r, err := p.Start(ctx, c.rig)
		if err != nil {
			return err
		}
		defer r.Stop()
		var short, whole report.Sample
		for _, part := range []struct {
			s *report.Sample
			n int64
		}{{&short, longSize / 20}, {&whole, longSize}} {
			plan := r.Plan
			plan.Kind, plan.Conns, plan.Bytes, plan.Limit = load.Streams, 1, part.n/c.o.Scale, 3*time.Minute
			if err := c.sample(ctx, &plan, r.Process, part.s); err != nil {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				part.s.Error = err.Error()
				c.say("one long body: %v", err)
			}
		}
		whole.Round, whole.Peer, whole.Mode, whole.Work, whole.Early = 1, p.Name, string(p.Mode), report.Long, short.Peak
		c.out.Samples = append(c.out.Samples, whole)
	}
	return nil
}
