//go:build !otel

package tracing

import (
	"strings"
	"testing"
)

// A build without the tag says so where spans are asked of it, and nothing of
// what the environment names for others.
func TestABuildWithoutTheTagRefuses(t *testing.T) {
	if e, err := Open(Options{Endpoint: "http://localhost:4318"}); e != nil || err == nil || !strings.Contains(err.Error(), "-tags otel") {
		t.Errorf("%v, %v", e, err)
	}
	env := func(name string) string { return map[string]string{varTracesEndpoint: "http://localhost:4318"}[name] }
	if e, err := Open(Options{Getenv: env}); e != nil || err != nil || !Named(env) {
		t.Errorf("%v, %v", e, err)
	}
}
