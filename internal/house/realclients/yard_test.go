//go:build realclients

package realclients

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/house/clients"
	"github.com/weighbridge/weighbridge/internal/house/hub"
	"github.com/weighbridge/weighbridge/internal/house/origin"
	"github.com/weighbridge/weighbridge/internal/house/registry"
	"github.com/weighbridge/weighbridge/internal/workerenv"
	"github.com/weighbridge/weighbridge/signer"
)

const (
	// indexHost has Python packages and nothing to do with a credential.
	indexHost = "packages.example.org"
	// civitaiVersion is even: its file is on the R2-like store.
	civitaiVersion = "42"
	civitaiFile    = "model-" + civitaiVersion + ".safetensors"
	comfyFile      = "result.png"
)

var sampleWheel = registry.Wheel{Name: "weighbridge-sample", Version: "1.0"}

// yard is a house with every fake that the table's rows download from, and
// the keys that they do it with.
type yard struct {
	*house.House
	keys           map[string]admin.Key // by the patterns of the Hub's credential, or by name
	civitai, comfy *house.Canary
	store          origin.Content
	signer         *origin.Signer // of the stores of Civitai and Comfy
}

func newYard(t *testing.T) *yard { return newYardWith(t, house.Options{}) }

// newYardWith makes a yard with a clock of its own, or one that serves git.
func newYardWith(t *testing.T, o house.Options) *yard {
	t.Helper()
	y := &yard{keys: map[string]admin.Key{}, store: origin.Random(3, 1_500_000), signer: origin.NewSigner(nil),
		civitai: house.NewCanary(""), comfy: house.NewCanary("comfyui-")}
	o.Mount = func(s *origin.Server) {
		err := errors.Join(
			registry.MountCivitai(s, y.civitai.Value(), y.store, y.signer),
			registry.MountComfy(s, y.comfy.Value(), y.store, y.signer),
			s.Handle(indexHost, registry.Index(sampleWheel)))
		if err != nil {
			t.Fatal(err)
		}
	}
	y.House = house.New(t, o)
	if err := y.Hub.AddLibraries(); err != nil {
		t.Fatal(err)
	}
	y.Watch.Add(y.civitai)
	y.Watch.Add(y.comfy)
	return y
}

// key is the key for a row: linked to a credential of the Hub with the row's
// patterns, and to those of Civitai and Comfy.
func (y *yard) key(row clients.Row) admin.Key {
	p := strings.Join(row.Patterns, " ")
	if key, ok := y.keys[p]; ok {
		return key
	}
	name := "hub"
	if p != "" {
		name = "org"
	}
	key := y.HubWorker(name, row.Patterns...)
	if p == "" {
		y.AddCredential(admin.NewCredential{Name: "civitai", Provider: "civitai", Fields: map[string]string{"token": y.civitai.Value()}, Keys: []string{name}, NoValidate: true})
		y.AddCredential(admin.NewCredential{Name: "comfy", Provider: "comfy_cloud", Fields: map[string]string{"api_key": y.comfy.Value()}, Keys: []string{name}, NoValidate: true})
	}
	y.keys[p] = key
	return key
}

// subject is what a row downloads.
type subject struct {
	repo, file string
	// url is where it is at the upstream.
	url string
	// files are what arrives, and nothing else.
	files []hub.File
	// credential is whose use must be on record, "" for none.
	credential string
}

func (y *yard) subject(t *testing.T, row clients.Row) subject {
	t.Helper()
	must := func(files []hub.File, err error) []hub.File {
		if err != nil {
			t.Fatal(err)
		}
		return files
	}
	only := func(files []hub.File, keep func(string) bool) []hub.File {
		return slices.DeleteFunc(files, func(f hub.File) bool { return !keep(f.Path) })
	}
	weights := func(path string) bool { return path == hub.SampleWeights }
	at := func(repo, revision, file string) string {
		return "https://" + hub.Host + "/" + repo + "/resolve/" + url.PathEscape(revision) + "/" + file
	}
	out := subject{repo: hub.SampleGated, file: hub.SampleWeights, url: at(hub.SampleGated, "main", hub.SampleWeights), credential: y.key(row).Name}
	single := func(name, at, credential string, content origin.Content) subject {
		return subject{file: name, url: at, credential: credential, files: []hub.File{{Path: name, Content: content}}}
	}
	switch row.What {
	case clients.Weights:
		out.files = only(sampleFiles(t, 1), weights)
	case clients.Whole:
		out.files = sampleFiles(t, 1)
	case clients.Plain:
		out.repo, out.files = hub.SamplePipeline, must(hub.PipelineFiles())
	case clients.PullRequest:
		out.url, out.files = at(hub.SampleGated, "refs/pr/1", hub.SampleWeights), only(sampleFiles(t, 2), weights)
	case clients.Sharded:
		out.repo, out.files = hub.SampleSharded, only(must(hub.ShardedFiles()), func(p string) bool { return !strings.HasSuffix(p, ".bin") })
	case clients.Pipeline:
		out.repo, out.files = hub.SamplePipeline, only(must(hub.PipelineFiles()), func(p string) bool {
			return !strings.HasSuffix(p, ".bin") && (strings.Contains(p, "/") || p == "model_index.json")
		})
	case clients.Dataset:
		out.repo, out.files = hub.SampleTable, only(must(hub.TableFiles()), func(p string) bool { return strings.HasPrefix(p, "data/") })
	case clients.Civitai:
		return single(civitaiFile, "https://"+registry.CivitaiHost+"/api/download/models/"+civitaiVersion, "civitai", y.store)
	case clients.Comfy:
		return single(comfyFile, "https://"+registry.ComfyCloudHost+"/api/view?filename="+comfyFile, "comfy", y.store)
	case clients.Package:
		return single(sampleWheel.File(), "https://"+indexHost+"/simple", "", sampleWheel.Content())
	default:
		t.Fatalf("%s downloads something unknown", row.Name)
	}
	return out
}

// words fills in what stands in braces in a row.
func (y *yard) words(t *testing.T, row clients.Row) clients.Words {
	t.Helper()
	s, key := y.subject(t, row), y.key(row)
	w := clients.Words{
		Pythons: map[string]string{"python": python("python2-xet"), "python-plain": python("python2"),
			"python1": python("python1-xet"), "python1-plain": python("python1"), "python0": python("python0")},
		Scripts: scriptDir, Repo: s.repo, File: s.file, URL: s.url, GitURL: "https://" + hub.Host + "/" + s.repo,
		KeyURL: y.URLKeyURL(key.URLKey, s.url), KeyBase: strings.TrimSuffix(y.URLKeyURL(key.URLKey, ""), "/"),
		Key: key.Key, Bundle: y.CABundle(), Token: signer.PlaceholderToken,
	}
	if row.Mode == workerenv.Reverse {
		w.URL = y.ReverseURL(s.url)
		w.GitURL = strings.Replace(y.ReverseURL(w.GitURL), "://", "://weighbridge:"+key.Key+"@", 1)
	}
	return w
}
