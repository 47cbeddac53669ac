package auth

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"
)

// TestR35_DecisionsAtScale: with ten thousand API keys and a thousand credentials
// (a tenth of that in every test run) each request gets the credential that it
// should, at no allocation and, which is only judged in the long form, within
// 50 µs at the 99th percentile. What a key's first request takes, which makes its
// table, is told apart.
func TestR35_DecisionsAtScale(t *testing.T) {
	credentials, keys := 100, 1_000
	long := os.Getenv("WEIGHBRIDGE_SOAK") != ""
	if long {
		credentials, keys = 1_000, 10_000
	}
	const links = 10
	state := benchState(credentials)
	state.Keys, state.Links = nil, nil
	for i := range keys {
		k := Key{ID: fmt.Sprintf("k%d", i), TeamID: "t", Name: fmt.Sprintf("worker-%d", i)}
		state.Keys = append(state.Keys, k)
		for n := range links {
			state.Links = append(state.Links, Link{CredentialID: state.Credentials[(i*7+n*11)%credentials].ID, KeyID: k.ID})
		}
	}
	snap := mustCompile(t, state)
	urls := make([]Target, credentials)
	for i := range urls {
		u := fmt.Sprintf("https://hub.example/org%d/model/resolve/main/model.safetensors", i)
		switch i % 10 {
		case 7:
			u = fmt.Sprintf("https://registry%d.example.net/models/model.safetensors", i)
		case 8:
			u = fmt.Sprintf("https://eu.region%d.example.net/models/model.safetensors", i)
		}
		urls[i] = mustURL(t, u)
	}
	chance := rand.New(rand.NewPCG(35, 35))
	var first, later []time.Duration
	for i := range 10 * keys {
		key := fmt.Sprintf("k%d", i%keys)
		id, err := snap.IdentifyID(key, testNow)
		if err != nil {
			t.Fatal(err)
		}
		n := ((i%keys)*7 + chance.IntN(links)*11) % credentials
		q := Question{Identity: id, Method: "GET", Target: urls[n], Unmatched: UnmatchedDeny, Now: testNow}
		began := time.Now()
		d := snap.Decide(q)
		took := time.Since(began)
		if i < keys {
			first = append(first, took)
		} else {
			later = append(later, took)
		}
		want, by := Inject, state.Credentials[n].ID
		if n%10 == 8 { // it puts something on where a pattern names the host exactly
			want, by = Bare, ""
		}
		if d.Outcome != want || d.CredentialID != by {
			t.Fatalf("%s asks for %s: %s %s by %s", key, q.Target.Path, d.Code, d.Reason, d.CredentialID)
		}
		if i == 0 {
			if n := testing.AllocsPerRun(100, func() { snap.Decide(q) }); n != 0 {
				t.Errorf("%v allocations", n)
			}
		}
	}
	slices.Sort(first)
	slices.Sort(later)
	p99 := later[len(later)*99/100]
	t.Logf("%d keys, %d credentials: half within %v, 99 of 100 within %v; first requests: %v, %v", keys, credentials,
		later[len(later)/2], p99, first[keys/2], first[keys*99/100])
	if long && p99 > 50*time.Microsecond {
		t.Errorf("99 of 100 decisions take %v", p99)
	}
}
