package soak

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// soaks is WEIGHBRIDGE_SOAK, zero where it is not set.
func soaks() int {
	n, err := strconv.Atoi(os.Getenv("WEIGHBRIDGE_SOAK"))
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// random is a generator whose seed is in the test's output.
func random(t testing.TB) *rand.Rand {
	seed := rand.Uint64()
	if s, err := strconv.ParseUint(os.Getenv("WEIGHBRIDGE_TEST_SEED"), 10, 64); err == nil {
		seed = s
	}
	t.Logf("WEIGHBRIDGE_TEST_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // chance, not secrets
}
