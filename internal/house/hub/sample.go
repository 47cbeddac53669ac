package hub

import (
	"fmt"
	"strings"

	"github.com/weighbridge/weighbridge/internal/house/origin"
)

// The repositories that AddSample makes. Every one holds SampleFiles.
const (
	SampleGated    = "acme/gated-model"
	SamplePrivate  = "acme/private-model"
	SamplePublic   = "acme/public-model"
	SampleBridge   = "acme/bridge-model"  // gated, S3-presigned storage
	SampleOldLFS   = "acme/old-lfs-model" // gated, no xet
	SampleDisabled = "acme/disabled-model"
	SampleLegacy   = "legacy-model"      // public, an id without owner
	SampleRenamed  = "acme/former-model" // redirects to SampleGated
	SampleData     = "acme/gated-data"   // a gated dataset
	SampleSpace    = "acme/gated-space"  // a gated space
)

// The files of the sample repositories.
const (
	SampleWeights = "model.safetensors"
	SampleConfig  = "config.json"
	SampleOdd     = "odd/a + b #1 %25 100%.txt"
	SampleUnicode = "odd/мо́дель 模型.txt"
	SampleEmpty   = "odd/empty.txt"
	SamplePlus    = "odd/weights+v1 #2%.bin"
)

// SampleToken is a token that was granted everything that acme has.
func SampleToken(value string) Token {
	return Token{Value: value, User: "alice", Role: RoleRead, Grants: []string{"acme/*"}}
}

// SampleFiles are the files of one revision: a real safetensors file of a few
// MiB, small texts that the Hub compresses or sends in chunks, an empty file
// and names that have to be escaped. seed makes their bytes.
func SampleFiles(seed uint64) ([]File, error) {
	weights, err := Safetensors(seed,
		Tensor{"model.embed_tokens.weight", []int{1024, 768}},
		Tensor{"model.layers.0.mlp.weight", []int{768, 768}},
		Tensor{"model.norm.weight", []int{768}})
	if err != nil {
		return nil, err
	}
	config := fmt.Sprintf("{\n  \"model_type\": \"sample\",\n  \"hidden_size\": 768,\n  \"seed\": %d,\n  \"note\": %q\n}\n", seed, strings.Repeat("weights and measures ", 80))
	files := []File{
		{Path: SampleWeights, Content: weights, Large: true},
		{Path: SamplePlus, Content: origin.Random(seed, 300_001), Large: true},
		{Path: SampleConfig, Content: origin.Text(config)},
		{Path: "README.md", Content: origin.Text("# Sample\n\n" + strings.Repeat("A model for trying things out.\n", 60))},
		{Path: "tokenizer/vocab.txt", Content: origin.Text(strings.Repeat("token\n", 300)), Chunked: true},
		{Path: SampleOdd, Content: origin.Text("plus, number sign and per cent\n")},
		{Path: SampleUnicode, Content: origin.Text("not ASCII\n")},
		{Path: SampleEmpty, Content: origin.Text("")},
	}
	for i := range files {
		files[i].sha256 = origin.SHA256(files[i].Content)
	}
	return files, nil
}

// AddSample puts the sample repositories on the Hub.
func (h *Hub) AddSample() error {
	main, err := SampleFiles(1)
	if err != nil {
		return err
	}
	other, err := SampleFiles(2)
	if err != nil {
		return err
	}
	revisions := map[string][]File{"main": main, "v1.0": main, "refs/pr/1": other}
	for _, r := range []Repo{
		{Kind: Models, ID: SampleGated, Access: Gated},
		{Kind: Models, ID: SamplePrivate, Access: Private},
		{Kind: Models, ID: SamplePublic, Access: Public},
		{Kind: Models, ID: SampleBridge, Access: Gated, Storage: Bridge},
		{Kind: Models, ID: SampleOldLFS, Access: Gated, Storage: OldLFS},
		{Kind: Models, ID: SampleDisabled, Access: Disabled},
		{Kind: Models, ID: SampleLegacy, Access: Public},
		{Kind: Datasets, ID: SampleData, Access: Gated},
		{Kind: Spaces, ID: SampleSpace, Access: Gated},
	} {
		r.Revisions = revisions
		if err := h.AddRepo(r); err != nil {
			return err
		}
	}
	h.Rename(Models, SampleRenamed, SampleGated)
	return nil
}
