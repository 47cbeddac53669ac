package hub_test

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/internal/house/hub"
	"github.com/weighbridge/weighbridge/internal/house/origin"
)

func TestLibrariesHoldTogether(t *testing.T) {
	h, err := hub.Start(hub.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	if err := h.AddLibraries(); err != nil {
		t.Fatal(err)
	}
	h.AddToken(hub.SampleToken("hf_alice"))
	client := h.Server.Client()
	t.Cleanup(client.CloseIdleConnections)

	// The index names the shards that are there, and each is where files of
	// its size are.
	files, err := hub.ShardedFiles()
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(files, func(f hub.File) bool { return strings.HasSuffix(f.Path, ".index.json") })
	var index struct {
		WeightMap map[string]string `json:"weight_map"`
	}
	if err := json.NewDecoder(io.NewSectionReader(files[at].Content, 0, files[at].Content.Size())).Decode(&index); err != nil {
		t.Fatal(err)
	}
	for tensor, shard := range index.WeightMap {
		if !slices.ContainsFunc(files, func(f hub.File) bool { return f.Path == shard && f.Large }) {
			t.Errorf("%s is in %s, which is not there", tensor, shard)
		}
	}
	again, err := hub.ShardedFiles()
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range files {
		j := slices.IndexFunc(again, func(g hub.File) bool { return g.Path == f.Path })
		if origin.SHA256(again[j].Content) != origin.SHA256(files[i].Content) {
			t.Errorf("%s is not the same twice", f.Path)
		}
	}

	// With blobs, info says the sizes.
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+hub.Host+"/api/datasets/"+hub.SampleTable+"?blobs=true", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer hf_alice")
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	var info struct {
		Siblings []struct {
			Name string `json:"rfilename"`
			Size int64  `json:"size"`
			LFS  *struct{ SHA256 string }
		}
	}
	if err := json.NewDecoder(answer.Body).Decode(&info); err != nil {
		t.Fatal(err)
	}
	for _, s := range info.Siblings {
		if s.Size == 0 || (s.LFS != nil) != strings.HasPrefix(s.Name, "data/") {
			t.Errorf("%+v", s)
		}
	}
	if len(info.Siblings) != 4 {
		t.Errorf("%d files", len(info.Siblings))
	}
}
