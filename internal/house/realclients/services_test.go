//go:build realclients

package realclients

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/internal/house/clients"
	"github.com/weighbridge/weighbridge/internal/house/registry"
	"github.com/weighbridge/weighbridge/internal/workerenv"
)

// TestServices asks Civitai and Comfy what they answer in ways of their own,
// by the libraries that nodes of ComfyUI use.
func TestServices(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	linked := y.key(clients.Row{})
	bare := y.AddKey(admin.NewKey{Name: "bare"})
	const civitai, comfy = "https://" + registry.CivitaiHost, "https://" + registry.ComfyCloudHost
	for _, c := range []struct {
		name, method, url string
		key               admin.Key
		// libraries are those that are asked; all where it is empty.
		libraries string
		want      []string
	}{
		{name: "Civitai without a credential", url: civitai + "/api/download/models/42", key: bare, libraries: "requests aiohttp",
			want: []string{"401\n", "The creator of this asset requires you to be logged in to download it", "X-Weighbridge-Decision: nothing was put on the request"}},
		{name: "Civitai refuses HEAD", method: "HEAD", url: civitai + "/api/download/models/42", key: linked, libraries: "requests aiohttp",
			want: []string{"401\n", `X-Weighbridge-Decision: used credential "civitai"`}},
		{name: "Civitai refuses urllib's name", url: civitai + "/api/download/models/42", key: linked, libraries: "urllib",
			want: []string{"403\n", "error code: 1010"}},
		{name: "Civitai leads to its login page", url: civitai + "/api/download/models/0", key: linked, libraries: "requests aiohttp",
			want: []string{"403\n", "scope_forbidden"}},
		{name: "Comfy without a credential", url: comfy + "/api/view?filename=1.png", key: bare,
			want: []string{"401\n", "Please login first to use this node", "X-Weighbridge-Decision: nothing was put on the request"}},
		{name: "Comfy by a key that may read", method: "POST", url: comfy + "/api/prompt", key: linked,
			want: []string{"403\n", "scope_forbidden", "write"}},
	} {
		for library := range strings.FieldsSeq(or(c.libraries, "requests urllib aiohttp")) {
			t.Run(c.name+"/"+library, func(t *testing.T) {
				t.Parallel()
				var env []string
				for _, v := range y.WorkerEnv(workerenv.Forward, c.key.Key) {
					env = append(env, v.Name+"="+v.Value)
				}
				out, err := run(t, t.TempDir(), env, []string{python("python1"), filepath.Join(scriptDir, "probe.py"), library, or(c.method, "GET"), c.url})
				y.Watch.See("output of "+library, []byte(out))
				if err != nil {
					t.Fatalf("%v\n%s", err, lastLines(out, 20))
				}
				for _, w := range c.want {
					if !says(out, w) {
						t.Errorf("nothing says %q:\n%s", w, out)
					}
				}
			})
		}
	}
	t.Cleanup(func() {
		for _, r := range y.Server.Record.On(registry.CivitaiHost) {
			if agent := r.Header.Get("User-Agent"); !strings.Contains(agent, "ython") {
				t.Errorf("Civitai saw the User-Agent %q", agent)
			}
		}
	})
}

func or(a, b string) string {
	if a == "" {
		return b
	}
	return a
}
