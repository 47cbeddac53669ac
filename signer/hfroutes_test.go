package signer

import (
	"slices"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/auth"
	"pgregory.net/rapid"
)

func expand(t testing.TB, text string) []auth.Rule {
	t.Helper()
	rules, err := huggingFace{}.Expand(pattern(t, text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return rules
}

func covered(rules []auth.Rule, to auth.Target) bool {
	return slices.ContainsFunc(rules, func(r auth.Rule) bool { return !r.Bare && r.Pattern.Matches(to) })
}

// The URLs that real clients ask for, of one model, one dataset and one
// Space, and of a repository of the old kind.
var hubClientURLs = map[string][]string{
	"acme/weights": {
		"/acme/weights/resolve/main/config.json",
		"/acme/weights/resolve/refs%2Fpr%2F1/sub/a%2Bb%25.safetensors",
		"/api/resolve-cache/models/acme/weights/0123456789012345678901234567890123456789/config.json",
		"/api/models/acme/weights",
		"/api/models/acme/weights/revision/main",
		"/api/models/acme/weights/tree/0123456789012345678901234567890123456789?recursive=true&expand=false",
		"/api/models/acme/weights/paths-info/main",
		"/api/models/acme/weights/refs",
		"/api/models/acme/weights/commits/main",
		"/api/models/acme/weights/xet-read-token/0123456789012345678901234567890123456789",
		"/acme/weights/info/refs?service=git-upload-pack",
		"/acme/weights.git/info/refs?service=git-upload-pack",
		"/acme/weights.git/git-upload-pack",
		"/acme/weights.git/info/lfs/objects/batch",
	},
	"acme/corpus": {
		"/datasets/acme/corpus/resolve/main/train.parquet",
		"/api/resolve-cache/datasets/acme/corpus/0123456789012345678901234567890123456789/README.md",
		"/api/datasets/acme/corpus",
		"/api/datasets/acme/corpus/revision/main",
		"/api/datasets/acme/corpus/tree/main",
		"/datasets/acme/corpus.git/info/lfs/objects/batch",
		"/datasets/acme/corpus/git-upload-pack",
	},
	"acme/demo": {
		"/spaces/acme/demo/resolve/main/app.py",
		"/api/spaces/acme/demo",
		"/api/spaces/acme/demo/tree/main",
		"/api/resolve-cache/spaces/acme/demo/0123456789012345678901234567890123456789/app.py",
		"/spaces/acme/demo.git/info/refs?service=git-upload-pack",
		"/kernels/acme/demo/resolve/main/x",
		"/api/kernels/acme/demo",
		"/buckets/acme/demo/resolve/x",
		"/api/buckets/acme/demo/tree/x",
	},
	"gpt2": {
		"/gpt2/resolve/main/config.json",
		"/api/models/gpt2",
		"/api/models/gpt2/tree/main",
		"/api/resolve-cache/models/gpt2/0123456789012345678901234567890123456789/config.json",
		"/gpt2.git/info/lfs/objects/batch",
		"/gpt2/info/refs?service=git-upload-pack",
	},
}

func TestPatternOfAnOrganisationCoversItsRealRoutes(t *testing.T) {
	for _, host := range []string{"huggingface.co", "hf.co"} {
		org := expand(t, host+"/acme/*")
		for repo, urls := range hubClientURLs {
			one := expand(t, host+"/"+repo+"/*")
			for _, u := range urls {
				to := target(t, "https://"+host+u)
				if !covered(one, to) {
					t.Errorf("%s/%s/* does not cover %s", host, repo, u)
				}
				if got := covered(org, to); got != (repo != "gpt2") {
					t.Errorf("%s/acme/* covers %s: %v", host, u, got)
				}
				if covered(expand(t, host+"/acme/other/*"), to) || covered(expand(t, host+"/acm/*"), to) {
					t.Errorf("another repository's pattern covers %s", u)
				}
			}
		}
	}
}

func TestExpansions(t *testing.T) {
	cases := map[string][]string{
		"huggingface.co/*":                      {},
		"huggingface.co/acme/weights":           {},
		"huggingface.co/docs/*":                 {},
		"huggingface.co/api/*":                  {},
		"huggingface.co/api/whoami-v2":          {},
		"huggingface.co/**/x.safetensors":       {},
		"huggingface.co/acme/weights.git/*":     {},
		"datasets-server.huggingface.co/acme/*": {},
		"huggingface.co/datasets/*":             {"/api/datasets", "/api/datasets/*", "/api/resolve-cache/datasets/*"},
		"huggingface.co/api/models/*":           {"/api/models", "/api/resolve-cache/models/*"},
		"huggingface.co/datasets/acme/corpus/*": {
			"/datasets/acme/corpus.git/*", "/api/datasets/acme/corpus", "/api/datasets/acme/corpus/*", "/api/resolve-cache/datasets/acme/corpus/*",
		},
		"huggingface.co/api/models/acme/weights/*": {
			"/acme/weights/*", "/acme/weights.git/*", "/api/models/acme/weights", "/api/resolve-cache/models/acme/weights/*",
		},
		"huggingface.co/api/models/acme/weights/tree/*": {},
		"huggingface.co/api/resolve-cache/spaces/acme/*": {
			"/spaces/acme/*", "/spaces/acme.git/*", "/api/spaces/acme", "/api/spaces/acme/*",
		},
		"huggingface.co/acme/weights/resolve/*": {
			"/api/resolve-cache/models/acme/weights/*", "/api/models/acme/weights/xet-read-token/*",
		},
		"huggingface.co/acme/weights/resolve/main/*": {
			"/api/resolve-cache/models/acme/weights/*", "/api/models/acme/weights/xet-read-token/*",
		},
		"huggingface.co/acme/weights/resolve/main/sub/*":      {"/api/resolve-cache/models/acme/weights/*/sub/*"},
		"huggingface.co/gpt2/resolve/main/model.safetensors":  {"/api/resolve-cache/models/gpt2/*/model.safetensors"},
		"huggingface.co/spaces/acme/demo/resolve/main/app.py": {"/api/resolve-cache/spaces/acme/demo/*/app.py"},
		"huggingface.co/acme/weights/blob/main/x":             {},
	}
	for text, want := range cases {
		var got []string
		for _, r := range expand(t, text)[1:] {
			got = append(got, strings.TrimPrefix(r.Pattern.String(), r.Pattern.Host()))
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s expands to\n%v, want\n%v", text, got, want)
		}
	}
}

func TestExpansionKeepsSchemeAndPort(t *testing.T) {
	for _, r := range expand(t, "http://hub.corp.example:8080/acme/*") {
		if !strings.HasPrefix(r.Pattern.String(), "http://hub.corp.example:8080/") {
			t.Errorf("%s", r.Pattern)
		}
	}
}

// No expansion reaches another organisation or repository, the account, or
// everything: whatever is matched names the organisation and the repository.
func TestExpansionNeverReachesElsewhere(t *testing.T) {
	name := rapid.StringMatching(`[a-z][a-z0-9-]{3,8}`)
	rapid.Check(t, func(rt *rapid.T) {
		org, repo := name.Draw(rt, "org"), name.Draw(rt, "repo")
		base := rapid.SampledFrom([]string{"", "datasets/", "spaces/", "api/models/", "api/resolve-cache/datasets/"}).Draw(rt, "base")
		rules := expand(t, "huggingface.co/"+base+org+"/"+repo+"/*")
		other := name.Filter(func(s string) bool { return s != repo && s != org }).Draw(rt, "other")
		for _, u := range []string{
			"/" + org + "/" + other + "/resolve/main/x", "/" + other + "/" + repo + "/resolve/main/x",
			"/api/models/" + org + "/" + other, "/api/models/" + org, "/api/models", "/api/datasets/" + other + "/" + repo,
			"/api/whoami-v2", "/settings/tokens", "/" + org, "/",
			"/api/resolve-cache/models/" + other + "/" + repo + "/c/x",
		} {
			if covered(rules, target(t, "https://huggingface.co"+u)) {
				rt.Errorf("%s%s/%s/* covers %s", base, org, repo, u)
			}
		}
	})
}
