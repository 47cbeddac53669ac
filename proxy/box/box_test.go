package box

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weighbridge/weighbridge/auth"
)

var start = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func sealer(t testing.TB, now func() time.Time, keys ...[]byte) *Sealer {
	t.Helper()
	if keys == nil {
		keys = [][]byte{NewKey()}
	}
	s, err := New(Options{Keys: keys, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func at(t time.Time) func() time.Time { return func() time.Time { return t } }

func sample() Box {
	return Box{
		Kind: KindURL, TeamID: "team_01k", KeyID: "key_01k",
		Target: auth.Target{
			Scheme: "https", Host: "acct.blob.core.windows.net", Port: 443,
			Path:     "/models/a%2Fb//c%20d+e.safetensors",
			RawQuery: "sv=2024-11-04&sig=a%2Bb%2Fc%3D+/=&se=2026-11-22T00%3A00%3A00Z", HasQuery: true,
		},
		Origin:  auth.Target{Scheme: "https", Host: "huggingface.co", Port: 443, Path: "/org/model/resolve/main/x"},
		Expires: start.Add(time.Hour),
	}
}

// equal compares boxes with their times as instants.
func equal(a, b Box) bool {
	same := a.Expires.Equal(b.Expires)
	a.Expires, b.Expires = time.Time{}, time.Time{}
	return same && a == b
}

func wantCode(t testing.TB, err error, code auth.Code) {
	t.Helper()
	if err == nil || auth.AsError(err).Code != code {
		t.Fatalf("error %v, want code %s", err, code)
	}
}

func mustSeal(t testing.TB, s *Sealer, b Box) string {
	t.Helper()
	sealed, err := s.Seal(b)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func targets() *rapid.Generator[auth.Target] {
	return rapid.Custom(func(t *rapid.T) auth.Target {
		out := auth.Target{
			Scheme: rapid.SampledFrom([]string{"https", "http"}).Draw(t, "scheme"),
			Host:   rapid.StringMatching(`[a-z0-9.:-]{1,60}`).Draw(t, "host"),
			Port:   rapid.Uint16Range(1, 65535).Draw(t, "port"),
			Path:   "/" + rapid.StringN(0, 300, 1500).Draw(t, "path"),
		}
		if out.HasQuery = rapid.Bool().Draw(t, "has query"); out.HasQuery {
			out.RawQuery = rapid.StringN(0, 300, 1500).Draw(t, "query")
		}
		return out
	})
}

// T10: what was sealed comes back byte for byte, and is neither readable nor
// the same twice.
func TestT10_SealedURLComesBackByteForByte(t *testing.T) {
	s := sealer(t, at(start))
	rapid.Check(t, func(t *rapid.T) {
		b := Box{
			Kind:   KindURL,
			TeamID: rapid.StringN(1, 20, 100).Draw(t, "team"), KeyID: rapid.StringN(1, 20, 100).Draw(t, "key"),
			Target: targets().Draw(t, "target"), Origin: targets().Draw(t, "origin"),
			Expires: start.Add(time.Duration(rapid.Int64Range(1, int64(MaxLife/time.Second)).Draw(t, "life")) * time.Second),
		}
		sealed, err := s.Seal(b)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Trim(sealed, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			t.Fatalf("%q is not for a path", sealed)
		}
		if len(sealed) > maxSealed {
			t.Fatalf("%d bytes", len(sealed))
		}
		back, err := s.Open(sealed)
		if err != nil {
			t.Fatal(err)
		}
		b.Origin.RawQuery, b.Origin.HasQuery = "", false
		if !equal(back, b) {
			t.Fatalf("sealed %+v, opened %+v", b, back)
		}
		if again, err := s.Seal(b); err != nil || again == sealed {
			t.Fatalf("sealed twice alike (%v)", err)
		}
	})
}

func TestSealedURLIsNotReadable(t *testing.T) {
	raw, err := base64.RawURLEncoding.DecodeString(mustSeal(t, sealer(t, at(start)), sample()))
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"sig=", "blob.core", "huggingface", "team_", "key_", "safetensors"} {
		if strings.Contains(string(raw), part) {
			t.Errorf("%q can be read", part)
		}
	}
}

func TestEveryChangeIsRefused(t *testing.T) {
	s := sealer(t, at(start))
	sealed := mustSeal(t, s, sample())
	raw, err := base64.RawURLEncoding.DecodeString(sealed)
	if err != nil {
		t.Fatal(err)
	}
	for i := range raw {
		for bit := range 8 {
			raw[i] ^= 1 << bit
			_, err := s.Open(base64.RawURLEncoding.EncodeToString(raw))
			wantCode(t, err, auth.CodeBoxInvalid)
			raw[i] ^= 1 << bit
		}
	}
	for i := range sealed {
		_, err := s.Open(sealed[:i])
		wantCode(t, err, auth.CodeBoxInvalid)
	}
	for _, other := range []string{
		"", "A", "AQ", sealed + "A", sealed + "=", sealed + "\n", sealed + sealed, " " + sealed, "%41", strings.Repeat("A", maxSealed), strings.Repeat("A", maxSealed+1), strings.Repeat("A", 1<<20),
	} {
		_, err := s.Open(other)
		wantCode(t, err, auth.CodeBoxInvalid)
		if e := auth.AsError(err); len(sealed) > 0 && strings.Contains(e.Reason, sealed[:8]) {
			t.Errorf("the reason quotes the box: %s", e.Reason)
		}
	}
}

// The last character of base64 may have bits that no byte holds: with those
// set the text must not open either, or a box would have several texts.
func TestBoxHasOneText(t *testing.T) {
	s := sealer(t, at(start))
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	b := sample()
	for range 3 { // every length modulo 3
		b.KeyID += "x"
		sealed := mustSeal(t, s, b)
		opened := 0
		for _, last := range alphabet {
			if _, err := s.Open(sealed[:len(sealed)-1] + string(last)); err == nil {
				opened++
			}
		}
		if opened != 1 {
			t.Errorf("%d texts open", opened)
		}
	}
}

func TestBoxExpires(t *testing.T) {
	now := start
	s := sealer(t, func() time.Time { return now })
	sealed := mustSeal(t, s, sample())
	now = start.Add(time.Hour - time.Nanosecond)
	if _, err := s.Open(sealed); err != nil {
		t.Fatal(err)
	}
	for _, now = range []time.Time{start.Add(time.Hour), start.Add(1000 * time.Hour)} {
		_, err := s.Open(sealed)
		wantCode(t, err, auth.CodeBoxExpired)
	}
	raw, err := base64.RawURLEncoding.DecodeString(sealed)
	if err != nil {
		t.Fatal(err)
	}
	raw[len(raw)-1] ^= 1
	_, err = s.Open(base64.RawURLEncoding.EncodeToString(raw))
	wantCode(t, err, auth.CodeBoxInvalid) // an expired one that was changed says nothing of its time
}

func TestBoxesOfOtherKeysAreRefused(t *testing.T) {
	oldKey, newKey := NewKey(), NewKey()
	before, after, stranger := sealer(t, at(start), oldKey), sealer(t, at(start), newKey, oldKey), sealer(t, at(start))
	sealed := mustSeal(t, before, sample())
	if b, err := after.Open(sealed); err != nil || !equal(b, sample()) {
		t.Errorf("after rotation: %v", err)
	}
	for _, s := range []*Sealer{stranger, sealer(t, at(start), newKey)} {
		_, err := s.Open(sealed)
		wantCode(t, err, auth.CodeBoxInvalid)
	}
	_, err := before.Open(mustSeal(t, after, sample()))
	wantCode(t, err, auth.CodeBoxInvalid) // the first key seals
}

func TestBoxIsForOneKeyOfOneTeam(t *testing.T) {
	b := sample()
	if err := b.CheckIdentity(auth.Identity{TeamID: b.TeamID, KeyID: b.KeyID}); err != nil {
		t.Error(err)
	}
	for _, id := range []auth.Identity{{}, {KeyID: b.KeyID}, {TeamID: b.TeamID}, {TeamID: "team_02k", KeyID: b.KeyID}, {TeamID: b.TeamID, KeyID: "key_02k"}} {
		wantCode(t, b.CheckIdentity(id), auth.CodeBoxInvalid)
	}
	wantCode(t, Box{}.CheckIdentity(auth.Identity{}), auth.CodeBoxInvalid)
}

func TestSealRefuses(t *testing.T) {
	s := sealer(t, at(start))
	for name, change := range map[string]func(*Box){
		"no kind":            func(b *Box) { b.Kind = 0 },
		"unknown kind":       func(b *Box) { b.Kind = 3 },
		"no team":            func(b *Box) { b.TeamID = "" },
		"no key":             func(b *Box) { b.KeyID = "" },
		"long key":           func(b *Box) { b.KeyID = strings.Repeat("x", maxID+1) },
		"no end":             func(b *Box) { b.Expires = time.Time{} },
		"end too far":        func(b *Box) { b.Expires = start.Add(MaxLife + time.Second) },
		"before 1970":        func(b *Box) { b.Expires = time.Unix(-5, 0) },
		"no host":            func(b *Box) { b.Target.Host = "" },
		"no port":            func(b *Box) { b.Target.Port = 0 },
		"no path":            func(b *Box) { b.Target.Path = "" },
		"relative path":      func(b *Box) { b.Target.Path = "x" },
		"other scheme":       func(b *Box) { b.Target.Scheme = "ftp" },
		"half a query":       func(b *Box) { b.Target.HasQuery = false },
		"no origin":          func(b *Box) { b.Origin = auth.Target{} },
		"long target":        func(b *Box) { b.Target.RawQuery = strings.Repeat("x", MaxURL) },
		"long origin":        func(b *Box) { b.Origin.Path = "/" + strings.Repeat("x", MaxURL) },
		"prefix with query":  func(b *Box) { b.Kind = KindPrefix },
		"write with query":   func(b *Box) { b.Kind = KindWritePrefix },
		"kind beyond":        func(b *Box) { b.Kind = KindWritePrefix + 1 },
		"origin, no scheme":  func(b *Box) { b.Origin.Scheme = "" },
		"origin, odd scheme": func(b *Box) { b.Origin.Scheme = "file" },
	} {
		b := sample()
		change(&b)
		if _, err := s.Seal(b); err == nil {
			t.Errorf("%s: sealed", name)
		} else if strings.Contains(err.Error(), "sig=") {
			t.Errorf("%s: the error quotes the query: %v", name, err)
		}
	}
	b := sample()
	b.Target = auth.Target{Scheme: "http", Host: "h", Port: 80, Path: "/" + strings.Repeat("x", MaxURL-2)}
	if back, err := s.Open(mustSeal(t, s, b)); err != nil || !equal(back, b) {
		t.Errorf("the longest URL: %v", err)
	}
}

func TestNewRefusesKeys(t *testing.T) {
	for _, keys := range [][][]byte{nil, {}, {nil}, {make([]byte, 16)}, {NewKey(), make([]byte, 33)}} {
		if _, err := New(Options{Keys: keys}); err == nil {
			t.Errorf("%d keys were taken", len(keys))
		}
	}
}

func TestResolve(t *testing.T) {
	one := sample()
	prefix := Box{Kind: KindPrefix, Target: auth.Target{Scheme: "https", Host: "cas-server.xethub.hf.co", Port: 443, Path: "/"}}
	writes := prefix
	writes.Kind = KindWritePrefix
	deep := prefix
	deep.Target.Path = "/a/b"
	for _, c := range []struct {
		box         Box
		rest, query string
		has         bool
		path        string
		code        auth.Code
	}{
		{one, "", "", false, one.Target.Path, ""},
		{one, "/model.safetensors", "", false, one.Target.Path, ""},
		{one, "", "", true, "", auth.CodeBadTarget},
		{one, "/x", "download=true", true, "", auth.CodeBadTarget},
		{one, "x", "", false, "", auth.CodeBadTarget},
		{prefix, "", "", false, "/", ""},
		{prefix, "/v1/reconstructions/abc", "a=b", true, "/v1/reconstructions/abc", ""},
		{prefix, "//v1", "", false, "//v1", ""},
		{writes, "/v1/shards", "a", true, "/v1/shards", ""},
		{writes, "/../x", "", false, "", auth.CodeBadTarget},
		{prefix, "/a%2Fb%20c", "", false, "/a%2Fb%20c", ""},
		{deep, "", "", false, "/a/b", ""},
		{deep, "/", "", false, "/a/b/", ""},
		{deep, "/c", "", true, "/a/b/c", ""},
		{deep, "c", "", false, "", auth.CodeBadTarget},
		{deep, "/../c", "", false, "", auth.CodeBadTarget},
		{deep, "/x/%2e%2E/%2e./y", "", false, "", auth.CodeBadTarget},
		{deep, "/x%2f..%2Fy", "", false, "", auth.CodeBadTarget},
		{deep, "/..", "", false, "", auth.CodeBadTarget},
		{deep, "/.", "", false, "", auth.CodeBadTarget},
		{deep, `/..\x`, "", false, "", auth.CodeBadTarget},
		{deep, "/%5c..%5c", "", false, "", auth.CodeBadTarget},
		{deep, "/a?b", "", false, "", auth.CodeBadTarget},
		{deep, "/a#b", "", false, "", auth.CodeBadTarget},
		{deep, "/a\r\nb", "", false, "", auth.CodeBadTarget},
		{deep, "/..a/b..", "", false, "/a/b/..a/b..", ""},
		{Box{}, "", "", false, "", auth.CodeBoxInvalid},
	} {
		got, err := c.box.Resolve(c.rest, c.query, c.has)
		if c.code != "" {
			if err == nil || auth.AsError(err).Code != c.code {
				t.Errorf("%q?%q: %+v, %v", c.rest, c.query, got, err)
			}
			continue
		}
		want := c.box.Target
		want.Path = c.path
		if c.box.Kind != KindURL {
			want.RawQuery, want.HasQuery = c.query, c.has
		}
		if err != nil || got != want {
			t.Errorf("%q?%q: %+v, %v", c.rest, c.query, got, err)
		}
	}
}

// FuzzOpen: nothing that a stranger writes opens, or panics; and whatever
// contents decode to encodes to the same bytes, or to fewer (a uvarint has
// longer forms).
func FuzzOpen(f *testing.F) {
	key := make([]byte, 32)
	s := sealer(f, at(start), key)
	sealed := mustSeal(f, s, sample())
	f.Add(sealed, encode(sample()))
	f.Add("", []byte{})
	f.Add(sealed[:40], []byte{1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Add(strings.Repeat("A", 100), []byte{2, 1, 0xff, 0xff, 0xff, 0x7f})
	f.Fuzz(func(t *testing.T, text string, contents []byte) {
		if b, err := s.Open(text); err == nil {
			if again, err := s.Open(mustSeal(t, s, b)); err != nil || !equal(again, b) {
				t.Fatalf("%+v does not seal and open: %v", b, err)
			}
		} else if c := auth.AsError(err).Code; c != auth.CodeBoxInvalid && c != auth.CodeBoxExpired {
			t.Fatalf("code %s", c)
		}
		if b, err := decode(contents); err == nil {
			enc := encode(b)
			again, err := decode(enc)
			if err != nil || !equal(again, b) || len(enc) > len(contents) {
				t.Fatalf("%x decodes to %+v, which encodes to %x: %v", contents, b, enc, err)
			}
		}
	})
}

// FuzzSealOpen: what is sealed opens to the same, and with any one byte
// changed to nothing.
func FuzzSealOpen(f *testing.F) {
	f.Add("team_a", "key_a", "h.example.com", "/p", "q=1", uint16(443), uint32(3600), uint16(7), byte(1))
	f.Add("t", "k", "::1", "/", "", uint16(1), uint32(1), uint16(0), byte(0x80))
	f.Fuzz(func(t *testing.T, team, key, host, path, query string, port uint16, life uint32, where uint16, flip byte) {
		s := sealer(t, at(start), make([]byte, 32))
		b := sample()
		b.TeamID, b.KeyID = team, key
		b.Target = auth.Target{Scheme: "http", Host: host, Port: port, Path: path, RawQuery: query, HasQuery: query != ""}
		b.Expires = start.Add(time.Duration(life) * time.Second)
		sealed, err := s.Seal(b)
		if err != nil {
			return
		}
		back, err := s.Open(sealed)
		if life == 0 {
			wantCode(t, err, auth.CodeBoxExpired)
			return
		}
		if err != nil || !equal(back, b) {
			t.Fatalf("sealed %+v, opened %+v: %v", b, back, err)
		}
		if flip == 0 {
			return
		}
		raw, err := base64.RawURLEncoding.DecodeString(sealed)
		if err != nil {
			t.Fatal(err)
		}
		raw[int(where)%len(raw)] ^= flip
		_, err = s.Open(base64.RawURLEncoding.EncodeToString(raw))
		wantCode(t, err, auth.CodeBoxInvalid)
	})
}

func BenchmarkSeal(b *testing.B) {
	s := sealer(b, at(start))
	for b.Loop() {
		mustSeal(b, s, sample())
	}
}

func BenchmarkOpen(b *testing.B) {
	s := sealer(b, at(start))
	sealed := mustSeal(b, s, sample())
	for b.Loop() {
		if _, err := s.Open(sealed); err != nil {
			b.Fatal(err)
		}
	}
}
