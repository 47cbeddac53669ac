package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/auth"
)

// opened opens every field of e for o.
func opened(t testing.TB, e *envelope, kek KEK, o sealOwner, names ...string) (map[string]string, error) {
	t.Helper()
	out := map[string]string{}
	var kept [][]byte
	err := e.open(t.Context(), kek, o, names, func(name string, value []byte) {
		out[name] = string(value)
		kept = append(kept, value)
	})
	for _, v := range kept {
		if len(bytes.Trim(v, "\x00")) > 0 {
			t.Error("a plaintext was not wiped")
		}
	}
	return out, err
}

func TestT56_SealedFieldsOpenForTheirOwnerOnly(t *testing.T) {
	kek := newKEK(t)
	owner := credentialOwner("team_a", "cred_a", 3)
	plain := map[string][]byte{"token": []byte("secret"), "password": []byte("word"), "empty": {}}
	e, err := seal(t.Context(), kek, owner, plain)
	check(t, err)
	got, err := opened(t, e, kek, owner)
	check(t, err)
	if !maps.Equal(got, map[string]string{"token": "secret", "password": "word", "empty": ""}) {
		t.Fatalf("opened %v", got)
	}
	for name, o := range map[string]sealOwner{
		"another team":       credentialOwner("team_b", "cred_a", 3),
		"another credential": credentialOwner("team_a", "cred_b", 3),
		"a newer version":    credentialOwner("team_a", "cred_a", 4),
		"an older version":   credentialOwner("team_a", "cred_a", 2),
		"a named value":      {tag: tagNamed, teamID: "team_a", id: "cred_a", version: 3},
		"parts that run on":  credentialOwner("team_ac", "red_a", 3),
	} {
		if got, err := opened(t, e, kek, o); !errors.Is(err, ErrUnavailable) || len(got) > 0 {
			t.Errorf("for %s it opened %v, %v", name, got, err)
		}
		// Not even where the rows are made to say the version that is asked for.
		moved := *e
		moved.fields.Version, moved.dek.Version = o.version, o.version
		if got, err := opened(t, &moved, kek, o); !errors.Is(err, ErrUnavailable) || len(got) > 0 {
			t.Errorf("moved to %s it opened %v, %v", name, got, err)
		}
	}
}

func TestT56_SealedFieldsCannotBeExchanged(t *testing.T) {
	kek := newKEK(t)
	a, b := credentialOwner("team", "cred_a", 1), credentialOwner("team", "cred_b", 1)
	sealTwo := func(o sealOwner) *envelope {
		e, err := seal(t.Context(), kek, o, map[string][]byte{"username": []byte("user " + o.id), "password": []byte("pass " + o.id)})
		check(t, err)
		return e
	}
	ea, eb, old := sealTwo(a), sealTwo(b), sealTwo(credentialOwner("team", "cred_a", 0))
	edit := func(fn func(e *envelope)) *envelope {
		e := &envelope{fields: sealedRow{ea.fields.Version, maps.Clone(ea.fields.Fields)}, dek: ea.dek}
		fn(e)
		return e
	}
	for name, e := range map[string]*envelope{
		"fields exchanged": edit(func(e *envelope) {
			f := e.fields.Fields
			f["username"], f["password"] = f["password"], f["username"]
		}),
		"a field of another row":                edit(func(e *envelope) { e.fields.Fields["password"] = eb.fields.Fields["password"] }),
		"all fields of another row":             edit(func(e *envelope) { e.fields = eb.fields }),
		"the DEK of another row":                edit(func(e *envelope) { e.dek = eb.dek }),
		"fields and DEK of another row":         edit(func(e *envelope) { *e = *eb }),
		"the fields of an older version":        edit(func(e *envelope) { e.fields = old.fields }),
		"an older version relabelled":           edit(func(e *envelope) { *e = *old; e.fields.Version, e.dek.Version = 1, 1 }),
		"the fields of an older one relabelled": edit(func(e *envelope) { e.fields.Fields = old.fields.Fields }),
		"a short field":                         edit(func(e *envelope) { e.fields.Fields["password"] = []byte("x") }),
		"an empty field":                        edit(func(e *envelope) { e.fields.Fields["password"] = nil }),
		"no DEK":                                edit(func(e *envelope) { e.dek.Wrapped = nil }),
	} {
		got, err := opened(t, e, kek, a, "password")
		if !errors.Is(err, ErrUnavailable) || len(got) > 0 {
			t.Errorf("%s: opened %v, %v", name, got, err)
			continue
		}
		oneLine(t, err)
	}
}

func TestT56_EveryBitOfASealedFieldCounts(t *testing.T) {
	kek := newKEK(t)
	o := credentialOwner("team", "cred", 1)
	e, err := seal(t.Context(), kek, o, map[string][]byte{"token": []byte("secret")})
	check(t, err)
	flipped := func(b []byte, bit int) []byte {
		b = bytes.Clone(b)
		b[bit/8] ^= 1 << (bit % 8)
		return b
	}
	field := e.fields.Fields["token"]
	for bit := range len(field) * 8 {
		bad := &envelope{sealedRow{1, map[string][]byte{"token": flipped(field, bit)}}, e.dek}
		if got, err := opened(t, bad, kek, o); !errors.Is(err, ErrDamaged) || len(got) > 0 {
			t.Fatalf("with bit %d flipped it opened %v, %v", bit, got, err)
		}
	}
	for n := range len(field) {
		for _, cut := range [][]byte{field[:n], field[len(field)-n:]} {
			bad := &envelope{sealedRow{1, map[string][]byte{"token": cut}}, e.dek}
			if got, err := opened(t, bad, kek, o); !errors.Is(err, ErrDamaged) || len(got) > 0 {
				t.Fatalf("cut to %d bytes it opened %v, %v", n, got, err)
			}
		}
	}
	for bit := range len(e.dek.Wrapped) * 8 {
		bad := &envelope{e.fields, dekRow{1, e.dek.KEK, flipped(e.dek.Wrapped, bit)}}
		if got, err := opened(t, bad, kek, o); !errors.Is(err, ErrUnavailable) || len(got) > 0 {
			t.Fatalf("with bit %d of the DEK flipped it opened %v, %v", bit, got, err)
		}
	}
}

func TestT56_WrongKEKIsNamed(t *testing.T) {
	right, wrong := newKEK(t), newKEK(t)
	o := credentialOwner("team", "cred", 1)
	e, err := seal(t.Context(), right, o, map[string][]byte{"token": []byte("secret")})
	check(t, err)
	_, err = opened(t, e, wrong, o)
	if !errors.Is(err, ErrWrongKEK) || !strings.Contains(err.Error(), right.ID()) || !strings.Contains(err.Error(), wrong.ID()) {
		t.Fatalf("error is %v", err)
	}
	lying := *e
	lying.dek.KEK = wrong.ID()
	if _, err = opened(t, &lying, wrong, o); !errors.Is(err, ErrUnavailable) {
		t.Fatalf("error is %v", err)
	}
}

// Every sealing has a DEK and nonces of its own: equal secrets look different.
func TestT56_NoNonceOrDEKTwice(t *testing.T) {
	kek := newKEK(t)
	seen := map[string]bool{}
	for range 200 {
		e, err := seal(t.Context(), kek, credentialOwner("team", "cred", 1), map[string][]byte{"a": []byte("same"), "b": []byte("same")})
		check(t, err)
		dek, err := kek.Unwrap(t.Context(), e.dek.Wrapped, credentialOwner("team", "cred", 1).dekAAD())
		check(t, err)
		for _, s := range []string{string(dek), string(e.fields.Fields["a"][:12]), string(e.fields.Fields["b"][:12]), string(e.dek.Wrapped[:12])} {
			if seen[s] {
				t.Fatal("a nonce or a DEK was used twice")
			}
			seen[s] = true
		}
	}
}

func TestAssociatedDataIsUnambiguous(t *testing.T) {
	seen := map[string]string{}
	parts := []string{"", "a", "b", "ab", "\x00", "\x00\x00\x00\x01a"}
	for _, x := range parts {
		for _, y := range parts {
			for _, z := range parts {
				for v := range uint64(2) {
					what := fmt.Sprintf("%d %q %q %q", v, x, y, z)
					aad := string(associatedData(v, x, y, z))
					if other, ok := seen[aad]; ok {
						t.Fatalf("%s and %s have the same associated data", what, other)
					}
					seen[aad] = what
				}
			}
		}
	}
}

func TestSameSecrets(t *testing.T) {
	f := func(pairs ...string) auth.Fields {
		out := auth.Fields{}
		for p := range slices.Chunk(pairs, 2) {
			out[p[0]] = auth.NewSecret(p[1])
		}
		return out
	}
	for _, test := range []struct {
		a, b auth.Fields
		want bool
	}{
		{nil, nil, true},
		{f("a", "1"), f("a", "1"), true},
		{f("a", "1"), f("a", "2"), false},
		{f("a", "1"), f("b", "1"), false},
		{f("a", "1", "b", "2"), f("a", "1"), false},
		{f("a", "1"), f("a", "1", "b", ""), true},
		{f(), f("b", ""), true},
	} {
		if sameSecrets(test.a, test.b) != test.want || sameSecrets(test.b, test.a) != test.want {
			t.Errorf("%v and %v: want %v", slices.Collect(maps.Keys(test.a)), slices.Collect(maps.Keys(test.b)), test.want)
		}
	}
}

// FuzzSealedRow: whatever stands in the rows of a sealed credential, nothing
// but what was sealed comes out, and nothing panics.
func FuzzSealedRow(f *testing.F) {
	kek, err := newLocalKEK(bytes.Repeat([]byte{7}, kekSize))
	if err != nil {
		f.Fatal(err)
	}
	o := credentialOwner("team", "cred", 1)
	e, err := seal(f.Context(), kek, o, map[string][]byte{"token": []byte("secret"), "other": []byte("value")})
	if err != nil {
		f.Fatal(err)
	}
	fields, err := json.Marshal(e.fields)
	check(f, err)
	dek, err := json.Marshal(e.dek)
	check(f, err)
	f.Add(fields, dek)
	f.Add([]byte(`{"version":1,"fields":{"token":""}}`), dek)
	f.Add([]byte(`{"version":18446744073709551615,"fields":null}`), []byte(`{"version":1,"kek":"`+kek.ID()+`","wrapped":"AAAA"}`))
	f.Add([]byte(`{}{}`), []byte(`null`))
	f.Fuzz(func(t *testing.T, fields, dek []byte) {
		var e envelope
		if decodeStrict(fields, &e.fields) != nil || decodeStrict(dek, &e.dek) != nil {
			return
		}
		got, _ := opened(t, &e, kek, o)
		for name, value := range got {
			if (name != "token" || value != "secret") && (name != "other" || value != "value") {
				t.Fatalf("%q opened as %q", name, value)
			}
		}
	})
}
