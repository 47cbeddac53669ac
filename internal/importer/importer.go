// Package importer finds upstream secrets where people keep them before they
// have weighbridge: environment files, Kubernetes Secrets, and the files of
// clients. It reads bytes that it is given, and says which credentials they
// would make. It opens no file, asks nobody and prints nothing.
//
// A secret that it finds is an [auth.Secret] from the first moment on. Errors
// name a place and never quote what stands there.
package importer

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/weighbridge/weighbridge/auth"
)

// MaxText bounds what is read as one source: far above any file of secrets.
const MaxText = 1 << 20

// Found is a credential that could be made.
type Found struct {
	// Name is what it would be called.
	Name string
	// Provider and Fields are those of the credential.
	Provider string
	Fields   auth.Fields
	// Patterns are where it would go; none stands for the provider's own.
	Patterns []string
	// From is where its secret stands: the source, and the place in it.
	From string
	// Obstacle says why it cannot be made as it is; empty where it can.
	Obstacle string
}

// Formats that Read knows.
const (
	FormatEnv        = "env"
	FormatKubernetes = "kubernetes"
	FormatToken      = "huggingface"
	FormatAWS        = "aws"
	FormatNetrc      = "netrc"
)

// Formats lists them.
func Formats() []string {
	return []string{FormatEnv, FormatKubernetes, FormatToken, FormatAWS, FormatNetrc}
}

// FormatOf guesses the format of a source by its name, and by what stands in it.
func FormatOf(name string, text []byte) string {
	base, body := path.Base(name), strings.TrimSpace(string(text))
	switch {
	case base == ".netrc" || base == "_netrc" || strings.HasPrefix(body, "machine "):
		return FormatNetrc
	case base == "credentials" && strings.HasPrefix(body, "["), strings.HasPrefix(body, "[") && strings.Contains(body, awsID):
		return FormatAWS
	case strings.Contains(body, "kind: Secret"), strings.Contains(body, `"kind": "Secret"`), strings.Contains(body, `"kind":"Secret"`):
		return FormatKubernetes
	case !strings.ContainsAny(body, "= \n\t"):
		return FormatToken
	default:
		return FormatEnv
	}
}

// Read finds the credentials in a source. name is what the source is called in
// the results. The error says why it cannot be read; nothing to be found in it
// is none.
func Read(format, name string, text []byte) ([]Found, error) {
	if len(text) > MaxText {
		return nil, fmt.Errorf("%s: it holds more than %d bytes", name, MaxText)
	}
	var found []Found
	var err error
	switch format {
	case FormatEnv:
		found = known(variables(text))
	case FormatKubernetes:
		found, err = kubernetes(text)
	case FormatToken:
		found = token(text)
	case FormatAWS:
		found = aws(text)
	case FormatNetrc:
		found = netrc(text)
	default:
		return nil, fmt.Errorf("there is no format %q; there are %s", format, strings.Join(Formats(), ", "))
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	for i := range found {
		f := &found[i]
		if f.From == "" {
			f.From = name
		} else {
			f.From = name + ": " + f.From
		}
		if f.Obstacle == "" {
			f.Obstacle = obstacle(f)
		}
	}
	return found, nil
}

// Environ finds the credentials in an environment of NAME=VALUE pairs.
func Environ(environ []string) []Found {
	vars := map[string]string{}
	for _, kv := range environ {
		if name, value, ok := strings.Cut(kv, "="); ok {
			vars[name] = value
		}
	}
	found := known(vars)
	for i := range found {
		found[i].From = "environment: " + found[i].From
		found[i].Obstacle = obstacle(&found[i])
	}
	return found
}

// Distinct is found without what stands in two places, and with names of their
// own for what is called the same. One secret for two hosts is two credentials.
func Distinct(found []Found) (out []Found) {
	names := map[string]bool{}
	for _, f := range found {
		if slices.ContainsFunc(out, func(o Found) bool {
			return o.Provider == f.Provider && slices.Equal(o.Patterns, f.Patterns) && maps.Equal(plain(o.Fields), plain(f.Fields))
		}) {
			continue
		}
		base := f.Name
		for n := 2; names[f.Name]; n++ {
			f.Name = fmt.Sprint(base, "-", n)
		}
		names[f.Name] = true
		out = append(out, f)
	}
	return out
}

// plain are the values of fields, to be compared.
func plain(f auth.Fields) map[string]string {
	out := map[string]string{}
	for name, v := range f {
		out[name] = v.Reveal()
	}
	return out
}

// obstacle says why what was found is not to be made.
func obstacle(f *Found) string {
	for _, v := range f.Fields {
		if _, ours := auth.HashAPIKey(v.Reveal()); ours {
			return "it is an API key of weighbridge, not an upstream's secret"
		}
		if _, ours := auth.HashURLKey(v.Reveal()); ours {
			return "it is a URL key of weighbridge, not an upstream's secret"
		}
	}
	return ""
}
