package portal

import (
	"embed"
	"fmt"
	"io/fs"
	"strings"
)

//go:embed text
var texts embed.FS

// text is every sentence that a page says, by key: the files below text, which
// are lines of `key = sentence`, with # for comments. A sentence takes what
// stands in it by %s and %d.
type text map[string]string

// newText reads the files, which are part of the program: a mistake in them is
// one of the build, and panics.
func newText() *text {
	out := text{}
	names, err := fs.Glob(texts, "text/*.txt")
	if err != nil {
		panic(err)
	}
	for _, name := range names {
		b, err := texts.ReadFile(name)
		if err != nil {
			panic(err)
		}
		for n, line := range strings.Split(string(b), "\n") {
			if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
				continue
			}
			key, sentence, ok := strings.Cut(line, " = ")
			if _, twice := out[key]; !ok || twice {
				panic(fmt.Sprintf("%s:%d: not a line of key = sentence, or a key that is there already", name, n+1))
			}
			out[key] = sentence
		}
	}
	return &out
}

// say is the sentence of a key. One that is missing shows its key: a test finds
// every key that the templates name.
func (t *text) say(key string, in ...any) string {
	sentence, ok := (*t)[key]
	if !ok {
		return "⟦" + key + "⟧"
	}
	if len(in) == 0 {
		return sentence
	}
	return fmt.Sprintf(sentence, in...)
}

// many is the sentence of a key about a number of things. About one there is a
// sentence of its own, whose words are other ones.
func (t *text) many(key string, n any) string {
	if i, whole := n.(int); whole {
		n = formatCount(int64(i))
	}
	if says := fmt.Sprint(n); says != "1" {
		return t.say(key, says)
	}
	return t.say(key + ".one")
}

// optional is the sentence of a key, "" where there is none.
func (t *text) optional(key string) string { return (*t)[key] }
