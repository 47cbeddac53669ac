package preflight_test

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/house/hub"
	"github.com/weighbridge/weighbridge/internal/preflight"
	"github.com/weighbridge/weighbridge/internal/trial"
	"github.com/weighbridge/weighbridge/internal/workerenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const at = "https://" + hub.Host + "/"

// What a workflow names, in the forms in which ComfyUI and ComfyUI-Manager
// write it.
func TestSources(t *testing.T) {
	const a, b, c = at + "o/n/resolve/main/a.safetensors", "https://civitai.com/api/download/models/42?type=Model", "https://example.org/x.GGUF"
	for name, one := range map[string]struct {
		text string
		want []string
	}{
		"saved":     {`{"nodes":[{"id":1,"properties":{"models":[{"name":"a","url":"` + a + `","directory":"vae"}]},"widgets_values":["a.safetensors","see ` + c + ` for more"]}]}`, []string{a}},
		"subgraph":  {`{"nodes":[],"definitions":{"subgraphs":[{"nodes":[{"properties":{"models":[{"url":"https://example.org/weights"}]}}]}]}}`, []string{"https://example.org/weights"}},
		"exported":  {`{"3":{"class_type":"DownloadModel","inputs":{"url":"` + b + `","steps":20}},"4":{"inputs":{"url":"` + b + `"}}}`, []string{b}},
		"widgets":   {`{"nodes":[{"widgets_values":["` + c + `", 1, null, {"x":["` + a + `"]}]}]}`, []string{c, a}},
		"Manager":   {`{"models":[{"name":"x","type":"vae","url":"` + a + `","reference":"https://example.org/about"}]}`, []string{a}},
		"lines":     {"# comment\n" + a + "\n\n  hf://o/n  \r\n" + a + "\n", []string{a, "hf://o/n"}},
		"list":      {`["` + a + `","` + b + `"]`, []string{a, b}},
		"no models": {`{"nodes":[{"url":"https://example.org/page"}]}`, nil},
		"nothing":   {"# only a comment\n", nil},
		"cut":       {`{"models":[{"url":"` + a + `"}`, nil},
	} {
		got, err := preflight.Sources([]byte(one.text))
		if !slices.Equal(got, one.want) || (err == nil) != (one.want != nil) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if _, err := preflight.Sources([]byte(strings.Repeat("[", 100))); err == nil {
		t.Error("JSON that does not end was taken")
	}
	many := strings.Builder{}
	for i := range 5001 {
		many.WriteString("https://example.org/" + strings.Repeat("a", i%7) + string(rune('a'+i%26)) + strings.Repeat("b", i/26) + "\n")
	}
	if _, err := preflight.Sources([]byte(many.String())); !errors.Is(err, preflight.ErrTooMany) {
		t.Errorf("too many: %v", err)
	}
}

func FuzzSources(f *testing.F) {
	f.Add(`{"nodes":[{"properties":{"models":[{"url":"https://a.example/x.bin"}]}}]}`)
	f.Add("https://a.example/x\nhf://o/n@v1/x y")
	f.Add(`[[[{"models":{"models":["hf://x"]}}]]]`)
	f.Fuzz(func(t *testing.T, text string) {
		got, err := preflight.Sources([]byte(text))
		if (err == nil) == (len(got) == 0) {
			t.Fatalf("%d sources and %v", len(got), err)
		}
	})
}

type yard struct {
	*house.House
	t    testing.TB
	pool *x509.CertPool
}

func (y *yard) run(mode workerenv.Mode, key string, sources ...string) preflight.Report {
	y.t.Helper()
	proxy, err := url.Parse(y.Bridge.ProxyURL())
	if err != nil {
		y.t.Fatal(err)
	}
	c := trial.New(trial.Options{Mode: mode, Proxy: proxy, Key: auth.NewSecret(key), Roots: y.pool})
	defer c.Close()
	r, err := preflight.Run(y.t.Context(), c, sources, 4)
	if err != nil {
		y.t.Fatal(err)
	}
	text, err := json.Marshal(r)
	if err != nil {
		y.t.Fatal(err)
	}
	for _, secret := range []*house.Canary{y.Token, house.CanaryOf(key), house.CanaryOf(hidden)} {
		for _, hit := range secret.Search("the report", text) {
			y.t.Errorf("leak: %s", hit)
		}
	}
	if r.Ready != !slices.ContainsFunc(r.Files, func(f preflight.File) bool { return !f.Ready }) {
		y.t.Error("Ready is not what the files say")
	}
	return r
}

const hidden = "ycanaryQueryThatNobodyMayEverSeePrinted"

func file(repo, name string) string { return at + repo + "/resolve/main/" + name }

// Each file with what would be put on it, its terms and its size, in both
// modes; a whole repository, and one that the account may not have.
func TestRun(t *testing.T) {
	h := house.New(t, house.Options{})
	y := &yard{h, t, h.Roots()}
	key := h.HubWorker("hub")
	stranger := h.Secret("hf_")
	h.Hub.AddToken(hub.Token{Value: stranger.Value(), User: "carol", Role: hub.RoleRead})
	h.AddCredential(admin.NewCredential{Name: "carol", Provider: "huggingface", Fields: map[string]string{"token": stranger.Value()}, NoValidate: true})
	other := h.AddKey(admin.NewKey{Name: "carol", Credentials: []string{"carol"}})
	for _, mode := range []workerenv.Mode{workerenv.Forward, workerenv.Reverse} {
		r := y.run(mode, key.Key, file(hub.SampleGated, hub.SampleWeights)+"?download=true&x="+hidden, file(hub.SamplePublic, hub.SampleConfig), file(hub.SampleGated, hub.SampleEmpty))
		want := []struct {
			licence string
			size    int64
		}{{"accepted", 5508408}, {"not_needed", -2}, {"accepted", 0}}
		for i, f := range r.Files {
			if !f.Ready || f.Credential != "hub" || f.Licence != want[i].licence || f.Size != want[i].size && want[i].size != -2 || f.Size < 0 {
				t.Errorf("%s: %+v", mode, f)
			}
		}
		if r.Files[0].URL != file(hub.SampleGated, hub.SampleWeights) || r.Bytes < 5508408 || r.Unknown != 0 {
			t.Errorf("%s: %+v", mode, r)
		}
		r = y.run(mode, other.Key, file(hub.SampleGated, hub.SampleWeights), file(hub.SamplePublic, hub.SampleWeights))
		if f := r.Files[0]; f.Ready || f.Code != trial.LicenceNotAccepted || f.Licence != "not_accepted" || f.Credential != "carol" || !strings.Contains(f.Next, "https://huggingface.co/"+hub.SampleGated+" ") {
			t.Errorf("%s: %+v", mode, f)
		}
		if f := r.Files[1]; !f.Ready || r.Ready {
			t.Errorf("%s: %+v", mode, f)
		}
		// All files of a repository, one of them by its name, and a revision.
		r = y.run(mode, key.Key, "hf://"+hub.SampleGated)
		if !r.Ready || len(r.Files) < 6 {
			t.Errorf("%s: %d files, %+v", mode, len(r.Files), r.Files)
		}
		r = y.run(mode, key.Key, "hf://"+hub.SampleGated+"@refs%2Fpr%2F1/"+hub.SampleWeights, "hf://datasets/"+hub.SampleData+"/"+hub.SampleConfig)
		if !r.Ready || len(r.Files) != 2 || r.Files[1].Licence != "accepted" {
			t.Errorf("%s: %+v", mode, r.Files)
		}
		r = y.run(mode, key.Key, "hf://nobody/nothing")
		if f := r.Files[0]; r.Ready || f.Code != trial.NotFound || f.Later {
			t.Errorf("%s: %+v", mode, f)
		}
	}
	h.Server.Faults.Add(hub.RateLimited(0, 30))
	r := y.run(workerenv.Forward, key.Key, file(hub.SampleGated, hub.SampleWeights), "hf://"+hub.SampleGated)
	for _, f := range r.Files {
		if f.Ready || !f.Later || f.Code != trial.RateLimited {
			t.Errorf("%+v", f)
		}
	}
	if r.Files[1].RetrySeconds != 31 {
		t.Errorf("come again in %d s", r.Files[1].RetrySeconds)
	}
}
