package hub

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/weighbridge/weighbridge/internal/house/origin"
)

// The repositories that AddLibraries makes, all gated: what libraries load.
const (
	// SampleSharded is a model as transformers saves it: configuration,
	// tokenizer, and safetensors in shards with an index.
	SampleSharded = "acme/sharded-model"
	// SamplePipeline is a model as diffusers saves it: an index and a
	// directory for each part.
	SamplePipeline = "acme/pipeline"
	// SampleTable is a dataset that the datasets library reads.
	SampleTable = "acme/gated-table"
)

// SampleRows is how many rows SampleTable has in its split "train".
const SampleRows = 2000

// ViewerHost is the datasets viewer, which the datasets library asks whatever
// HF_ENDPOINT says. It knows nothing here, as for a dataset that it has not
// processed.
const ViewerHost = "datasets-server.huggingface.co"

// AddLibraries puts the repositories on the Hub that libraries load, and the
// datasets viewer.
func (h *Hub) AddLibraries() error {
	for _, r := range []struct {
		kind  Kind
		id    string
		files func() ([]File, error)
	}{{Models, SampleSharded, ShardedFiles}, {Models, SamplePipeline, PipelineFiles}, {Datasets, SampleTable, TableFiles}} {
		files, err := r.files()
		if err != nil {
			return err
		}
		if err := h.AddRepo(Repo{Kind: r.kind, ID: r.id, Access: Gated, Revisions: map[string][]File{"main": files}}); err != nil {
			return err
		}
	}
	return h.Server.Handle(ViewerHost, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		sendJSON(w, http.StatusNotFound, map[string]string{"error": "The dataset has not been processed yet."})
	}))
}

// ShardedFiles are the files of SampleSharded. The weights are there in
// PyTorch's own format as well, which a library leaves alone where there is
// safetensors.
func ShardedFiles() ([]File, error) {
	const shards = 3
	index := map[string]string{}
	var out []File
	total := int64(0)
	for i := range shards {
		name, tensor := fmt.Sprintf("model-%05d-of-%05d.safetensors", i+1, shards), fmt.Sprintf("transformer.h.%d.mlp.c_fc.weight", i)
		weights, err := Safetensors(uint64(100+i), Tensor{tensor, []int{512, 512}})
		if err != nil {
			return nil, err
		}
		index[tensor] = name
		total += 4 * 512 * 512
		out = append(out, File{Path: name, Content: weights, Large: true})
	}
	texts, err := jsonFiles(map[string]any{
		"model.safetensors.index.json": map[string]any{"metadata": map[string]any{"total_size": total}, "weight_map": index},
		"config.json": map[string]any{"model_type": "gpt2", "architectures": []string{"GPT2LMHeadModel"},
			"n_layer": shards, "n_embd": 512, "n_head": 8, "vocab_size": 3},
		"generation_config.json": map[string]any{"do_sample": true},
		"tokenizer_config.json":  map[string]any{"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "[UNK]"},
		"tokenizer.json": map[string]any{
			"version": "1.0", "truncation": nil, "padding": nil, "added_tokens": []any{}, "normalizer": nil,
			"pre_tokenizer": map[string]string{"type": "Whitespace"}, "post_processor": nil, "decoder": nil,
			"model": map[string]any{"type": "WordLevel", "unk_token": "[UNK]", "vocab": map[string]int{"[UNK]": 0, "weights": 1, "measures": 2}},
		},
	})
	if err != nil {
		return nil, err
	}
	return append(append(out, texts...), File{Path: "pytorch_model.bin", Content: origin.Random(7, 400_000), Large: true}), nil
}

// PipelineFiles are the files of SamplePipeline, some of them in formats that
// diffusers does not ask for.
func PipelineFiles() ([]File, error) {
	out, err := jsonFiles(map[string]any{
		"model_index.json": map[string]any{"_class_name": "StableDiffusionPipeline", "_diffusers_version": "0.42.1",
			"scheduler": []string{"diffusers", "DDIMScheduler"}, "unet": []string{"diffusers", "UNet2DConditionModel"},
			"vae": []string{"diffusers", "AutoencoderKL"}},
		"scheduler/scheduler_config.json": map[string]any{"_class_name": "DDIMScheduler", "num_train_timesteps": 1000},
		"unet/config.json":                map[string]any{"_class_name": "UNet2DConditionModel", "sample_size": 64},
		"vae/config.json":                 map[string]any{"_class_name": "AutoencoderKL", "latent_channels": 4},
	})
	if err != nil {
		return nil, err
	}
	for i, dir := range []string{"unet", "vae"} {
		weights, err := Safetensors(uint64(200+i), Tensor{"conv_in.weight", []int{320, 320}})
		if err != nil {
			return nil, err
		}
		out = append(out, File{Path: dir + "/diffusion_pytorch_model.safetensors", Content: weights, Large: true},
			File{Path: dir + "/diffusion_pytorch_model.bin", Content: origin.Random(uint64(8+i), 300_000), Large: true})
	}
	return append(out, File{Path: "all-in-one.safetensors", Content: origin.Random(9, 500_000), Large: true}), nil
}

// TableFiles are the files of SampleTable, whose rows say their own number.
func TableFiles() ([]File, error) {
	rows := func(from, n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "{\"row\": %d, \"text\": %q}\n", from+i, strings.Repeat("weights and measures ", 10))
		}
		return b.String()
	}
	card := "---\nconfigs:\n- config_name: default\n  data_files:\n  - split: train\n    path: data/train.jsonl\n" +
		"  - split: test\n    path: data/test.jsonl\n---\n# A table\n"
	return []File{
		{Path: "README.md", Content: origin.Text(card)},
		{Path: "data/train.jsonl", Content: origin.Text(rows(0, SampleRows)), Large: true},
		{Path: "data/test.jsonl", Content: origin.Text(rows(SampleRows, 10)), Large: true},
	}, nil
}

// jsonFiles writes values as files; maps are written in the order of their
// keys, so that the bytes are always the same.
func jsonFiles(values map[string]any) ([]File, error) {
	var out []File
	for name, v := range values {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetIndent("", "  ")
		if err := e.Encode(v); err != nil {
			return nil, fmt.Errorf("writing %s: %w", name, err)
		}
		out = append(out, File{Path: name, Content: origin.Bytes(b.Bytes())})
	}
	return out, nil
}
