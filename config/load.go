package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// LoadOptions say where a configuration comes from. The zero value loads the
// defaults.
type LoadOptions struct {
	// Path of the YAML file; empty for none.
	Path string
	// Environ is the environment, as os.Environ gives it: WEIGHBRIDGE_…
	// variables, and the ones that secrets come from.
	Environ []string
	// Schemas of the providers that credentials may name.
	Schemas []auth.Schema
	// Providers, where given, stand for their schemas, and check the values and
	// patterns of their credentials too.
	Providers []auth.Provider
	// Tracing says that this build can export spans; a collector is refused
	// otherwise.
	Tracing bool
	// Now defaults to time.Now.
	Now func() time.Time
	// Override applies the flags of the command line, last.
	Override func(*Config)
}

// Loaded is a configuration without mistakes.
type Loaded struct {
	Config Config
	// Path is the file it came from, or empty.
	Path string
	// Warnings are what deserves attention and hinders nothing.
	Warnings Problems

	// env looks variables up. It is a function so that printing a Loaded does
	// not print the environment.
	env func(string) string
	// placeOf is where a field was written.
	placeOf func(path string) place
}

// Problem is one that was found after loading, with the place of its field.
func (l *Loaded) Problem(field, message, hint string) Problem {
	at := l.placeOf(field)
	return Problem{File: at.file, Line: at.line, Column: at.column, Field: field, Message: message, Hint: hint}
}

// Load reads and checks a configuration: flags over environment over file
// over defaults. The error is [Problems] and holds every mistake; there is no
// configuration then.
func Load(o LoadOptions) (*Loaded, error) {
	l := newLoader(o)
	if o.Path != "" {
		l.file(o.Path)
	}
	return l.finish()
}

// loader is a configuration in the making.
type loader struct {
	o         LoadOptions
	config    Config
	schemas   map[string]auth.Schema
	providers map[string]auth.Provider
	env       map[string]string
	fromEnv   map[string]string // field to the variable that set it
	places    map[string]place
	keyPlaces map[string]place // of the keys of maps
	root      place
	problems  Problems
	warnings  Problems
	// unknown are variables of our prefix that name no field.
	unknown []string
}

func newLoader(o LoadOptions) *loader {
	l := &loader{
		o: o, schemas: map[string]auth.Schema{}, providers: map[string]auth.Provider{},
		env: environment(o.Environ), fromEnv: map[string]string{},
		places: map[string]place{}, keyPlaces: map[string]place{},
	}
	for _, s := range o.Schemas {
		l.schemas[s.Name] = s
	}
	for _, p := range o.Providers {
		s := p.Schema()
		l.schemas[s.Name], l.providers[s.Name] = s, p
	}
	if l.o.Now == nil {
		l.o.Now = time.Now
	}
	setDefaults(reflect.ValueOf(&l.config).Elem())
	return l
}

// lookup returns a variable of the environment, or "".
func (l *loader) lookup(name string) string { return l.env[name] }

// finish applies environment and flags, and checks the whole.
func (l *loader) finish() (*Loaded, error) {
	l.variables()
	l.flags()
	if l.config.AdminListen == off {
		l.config.AdminListen = ""
	}
	if l.config.DataDir == off {
		l.config.DataDir = ""
	}
	l.check()
	if len(l.problems) > 0 {
		l.problems.sort()
		return nil, slices.Compact(l.problems)
	}
	l.warnings.sort()
	return &Loaded{Config: l.config, Path: l.o.Path, Warnings: l.warnings, env: l.lookup, placeOf: l.placeOf}, nil
}

// off is the word for a listener or a directory that there is not to be. A variable needs it,
// because an empty one says nothing, and it means the same everywhere.
const off = "off"

// flags applies the command line and notes which fields it changed.
func (l *loader) flags() {
	if l.o.Override == nil {
		return
	}
	text := func() map[string]string {
		m := map[string]string{}
		leaves(reflect.ValueOf(&l.config).Elem(), "", func(path string, v reflect.Value, _ reflect.StructTag) {
			m[path] = fmt.Sprint(v.Interface())
		})
		return m
	}
	before := text()
	l.o.Override(&l.config)
	for path, now := range text() {
		if was, ok := before[path]; !ok || was != now {
			maps.DeleteFunc(l.places, func(p string, _ place) bool { return p != path && within(p, path) })
			l.places[path] = place{file: "command line"}
		}
	}
}

// within reports whether p is path or below it.
func within(p, path string) bool {
	for ; p != ""; p = parent(p) {
		if p == path {
			return true
		}
	}
	return false
}

// at reports a mistake at a place.
func (l *loader) at(at place, path, message, hint string) {
	l.problems = append(l.problems, Problem{File: at.file, Line: at.line, Column: at.column, Field: path, Message: message, Hint: hint})
}

// wrong reports a mistake where the field was written.
func (l *loader) wrong(path, message, hint string) { l.at(l.placeOf(path), path, message, hint) }

// warn reports what is no mistake.
func (l *loader) warn(path, message, hint string) {
	at := l.placeOf(path)
	l.warnings = append(l.warnings, Problem{File: at.file, Line: at.line, Column: at.column, Field: path, Message: message, Hint: hint})
}

// placeOf is where a field was written, or what holds it.
func (l *loader) placeOf(path string) place {
	for p := path; p != ""; p = parent(p) {
		if at, ok := l.places[p]; ok {
			return at
		}
	}
	return l.root
}

// failed reports whether the field, or what holds it or is in it, has a
// mistake already: a value that could not be read is not checked again.
func (l *loader) failed(path string) bool {
	return slices.ContainsFunc(l.problems, func(p Problem) bool {
		return p.Field != "" && (within(p.Field, path) || within(path, p.Field))
	})
}
