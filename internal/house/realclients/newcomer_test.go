//go:build realclients

package realclients

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/internal/house/hub"
	"github.com/weighbridge/weighbridge/internal/house/origin"
	"github.com/weighbridge/weighbridge/internal/house/walk"
)

// TestNewcomer does what the README's quick start says, with the program as it
// is built and shells as people use them: serve, credential create, key
// create, env, and then curl and huggingface_hub on a worker without a token.
func TestNewcomer(t *testing.T) {
	t.Parallel()
	h, err := hub.Start(hub.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	if err := h.AddSample(); err != nil {
		t.Fatal(err)
	}
	h.AddToken(hub.Token{Value: directToken, User: "alice", Grants: []string{hub.SampleGated}})
	n := newcomer(t, h)

	key := regexp.MustCompile(`wbk_[A-Za-z0-9]{40,}`).FindString(string(n.Out()))
	if key == "" {
		t.Fatalf("the first start shows no key:\n%s", n.Out())
	}
	n.Shell("credential create", "export HF_TOKEN="+directToken+
		"\nweighbridge credential create --provider huggingface --name hub --set token=env:HF_TOKEN --key worker")
	if out := n.Shell("explain", "weighbridge explain https://huggingface.co/"+hub.SampleGated+"/resolve/main/config.json --key worker"); !strings.Contains(out, "hub") {
		t.Errorf("explain does not name the credential:\n%s", out)
	}
	second := regexp.MustCompile(`wbk_[A-Za-z0-9]{40,}`).FindString(n.Shell("key create", "weighbridge key create --name trainer --expires 90d --credential hub"))

	want := weightsDigest(t)
	for name, script := range map[string]string{
		"forward, curl": `eval "$(weighbridge env --key env:WEIGHBRIDGE_KEY)"
curl -fsSL -o "$OUT" https://huggingface.co/` + hub.SampleGated + `/resolve/main/` + hub.SampleWeights,
		"forward, huggingface_hub": `eval "$(weighbridge env --key env:WEIGHBRIDGE_KEY)"
cp "$("$PYTHON" "$SCRIPTS/hub_download.py" ` + hub.SampleGated + ` "$OUT.d" ` + hub.SampleWeights + `)" "$OUT"`,
		"reverse, huggingface_hub": `eval "$(weighbridge env --key env:WEIGHBRIDGE_KEY --mode reverse)"
cp "$("$PYTHON" "$SCRIPTS/hub_download.py" ` + hub.SampleGated + ` "$OUT.d" ` + hub.SampleWeights + `)" "$OUT"`,
		"reverse, curl": `eval "$(weighbridge env --key env:WEIGHBRIDGE_KEY --mode reverse)"
curl -fsSL -o "$OUT" -H "Authorization: Bearer $HF_TOKEN" "$HF_ENDPOINT/` + hub.SampleGated + `/resolve/main/` + hub.SampleWeights + `"`,
	} {
		for who, k := range map[string]string{"the first key": key, "a new key": second} {
			out := filepath.Join(t.TempDir(), "file")
			n.Shell(name, "export WEIGHBRIDGE_KEY="+k+"\nOUT="+out+"\n"+script)
			got, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			if sum := sha256.Sum256(got); hex.EncodeToString(sum[:]) != want {
				t.Errorf("%s with %s: %d bytes that are not the file", name, who, len(got))
			}
		}
	}
	for _, host := range hub.CompanionHosts() {
		for _, a := range h.Server.Record.Authorizations(host) {
			if strings.Contains(a, directToken) {
				t.Errorf("%s saw the token", host)
			}
		}
	}
	if out := n.Shell("audit", "weighbridge audit --key trainer"); !strings.Contains(out, "used") || strings.Contains(out, directToken) {
		t.Errorf("the record:\n%s", out)
	}
	n.Stop()
	if log := n.Log(); !bytes.Contains(log, []byte("stopped")) {
		t.Errorf("it did not stop by itself:\n%s", log)
	}
}

// newcomer is somebody with a weighbridge that serves before a Hub, and with
// huggingface_hub.
func newcomer(t *testing.T, h *hub.Hub) *walk.Newcomer {
	t.Helper()
	n := walk.New(t)
	n.Environ = []string{"HF_HUB_DISABLE_TELEMETRY=1", "PYTHON=" + python("python2-xet"), "SCRIPTS=" + scriptDir}
	n.Serve(walk.Upstreams{Roots: h.Server.RootPEM(), Resolve: h.Server.Resolve()})
	return n
}

// weightsDigest is what the Hub's sample weights have on branch main.
func weightsDigest(t *testing.T) string {
	t.Helper()
	files, err := hub.SampleFiles(1)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f.Path == hub.SampleWeights {
			return origin.SHA256(f.Content)
		}
	}
	t.Fatal("the sample has no weights")
	return ""
}
