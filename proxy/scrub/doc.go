// Package scrub masks secret values that an upstream reflects in its answer.
package scrub
