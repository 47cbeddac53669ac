// Package soak puts random load on a weighbridge whose upstreams misbehave: the
// same downloads for a moment in every test run and for hours in `make soak`.
// Every byte that arrives is compared, so that each download was either whole
// and right or seen to have failed; and what the program held before, it has
// to come back to.
package soak
