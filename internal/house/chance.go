package house

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

// Random is a generator whose seed is in the test's output; WEIGHBRIDGE_TEST_SEED
// sets it, so that a failure can be run again.
func Random(t testing.TB) *rand.Rand {
	seed := rand.Uint64()
	if s, err := strconv.ParseUint(os.Getenv("WEIGHBRIDGE_TEST_SEED"), 10, 64); err == nil {
		seed = s
	}
	t.Logf("WEIGHBRIDGE_TEST_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // chance, not secrets
}

// Soaks is WEIGHBRIDGE_SOAK: how much longer than in `make test` the long tests
// are to run. It is zero where that is not set, or is no number.
func Soaks() int {
	n, err := strconv.Atoi(os.Getenv("WEIGHBRIDGE_SOAK"))
	if err != nil || n < 0 {
		return 0
	}
	return n
}
