package main

import "testing"

func TestABuildSaysWhetherItExportsSpans(t *testing.T) {
	b := built{Version: "1.2.3", Go: "go1.26", Platform: "linux/amd64"}
	if got, want := b.String(), "weighbridge 1.2.3 (go1.26, linux/amd64)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	b.Tracing = true
	if got, want := b.String(), "weighbridge 1.2.3 (go1.26, linux/amd64, with OpenTelemetry)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
