package depcheck

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const (
	module = "github.com/weighbridge/weighbridge"
	root   = "../.."
)

// source is one parsed Go file of the module.
type source struct {
	// dir is its package's directory, as "proxy/ca"; name is the file's path.
	dir, name string
	test      bool
	file      *ast.File
	fset      *token.FileSet
}

func (s *source) at(n ast.Node) string {
	p := s.fset.Position(n.Pos())
	return s.name + ":" + strconv.Itoa(p.Line)
}

// imports are the paths that s imports.
func (s *source) imports() []string {
	var out []string
	for _, i := range s.file.Imports {
		out = append(out, strings.Trim(i.Path.Value, `"`))
	}
	return out
}

// walk visits every file of the module that belongs to it: no hidden
// directory, no testdata, no module of its own.
func walk(visit func(name string) error) error {
	return filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(filepath.ToSlash(file), root+"/")
		if d.IsDir() {
			if file == root {
				return nil
			}
			_, own := os.Stat(filepath.Join(file, "go.mod"))
			if own == nil || strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "weighbridge-data" {
				return filepath.SkipDir
			}
			return nil
		}
		return visit(name)
	})
}

// sources is every Go file of the module, whatever its build tags, for reading.
func sources(t *testing.T) []*source {
	t.Helper()
	all, err := parsed()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 100 {
		t.Fatalf("only %d files were found", len(all))
	}
	return all
}

// parsed parses them once for all tests, which takes seconds under the race
// detector.
var parsed = sync.OnceValues(func() (all []*source, err error) {
	err = walk(func(name string) error {
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, filepath.Join(root, name), nil, parser.ParseComments|parser.SkipObjectResolution)
		all = append(all, &source{dir: path.Dir(name), name: name, test: strings.HasSuffix(name, "_test.go"), file: f, fset: fset})
		return err
	})
	return all, err
})
