package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"unicode/utf8"

	yaml "go.yaml.in/yaml/v4"
)

// maxFile bounds the configuration file.
const maxFile = 1 << 20

// file reads the configuration file into the configuration.
func (l *loader) file(path string) {
	l.root = place{path, 1, 1}
	text, err := readAny(path, maxFile)
	if err != nil {
		l.problems = append(l.problems, Problem{File: path, Message: "the configuration file cannot be read: " + cause(err), Hint: "give the path of a YAML file with --config"})
		return
	}
	l.parse(path, text)
}

// cause is err without the path that the message names already.
func cause(err error) string {
	var pe *os.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}

// readFile reads a regular file of at most limit bytes. A pipe would block,
// and could not be read again.
func readFile(path string, limit int64) ([]byte, error) {
	st, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case st.IsDir():
		return nil, errors.New("it is a directory")
	case !st.Mode().IsRegular():
		return nil, errors.New("it is not a regular file")
	}
	return readAny(path, limit)
}

// readAny reads at most limit bytes.
func readAny(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("it is larger than %v", Size(limit))
	}
	return b, err
}

// parse reads YAML text.
func (l *loader) parse(path string, text []byte) {
	l.root = place{path, 1, 1}
	if at := firstForeign(text); at >= 0 {
		line := 1 + bytes.Count(text[:at], []byte("\n"))
		l.at(place{path, line, at - bytes.LastIndexByte(text[:at], '\n')}, "", "a control character or a byte that is not UTF-8", "save the file as plain UTF-8 text")
		return
	}
	loader, err := yaml.NewLoader(bytes.NewReader(text))
	if err != nil {
		l.syntax(path, text, err)
		return
	}
	var doc yaml.Node
	switch err := loader.Load(&doc); {
	case errors.Is(err, io.EOF): // nothing but comments: the defaults hold
		return
	case err != nil:
		l.syntax(path, text, err)
		return
	}
	var more yaml.Node
	if err := loader.Load(&more); !errors.Is(err, io.EOF) {
		if err != nil {
			l.syntax(path, text, err)
			return
		}
		l.at(l.where(&more), "", "a second YAML document", "keep one document, without a line of three dashes")
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) == 0 {
		return
	}
	l.node(doc.Content[0], reflect.ValueOf(&l.config).Elem(), "")
}

// firstForeign finds what the YAML reader would refuse without a position.
func firstForeign(text []byte) int {
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && n == 1 || r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r >= 0x7f && r < 0xa0 && r != 0x85 || r >= 0xfffe && r < 0x10000 {
			return i
		}
		i += n
	}
	return -1
}

// syntax reports that the text is not YAML.
func (l *loader) syntax(path string, text []byte, err error) {
	at, message, hint := place{path, 1, 1}, "the text is not YAML", ""
	var le *yaml.LoadError
	if errors.As(err, &le) {
		if le.Mark.Line > 0 {
			at = place{path, le.Mark.Line, le.Mark.Column}
		}
		message += ": " + le.Message
		if le.ContextMsg != "" {
			message += " (" + le.ContextMsg + ")"
		}
	}
	lines := bytes.Split(text, []byte("\n"))
	if i := at.line - 1; i < len(lines) && bytes.HasPrefix(bytes.TrimLeft(lines[i], " "), []byte("\t")) {
		hint = "indent with spaces, not tabs"
	}
	l.at(at, "", message, hint)
}

// where is a node's place.
func (l *loader) where(n *yaml.Node) place {
	return place{l.root.file, max(n.Line, 1), max(n.Column, 1)}
}

// node reads n into v, reporting every mistake below it.
func (l *loader) node(n *yaml.Node, v reflect.Value, path string) {
	l.places[path] = l.where(n)
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		l.at(l.where(n), path, "anchors and aliases are not supported", "write the value out")
		return
	case n.Style&yaml.TaggedStyle != 0:
		l.at(l.where(n), path, "tags are not supported", "leave the tag out")
		return
	case n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null":
		return // nothing said
	}
	switch shapeOf(v.Type()) {
	case object:
		l.object(n, v, path)
	case objects, list:
		l.list(n, v, path)
	case words, sources:
		l.members(n, v, path)
	case source:
		if n.Kind == yaml.ScalarNode {
			v.Set(reflect.ValueOf(Source{Value: n.Value})) // whether that is allowed, the schema says
			return
		}
		l.object(n, v, path)
	default:
		l.scalar(n, v, path)
	}
}

var kindNames = map[yaml.Kind]string{yaml.MappingNode: "a mapping", yaml.SequenceNode: "a list", yaml.ScalarNode: "a single value"}

func (l *loader) wrongKind(n *yaml.Node, path, want, hint string) {
	l.at(l.where(n), path, fmt.Sprintf("must be %s, not %s", want, kindNames[n.Kind]), hint)
}

func (l *loader) scalar(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.ScalarNode {
		l.wrongKind(n, path, "a single value", "")
		return
	}
	tag := n.ShortTag()
	switch v.Kind() {
	case reflect.String:
		if tag != "!!str" {
			l.at(l.where(n), path, fmt.Sprintf("%s is not text in YAML", show(n.Value)), fmt.Sprintf("put it in quotes: %q", show(n.Value)))
			return
		}
	case reflect.Bool:
		if tag != "!!bool" {
			l.at(l.where(n), path, fmt.Sprintf("%q is neither true nor false", show(n.Value)), "write true or false, without quotes")
			return
		}
	}
	if m := setText(v, n.Value); m != nil {
		l.at(l.where(n), path, m.message, m.hint)
	}
}

func (l *loader) list(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.SequenceNode {
		hint := "begin each element on its own line with \"- \""
		if n.Kind == yaml.ScalarNode && shapeOf(v.Type()) == list {
			hint = "put it in brackets: [" + show(n.Value) + "]"
		}
		l.wrongKind(n, path, "a list", hint)
		return
	}
	out := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, c := range n.Content {
		e := out.Index(i)
		if e.Kind() == reflect.Struct && shapeOf(e.Type()) == object {
			setDefaults(e)
		}
		l.node(c, e, item(path, i))
	}
	v.Set(out)
}

// pairs calls visit for each key of a mapping, and reports the keys that are
// not text or appear twice.
func (l *loader) pairs(n *yaml.Node, path string, visit func(key, value *yaml.Node)) {
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		switch {
		case k.Kind != yaml.ScalarNode || k.ShortTag() == "!!merge" || k.Style&yaml.TaggedStyle != 0:
			l.at(l.where(k), path, "a key must be plain text", "write name: value")
			continue
		case seen[k.Value] > 0:
			l.at(l.where(k), member(path, k.Value), "this key appears twice", fmt.Sprintf("the first is in line %d", seen[k.Value]))
			continue
		}
		seen[k.Value] = max(k.Line, 1)
		visit(k, v)
	}
}

func (l *loader) object(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.MappingNode {
		l.wrongKind(n, path, "a mapping", "write its fields as name: value")
		return
	}
	l.pairs(n, path, func(k, value *yaml.Node) {
		f, ok := fieldByKey(v, k.Value)
		switch {
		case ok:
			l.node(value, f, join(path, k.Value))
		case v.Type() == sourceType && suggest(k.Value, keys(sourceType)) == "":
			// {hf_xyz}: what stands here may be the secret itself.
			l.at(l.where(k), path, "unknown key", "write {env: NAME} or {file: PATH}")
		default:
			l.at(l.where(k), member(path, k.Value), "unknown key", didYouMean(k.Value, keys(v.Type()), "known keys"))
		}
	})
}

func (l *loader) members(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.MappingNode {
		l.wrongKind(n, path, "a mapping", "write its members as name: value")
		return
	}
	out := reflect.MakeMap(v.Type())
	l.pairs(n, path, func(k, value *yaml.Node) {
		p := member(path, k.Value)
		l.keyPlaces[p] = l.where(k)
		e := reflect.New(v.Type().Elem()).Elem()
		l.node(value, e, p)
		out.SetMapIndex(reflect.ValueOf(k.Value), e)
	})
	v.Set(out)
}
