// Package walk does what a page of docs says: it writes the files that the page
// shows and runs its blocks, in their order, in the shell of somebody who has
// the program, what the page says is there, and nothing else.
//
// What stands behind the backticks of a block says what becomes of it:
//
//	sh run           it is run, and ends with 0
//	sh run exit=7    it is run, and ends with 7
//	sh show          it needs what no suite has: a GPU, a cloud, a cluster
//	json file=NAME   it is written into a file of that name
//	text out         each of its lines is in the output of the block before it,
//	                 in this order; … stands for anything
//	sh show way=NAME one of several ways to the same: testdata/deploy follows each of them
package walk

import (
	"regexp"
	"strconv"
	"strings"
)

// Block is a fenced block of a page: what stands behind its backticks, and what
// is in it.
type Block struct{ Info, Text string }

// Blocks are those of a page, in their order.
func Blocks(page string) (out []Block) {
	var open *Block
	for line := range strings.Lines(page) {
		rest, mark := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case mark && open == nil:
			open = &Block{Info: rest}
		case mark:
			out, open = append(out, *open), nil
		case open != nil:
			open.Text += line
		}
	}
	return out
}

// language is the first word of Info, such as sh.
func (b *Block) language() string {
	word, _, _ := strings.Cut(b.Info, " ")
	return word
}

// mark reports whether Info says word.
func (b *Block) mark(word string) bool {
	_, ok := b.value(word)
	return ok
}

// value is what Info says of name: NAME=VALUE, or NAME alone.
func (b *Block) value(name string) (string, bool) {
	_, marks, _ := strings.Cut(b.Info, " ")
	for word := range strings.FieldsSeq(marks) {
		if is, value, _ := strings.Cut(word, "="); is == name {
			return value, true
		}
	}
	return "", false
}

// status is the one with which the block is to end.
func (b *Block) status() int {
	text, _ := b.value("exit")
	n, _ := strconv.Atoi(text) // 0 where nothing is said
	return n
}

// missing is the first line of the block that out does not have where it should;
// "" where out has them all, in their order.
func (b *Block) missing(out string) string {
	for line := range strings.Lines(b.Text) {
		line = strings.TrimSpace(line)
		if line == "" || line == "…" {
			continue
		}
		parts := strings.Split(line, "…")
		for i, p := range parts {
			// Columns are as wide as what stands in them.
			words := strings.Fields(p)
			for j, w := range words {
				words[j] = regexp.QuoteMeta(w)
			}
			parts[i] = strings.Join(words, `\s+`)
		}
		at := regexp.MustCompile(strings.Join(parts, `.*?`)).FindStringIndex(out)
		if at == nil {
			return line
		}
		out = out[at[1]:]
	}
	return ""
}
