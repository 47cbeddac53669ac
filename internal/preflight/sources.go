package preflight

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// maxFiles bounds what one run asks for: every file is a request or three, and
// the Hub counts them.
const maxFiles = 5000

// ErrTooMany says that a source names more files than are looked at.
var ErrTooMany = fmt.Errorf("there are more than %d files: name fewer at a time", maxFiles)

// ErrNothing says that a source names nothing to download.
var ErrNothing = errors.New("there is nothing to download in it")

// Sources reads what text asks for: a workflow of ComfyUI in either of its
// JSON forms, a list of models as ComfyUI-Manager keeps them, or lines with one
// URL each.
func Sources(text []byte) ([]string, error) {
	if trimmed := bytes.TrimSpace(text); len(trimmed) > 0 && (trimmed[0] == '{' || trimmed[0] == '[') {
		return workflow(trimmed)
	}
	var out []string
	s := bufio.NewScanner(bytes.NewReader(text))
	for s.Scan() {
		line := strings.TrimSpace(s.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		out = append(out, line)
	}
	return some(out, s.Err())
}

// workflow takes the URLs of models out of JSON, in the order of their first
// place: every URL in a list called models, whatever it is called there, and
// every text that is the URL of a model as a whole, such as the value of a
// widget. URLs inside of sentences, as notes have them, are not meant.
func workflow(text []byte) ([]string, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	var out []string
	type level struct {
		object, key, models bool
		name                string
	}
	stack := []level{{}}
	for {
		t, err := d.Token()
		if err != nil {
			if len(stack) == 1 && err.Error() == "EOF" {
				break
			}
			return nil, errors.New("that is not whole JSON")
		}
		top := &stack[len(stack)-1]
		if top.object && top.key {
			if delim, ok := t.(json.Delim); ok && delim == '}' {
				stack = stack[:len(stack)-1]
				continue
			}
			top.name, top.key = fmt.Sprint(t), false
			continue
		}
		name, models := top.name, top.models
		top.key = top.object
		switch t := t.(type) {
		case json.Delim:
			switch t {
			case '{', '[':
				stack = append(stack, level{object: t == '{', key: t == '{', models: models || name == "models"})
			default:
				stack = stack[:len(stack)-1]
			}
		case string:
			if url := strings.TrimSpace(t); isURL(url) && (models && name == "url" || isModel(url)) {
				out = append(out, url)
			}
		}
	}
	return some(out, nil)
}

func isURL(s string) bool {
	return (strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://") || strings.HasPrefix(s, hubScheme)) && !strings.ContainsAny(s, " \r\n\t")
}

// suffixes are those of files with weights.
var suffixes = []string{".safetensors", ".sft", ".ckpt", ".pt", ".pth", ".bin", ".gguf", ".onnx", ".pkl", ".patch"}

func isModel(s string) bool {
	before, _, _ := strings.Cut(s, "?")
	return strings.HasPrefix(s, hubScheme) || strings.Contains(before, "/resolve/") || strings.Contains(before, "/api/download/models/") ||
		slices.Contains(suffixes, strings.ToLower(path.Ext(before)))
}

// some takes out repetitions, and refuses none and too many.
func some(in []string, err error) ([]string, error) {
	if err != nil {
		return nil, err
	}
	var out []string
	seen := map[string]bool{}
	for _, s := range in {
		if !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	switch {
	case len(out) == 0:
		return nil, ErrNothing
	case len(out) > maxFiles:
		return nil, ErrTooMany
	}
	return out, nil
}
