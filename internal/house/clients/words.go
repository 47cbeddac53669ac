package clients

import (
	"fmt"
	"path"
	"strings"

	"github.com/weighbridge/weighbridge/internal/workerenv"
)

func (w Words) replacer() *strings.Replacer {
	return strings.NewReplacer("{python}", w.Python, "{scripts}", w.Scripts, "{repo}", w.Repo, "{file}", w.File,
		"{dir}", w.Dir, "{url}", w.URL, "{key-url}", w.KeyURL, "{key}", w.Key, "{bundle}", w.Bundle, "{placeholder}", w.Token)
}

// Argv is the command with its words filled in.
func (r Row) Argv(w Words) []string {
	out := make([]string, len(r.Command))
	for i, arg := range r.Command {
		out[i] = w.replacer().Replace(arg)
	}
	return out
}

// Environ is exactly what the row names, as NAME=VALUE: its part of printed,
// which is what `weighbridge env` prints, and what it sets beside that. A name
// that is not printed is an error.
func (r Row) Environ(printed []workerenv.Var, w Words) ([]string, error) {
	values := map[string]string{}
	for _, v := range printed {
		values[v.Name] = v.Value
	}
	var out []string
	for _, name := range r.Env {
		value, ok := values[name]
		if !ok {
			return nil, fmt.Errorf("%s: `weighbridge env --mode %s` prints no %s", r.Name, r.Mode, name)
		}
		out = append(out, name+"="+value)
	}
	for _, v := range r.Set {
		out = append(out, v.Name+"="+w.replacer().Replace(v.Value))
	}
	return out, nil
}

// Shown is the command as a person would write it.
func (r Row) Shown() string {
	target := "https://huggingface.co/ORG/REPO/resolve/main/FILE"
	if r.Mode == workerenv.Reverse {
		target = "http://PROXY:8080/huggingface.co/ORG/REPO/resolve/main/FILE"
	}
	argv := r.Argv(Words{
		Python: "python", Scripts: "", Repo: "ORG/REPO", File: "FILE", Dir: "DIR", URL: target,
		KeyURL: "http://PROXY:8080/.weighbridge/k/URL-KEY/huggingface.co/ORG/REPO/resolve/main/FILE",
		Key:    "$WEIGHBRIDGE_KEY", Bundle: "BUNDLE", Token: "PLACEHOLDER",
	})
	for i, arg := range argv {
		if strings.HasPrefix(arg, "/") {
			arg = path.Base(arg)
		}
		if strings.ContainsAny(arg, " $") {
			arg = `"` + arg + `"`
		}
		argv[i] = arg
	}
	return strings.Join(argv, " ")
}
