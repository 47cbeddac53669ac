package deploy

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// TestR33_TheImageHoldsTheProgramAlone reads the Dockerfile by BuildKit's own
// parser: the last stage begins with nothing, holds what it needs, and runs as
// nobody.
func TestR33_TheImageHoldsTheProgramAlone(t *testing.T) {
	ast, err := parser.Parse(bytes.NewReader(read(t, root+"/Dockerfile")))
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range ast.Warnings {
		t.Errorf("%s", w.Short)
	}
	stages, _, err := instructions.Parse(ast.AST, linter.New(&linter.Config{
		Warn: func(rule, _, _, msg string, _ []parser.Range) { t.Errorf("%s: %s", rule, msg) },
	}))
	if err != nil {
		t.Fatal(err)
	}
	last := stages[len(stages)-1]
	if len(stages) < 2 || last.BaseName != "scratch" {
		t.Fatalf("%d stages, the last from %q", len(stages), last.BaseName)
	}
	for _, s := range stages[:len(stages)-1] {
		if !strings.Contains(s.BaseName, ":") || strings.HasSuffix(s.BaseName, ":latest") {
			t.Errorf("no version in %q", s.BaseName)
		}
	}
	var built string
	for _, c := range stages[0].Commands {
		if run, ok := c.(*instructions.RunCommand); ok {
			built += strings.Join(run.CmdLine, " ") + "\n"
		}
	}
	for _, want := range []string{"CGO_ENABLED=0", "-trimpath", "-buildvcs=true", "version --sbom", "zoneinfo.zip"} {
		if !strings.Contains(built, want) {
			t.Errorf("the build has no %s", want)
		}
	}
	var user, entry, health string
	var copied []string
	for _, c := range last.Commands {
		switch c := c.(type) {
		case *instructions.UserCommand:
			user = c.User
		case *instructions.EntrypointCommand:
			entry = strings.Join(c.CmdLine, " ")
		case *instructions.HealthCheckCommand:
			health = strings.Join(c.Health.Test, " ")
		case *instructions.CopyCommand:
			if c.From != "build" {
				t.Errorf("something comes from %q", c.From)
			}
			copied = append(copied, c.DestPath)
		case *instructions.RunCommand:
			t.Error("something runs in the last stage")
		}
	}
	slices.Sort(copied)
	if user != "65532:65532" || entry != "/weighbridge" || health != "CMD /weighbridge healthcheck" {
		t.Errorf("user %q, entrypoint %q, health check %q", user, entry, health)
	}
	want := []string{"/data", "/etc/ssl/certs/ca-certificates.crt", "/sbom.cdx.json", "/usr/share/zoneinfo.zip", "/weighbridge"}
	if !slices.Equal(copied, want) {
		t.Errorf("the image holds %v", copied)
	}
}

// Two checkouts in different directories make the same program, byte for byte.
func TestTheBuildIsReproducible(t *testing.T) {
	tracked := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	tracked.Dir = root
	out, err := tracked.Output()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "a", "longer", "way")
	for name := range strings.SplitSeq(strings.Trim(string(out), "\x00"), "\x00") {
		if first, _, _ := strings.Cut(name, "/"); first == "docs" || first == "testdata" || first == "bench" {
			continue // no source of the program
		}
		to := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(root, name))
		if os.IsNotExist(err) {
			continue // removed, and not yet told to git
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	second := filepath.Join(t.TempDir(), "weighbridge")
	if err := build(dir, second); err != nil {
		t.Fatal(err)
	}
	a, b := read(t, program(t)), read(t, second)
	if !bytes.Equal(a, b) {
		t.Errorf("%d and %d bytes, and not the same", len(a), len(b))
	}
	if abs, err := filepath.Abs(root); err != nil || bytes.Contains(a, []byte(abs+"/")) {
		t.Errorf("the program names the directory that it was built in (%v)", err)
	}
}

// The bill of materials names every module that the program was linked from,
// as `go version -m` has them.
func TestTheBillOfMaterialsIsWhole(t *testing.T) {
	said, err := exec.Command(program(t), "version", "--sbom").Output()
	if err != nil {
		t.Fatal(err)
	}
	var bom struct {
		BOMFormat, SpecVersion string
		Components             []struct{ Name, Version, PURL string }
	}
	if err := json.Unmarshal(said, &bom); err != nil {
		t.Fatal(err)
	}
	has := map[string]string{}
	for _, c := range bom.Components {
		has[c.Name] = c.Version
		if !strings.HasPrefix(c.PURL, "pkg:golang/"+c.Name+"@") {
			t.Errorf("%s: %s", c.Name, c.PURL)
		}
	}
	info, err := exec.Command("go", "version", "-m", program(t)).Output()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(info)) {
		if f := strings.Fields(line); len(f) >= 3 && f[0] == "dep" {
			n++
			if has[f[1]] != f[2] {
				t.Errorf("%s %s is not in the bill", f[1], f[2])
			}
		}
	}
	if bom.BOMFormat != "CycloneDX" || bom.SpecVersion != "1.6" || n < 20 || has["std"] == "" {
		t.Errorf("%s %s, %d modules", bom.BOMFormat, bom.SpecVersion, n)
	}
}
