package signer

import (
	"testing"

	"github.com/weighbridge/weighbridge/auth"
)

// T11: every storage host, and every unknown host below hf.co, gets nothing
// by default; only a pattern that names a host exactly injects there, and at
// storage not even that does.
func TestT11_StorageHostsNeverGetTheToken(t *testing.T) {
	never := []string{
		"cas-server.xethub.hf.co", "cas-server.xethub-eu.hf.co", "cas-server.xethub-ap.hf.co",
		"transfer.xethub.hf.co", "transfer.xethub-eu.hf.co", "cas-bridge.xethub.hf.co", "cas-bridge.xethub-eu.hf.co",
		"us.aws.cdn.hf.co", "aws.cdn.hf.co", "us-east-1.aws.cdn.hf.co", "us-west-2.aws.cdn.hf.co", "eu-west-3.aws.cdn.hf.co",
		"ap-southeast-1.aws.cdn.hf.co", "us.gcp.cdn.hf.co", "us-east1.us.gcp.cdn.hf.co", "europe-west4.us.gcp.cdn.hf.co", "cdn.hf.co",
		"cdn-lfs.hf.co", "cdn-lfs-us-1.hf.co", "cdn-lfs-eu-1.hf.co", "cdn-lfs-ap-9.hf.co",
		"cdn-lfs.huggingface.co", "cdn-lfs-us-1.huggingface.co", "cdn-lfs-eu-1.huggingface.co", "cdn-lfs-ap-9.huggingface.co",
		"cdn-avatars.huggingface.co", "cdn-uploads.huggingface.co", "fast.hf.co",
		"acme-demo.hf.space", "job.hf.jobs",
		"*.hf.co", "*.huggingface.co", "*.xethub.hf.co", "*.aws.cdn.hf.co", "*.*.hf.co", "*.hf.space",
	}
	for _, host := range never {
		for _, path := range []string{"/*", "/acme/*", "/acme/weights/resolve/main/x"} {
			rules, err := huggingFace{}.Expand(pattern(t, host+path))
			if err != nil {
				t.Fatal(err)
			}
			if len(rules) != 1 || !rules[0].Bare {
				t.Errorf("%s%s: %+v, want one rule that allows bare", host, path, rules)
			}
		}
	}
	for _, host := range []string{
		"huggingface.co", "hf.co", "datasets-server.huggingface.co", "router.huggingface.co", "hub-ci.huggingface.co",
		"new-service.hf.co", "x1.us-east-1.aws.endpoints.huggingface.cloud", "hub.corp.example", "evilhf.co", "nothuggingface.co",
	} {
		rules, err := huggingFace{}.Expand(pattern(t, host+"/*"))
		if err != nil {
			t.Fatal(err)
		}
		if rules[0].Bare {
			t.Errorf("%s: a pattern that names it exactly does not inject", host)
		}
	}
}

func TestHubDefaultsMeanWhatDesignSays(t *testing.T) {
	want := map[string]bool{"huggingface.co/*": false, "*.hf.co/*": true}
	for _, text := range (huggingFace{}).Schema().DefaultPatterns {
		rules, err := huggingFace{}.Expand(pattern(t, text))
		if err != nil || len(rules) != 1 {
			t.Fatalf("%s: %v, %v", text, rules, err)
		}
		if bare, known := want[text]; !known || rules[0].Bare != bare {
			t.Errorf("%s: bare %v", text, rules[0].Bare)
		}
		delete(want, text)
	}
	if len(want) != 0 {
		t.Errorf("missing defaults: %v", want)
	}
}

// An exact companion must not be hidden by a suffix of the other kind: this
// is how they are meant to be looked up.
func TestHubCompanionKinds(t *testing.T) {
	want := map[string]string{
		"cas-server.xethub.hf.co":    "blind",
		"cas-server.xethub-eu.hf.co": "blind",
		"grpc.xethub.hf.co":          "blind",
		"transfer.xethub.hf.co":      "signed",
		"transfer.xethub-eu.hf.co":   "signed",
		"cas-bridge.xethub.hf.co":    "signed",
		"us.aws.cdn.hf.co":           "signed",
		"us-east1.us.gcp.cdn.hf.co":  "signed",
		"cdn-lfs-us-1.hf.co":         "signed",
		"cdn-lfs.huggingface.co":     "signed",
		"huggingface.co":             "none",
		"hf.co":                      "none",
		"unknown.hf.co":              "none",
		"xethub.hf.co":               "none",
	}
	for host, kind := range want {
		if got := companionKind(huggingFace{}.Companions(), host); got != kind {
			t.Errorf("%s is %s, want %s", host, got, kind)
		}
	}
}

func companionKind(all []auth.Companion, host string) string {
	kind, longest := "none", -1
	for _, c := range all {
		exact := c.Host == host
		if !exact && !(c.Host[0] == '.' && hostBelow(host, c.Host[1:])) {
			continue
		}
		length := len(c.Host)
		if exact {
			length = 1 << 10
		}
		if length > longest {
			longest = length
			kind = "blind"
			if c.Signed {
				kind = "signed"
			}
		}
	}
	return kind
}
