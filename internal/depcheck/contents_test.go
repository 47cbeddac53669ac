package depcheck

import (
	"go/ast"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestEveryPackageHasOneDoc(t *testing.T) {
	docs := map[string][]string{}
	for _, s := range sources(t) {
		if strings.HasSuffix(s.file.Name.Name, "_test") {
			continue
		}
		if _, seen := docs[s.dir]; !seen {
			docs[s.dir] = nil
		}
		if s.file.Doc == nil {
			continue
		}
		docs[s.dir] = append(docs[s.dir], s.name)
		want := "Package " + s.file.Name.Name + " "
		if s.file.Name.Name == "main" {
			want = "Command " + s.dir[strings.LastIndexByte(s.dir, '/')+1:] + " "
		}
		if text := s.file.Doc.Text(); !strings.HasPrefix(text, want) {
			t.Errorf("%s: the package's doc does not begin with %q", s.name, want)
		}
	}
	for dir, files := range docs {
		if len(files) != 1 {
			t.Errorf("%s has %d package docs: %v", dir, len(files), files)
		}
	}
}

// A test that may pass over itself says nothing when it is green.
func TestNoTestIsSkipped(t *testing.T) {
	for _, s := range sources(t) {
		if !s.test {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if sel, ok := call.Fun.(*ast.SelectorExpr); ok && slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, sel.Sel.Name) {
				t.Errorf("%s: a test is skipped", s.at(call))
			}
			return true
		})
	}
}

func TestNothingIsLeftForLater(t *testing.T) {
	marks := regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|HA` + `CK)\b`)
	stubs := regexp.MustCompile(`^(being ` + `written|not ` + `implemented|unimplemented)$`)
	for _, s := range sources(t) {
		for _, group := range s.file.Comments {
			if m := marks.FindString(group.Text()); m != "" {
				t.Errorf("%s: %s", s.at(group), m)
			}
		}
		for lit := range literals(s) {
			if stubs.MatchString(lit.text) {
				t.Errorf("%s: %q", s.at(lit.node), lit.text)
			}
		}
	}
}

type literal struct {
	node *ast.BasicLit
	text string
}

// literals yields the string literals of s.
func literals(s *source) func(yield func(literal) bool) {
	return func(yield func(literal) bool) {
		done := false
		ast.Inspect(s.file, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING && !done {
				text, err := strconv.Unquote(lit.Value)
				done = err == nil && !yield(literal{lit, text})
			}
			return !done
		})
	}
}

// T46: certificates are always verified, TLS before 1.2 is never allowed, and
// no key is compiled in.
func TestT46_SourceAllowsNoUnverifiedTLSAndHoldsNoKey(t *testing.T) {
	pemKey := regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY-----\s*\S`)
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		harmless := map[*ast.Ident]bool{} // set to the literal false
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt:
				for i, left := range n.Lhs {
					if sel, ok := left.(*ast.SelectorExpr); ok && len(n.Rhs) == len(n.Lhs) && isFalse(n.Rhs[i]) {
						harmless[sel.Sel] = true
					}
				}
			case *ast.Ident:
				switch n.Name {
				case "InsecureSkipVerify":
					if !harmless[n] {
						t.Errorf("%s: certificates may go unverified", s.at(n))
					}
				case "VersionSSL30", "VersionTLS10", "VersionTLS11":
					t.Errorf("%s: %s", s.at(n), n.Name)
				}
			}
			return true
		})
		for lit := range literals(s) {
			if pemKey.MatchString(lit.text) {
				t.Errorf("%s: a private key in the source", s.at(lit.node))
			}
		}
		for _, group := range s.file.Comments {
			for _, c := range group.List {
				if strings.HasPrefix(c.Text, "//go:debug tls") || strings.HasPrefix(c.Text, "//go:debug x509") {
					t.Errorf("%s: %s", s.at(c), c.Text)
				}
			}
		}
	}
	err := walk(func(name string) error {
		if !strings.Contains(name, "/") {
			return nil // what somebody exported while trying things out
		}
		for _, ending := range []string{".key", ".pem", ".p12", ".pfx", ".jks"} {
			if strings.HasSuffix(name, ending) {
				t.Errorf("%s: key material beside the source", name)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func isFalse(e ast.Expr) bool {
	id, ok := e.(*ast.Ident)
	return ok && id.Name == "false"
}

// The road knows providers as values only: a service's name in its code would
// be a rule that belongs to a provider. (Sentences may give an example.)
func TestProxyKnowsNoProviderByName(t *testing.T) {
	names := regexp.MustCompile(`(?i)hugging ?face|\bhf\.co\b|xethub|civitai|comfy`)
	for _, s := range sources(t) {
		if s.test || s.dir != "proxy" && !strings.HasPrefix(s.dir, "proxy/") {
			continue
		}
		for lit := range literals(s) {
			if names.MatchString(lit.text) && !strings.Contains(lit.text, " ") {
				t.Errorf("%s: %q", s.at(lit.node), lit.text)
			}
		}
	}
}
