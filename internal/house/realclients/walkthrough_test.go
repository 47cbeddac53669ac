//go:build realclients

package realclients

import (
	"testing"

	"github.com/weighbridge/weighbridge/internal/house/hub"
)

// walkthroughs are the pages whose blocks run before the Hub, with how many of
// them are run.
var walkthroughs = map[string]int{"comfyui.md": 3, "vllm.md": 4, "kubernetes.md": 0}

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
			h.AddToken(hub.Token{Value: directToken, User: "alice", Grants: []string{"black-forest-labs/*", "meta-llama/*"}})
			files := sampleFiles(t, 1)
			files[0].Path = "ae.safetensors"
			for _, id := range []string{"black-forest-labs/FLUX.1-dev", "meta-llama/Llama-3.1-8B"} {
				if err := h.AddRepo(hub.Repo{Kind: hub.Models, ID: id, Access: hub.Gated, Revisions: map[string][]hub.File{"main": files}}); err != nil {
					t.Fatal(err)
				}
			}
			n := newcomer(t, h)
			n.Write("token.txt", directToken+"\n")
			n.Walk(page, runs, directToken)
			n.Stop()
		})
	}
}
