package config

import (
	"os"
	"reflect"
	"strings"
	"testing"
)

// The page and the sample are made from the struct; `go test ./config -update`
// makes them anew.
func TestGeneratedPagesAreCurrent(t *testing.T) {
	for path, want := range map[string]string{
		"../docs/configuration.md":       Markdown(),
		"../testdata/config/sample.yaml": Sample(),
	} {
		if *update {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != want {
			t.Errorf("%s is stale (%v): run go test ./config -update", path, err)
		}
	}
}

func TestSampleIsTheDefaults(t *testing.T) {
	sample := mustLoad(t, LoadOptions{}, Sample()).Config
	sample.Credentials, sample.Keys, sample.Audit.Followers = nil, nil, nil // [] there, nothing here
	if defaults := mustLoad(t, LoadOptions{}, "").Config; !reflect.DeepEqual(sample, defaults) {
		t.Errorf("got %+v, want %+v", sample, defaults)
	}
}

// The examples of the sample load too; only their files do not exist here.
func TestSampleExamplesHaveNoMistake(t *testing.T) {
	var text strings.Builder
	// Without a cluster no account of one is.
	text.WriteString("service_accounts: {issuer: https://cluster.example.com}\n")
	example := false
	for line := range strings.Lines(Sample()) {
		c, comment := strings.CutPrefix(line, "# ")
		switch {
		case !comment:
			example = false
		case c == "For example:\n":
			example = true
		case example:
			text.WriteString(c)
		}
	}
	for _, p := range problemsOf(t, options(), text.String()) {
		if !strings.Contains(p.Message, "/run/secrets/") {
			t.Errorf("an example has a mistake: %v\nin\n%s", p, text.String())
		}
	}
}

func TestEveryFieldIsDescribed(t *testing.T) {
	seen := map[string]string{}
	for _, r := range Reference() {
		if r.Doc == "" || !strings.HasSuffix(r.Doc, ".") || strings.Contains(r.Name, "..") || strings.HasSuffix(r.Name, ".") {
			t.Errorf("%s is described as %q", r.Name, r.Doc)
		}
		if r.Section {
			continue
		}
		if other := seen[r.Env]; other != "" || strings.HasSuffix(r.Env, "_") {
			t.Errorf("%s and %s share the variable %q", r.Name, other, r.Env)
		}
		seen[r.Env] = r.Name
		// NAME_FILE must not be the variable of another field.
		if seen[r.Env+"_FILE"] != "" {
			t.Errorf("%s_FILE is ambiguous", r.Env)
		}
	}
}
