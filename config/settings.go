package config

import (
	"reflect"
	"strconv"
	"strings"
)

// The shapes of a field.
type shape int

const (
	single  shape = iota // one value
	list                 // of single values
	words                // map of text to text
	object               // struct
	objects              // list of structs
	source               // Source
	sources              // map of Source
)

func shapeOf(t reflect.Type) shape {
	switch {
	case t == sourceType:
		return source
	case t == timeType || t == prefixType:
		return single
	case t.Kind() == reflect.Struct:
		return object
	case t.Kind() == reflect.Slice && shapeOf(t.Elem()) == object:
		return objects
	case t.Kind() == reflect.Slice:
		return list
	case t.Kind() == reflect.Map && t.Elem() == sourceType:
		return sources
	case t.Kind() == reflect.Map:
		return words
	default:
		return single
	}
}

// join is the path of a field below another.
func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// item is the path of a list's element.
func item(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// member is the path of a map's element.
func member(path, key string) string {
	if key == "" || strings.ContainsFunc(key, func(r rune) bool { return notInRoute(r) }) {
		return path + "[" + strconv.Quote(show(key)) + "]"
	}
	return join(path, show(key))
}

// parent is the path above path, or "".
func parent(path string) string {
	if i := strings.LastIndexAny(path, ".["); i >= 0 {
		return path[:i]
	}
	return ""
}

// keys lists the yaml names of a struct's fields, in order.
func keys(t reflect.Type) []string {
	var out []string
	for i := range t.NumField() {
		out = append(out, t.Field(i).Tag.Get("yaml"))
	}
	return out
}

// fieldByKey finds a struct's field by its yaml name.
func fieldByKey(v reflect.Value, key string) (reflect.Value, bool) {
	for i := range v.NumField() {
		if v.Type().Field(i).Tag.Get("yaml") == key {
			return v.Field(i), true
		}
	}
	return reflect.Value{}, false
}

// setDefaults sets every field below v that has a default.
func setDefaults(v reflect.Value) {
	for i := range v.NumField() {
		f, tag := v.Field(i), v.Type().Field(i).Tag
		if shapeOf(f.Type()) == object {
			setDefaults(f)
			continue
		}
		text, ok := tag.Lookup("default")
		if !ok {
			continue
		}
		if m := setWhole(f, text); m != nil {
			panic("config: default of " + v.Type().Field(i).Name + ": " + m.message)
		}
	}
}

// setWhole sets a single value, a list or a map of words from one text, with
// commas between the elements and "=" between a word and its value.
func setWhole(dst reflect.Value, text string) *mistake {
	t := dst.Type()
	switch shapeOf(t) {
	case list:
		out := reflect.MakeSlice(t, 0, 4)
		for part := range strings.SplitSeq(text, ",") {
			e := reflect.New(t.Elem()).Elem()
			if m := setText(e, strings.TrimSpace(part)); m != nil {
				return m
			}
			out = reflect.Append(out, e)
		}
		dst.Set(out)
	case words:
		out := reflect.MakeMap(t)
		for part := range strings.SplitSeq(text, ",") {
			k, v, ok := strings.Cut(part, "=")
			if !ok {
				return &mistake{"\"" + show(part) + "\" is not name=value", "write name=value,name=value"}
			}
			out.SetMapIndex(reflect.ValueOf(strings.TrimSpace(k)), reflect.ValueOf(strings.TrimSpace(v)))
		}
		dst.Set(out)
	default:
		return setText(dst, text)
	}
	return nil
}

// leaves calls visit for every single value, list, map and source below v.
func leaves(v reflect.Value, path string, visit func(path string, v reflect.Value, tag reflect.StructTag)) {
	for i := range v.NumField() {
		f, tag := v.Field(i), v.Type().Field(i).Tag
		p := join(path, tag.Get("yaml"))
		switch shapeOf(f.Type()) {
		case object:
			leaves(f, p, visit)
		case objects:
			for j := range f.Len() {
				leaves(f.Index(j), item(p, j), visit)
			}
		default:
			visit(p, f, tag)
		}
	}
}
