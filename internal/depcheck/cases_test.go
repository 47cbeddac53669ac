package depcheck

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// cases are the numbers of the security and reliability cases that
// docs/security.md answers for, one row each.
func cases() []string {
	var out []string
	span := func(letter string, from, to int) {
		for i := from; i <= to; i++ {
			out = append(out, fmt.Sprintf("%s%02d", letter, i))
		}
	}
	span("T", 1, 18)
	span("T", 20, 36)
	span("T", 40, 40)
	span("T", 43, 47)
	span("T", 50, 55)
	span("T", 56, 60)
	span("T", 71, 75)
	span("R", 1, 9)
	span("R", 12, 18)
	span("R", 20, 23)
	span("R", 27, 27)
	span("R", 28, 29)
	span("R", 31, 36)
	return out
}

// TestDocsCases: docs/security.md has a row for each case; each row names
// tests that exist, or says why there is none yet.
func TestDocsCases(t *testing.T) {
	root := filepath.Join("..", "..")
	page, err := os.ReadFile(filepath.Join(root, "docs", "security.md"))
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]bool{}
	fn := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && strings.HasPrefix(d.Name(), ".") && d.Name() != ".." {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range fn.FindAllSubmatch(src, -1) {
			tests[string(m[1])] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{}
	for _, line := range strings.Split(string(page), "\n") {
		cells := strings.Split(line, "|")
		if len(cells) == 5 {
			rows[strings.TrimSpace(cells[1])] = strings.TrimSpace(cells[3])
		}
	}
	name := regexp.MustCompile("`((?:Test|Fuzz)\\w+)`")
	for _, c := range cases() {
		how, ok := rows[c]
		if !ok {
			t.Errorf("%s has no row", c)
			continue
		}
		named := name.FindAllStringSubmatch(how, -1)
		if len(named) == 0 && !strings.HasPrefix(how, "not yet: ") {
			t.Errorf("%s: the row names no test and gives no reason", c)
		}
		for _, m := range named {
			if !tests[m[1]] {
				t.Errorf("%s: there is no test called %s", c, m[1])
			}
		}
	}
}
