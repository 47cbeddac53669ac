//go:build realclients

package realclients

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/weighbridge/weighbridge/internal/house/hub"
	"github.com/weighbridge/weighbridge/internal/house/walk"
)

// walkthroughs are the pages whose blocks run before the Hub, with how many of
// them are run.
var walkthroughs = map[string]int{"comfyui.md": 3, "vllm.md": 4, "kubernetes.md": 4}

// TestWalkthroughs does what the pages say.
func TestWalkthroughs(t *testing.T) {
	t.Parallel()
	for page, runs := range walkthroughs {
		t.Run(page, func(t *testing.T) {
			h, err := hub.Start(hub.Options{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = h.Close() })
			h.AddToken(hub.Token{Value: directToken, User: "alice", Grants: []string{"black-forest-labs/*", "meta-llama/*", "my-org/*"}})
			files := sampleFiles(t, 1)
			files[0].Path = "ae.safetensors"
			for _, id := range []string{"black-forest-labs/FLUX.1-dev", "meta-llama/Llama-3.1-8B", "my-org/gated-model"} {
				if err := h.AddRepo(hub.Repo{Kind: hub.Models, ID: id, Access: hub.Gated, Revisions: map[string][]hub.File{"main": files}}); err != nil {
					t.Fatal(err)
				}
			}
			n := newcomer(t, h)
			n.Write("token.txt", directToken+"\n")
			if page == "kubernetes.md" {
				gateway(t, n)
			}
			n.Walk(page, runs, directToken)
			n.Stop()
		})
	}
}

// gateway makes of a newcomer's weighbridge the gateway of docs/kubernetes.md,
// and gives the newcomer a checkout.
func gateway(t *testing.T, n *walk.Newcomer) {
	t.Helper()
	n.Shell("what the values declare", `weighbridge credential create --provider huggingface --name hub --set token=@token.txt --pattern 'huggingface.co/my-org/*'
weighbridge key create --name trainer --credential hub --json | sed -n 's/.*"key": "\(wbk_[^"]*\)".*/\1/p' > trainer.key`)
	deploy, err := filepath.Abs("../../../deploy")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(deploy, filepath.Join(n.Dir, "deploy")); err != nil {
		t.Fatal(err)
	}
}
