package clients_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/house/clients"
	"github.com/weighbridge/weighbridge/internal/workerenv"
)

var update = flag.Bool("update", false, "write docs/clients.md")

func TestDocsClientsPage(t *testing.T) {
	const path = "../../../docs/clients.md"
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(clients.Page()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != clients.Page() {
		t.Error("docs/clients.md is not what the table says: go test ./internal/house/clients -update")
	}
}

// Every variable that a row names is printed by `weighbridge env`, and every
// word in braces has a meaning.
func TestRowsAreComplete(t *testing.T) {
	seen := map[string]bool{}
	braces := regexp.MustCompile(`\{[^}]*\}`)
	for _, r := range clients.Table() {
		if seen[r.Name] || r.Client == "" || r.Way == "" || len(r.Command) == 0 {
			t.Errorf("%s: a row is there twice or lacks something", r.Name)
		}
		seen[r.Name] = true
		scheme := "http"
		if r.Section == clients.TLS {
			scheme = "https"
		}
		printed, err := workerenv.Variables(workerenv.Options{
			Mode: r.Mode, ProxyURL: scheme + "://127.0.0.1:8080", Key: auth.NewAPIKey(), Bundle: "/b.pem", Placeholder: "hf_none",
		})
		if err != nil {
			t.Fatal(err)
		}
		words := clients.Words{Scripts: "s", Repo: "r", File: "f", Dir: "d", URL: "u", KeyURL: "ku", KeyBase: "kb", GitURL: "g",
			Key: "k", Bundle: "b", Token: "t", Pythons: map[string]string{}}
		for _, word := range clients.PythonWords() {
			words.Pythons[word] = "p"
		}
		env, err := r.Environ(printed, words)
		if err != nil {
			t.Error(err)
		}
		if left := braces.FindString(strings.Join(append(r.Argv(words), env...), " ")); left != "" {
			t.Errorf("%s: %s means nothing", r.Name, left)
		}
	}
}

// The versions that the page names are the ones that are installed.
func TestVersionsAreThePinnedOnes(t *testing.T) {
	const dir = "../../../testdata/clients/"
	// As requirements have it: lower case, an underscore where either stands.
	pinned := map[string]bool{}
	spell := strings.NewReplacer("-", "_").Replace
	for _, name := range []string{"python0.txt", "python1.txt", "python2.txt", "xet.txt", "comfy.txt"} {
		for line := range strings.Lines(read(t, dir+name)) {
			pinned[strings.ToLower(spell(strings.TrimSpace(strings.Replace(line, "==", " ", 1))))] = true
		}
	}
	var node struct{ Dependencies map[string]string }
	if err := json.Unmarshal([]byte(read(t, dir+"package.json")), &node); err != nil {
		t.Fatal(err)
	}
	for name, version := range node.Dependencies {
		pinned[spell(name)+" "+version] = true
	}
	for _, r := range clients.Table() {
		for _, m := range regexp.MustCompile(`([@A-Za-z_/-]+) (\d+(?:\.\d+)+)`).FindAllStringSubmatch(r.Client, -1) {
			if !pinned[strings.ToLower(spell(m[1]))+" "+m[2]] {
				t.Errorf("%s: %s %s is not what setup.sh installs", r.Name, m[1], m[2])
			}
		}
	}
	if lock := read(t, dir+"package-lock.json"); strings.Contains(lock, `"resolved"`) {
		t.Error("package-lock.json names where packages come from: npm install --omit-lockfile-registry-resolved")
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
