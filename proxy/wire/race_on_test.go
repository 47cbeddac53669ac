//go:build race

package wire

// raceEnabled: under the race detector sync.Pool drops values at random.
const raceEnabled = true
