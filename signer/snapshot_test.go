package signer

import (
	"testing"

	"github.com/weighbridge/weighbridge/auth"
)

// The providers under the real decisions: what is decided is what the Set
// signs for, and nothing else.
func TestDecisionsAndSignaturesAgree(t *testing.T) {
	key := auth.NewAPIKey().Reveal()
	hash, _ := auth.HashAPIKey(key)
	credential := func(id, provider string, patterns ...string) auth.Credential {
		return auth.Credential{ID: id, TeamID: "team_1", Name: id, Provider: provider, Version: 3, Status: auth.StatusValid, Patterns: patterns}
	}
	state := auth.State{
		Teams: []auth.Team{{ID: "team_1", Name: auth.DefaultTeam}},
		Credentials: []auth.Credential{
			credential("hub", "huggingface", "huggingface.co/*", "*.hf.co/*"),
			credential("org", "huggingface", "huggingface.co/acme/*"),
			credential("civ", "civitai", "civitai.com/*", "civitai.red/*"),
			credential("comfy", "comfy_cloud", "cloud.comfy.org/*", "api.comfy.org/*"),
			credential("plain", "http_bearer", "http://models.example.com/*"),
			credential("tls", "http_basic", "models.example.com/a/*"),
			credential("key", "http_api_key", "models.example.com/b/*"),
		},
		Keys: []auth.Key{{ID: "key_1", TeamID: "team_1", Name: "worker", Scope: auth.ScopeRead, Hash: hash}},
	}
	for _, c := range state.Credentials {
		state.Links = append(state.Links, auth.Link{CredentialID: c.ID, KeyID: "key_1"})
	}
	snapshot, err := auth.Compile(state, auth.Options{Providers: Providers()})
	if err != nil {
		t.Fatal(err)
	}
	identity, err := snapshot.Identify(hash, fixedClock())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		method, url string
		credential  string // "" for bare
		code        auth.Code
	}{
		{"GET", "https://huggingface.co/other/weights/resolve/main/x", "hub", ""},
		{"GET", "https://huggingface.co/acme/weights/resolve/main/x", "org", ""},
		{"GET", "https://huggingface.co/api/models/acme/weights", "org", ""},
		{"GET", "https://huggingface.co/api/models/acme/weights/xet-read-token/" + commit, "org", ""},
		{"GET", "https://huggingface.co/api/models/acme/weights/tree/refs%2Fpr%2F1", "org", ""},
		{"POST", "https://huggingface.co/datasets/acme/corpus.git/git-upload-pack", "org", ""},
		{"GET", "https://huggingface.co/api/whoami-v2", "", auth.CodeScopeForbidden},
		{"GET", "https://huggingface.co/api/models/acme/weights/xet-write-token/main", "", auth.CodeScopeForbidden},
		{"POST", "https://huggingface.co/api/models/acme/weights/commit/main", "", auth.CodeScopeForbidden},
		{"GET", "https://cas-server.xethub.hf.co/v2/reconstructions/aa", "", ""},
		{"GET", "https://transfer.xethub-eu.hf.co/xorb/default/aa?X-Xet-Signed-Range=bytes%3D0-1&Expires=1&Signature=x", "", ""},
		{"GET", "https://us-east1.us.gcp.cdn.hf.co/xet-bridge-us/a/b?Expires=1&Policy=x&Signature=y&Key-Pair-Id=z", "", ""},
		{"GET", "https://unknown.hf.co/x", "", ""},
		{"GET", "https://civitai.com/api/download/models/1?token=x", "civ", ""},
		{"GET", "https://b2.civitai.com/file/x", "", ""},
		{"GET", "https://civitai-delivery-worker-prod.5ac0637cfd0766c97916cefa3764fbdf.r2.cloudflarestorage.com/x?X-Amz-Algorithm=a&X-Amz-Signature=b&X-Amz-Credential=c", "", ""},
		{"GET", "https://cloud.comfy.org/api/view?filename=x", "comfy", ""},
		{"GET", "http://models.example.com/x", "plain", ""},
		{"GET", "https://models.example.com/a/x", "tls", ""},
		{"GET", "https://models.example.com/b/x", "key", ""},
		{"GET", "https://models.example.com/c/x", "", ""},
	} {
		d := snapshot.Decide(auth.Question{
			Identity: identity, Method: c.method, Target: target(t, c.url), Unmatched: auth.UnmatchedPass, Now: fixedClock(),
		})
		switch {
		case c.code != "":
			if d.Outcome != auth.Deny || d.Code != c.code {
				t.Errorf("%s %s: %s %s, want %s", c.method, c.url, d.Outcome, d.Code, c.code)
			}
			continue
		case c.credential == "":
			if d.Outcome != auth.Bare {
				t.Errorf("%s %s: %s (%s), want bare", c.method, c.url, d.Outcome, d.Reason)
			}
		case d.Outcome != auth.Inject || d.CredentialID != c.credential:
			t.Errorf("%s %s: %s with %q (%s), want %s", c.method, c.url, d.Outcome, d.CredentialID, d.Reason, c.credential)
			continue
		}
		p := d.Provider
		vault := &openVault{}
		if p != nil {
			vault.fields = sampleFields(p.Schema())
		}
		_, err := NewSet(vault, SetOptions{}).Sign(t.Context(), d, sample(t, c.method, c.url))
		if (err == nil) != (d.Outcome == auth.Inject) {
			t.Errorf("%s %s: decided %s, signed: %v", c.method, c.url, d.Outcome, err)
		}
		if err == nil && (vault.id != c.credential || vault.ver != 3) {
			t.Errorf("%s: opened %s, version %d", c.url, vault.id, vault.ver)
		}
	}
}

// The LFS batch is asked about twice, the second time with its body.
func TestBatchIsDecidedByItsBody(t *testing.T) {
	hash, _ := auth.HashAPIKey(auth.NewAPIKey().Reveal())
	snapshot, err := auth.Compile(auth.State{
		Credentials: []auth.Credential{{ID: "hub", TeamID: "team_1", Name: "hub", Provider: "huggingface", Version: 1, Status: auth.StatusValid, Patterns: []string{"huggingface.co/*"}}},
		Keys:        []auth.Key{{ID: "key_1", TeamID: "team_1", Name: "worker", Hash: hash}},
		Links:       []auth.Link{{CredentialID: "hub", KeyID: "key_1"}},
	}, auth.Options{Providers: Providers()})
	if err != nil {
		t.Fatal(err)
	}
	identity, err := snapshot.Identify(hash, fixedClock())
	if err != nil {
		t.Fatal(err)
	}
	q := auth.Question{Identity: identity, Method: "POST", Target: target(t, batchPath), Now: fixedClock()}
	if d := snapshot.Decide(q); !d.NeedBody || d.Outcome != auth.Deny {
		t.Fatalf("%s, need body %v", d.Outcome, d.NeedBody)
	}
	q.HasBody = true
	for body, want := range map[string]auth.Outcome{
		gitLFSBody:               auth.Inject,
		`{"operation":"upload"}`: auth.Deny,
		`{"operation":"download","Operation":"upload"}`: auth.Deny,
		``: auth.Deny,
	} {
		q.Body = []byte(body)
		if d := snapshot.Decide(q); d.Outcome != want || d.NeedBody {
			t.Errorf("%q: %s (%s)", body, d.Outcome, d.Reason)
		}
	}
	q.Body, q.ContentEncoding = []byte(gitLFSBody), "gzip"
	if d := snapshot.Decide(q); d.Outcome != auth.Deny || d.Code != auth.CodeScopeForbidden {
		t.Errorf("an encoded body: %s %s", d.Outcome, d.Code)
	}
}
