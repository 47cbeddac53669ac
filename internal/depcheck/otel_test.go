package depcheck

import (
	"go/build/constraint"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// OpenTelemetry is linked by the tag otel and by nothing else, whoever may bring
// it along; and with the tag no gRPC comes with it, which OTLP's own exporter
// needs.
func TestOpenTelemetryIsBehindItsTag(t *testing.T) {
	for tags, without := range map[string][]string{
		"":     {"go.opentelemetry.io/", "google.golang.org/grpc"},
		"otel": {"google.golang.org/grpc"},
	} {
		cmd := exec.Command("go", "list", "-deps", "-tags", tags, "./cmd/weighbridge")
		cmd.Dir, cmd.Stderr = root, os.Stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		linked := string(out)
		if strings.Contains(linked, "go.opentelemetry.io/otel/sdk/trace") != (tags == "otel") {
			t.Errorf("with the tags %q the SDK is linked, or is not", tags)
		}
		for p := range strings.Lines(linked) {
			for _, prefix := range without {
				if strings.HasPrefix(p, prefix) {
					t.Errorf("with the tags %q %s is linked", tags, strings.TrimSpace(p))
				}
			}
		}
	}
	for _, s := range sources(t) {
		for _, imp := range s.imports() {
			if strings.HasPrefix(imp, "go.opentelemetry.io/") && !behind(s, "otel") {
				t.Errorf("%s imports %s without the build tag", s.name, imp)
			}
		}
	}
}

// behind reports whether a file begins with the constraint that tag is set.
func behind(s *source, tag string) bool {
	for _, group := range s.file.Comments {
		for _, c := range group.List {
			if x, err := constraint.Parse(c.Text); err == nil && c.Pos() < s.file.Package && x.String() == tag {
				return true
			}
		}
	}
	return false
}
