package admin_test

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"go/format"
	"maps"
	"os"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

var update = flag.Bool("update", false, "write the generated files of the client anew")

// The client's methods are made from the document that the API serves, with
// the types that serve it: what they say is what is served.
func TestTheClientIsGenerated(t *testing.T) {
	f := newFixture(t)
	files, err := generate(f.api.OpenAPI())
	must(t, err)
	for file, want := range files {
		if *update {
			must(t, os.WriteFile(file, want, 0o600))
		}
		have, err := os.ReadFile(file)
		must(t, err)
		if !bytes.Equal(have, want) {
			t.Error(file + " is not what the document says: go test ./admin -run TestTheClientIsGenerated -update")
		}
	}
}

// generator writes the methods of operations, those that read and those that
// act, and beside them the types that have no name in the code that serves them.
type generator struct {
	doc     *huma.OpenAPI
	reads   bytes.Buffer
	acts    bytes.Buffer
	types   bytes.Buffer
	imports map[string]bool // of all
	named   map[string]bool
	queries map[string]string // the operation that has a query, by what it takes
}

// generate is the text of each file by its name.
func generate(doc *huma.OpenAPI) (map[string][]byte, error) {
	g := &generator{doc: doc, imports: map[string]bool{"context": true}, named: map[string]bool{}, queries: map[string]string{}}
	for _, o := range operationsOf(doc) {
		if err := g.operation(o); err != nil {
			return nil, fmt.Errorf("%s: %w", o.OperationID, err)
		}
	}
	files := map[string][]byte{}
	for name, body := range map[string]*bytes.Buffer{"clientreads.gen.go": &g.reads, "clientacts.gen.go": &g.acts, "clienttypes.gen.go": &g.types} {
		src, err := g.file(body.Bytes())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		files[name] = src
	}
	return files, nil
}

var comments = regexp.MustCompile(`(?m)^\s*//.*$`)

// file is body with its head: the imports are those that its code names.
func (g *generator) file(body []byte) ([]byte, error) {
	code := comments.ReplaceAll(body, nil)
	var std, own []string
	for _, p := range slices.Sorted(maps.Keys(g.imports)) {
		switch {
		case !regexp.MustCompile(`\b` + path.Base(p) + `\.`).Match(code):
		case strings.HasPrefix(p, "github.com/"):
			own = append(own, fmt.Sprintf("%q\n", p))
		default:
			std = append(std, fmt.Sprintf("%q\n", p))
		}
	}
	head := fmt.Sprintf("// Code generated from the document of the API by TestTheClientIsGenerated; DO NOT EDIT.\n\npackage admin\n\nimport (\n%s\n%s)\n", strings.Join(std, ""), strings.Join(own, ""))
	src, err := format.Source(append([]byte(head), body...))
	if err != nil {
		return nil, fmt.Errorf("%w in\n%s", err, body)
	}
	return src, nil
}

// servedOperation is one with its method and path.
type servedOperation struct {
	*huma.Operation
	method, path string
}

func operationsOf(doc *huma.OpenAPI) []servedOperation {
	var out []servedOperation
	for path, item := range doc.Paths {
		for method, op := range map[string]*huma.Operation{"Get": item.Get, "Post": item.Post, "Put": item.Put, "Patch": item.Patch, "Delete": item.Delete} {
			if op != nil {
				out = append(out, servedOperation{op, method, path})
			}
		}
	}
	slices.SortFunc(out, func(a, b servedOperation) int { return cmp.Compare(a.OperationID, b.OperationID) })
	return out
}

// camel is list-s3-keys as ListS3Keys.
func camel(kebab string) string {
	var b strings.Builder
	for _, word := range strings.FieldsFunc(kebab, func(r rune) bool { return r == '-' || r == '_' }) {
		switch word {
		case "kek", "id", "oidc":
			word = strings.ToUpper(word)
		}
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return b.String()
}

func (g *generator) operation(o servedOperation) error {
	name := camel(o.OperationID)
	args, query, err := g.arguments(o, name)
	if err != nil {
		return err
	}
	in := "nil"
	if o.RequestBody != nil {
		typ := "io.Reader" // whatever is no JSON goes as it comes
		if media, ok := o.RequestBody.Content["application/json"]; !ok {
			g.imports["io"] = true
		} else if typ, err = g.schema(media.Schema); err != nil {
			return err
		}
		args, in = append(args, "in "+typ), "in"
	}
	if query != "" {
		args = append(args, query)
	}
	kind, content := g.answer(o)
	target := pathOf(o.path)
	if query != "" {
		target += ` + q.encode()`
	}
	member, row, typ := "", "", ""
	if kind == "application/json" {
		var list bool
		if member, row, list = g.list(content); !list {
			if typ, err = g.schema(content); err != nil {
				return err
			}
		}
	}
	g.imports["net/http"] = true
	to := &g.acts
	if o.method == "Get" {
		to = &g.reads
	}
	fmt.Fprintf(to, "\n// %s: %s.\n//\n// %s\nfunc (c *Client) %s(%s)", name, strings.TrimSuffix(o.Summary, "."), strings.TrimSuffix(o.Description, ".")+".",
		name, strings.Join(append([]string{"ctx context.Context"}, args...), ", "))
	method := "http.Method" + o.method
	switch {
	case kind == "":
		fmt.Fprintf(to, " error {\nreturn c.Call(ctx, %s, %s, %s, nil)\n}\n", method, target, in)
	case kind != "application/json":
		g.imports["io"] = true
		fmt.Fprintf(to, " (io.ReadCloser, error) {\nreturn c.Open(ctx, %s, %s, %s)\n}\n", method, target, in)
	case member != "":
		if query != "" { // a reader of much asks for a page at a time
			fmt.Fprintf(to, " ([]%s, error) {\nreturn List[%s](ctx, c, %s, %q)\n}\n", row, row, target, member)
			fmt.Fprintf(to, "\n// %sPage is one page of %s, and where the next one begins, empty on the last one.\nfunc (c *Client) %sPage(ctx context.Context, q %sQuery, page Page) ([]%s, string, error) {\nreturn listPage[%s](ctx, c, %s, %q, page)\n}\n",
				name, name, name, name, row, row, target, member)
			return nil
		}
		fmt.Fprintf(to, " ([]%s, error) {\nreturn List[%s](ctx, c, %s, %q)\n}\n", row, row, target, member)
	default:
		fmt.Fprintf(to, " (%s, error) {\nvar out %s\nreturn out, c.Call(ctx, %s, %s, %s, &out)\n}\n", typ, typ, method, target, in)
	}
	return nil
}

// answer is what the operation gives where all is well.
func (g *generator) answer(o servedOperation) (kind string, schema *huma.Schema) {
	for _, status := range []string{"200", "201", "202"} {
		if r := o.Responses[status]; r != nil {
			for kind, media := range r.Content {
				return kind, media.Schema
			}
		}
	}
	return "", nil
}

// arguments are the parts of the path, and, where the query takes anything
// that a list does not walk by itself, a struct of that.
func (g *generator) arguments(o servedOperation, name string) (path []string, query string, err error) {
	var fields, encode []string
	for _, p := range o.Parameters {
		switch {
		case p.In == "path":
			path = append(path, p.Name+" string")
		case p.In == "query" && p.Name != "limit" && p.Name != "cursor":
			typ, how := "", ""
			switch {
			case p.Schema.Type == "string" && p.Schema.Format == "date-time":
				g.imports["time"] = true
				typ, how = "time.Time", "time"
			case p.Schema.Type == "string":
				typ, how = "string", "text"
			case p.Schema.Type == "boolean":
				typ, how = "bool", "flag"
			case p.Schema.Type == "array" && p.Schema.Items.Type == "string":
				typ, how = "[]string", "list"
			default:
				return nil, "", fmt.Errorf("the query's %s is a %s", p.Name, p.Schema.Type)
			}
			fields = append(fields, fmt.Sprintf("// %s: %s\n%s %s", camel(p.Name), strings.TrimSpace(p.Description), camel(p.Name), typ))
			encode = append(encode, fmt.Sprintf("a.%s(%q, q.%s)", how, p.Name, camel(p.Name)))
		}
	}
	if len(fields) == 0 {
		return path, "", nil
	}
	takes := strings.Join(fields, "\n")
	if same := g.queries[takes]; same != "" {
		fmt.Fprintf(&g.types, "\n// %sQuery is what %s may be asked with.\ntype %sQuery = %sQuery\n", name, name, name, same)
		return path, "q " + name + "Query", nil
	}
	g.queries[takes] = name
	fmt.Fprintf(&g.types, "\n// %sQuery is what %s may be asked with; what is zero is left out.\ntype %sQuery struct {\n%s\n}\n", name, name, name, takes)
	fmt.Fprintf(&g.types, "\nfunc (q %sQuery) encode() string {\nvar a asked\n%s\nreturn a.encode()\n}\n", name, strings.Join(encode, "\n"))
	return path, "q " + name + "Query", nil
}

// pathOf is the path as an expression.
func pathOf(template string) string {
	var parts []string
	text := ""
	for _, segment := range strings.Split(strings.TrimPrefix(template, "/"), "/") {
		if !strings.HasPrefix(segment, "{") {
			text += "/" + segment
			continue
		}
		parts = append(parts, fmt.Sprintf("%q", text+"/"), "Segment("+strings.Trim(segment, "{}")+")")
		text = ""
	}
	if text != "" {
		parts = append(parts, fmt.Sprintf("%q", text))
	}
	return strings.Join(parts, " + ")
}

// list says whether s is a page of a list, and of what.
func (g *generator) list(s *huma.Schema) (member, row string, ok bool) {
	typ := g.doc.Components.Schemas.TypeFromRef(s.Ref)
	if s.Ref == "" || typ == nil || typ.Kind() != reflect.Struct {
		return "", "", false
	}
	if _, paged := typ.FieldByName("NextCursor"); !paged {
		return "", "", false
	}
	for _, f := range reflect.VisibleFields(typ) {
		if f.Type.Kind() == reflect.Slice {
			row, err := g.goType(f.Type.Elem(), "")
			return strings.Split(f.Tag.Get("json"), ",")[0], row, err == nil
		}
	}
	return "", "", false
}

// schema is the type that s was made of.
func (g *generator) schema(s *huma.Schema) (string, error) {
	if s.Ref == "" {
		return "", fmt.Errorf("a %s without a name", s.Type)
	}
	return g.goType(g.doc.Components.Schemas.TypeFromRef(s.Ref), camel(path.Base(s.Ref)))
}

// goType writes t; a struct without a name gets name and is written out.
func (g *generator) goType(t reflect.Type, name string) (string, error) {
	switch {
	case t == reflect.TypeFor[time.Time]():
		g.imports["time"] = true
		return "time.Time", nil
	case t.Kind() == reflect.Pointer:
		to, err := g.goType(t.Elem(), name)
		return "*" + to, err
	case t.Name() != "" && strings.HasSuffix(t.PkgPath(), "/admin"):
		return t.Name(), nil
	case t.Name() != "" && t.PkgPath() != "":
		g.imports[t.PkgPath()] = true
		return path.Base(t.PkgPath()) + "." + t.Name(), nil
	case t.Name() != "":
		return t.Name(), nil
	case t.Kind() == reflect.Slice:
		of, err := g.goType(t.Elem(), "")
		return "[]" + of, err
	case t.Kind() == reflect.Map:
		of, err := g.goType(t.Elem(), "")
		return "map[string]" + of, err
	case t.Kind() != reflect.Struct || name == "":
		return "", fmt.Errorf("no name for %s", t)
	case g.named[name]:
		return name, nil
	}
	g.named[name] = true
	var fields []string
	for i := range t.NumField() {
		f := t.Field(i)
		typ, err := g.goType(f.Type, "")
		if err != nil {
			return "", err
		}
		fields = append(fields, fmt.Sprintf("%s %s `json:%q`", f.Name, typ, f.Tag.Get("json")))
	}
	fmt.Fprintf(&g.types, "\n// %s has no name of its own in the document.\ntype %s struct {\n%s\n}\n", name, name, strings.Join(fields, "\n"))
	return name, nil
}
