// Package body is what is downloaded: bytes that both ends know without
// keeping them, so that every byte that a peer delivers is compared.
package body

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// blockSize is no multiple of any buffer or record, so that bytes which a peer
// moved by one of those show.
const blockSize = 1<<20 + 4093

// block is repeated to make a body of any length.
var block = func() []byte {
	b := make([]byte, blockSize)
	r := rand.NewChaCha8([32]byte{'w', 'e', 'i', 'g', 'h', 't', 's'})
	_, _ = r.Read(b)
	return b
}()

// Block is what a body repeats. It must not be changed.
func Block() []byte { return block }

// SmallSize is the length of the small object.
const SmallSize = 1 << 10

// small is a configuration as a hub would serve it: text, so that what looks
// through texts has to.
var small = func() []byte {
	head := `{"architectures":["LlamaForCausalLM"],"hidden_size":8192,"num_attention_heads":64,"pad":"`
	tail := "\"}\n"
	return []byte(head + strings.Repeat("x", SmallSize-len(head)-len(tail)) + tail)
}()

// Small is the small object. It must not be changed.
func Small() []byte { return small }

// Repository is the path that everything is below. The organisation is one of
// a thousand that weighbridge has patterns for.
const Repository = "/org500/llama-70b/resolve/main/"

// SmallPath is the path of the small object.
const SmallPath = Repository + "config.json"

// Path is the path of a body of n bytes.
func Path(n int64) string { return Repository + "model-" + strconv.FormatInt(n, 10) + ".safetensors" }

// Length is the opposite of Path.
func Length(path string) (int64, bool) {
	name, ok := strings.CutPrefix(path, Repository+"model-")
	if !ok {
		return 0, false
	}
	name, ok = strings.CutSuffix(name, ".safetensors")
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(name, 10, 64)
	return n, err == nil && n >= 0
}

// Checker compares a body with what it has to be, in order. The zero value is
// at the body's first byte.
type Checker struct{ at int64 }

// Check compares the next bytes of the body.
func (c *Checker) Check(p []byte) error {
	for len(p) > 0 {
		want := block[c.at%blockSize:]
		n := min(len(p), len(want))
		if !bytes.Equal(p[:n], want[:n]) {
			return fmt.Errorf("wrong bytes within %d bytes after byte %d", n, c.at)
		}
		p = p[n:]
		c.at += int64(n)
	}
	return nil
}

// Count is how many bytes were right.
func (c *Checker) Count() int64 { return c.at }
