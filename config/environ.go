package config

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/weighbridge/weighbridge/auth"
)

// envPrefix begins every variable of ours.
const envPrefix = "WEIGHBRIDGE_"

// maxIndex bounds N in WEIGHBRIDGE_KEYS_N_NAME.
const maxIndex = 999

// otherVariables are ours and no fields: what the command line, workers and
// tests take. The second expression is what Kubernetes sets in every pod for
// a Service whose name begins with weighbridge.
var (
	otherVariables    = regexp.MustCompile(`^WEIGHBRIDGE_(KEY|TOKEN|ADDRESS|TEAM|SOAK|TEST_.*)$`)
	serviceVariables  = regexp.MustCompile(`^WEIGHBRIDGE_(.+_)?(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`)
	servicePort       = regexp.MustCompile(`^WEIGHBRIDGE_(.+_)?PORT$`)
	servicePortValue  = regexp.MustCompile(`^(tcp|udp|sctp)://`)
	numbersInVariable = regexp.MustCompile(`\d+`)
)

// environment lists the variables of an environment, the last of a name
// counting, and drops the empty ones: an empty variable says nothing.
func environment(environ []string) map[string]string {
	vars := map[string]string{}
	for _, kv := range environ {
		if name, value, ok := strings.Cut(kv, "="); ok && name != "" {
			vars[name] = value
		}
	}
	for name, value := range vars {
		if value == "" {
			delete(vars, name)
		}
	}
	return vars
}

// variables reads the environment into the configuration.
func (l *loader) variables() {
	var names []string
	for name, value := range l.env {
		if !strings.HasPrefix(name, envPrefix) || otherVariables.MatchString(name) || serviceVariables.MatchString(name) ||
			servicePort.MatchString(name) && servicePortValue.MatchString(value) {
			continue
		}
		names = append(names, name)
	}
	// KEYS_2 before KEYS_10, and a credential's fields after its provider, which
	// says what they are called.
	order := func(name string) string {
		s := numbersInVariable.ReplaceAllStringFunc(name, func(n string) string { return fmt.Sprintf("%08s", n) })
		if strings.Contains(name, "_FIELDS_") {
			return "1" + s
		}
		return "0" + s
	}
	slices.SortFunc(names, func(a, b string) int { return strings.Compare(order(a), order(b)) })
	for _, name := range names {
		l.variable(name)
	}
	for _, name := range l.unknown {
		if !l.named(name) {
			l.at(place{file: "$" + name}, "", "there is no such setting", didYouMean(name, l.variableNames(), ""))
		}
	}
}

// named reports whether the configuration names a variable as the place of a
// secret: that one may be called as the operator likes.
func (l *loader) named(name string) bool {
	found := l.config.KEK == "env:"+name
	for i := range l.config.Credentials {
		for _, s := range l.config.Credentials[i].Fields {
			found = found || s.Env == name
		}
	}
	for i := range l.config.Keys {
		found = found || l.config.Keys[i].Value.Env == name || l.config.Keys[i].URLKey.Env == name
	}
	found = found || l.config.Store.DSN.Env == name || l.config.MetricsToken.Env == name
	for i := range l.config.Audit.Followers {
		found = found || l.config.Audit.Followers[i].Token.Env == name
	}
	return found
}

// variable sets the field that a variable names.
func (l *loader) variable(name string) {
	at := place{file: "$" + name}
	f, ok := l.field(reflect.ValueOf(&l.config).Elem(), "", strings.TrimPrefix(name, envPrefix))
	if !ok {
		l.unknown = append(l.unknown, name)
		return
	}
	if first, ok := l.fromEnv[f.path]; ok {
		l.at(at, f.path, "is set by "+first+" already", "unset one of the two")
		return
	}
	l.fromEnv[f.path] = name
	l.places[f.path] = at
	value := l.env[name]
	if f.v.Type() == sourceType {
		s := Source{Env: name}
		switch f.suffix {
		case "_ENV":
			s = Source{Env: value}
		case "_FILE":
			s = Source{File: value}
		}
		f.set(reflect.ValueOf(s))
		return
	}
	if f.suffix == "_FILE" {
		text, err := readFile(value, maxFile)
		if err != nil {
			l.at(at, f.path, "the file cannot be read: "+cause(err), "")
			return
		}
		value = trimNewline(string(text))
	}
	if m := setWhole(f.v, value); m != nil {
		l.at(at, f.path, m.message, m.hint)
	}
}

// found is the field of a variable.
type found struct {
	v      reflect.Value
	path   string
	suffix string // "_FILE", "_ENV" or nothing
	set    func(reflect.Value)
}

// field finds what rest, a variable's name behind the prefix, names below v.
func (l *loader) field(v reflect.Value, path, rest string) (found, bool) {
	switch shapeOf(v.Type()) {
	case object:
		if path != "" && !strings.HasPrefix(rest, "_") && !strings.HasSuffix(path, "]") {
			return found{}, false // the name of the section alone
		}
		for i := range v.NumField() {
			tag := v.Type().Field(i).Tag
			sub, ok := strings.CutPrefix(strings.TrimPrefix(rest, "_"), tag.Get("env"))
			if !ok || sub != "" && sub[0] != '_' {
				continue
			}
			if f, ok := l.field(v.Field(i), join(path, tag.Get("yaml")), sub); ok {
				return f, true
			}
		}
		return found{}, false
	case objects:
		digits, sub, ok := strings.Cut(strings.TrimPrefix(rest, "_"), "_")
		n, err := strconv.Atoi(digits)
		if !ok || err != nil || n < 0 || n > maxIndex || strconv.Itoa(n) != digits {
			return found{}, false
		}
		if n > v.Len() {
			return found{}, false // a gap
		}
		e := reflect.New(v.Type().Elem()).Elem()
		if n < v.Len() {
			e = v.Index(n)
		} else {
			setDefaults(e)
		}
		if _, ok := l.field(e, item(path, n), sub); !ok {
			return found{}, false
		}
		if n == v.Len() {
			v.Set(reflect.Append(v, e))
			l.places[item(path, n)] = place{file: "$" + envPrefix + strings.ToUpper(path) + "_" + digits + "_…"}
		}
		return l.field(v.Index(n), item(path, n), sub)
	case sources:
		return l.sourceField(v, path, rest)
	case source:
		switch rest {
		case "", "_FILE", "_ENV":
			return found{v: v, path: path, suffix: rest, set: v.Set}, true
		}
	default:
		if rest == "" || rest == "_FILE" {
			return found{v: v, path: path, suffix: rest, set: v.Set}, true
		}
	}
	return found{}, false
}

// sourceField finds a credential's field: TOKEN is token, and HEADERNAME or
// HEADER_NAME is headerName, as the provider calls it.
func (l *loader) sourceField(v reflect.Value, path, rest string) (found, bool) {
	name := strings.TrimPrefix(rest, "_")
	if name == rest || name == "" {
		return found{}, false
	}
	var schema auth.Schema
	for i := range l.config.Credentials {
		if item("credentials", i)+".fields" == path {
			schema = l.schemas[l.config.Credentials[i].Provider]
		}
	}
	for _, suffix := range []string{"", "_FILE", "_ENV"} {
		short, ok := strings.CutSuffix(name, suffix)
		if !ok {
			continue
		}
		for _, f := range schema.Fields {
			if strings.EqualFold(strings.ReplaceAll(short, "_", ""), f.Name) {
				set := func(s reflect.Value) {
					if v.IsNil() {
						v.Set(reflect.MakeMap(v.Type()))
					}
					v.SetMapIndex(reflect.ValueOf(f.Name), s)
				}
				return found{v: reflect.Zero(sourceType), path: member(path, f.Name), suffix: suffix, set: set}, true
			}
		}
	}
	return found{}, false
}

// variableNames lists every variable, with the indices that are in use.
func (l *loader) variableNames() []string {
	var out []string
	var walk func(v reflect.Value, name string)
	walk = func(v reflect.Value, name string) {
		for i := range v.NumField() {
			f, n := v.Field(i), name+v.Type().Field(i).Tag.Get("env")
			switch shapeOf(f.Type()) {
			case object:
				walk(f, n+"_")
			case objects:
				for j := range f.Len() + 1 {
					walk(reflect.New(f.Type().Elem()).Elem(), n+"_"+strconv.Itoa(j)+"_")
				}
			case sources:
				for _, s := range l.schemas {
					for _, field := range s.Fields {
						out = append(out, n+"_"+strings.ToUpper(field.Name))
					}
				}
			default:
				out = append(out, n, n+"_FILE")
			}
		}
	}
	walk(reflect.ValueOf(l.config), envPrefix)
	slices.Sort(out)
	return slices.Compact(out)
}
