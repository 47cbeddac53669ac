package config

import (
	"fmt"
	"reflect"
	"strings"
)

// Row describes one field for the reference.
type Row struct {
	// Name is the path in the file, such as upstream.idle_timeout or
	// credentials[].name.
	Name string
	// Type says in words what is written there.
	Type string
	// Default is the value where nothing is said.
	Default string
	// Env is the variable, with N for the index of a list's element.
	Env     string
	Allowed []string
	Example string
	Doc     string
	// Section rows hold other fields.
	Section bool
}

// Reference describes every field, in the order of the struct.
func Reference() []Row { return rows(reflect.TypeFor[Config](), "", envPrefix) }

func rows(t reflect.Type, path, env string) []Row {
	var out []Row
	for i := range t.NumField() {
		f := t.Field(i)
		r := Row{
			Name: join(path, f.Tag.Get("yaml")), Type: typeName(f), Default: f.Tag.Get("default"),
			Env: env + f.Tag.Get("env"), Allowed: strings.Fields(f.Tag.Get("oneof")),
			Example: f.Tag.Get("example"), Doc: f.Tag.Get("doc"),
		}
		switch shapeOf(f.Type) {
		case object:
			r.Section, r.Env = true, ""
			out = append(append(out, r), rows(f.Type, r.Name, env+f.Tag.Get("env")+"_")...)
			continue
		case objects:
			r.Section, r.Env = true, ""
			out = append(append(out, r), rows(f.Type.Elem(), r.Name+"[]", env+f.Tag.Get("env")+"_N_")...)
			continue
		case sources:
			r.Env += "_<FIELD>"
		}
		out = append(out, r)
	}
	return out
}

func typeName(f reflect.StructField) string {
	switch shapeOf(f.Type) {
	case object:
		return "section"
	case objects:
		return "list of sections"
	case words:
		return "map of text"
	case source:
		return "source"
	case sources:
		return "map of sources"
	case list:
		return "list of " + singleName(f.Type.Elem()) + "s"
	}
	if f.Tag.Get("oneof") != "" {
		return "word"
	}
	return singleName(f.Type)
}

func singleName(t reflect.Type) string {
	switch t {
	case durationType:
		return "duration"
	case sizeType:
		return "size"
	case timeType:
		return "time"
	case prefixType:
		return "CIDR"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "boolean"
	case reflect.Uint16:
		return "port"
	case reflect.Int, reflect.Float64:
		return "number"
	default:
		return "text"
	}
}

// Markdown is the reference page.
func Markdown() string {
	var b strings.Builder
	b.WriteString(pageHead)
	for _, r := range Reference() {
		top := !strings.ContainsAny(r.Name, ".[")
		if r.Section {
			fmt.Fprintf(&b, "\n## %s\n\n%s\n", r.Name, r.Doc)
			continue
		}
		mark := "###"
		if top {
			mark = "##"
		}
		fmt.Fprintf(&b, "\n%s %s\n\n%s\n\n", mark, r.Name, r.Doc)
		fmt.Fprintf(&b, "- Type: %s", r.Type)
		if len(r.Allowed) > 0 {
			fmt.Fprintf(&b, ", one of `%s`", strings.Join(r.Allowed, "`, `"))
		}
		b.WriteString("\n")
		if r.Default != "" {
			fmt.Fprintf(&b, "- Default: `%s`\n", r.Default)
		}
		if r.Example != "" {
			fmt.Fprintf(&b, "- Example: `%s`\n", r.Example)
		}
		fmt.Fprintf(&b, "- Variable: `%s`\n", r.Env)
	}
	return b.String()
}

const pageHead = "# Configuration\n\n" +
	"<!-- Generated from the Config struct. Do not edit: run `go test ./config -update`. -->\n\n" +
	"weighbridge needs no configuration to start. What is set counts in this order: flags of the command line,\n" +
	"then variables of the environment, then the file given with `--config`, then the defaults. `weighbridge check`\n" +
	"reports every mistake at once, with its place. On SIGHUP the configuration is read again; one with a mistake is\n" +
	"not taken, and the old one stays.\n\n" +
	"The file is YAML, read strictly: an unknown key or a value of another type is a mistake. Anchors, aliases and tags\n" +
	"are not supported. `testdata/config/sample.yaml` in the repository shows every field.\n\n" +
	"- **duration**: a number and a unit, such as `90s`, `10m`, `36h`, `90d`.\n" +
	"- **size**: bytes with a unit, such as `512KiB` or `2GiB`.\n" +
	"- **source**: where a secret comes from, exactly one of `{env: NAME}` and `{file: PATH}`. The secret itself may not\n" +
	"  stand in the configuration. A file must not be readable by others (`chmod 600`), unless Docker or Kubernetes mounts\n" +
	"  it; one newline at its end is not part of the secret. `{value: TEXT}` is for fields that are not secret.\n" +
	"- Relative paths are relative to the working directory, except `kek`, which is relative to `data_dir`.\n\n" +
	"Every field is also a variable of the environment. An empty variable counts as not set, so that a line such as\n" +
	"`WEIGHBRIDGE_TLS_CERT_FILE=` in a compose file takes nothing back; where a field can be switched off, the word is `off`,\n" +
	"in a variable as in the file and in a flag. (In the file and in a flag an empty text empties.) Elements of a list are\n" +
	"separated by commas, those of a map written `name=value,name=value`; in lists of sections `N` counts from 0. Each\n" +
	"variable also exists with `_FILE` at its end: it names a file that the value is read from. For a source, the variable\n" +
	"holds the secret itself, `…_FILE` names the secret's file, and `…_ENV` another variable. An unknown `WEIGHBRIDGE_…`\n" +
	"variable is a mistake, except those that the configuration names as the place of a secret, `WEIGHBRIDGE_KEY`, `WEIGHBRIDGE_TOKEN`, `WEIGHBRIDGE_SOAK`, `WEIGHBRIDGE_TEST_…` and\n" +
	"those that Kubernetes sets for a Service of our name (`WEIGHBRIDGE_SERVICE_HOST`, `WEIGHBRIDGE_PORT_8080_TCP`, …).\n"

// Sample is a configuration file that shows every field with its default, or
// commented out with an example. It loads as it is.
func Sample() string {
	var b strings.Builder
	b.WriteString("# Every field of weighbridge's configuration. What is commented out is an example.\n" +
		"# Generated from the Config struct: go test ./config -update\n")
	sample(&b, reflect.TypeFor[Config](), "", false)
	return b.String()
}

func sample(b *strings.Builder, t reflect.Type, indent string, commented bool) {
	for i := range t.NumField() {
		f := t.Field(i)
		if indent == "" {
			b.WriteString("\n")
		}
		for _, line := range wrap(f.Tag.Get("doc"), 96-len(indent)) {
			fmt.Fprintf(b, "%s# %s\n", indent, line)
		}
		name := f.Tag.Get("yaml")
		switch shapeOf(f.Type) {
		case object:
			fmt.Fprintf(b, "%s%s:\n", indent, name)
			sample(b, f.Type, indent+"  ", commented)
		case objects:
			fmt.Fprintf(b, "%s%s: []\n", indent, name)
			var e strings.Builder
			sample(&e, f.Type.Elem(), "    ", true)
			text := "  - " + strings.TrimPrefix(uncomment(e.String()), "    ")
			b.WriteString(indent + "# For example:\n" + indent + "# " + name + ":\n")
			for line := range strings.Lines(text) {
				b.WriteString(indent + "# " + line)
			}
		default:
			b.WriteString(indent + sampleLine(f, name, commented) + "\n")
		}
	}
}

// uncomment keeps the lines that are not descriptions.
func uncomment(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(strings.TrimSpace(line), "# ") {
			b.WriteString(line)
		}
	}
	return b.String()
}

func sampleLine(f reflect.StructField, name string, commented bool) string {
	value, example := f.Tag.Get("default"), f.Tag.Get("example")
	s := shapeOf(f.Type)
	write := func(v string) string {
		switch s {
		case list:
			return "[" + v + "]"
		case words, sources:
			return "{" + v + "}"
		case single:
			if f.Type.Kind() == reflect.String && (v == "" || strings.ContainsAny(v, ":#*[]{}")) {
				return fmt.Sprintf("%q", v)
			}
		}
		return v
	}
	switch {
	case value != "" || example == "" && f.Type.Kind() == reflect.String:
		return name + ": " + write(value)
	case commented:
		return name + ": " + write(example)
	default:
		return "# " + name + ": " + write(example)
	}
}

// wrap breaks text into lines of at most width characters.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, w := range strings.Fields(text) {
		if line != "" && len(line)+1+len(w) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += w
	}
	return append(lines, line)
}
