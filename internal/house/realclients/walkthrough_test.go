//go:build realclients

package realclients

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/internal/house/hub"
)

// walkthroughs are the pages whose blocks are marked, with how many of them
// are run.
var walkthroughs = map[string]int{"comfyui.md": 3, "vllm.md": 4, "kubernetes.md": 0}

// TestWalkthroughs does what the pages say: their files are written and their
// blocks run in order, in the shell of somebody who has the program, a token
// and nothing else.
func TestWalkthroughs(t *testing.T) {
	t.Parallel()
	for page, runs := range walkthroughs {
		text, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", page))
		if err != nil {
			t.Fatal(err)
		}
		blocks := fences(string(text))
		n := 0
		for _, b := range blocks {
			kind, mark, _ := strings.Cut(b.info, " ")
			if kind == "sh" && mark != "run" && mark != "show" {
				t.Errorf("%s: a block is marked %q, neither run nor show:\n%s", page, b.info, b.text)
			}
			if mark == "run" {
				n++
			}
		}
		if n != runs {
			t.Errorf("%s has %d blocks to run, not %d", page, n, runs)
		}
		if runs > 0 {
			t.Run(page, func(t *testing.T) { walk(t, blocks) })
		}
	}
}

func walk(t *testing.T, blocks []fence) {
	h, err := hub.Start(hub.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	h.AddToken(hub.Token{Value: directToken, User: "alice", Grants: []string{"black-forest-labs/*", "meta-llama/*"}})
	files := sampleFiles(t, 1)
	files[0].Path = "ae.safetensors"
	for _, id := range []string{"black-forest-labs/FLUX.1-dev", "meta-llama/Llama-3.1-8B"} {
		if err := h.AddRepo(hub.Repo{Kind: hub.Models, ID: id, Access: hub.Gated, Revisions: map[string][]hub.File{"main": files}}); err != nil {
			t.Fatal(err)
		}
	}
	n := newcomer{t: t, dir: shortDir(t)}
	n.build()
	n.configure(h)
	n.serve()
	if err := os.WriteFile(filepath.Join(n.dir, "token.txt"), []byte(directToken+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for i, b := range blocks {
		_, mark, _ := strings.Cut(b.info, " ")
		if name, ok := strings.CutPrefix(mark, "file="); ok {
			if err := os.WriteFile(filepath.Join(n.dir, filepath.Base(name)), []byte(b.text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if mark == "run" {
			if out := n.shell(fmt.Sprintf("block %d:\n%s", i, b.text), b.text); strings.Contains(out, directToken) {
				t.Errorf("block %d prints the token", i)
			}
		}
	}
	n.stop()
}

// fence is a block of a page with what stands behind its backticks.
type fence struct{ info, text string }

func fences(page string) (out []fence) {
	var open *fence
	for line := range strings.Lines(page) {
		rest, mark := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case mark && open == nil:
			open = &fence{info: rest}
		case mark:
			out, open = append(out, *open), nil
		case open != nil:
			open.text += line
		}
	}
	return out
}
