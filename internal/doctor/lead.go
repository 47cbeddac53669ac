package doctor

import (
	"errors"

	"github.com/weighbridge/weighbridge/internal/trial"
)

// Lead says by which way the environment leads to weighbridge, forward mode
// first. Its error is the first fault of the environment and the line that
// mends it.
func Lead(o Options) (trial.Options, error) {
	x := &examination{o: o, env: environ(o.Environ)}
	ways := x.environment()
	if len(ways) > 0 {
		return ways[0].options(), nil
	}
	if x.astray != nil {
		x.report.Findings = append([]Finding{x.withoutHub()}, x.report.Findings...)
	}
	for _, f := range x.report.Findings {
		if f.Severity == Fault {
			return trial.Options{}, errors.New(f.Detail + "\n  " + f.Fix)
		}
	}
	return trial.Options{}, errors.New("nothing leads to weighbridge: give --proxy-url")
}
