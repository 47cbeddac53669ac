package auth

import (
	"fmt"
	"testing"
)

// benchState is n credentials with a pattern of their own each, all linked
// to one key: the worst key there can be.
func benchState(n int) State {
	s := State{Keys: []Key{{ID: "k1", TeamID: "t", Name: "worker"}}}
	for i := range n {
		id := fmt.Sprintf("c%06d", i)
		pattern := fmt.Sprintf("hub.example/org%d/*", i)
		switch i % 10 {
		case 7:
			pattern = fmt.Sprintf("registry%d.example.net/models/*", i)
		case 8:
			pattern = fmt.Sprintf("*.region%d.example.net/models/*", i)
		case 9:
			pattern = fmt.Sprintf("hub.example/org%d/*/resolve/*", i)
		}
		s.Credentials = append(s.Credentials, Credential{
			ID: id, TeamID: "t", Name: "cred" + id, Provider: "hub", Status: StatusValid, Patterns: []string{pattern},
		})
		s.Links = append(s.Links, Link{CredentialID: id, KeyID: "k1"})
	}
	return s
}

func BenchmarkDecide(b *testing.B) {
	for _, n := range []int{1_000, 100_000} {
		snap := mustCompile(b, benchState(n))
		id, err := snap.IdentifyID("k1", testNow)
		if err != nil {
			b.Fatal(err)
		}
		for _, c := range []struct{ name, url string }{
			{"exact", "https://hub.example/org500/llama-3-70b/resolve/main/model-00001-of-00030.safetensors"},
			{"wildcard", "https://eu.region508.example.net/models/llama-3-70b/model-00001-of-00030.safetensors"},
			{"signed", "https://x.cdn.hb.example/repos/aa/bb/0123456789abcdef?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=x&X-Amz-Date=20260301T000000Z&X-Amz-Expires=3600&X-Amz-Signature=0123456789abcdef0123456789abcdef&X-Amz-SignedHeaders=host"},
			{"escaped", "https://hub.example/org500/llama-3-70b/resolve/refs%2Fpr%2F1/model.safetensors"},
		} {
			q := Question{Identity: id, Method: "GET", Target: mustURL(b, c.url), Now: testNow}
			if d := snap.Decide(q); d.Outcome == Deny {
				b.Fatal(d.Code, d.Reason)
			}
			b.Run(fmt.Sprintf("patterns=%d/%s", n, c.name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					_ = snap.Decide(q)
				}
			})
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	state := benchState(100_000)
	b.ReportAllocs()
	for b.Loop() {
		mustCompile(b, state)
	}
}

// BenchmarkCompileLinks is 1,000 credentials that 100 keys share: 100,000
// links. It is paid at every change of the store.
func BenchmarkCompileLinks(b *testing.B) {
	state := benchState(1_000)
	state.Keys, state.Links = nil, nil
	for i := range 100 {
		k := Key{ID: fmt.Sprintf("k%d", i), TeamID: "t", Name: "worker"}
		state.Keys = append(state.Keys, k)
		for _, c := range state.Credentials {
			state.Links = append(state.Links, Link{CredentialID: c.ID, KeyID: k.ID})
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		mustCompile(b, state)
	}
}

func BenchmarkFirstUse(b *testing.B) {
	state := benchState(100_000)
	for b.Loop() {
		b.StopTimer()
		snap := mustCompile(b, state)
		b.StartTimer()
		snap.keys["k1"].ready()
	}
}

func BenchmarkParseURL(b *testing.B) {
	const u = "https://hub.example/org500/llama-3-70b/resolve/main/model-00001-of-00030.safetensors?download=true"
	b.ReportAllocs()
	for b.Loop() {
		_, _ = ParseURL(u)
	}
}
