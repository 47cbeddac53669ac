package admin_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
)

// Every code that the API answers with is documented: those that stand in the
// code of this package, as the code of a problem or of an error.
func TestEveryCodeIsDocumented(t *testing.T) {
	known := map[string]bool{}
	for _, c := range auth.Codes() {
		known[string(c.Code)] = true
	}
	var order []string
	for _, c := range admin.Codes() {
		known[c.Code] = true
		order = append(order, c.Code)
	}
	if !slices.IsSortedFunc(order, func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) }) && !slices.IsSorted(order) {
		t.Errorf("out of order: %q", order)
	}
	said := regexp.MustCompile(`problem\([^\n]*?, "([a-zA-Z_]+)",|Code:\s+"([a-z_]+)"|return "([a-z_]+)"\n|Code[A-Za-z]+ +(?:auth\.Code )?= "([a-z_]+)"`)
	n := 0
	for _, pattern := range []string{"*.go", "session/*.go"} {
		files, err := filepath.Glob(pattern)
		must(t, err)
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") || file != "problem.go" && strings.HasSuffix(file, ".gen.go") {
				continue
			}
			src, err := os.ReadFile(file)
			must(t, err)
			for _, m := range said.FindAllStringSubmatch(string(src), -1) {
				code := m[1] + m[2] + m[3] + m[4]
				if m[3] != "" && file != "problem.go" {
					continue // another function that returns a word
				}
				n++
				if !known[code] {
					t.Errorf("%s: the code %s is documented nowhere", file, code)
				}
			}
		}
	}
	if n < 30 {
		t.Errorf("found only %d", n)
	}
}

// A handler that panics is answered for in the shape of all errors.
func TestAPanicIsAProblem(t *testing.T) {
	f := newFixture(t)
	f.o.System = func() admin.System { return admin.System{Intercept: true} }
	f.o.Authority = &dying{}
	f.api = admin.New(f.o)
	w := f.with("POST", "/api/v1/ca/rotate", "")
	if w.Code != 500 || w.Header().Get("Content-Type") != "application/problem+json" || !strings.Contains(w.Body.String(), `"internal"`) || strings.Contains(w.Body.String(), "the end") || len(f.log) != 1 {
		t.Errorf("%d %v %s, log %v", w.Code, w.Header(), w.Body, f.log)
	}
	for _, c := range []struct {
		method, path, body, field, value string
		status                           int
		code                             string
	}{
		{"POST", "/api/v1/keys", "{", "", "", 400, "invalid"},
		{"POST", "/api/v1/keys", "<a/>", "Content-Type", "text/xml", 415, "unsupported_media_type"},
		{"POST", "/api/v1/keys", `{"name":"` + strings.Repeat("x", 1<<20) + `"}`, "", "", 413, "too_large"},
		{"PUT", "/api/v1/keys", "", "", "", 405, "method_not_allowed"},
		{"GET", "/api/v1/nothing", "", "", "", 404, "not_found"},
	} {
		w := f.with(c.method, c.path, c.body)
		if c.field != "" {
			w = f.withOnly(c.method, c.path, c.body, c.field, c.value)
		}
		if w.Code != c.status || w.Header().Get("Content-Type") != "application/problem+json" || !strings.Contains(w.Body.String(), `"code":"`+c.code+`"`) || !strings.Contains(w.Body.String(), `"type":"urn:weighbridge:error:`+c.code+`"`) {
			t.Errorf("%s %s: %d %v %s", c.method, c.path, w.Code, w.Header(), w.Body)
		}
	}
}
