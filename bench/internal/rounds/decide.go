package rounds

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/bench/internal/report"
	"github.com/weighbridge/weighbridge/signer"
)

// decisions measures what a decision costs where one key is linked to
// credentials with 1,000 and 100,000 patterns.
func decisions() ([]report.Decision, error) {
	var out []report.Decision
	now := time.Now()
	for _, n := range []int{1_000, 100_000} {
		s := auth.State{
			Teams: []auth.Team{{ID: "t", Name: "team"}},
			Keys:  []auth.Key{{ID: "k", TeamID: "t", Name: "worker"}},
		}
		for i := range n {
			id := fmt.Sprintf("c%06d", i)
			s.Credentials = append(s.Credentials, auth.Credential{
				ID: id, TeamID: "t", Name: id, Provider: "http_bearer", Status: auth.StatusValid,
				Patterns: []string{fmt.Sprintf("models.bench.test/org%d/*", i)},
			})
			s.Links = append(s.Links, auth.Link{CredentialID: id, KeyID: "k"})
		}
		snap, err := auth.Compile(s, auth.Options{Providers: signer.Providers()})
		if err != nil {
			return nil, err
		}
		id, err := snap.IdentifyID("k", now)
		if err != nil {
			return nil, err
		}
		target, err := auth.ParseURL("https://models.bench.test/org500/llama-3-70b/resolve/main/model-00001-of-00030.safetensors")
		if err != nil {
			return nil, err
		}
		q := auth.Question{Identity: id, Method: "GET", Target: target, Now: now}
		if d := snap.Decide(q); d.Outcome != auth.Inject {
			return nil, fmt.Errorf("the decision is not to put a credential on: %s", d.Reason)
		}
		d := report.Decision{Patterns: n, Nanoseconds: math.Inf(1)}
		// The least of some: it is timed by the clock, which other programs
		// that run meanwhile only ever add to.
		for range 5 {
			b := testing.Benchmark(func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					_ = snap.Decide(q)
				}
			})
			d.Nanoseconds = min(d.Nanoseconds, float64(b.T.Nanoseconds())/float64(b.N))
			d.Allocations = b.AllocsPerOp()
		}
		out = append(out, d)
	}
	return out, nil
}
