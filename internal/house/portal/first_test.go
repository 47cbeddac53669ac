//go:build realclients

package portal

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/house/origin"
)

// Somebody who has never read a page of the documentation has a worker download
// a gated model: first user, credential, key, lines to copy, received.
func TestFromFirstRunToFirstDownload(t *testing.T) {
	t.Parallel()
	s := newSite(t, house.Options{})
	b := s.firstUser()
	b.open("/t/default/guide")
	b.follow("Add a Hugging Face token")
	b.fill("Name", "hub")
	b.fill("Access token", s.Token.Value())
	b.follow("Create")
	b.shows()
	b.at("/t/default/guide") // which says that it is valid
	b.words(".chip.valid")
	b.fill("Name", "gpu-1")
	b.follow("Create the key")
	b.shows()
	b.sees("Waiting for the first download…")
	key, lines := b.words(".reveal pre"), b.words("#lines-forward-shell")
	b.revealed()
	b.copies()

	file := filepath.Join(t.TempDir(), "model.safetensors")
	s.worker(lines, "curl -q -sSfL --retry 0 -o "+file+" "+weights)
	got, err := os.ReadFile(file)
	s.must(err)
	want := sampleWeights(t)
	if origin.SHA256(origin.Bytes(got)) != origin.SHA256(want) {
		t.Errorf("%d bytes came, other ones than the %d of the Hub", len(got), want.Size())
	}
	b.until("the tick", `document.querySelector(".first-use .done")`)
	b.sees("Received.")
	// The page still shows the key, once; the next one does not.
	if b.words(".reveal pre") != key {
		t.Error("the key is gone before it was copied")
	}
	b.open("/t/default")
	b.lacks(key)
	b.open("/t/default/guide")
	b.lacks(key)
	b.open("/t/default/keys/gpu-1")
	b.lacks(key)
}

// copies asserts that a button that copies says so, and says what it said before
// a while after it was pressed for the last time.
func (b *tab) copies() {
	b.t.Helper()
	const button = ".reveal [data-copy]"
	was := b.words(button)
	for range 2 {
		b.do("copying", b.hit(button, find("selector", button))...)
		b.until("it is copied", `document.querySelector(`+quote(button)+`).innerText !== `+quote(was))
	}
	b.until("it can be copied again", `document.querySelector(`+quote(button)+`).innerText === `+quote(was))
}

// worker runs a command in a shell of its own, which has nothing but the lines
// that the page showed.
func (s *site) worker(lines, command string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	home := s.t.TempDir()
	cmd := exec.CommandContext(ctx, "bash", "-euc", lines+"\n"+command)
	cmd.Dir, cmd.Env = home, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home}
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("the worker: %v: %s", err, out)
	}
}
