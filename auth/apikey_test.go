package auth

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestNewKeys(t *testing.T) {
	form := regexp.MustCompile(`^(wbk|wbu)_[0-9A-Za-z]{43}$`)
	seen, letters := map[string]bool{}, map[rune]bool{}
	for range 200 {
		k, u := NewAPIKey().Reveal(), NewURLKey().Reveal()
		if !form.MatchString(k) || !strings.HasPrefix(k, KeyPrefix) || !form.MatchString(u) || !strings.HasPrefix(u, URLKeyPrefix) {
			t.Fatalf("form of %q, %q", k, u)
		}
		if seen[k] || seen[u] {
			t.Fatal("a key came twice")
		}
		seen[k], seen[u] = true, true
		for _, r := range k[4:] {
			letters[r] = true
		}
	}
	if len(letters) != 62 {
		t.Errorf("8,600 characters use %d of 62 letters", len(letters))
	}
}

func TestHashAPIKey(t *testing.T) {
	body := NewAPIKey().Reveal()[len(KeyPrefix):]
	a, ok := HashAPIKey("wbk_" + body)
	b, okb := HashAPIKey("hf_" + body)
	if !ok || !okb || a != b || a.IsZero() {
		t.Errorf("the two forms of a key differ: %v %v", a, b)
	}
	if u, ok := HashURLKey("wbu_" + body); !ok || u.IsZero() {
		t.Errorf("URL key: %v", ok)
	}
	for _, s := range []string{
		"", "wbk_", "hf_", body, "wbk_" + body[:39], "wbk_" + strings.Repeat("a", 129), "wbk_" + body[:42] + "-", "wbk_" + body + "\n", " wbk_" + body, "WBK_" + body,
		"wbu_" + body, "wbt_" + body, "hf_" + strings.Repeat("ä", 40), "hf_wbk_" + body, "wbk_" + body[:20] + "\x00" + body[20:],
	} {
		if h, ok := HashAPIKey(s); ok || !h.IsZero() {
			t.Errorf("HashAPIKey(%q) is a key", s)
		}
	}
	for _, s := range []string{"", "wbu_", "wbk_" + body, "hf_" + body, "wbu_" + body[:39]} {
		if _, ok := HashURLKey(s); ok {
			t.Errorf("HashURLKey(%q) is a key", s)
		}
	}
	for _, n := range []int{40, 128} {
		if _, ok := HashAPIKey("wbk_" + strings.Repeat("a", n)); !ok {
			t.Errorf("a body of %d is refused", n)
		}
	}
}

func TestKeyHashText(t *testing.T) {
	h, _ := HashAPIKey(NewAPIKey().Reveal())
	b, err := json.Marshal(Key{Hash: h})
	if err != nil || strings.Contains(string(b), "url_key_hash") {
		t.Fatalf("%s, %v", b, err)
	}
	var k Key
	if err := json.Unmarshal(b, &k); err != nil || k.Hash != h {
		t.Errorf("%v, %v", k.Hash, err)
	}
	text, _ := h.MarshalText()
	for _, bad := range []string{"", string(text[:63]), string(text) + "0", string(text) + "00", strings.Repeat("g", 64), string(text[:62]) + "zz"} {
		got := h
		if err := got.UnmarshalText([]byte(bad)); err == nil || got != h {
			t.Errorf("%q: %v, changed %v", bad, err, got != h)
		}
	}
}

func TestNewID(t *testing.T) {
	form := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	var last string
	for i := range 100 {
		id := NewID(testNow.Add(time.Duration(i) * time.Millisecond))
		if !form.MatchString(id) || !IsID(id) || IsID(id[1:]) || IsID("g"+id[1:]) || IsID(id[:8]+"0"+id[9:]) {
			t.Fatalf("form of %q", id)
		}
		if id <= last {
			t.Fatalf("%q does not sort behind %q", id, last)
		}
		last = id
	}
	if one, other := NewID(testNow), NewID(testNow); one == other {
		t.Error("two ids of one moment are equal")
	}
}

// TestR29_GuessesFindNothing: neither keys made at random nor those that differ
// from a right one in a single character, in any of its forms.
func TestR29_GuessesFindNothing(t *testing.T) {
	right, url := NewAPIKey(), NewURLKey()
	state := State{
		Teams: []Team{{ID: "t"}},
		Keys:  []Key{{ID: "k", TeamID: "t", Name: "worker", Hash: hashOf(t, HashAPIKey, right), URLKeyHash: hashOf(t, HashURLKey, url)}},
	}
	s, err := Compile(state, Options{})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	unknown := func(guess string, hash func(string) (KeyHash, bool), identify func(KeyHash, time.Time) (Identity, error)) {
		t.Helper()
		h, ok := hash(guess)
		if !ok {
			return // not even looked up
		}
		id, err := identify(h, now)
		if AsError(err).Code != CodeKeyInvalid || id != (Identity{}) {
			t.Fatalf("a guess is %+v, %v", id, err)
		}
		if text := err.Error(); strings.Contains(text, "worker") || strings.Contains(text, guess[len(guess)-8:]) {
			t.Fatalf("it says too much: %s", text)
		}
	}
	for range 100_000 {
		guess := NewAPIKey().Reveal()
		unknown(guess, HashAPIKey, s.Identify)
	}
	for i, c := range right.Reveal() {
		near := []byte(right.Reveal())
		near[i] = 'x'
		if c == 'x' {
			near[i] = 'y'
		}
		unknown(string(near), HashAPIKey, s.Identify)
		unknown(string(near[:i]), HashAPIKey, s.Identify)
		unknown(right.Reveal()+string(near[i]), HashAPIKey, s.Identify)
	}
	// One kind of key is not the other.
	unknown(KeyPrefix+strings.TrimPrefix(url.Reveal(), URLKeyPrefix), HashAPIKey, s.Identify)
	unknown(URLKeyPrefix+strings.TrimPrefix(right.Reveal(), KeyPrefix), HashURLKey, s.IdentifyURLKey)
	if id, err := s.Identify(hashOf(t, HashAPIKey, right), now); err != nil || id.KeyID != "k" {
		t.Errorf("the right one: %+v, %v", id, err)
	}
}

func hashOf(t *testing.T, hash func(string) (KeyHash, bool), s Secret) KeyHash {
	t.Helper()
	h, ok := hash(s.Reveal())
	if !ok {
		t.Fatal("not a key")
	}
	return h
}
