package clients

import (
	"fmt"
	"path"
	"strings"

	"github.com/weighbridge/weighbridge/internal/workerenv"
)

// Words are what stands in braces in a Command or in the Value of a variable.
type Words struct {
	// Pythons are interpreters by word: {python} has the newest huggingface_hub
	// 2.x and hf_xet, {python1} the newest 1.x and hf_xet; {python-plain} and
	// {python1-plain} are those without hf_xet; {python0} has the last 0.x.
	Pythons map[string]string
	Scripts string // {scripts}: testdata/clients
	Repo    string // {repo}
	File    string // {file}
	Dir     string // {dir}: where to download to
	URL     string // {url}: what is downloaded; in reverse mode below {base}
	KeyURL  string // {key-url}: the same by URL key
	KeyBase string // {key-base}: where hosts begin in a URL key's URLs
	GitURL  string // {git-url}: the repository, with the key as the password where the mode wants it
	Key     string // {key}
	Bundle  string // {bundle}: public roots and ours
	Token   string // {placeholder}: a token that stands for none
}

// PythonWords lists the words of interpreters.
func PythonWords() []string {
	return []string{"python", "python-plain", "python1", "python1-plain", "python0"}
}

func (w Words) replacer() *strings.Replacer {
	pairs := []string{"{scripts}", w.Scripts, "{repo}", w.Repo, "{file}", w.File, "{dir}", w.Dir, "{url}", w.URL,
		"{key-url}", w.KeyURL, "{key-base}", w.KeyBase, "{git-url}", w.GitURL, "{key}", w.Key, "{bundle}", w.Bundle, "{placeholder}", w.Token}
	for word, path := range w.Pythons {
		pairs = append(pairs, "{"+word+"}", path)
	}
	return strings.NewReplacer(pairs...)
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

// The words of the page.
const (
	shownProxy   = "http://PROXY:8080/"
	shownKeyBase = shownProxy + ".weighbridge/k/URL-KEY"
)

// shownURL is what a row downloads, as a person would write it.
func (w What) shownURL() string {
	switch w {
	case PullRequest:
		return "https://huggingface.co/ORG/REPO/resolve/refs%2Fpr%2F1/FILE"
	case Civitai:
		return "https://civitai.com/api/download/models/VERSION"
	case Comfy:
		return "https://cloud.comfy.org/api/view?filename=FILE"
	case Package:
		return "https://INDEX/simple"
	default:
		return "https://huggingface.co/ORG/REPO/resolve/main/FILE"
	}
}

// shownWords are the words as the page has them.
func (r Row) shownWords() Words {
	target, git := r.What.shownURL(), "https://huggingface.co/ORG/REPO"
	below := strings.TrimPrefix(target, "https://")
	if r.Mode == workerenv.Reverse {
		target, git = shownProxy+below, "http://weighbridge:$WEIGHBRIDGE_KEY@PROXY:8080/huggingface.co/ORG/REPO"
	}
	w := Words{Pythons: map[string]string{}, Repo: "ORG/REPO", File: "FILE", Dir: "DIR", URL: target, GitURL: git,
		KeyURL: shownKeyBase + "/" + below, KeyBase: shownKeyBase, Key: "$WEIGHBRIDGE_KEY", Bundle: "BUNDLE", Token: "PLACEHOLDER"}
	for _, word := range PythonWords() {
		w.Pythons[word] = "python"
	}
	if r.Section == TLS {
		for _, at := range []*string{&w.URL, &w.GitURL, &w.KeyURL, &w.KeyBase} {
			*at = strings.ReplaceAll(*at, "http://", "https://")
		}
	}
	return w
}

// Shown is the command as a person would write it.
func (r Row) Shown() string {
	argv := r.Argv(r.shownWords())
	for i, arg := range argv {
		if strings.HasPrefix(arg, "/") {
			arg = path.Base(arg)
		}
		if strings.ContainsAny(arg, " $*?") {
			arg = `"` + arg + `"`
		}
		argv[i] = arg
	}
	return strings.Join(argv, " ")
}

// ShownVariables are the variables as a person would set them.
func (r Row) ShownVariables() []string {
	out := append([]string(nil), r.Env...)
	for _, v := range r.Set {
		out = append(out, v.Name+"="+r.shownWords().replacer().Replace(v.Value))
	}
	return out
}
