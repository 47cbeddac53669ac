package config

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const mistakes = "../testdata/config/mistakes"

// Each file of testdata/config/mistakes holds one kind of mistake and, in
// comments at its end, what is reported about it. $TMP stands for the
// directory of test files.
func TestEveryMistakeIsReportedWithItsPlace(t *testing.T) {
	tmp := files(t)
	paths, err := filepath.Glob(filepath.Join(mistakes, "*.yaml"))
	if err != nil || len(paths) < 60 {
		t.Fatalf("%d files, %v", len(paths), err)
	}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".yaml")
		t.Run(name, func(t *testing.T) {
			raw, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			body, want := split(string(raw))
			l := newLoader(options())
			l.parse("test.yaml", []byte(strings.ReplaceAll(body, "$TMP", tmp)))
			loaded, err := l.finish()

			var got []string
			note := func(kind string, p Problem) {
				if p.Line < 1 || p.Column < 1 || p.File != "test.yaml" {
					t.Errorf("no place: %+v", p)
				}
				got = append(got, kind+": "+strings.TrimPrefix(strings.ReplaceAll(p.Error(), tmp, "$TMP"), "test.yaml:"))
			}
			var problems Problems
			switch {
			case errors.As(err, &problems):
				for _, p := range problems {
					note("mistake", p)
				}
			case err != nil:
				t.Fatalf("not Problems: %v", err)
			default:
				for _, p := range loaded.Warnings {
					note("warning", p)
				}
			}
			if strings.Contains(strings.Join(got, "\n"), "CANARY") {
				t.Errorf("a secret is shown:\n%s", strings.Join(got, "\n"))
			}
			if *update {
				var b strings.Builder
				b.WriteString(body)
				for _, line := range got {
					b.WriteString("# " + line + "\n")
				}
				if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if !slices.Equal(got, want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			if strings.HasPrefix(name, "good") != (len(got) == 0) || strings.HasPrefix(name, "warning") != (loaded != nil && len(got) > 0) {
				t.Errorf("the name of the file does not say what comes of it: %q", got)
			}
		})
	}
}

// split parts a test file from the expectations at its end.
func split(text string) (body string, want []string) {
	for line := range strings.Lines(text) {
		c, ok := strings.CutPrefix(line, "# ")
		if ok && (strings.HasPrefix(c, "mistake: ") || strings.HasPrefix(c, "warning: ")) {
			want = append(want, strings.TrimSuffix(c, "\n"))
			continue
		}
		body += line
	}
	return body, want
}

func TestForeignBytesHaveAPlace(t *testing.T) {
	for text, want := range map[string]string{
		"a: 1\nb: \x00\n":       "test.yaml:2:4: a control character",
		"# \xff\n":              "test.yaml:1:3: a control character or a byte that is not UTF-8",
		"\xff\xfea\x00":         "test.yaml:1:1:",
		"log:\n  level: \x1b[m": "test.yaml:2:10:",
	} {
		wantProblem(t, problemsOf(t, options(), text), want)
	}
}

func TestFilesThatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	big := filepath.Join(dir, "big.yaml")
	if err := os.WriteFile(big, []byte(strings.Repeat("#\n", maxFile)), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "none.yaml"): "no such file",
		dir:                             "is a directory",
		big:                             "larger than 1MiB",
	} {
		_, err := Load(LoadOptions{Path: path})
		var p Problems
		if !errors.As(err, &p) || len(p) != 1 || p[0].File != path || !strings.Contains(p[0].Message, want) {
			t.Errorf("%s: got %v, want %q", path, err, want)
		}
	}
}

func FuzzLoad(f *testing.F) {
	paths, err := filepath.Glob(filepath.Join(mistakes, "*.yaml"))
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add("? ? ? ?\n")
	f.Add("a: &a [*a, *a]\n")
	f.Add("keys: [{}, 1, [], ~, {name: }]\ncredentials: {}\n")
	f.Fuzz(func(t *testing.T, text string) {
		l, err := loadText(options(), text)
		if err == nil {
			if l == nil {
				t.Fatal("neither a configuration nor a mistake")
			}
			return
		}
		var p Problems
		if !errors.As(err, &p) || len(p) == 0 {
			t.Fatalf("not Problems: %v", err)
		}
		for _, one := range p {
			if one.Line < 1 || one.Column < 1 || one.Message == "" {
				t.Fatalf("no place or no words: %+v", one)
			}
			if strings.ContainsAny(one.Error(), "\x00\x1b\r\n") {
				t.Fatalf("a control character in %q", one.Error())
			}
		}
	})
}

// A build that exports no spans says so, and where one is to be had.
func TestTracingNeedsABuildThatHasIt(t *testing.T) {
	o := options()
	o.Tracing = false
	wantProblem(t, problemsOf(t, o, "tracing: {endpoint: \"http://localhost:4318\"}"), "test.yaml:1:21: tracing.endpoint: this build exports no spans; take one that was made with -tags otel")
	mustLoad(t, options(), "tracing: {endpoint: \"http://localhost:4318\"}")
}
