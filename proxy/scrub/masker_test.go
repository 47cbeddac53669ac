package scrub

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"math/rand/v2"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/weighbridge/weighbridge/auth"
)

func TestNothingToLookFor(t *testing.T) {
	for _, mask := range [][]auth.Secret{nil, {}, {{}}, {auth.NewSecret("1234567")}} {
		if m := New(mask); m != nil {
			t.Errorf("%d values made a masker", len(mask))
		}
	}
	var m *Masker
	if got := m.MaskString(canary); got != canary {
		t.Error("a nil masker changed a string")
	}
	if m.Mask([]byte(canary)) != 0 || m.Judge("text/plain", "", 10) != Stream {
		t.Error("a nil masker does something")
	}
	if r, err := m.Body([]byte("x"), "br"); err != nil || string(r.Body) != "x" {
		t.Errorf("a nil masker: %v", err)
	}
	m.Head([]byte("x"), "")
}

// A header and a trailer are masked by the same call.
func TestT51_HeaderIsMasked(t *testing.T) {
	m := masker(t, canary, "Bearer "+canary)
	for in, want := range map[string]string{
		canary:                       strings.Repeat("*", len(canary)),
		"Bearer " + canary:           strings.Repeat("*", len("Bearer "+canary)),
		"x" + canary + "y":           "x" + strings.Repeat("*", len(canary)) + "y",
		`Basic realm="` + canary[1:]: `Basic realm="` + canary[1:],
		"":                           "",
		"text/html":                  "text/html",
	} {
		if got := m.MaskString(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestT51_EveryFormIsMasked(t *testing.T) {
	const secret = `p/a+ss w"o\rd&<é%41>` + "=🔑"
	jsonText := func(s string) string { b, _ := json.Marshal(s); return strings.Trim(string(b), `"`) }
	allU := func(s string) string {
		var out strings.Builder
		for _, r := range s {
			if r > 0xffff {
				r -= 0x10000
				fmt.Fprintf(&out, `\u%04x\u%04X`, 0xd800+r>>10, 0xdc00+r&0x3ff)
			} else {
				fmt.Fprintf(&out, `\u%04x`, r)
			}
		}
		return out.String()
	}
	allPercent := func(s string) string {
		var out strings.Builder
		for i := range len(s) {
			fmt.Fprintf(&out, []string{"%%%02X", "%%%02x"}[i%2], s[i])
		}
		return out.String()
	}
	b64 := base64.StdEncoding.EncodeToString([]byte(secret))
	m := masker(t, secret)
	for name, form := range map[string]string{
		"raw":                        secret,
		"percent, path":              url.PathEscape(secret),
		"percent, query":             url.QueryEscape(secret),
		"percent, all":               allPercent(secret),
		"percent, twice":             url.QueryEscape(url.QueryEscape(secret)),
		"JSON":                       jsonText(secret),
		"JSON, escaped slash":        strings.ReplaceAll(jsonText(secret), "/", `\/`),
		"JSON, all":                  allU(secret),
		"JSON in JSON":               jsonText(jsonText(secret)),
		"JSON of percent":            jsonText(url.QueryEscape(secret)),
		"percent of JSON":            url.QueryEscape(jsonText(secret)),
		"HTML":                       html.EscapeString(secret),
		"HTML of JSON":               html.EscapeString(jsonText(secret)),
		"JSON of HTML":               jsonText(html.EscapeString(secret)),
		"HTML, hexadecimal":          strings.NewReplacer(`"`, "&#x22;", "&", "&#x00026;", "<", "&LT;", "/", "&sol;", "+", "&plus;").Replace(secret),
		"JavaScript":                 strings.NewReplacer(`\`, `\\`, `"`, `\x22`, "/", `\x2F`, "&", `\x26`).Replace(secret),
		"hex":                        hex.EncodeToString([]byte(secret)),
		"HEX":                        strings.ToUpper(hex.EncodeToString([]byte(secret))),
		"base64":                     b64,
		"base64url":                  base64.RawURLEncoding.EncodeToString([]byte(secret)),
		"base64, JSON":               strings.ReplaceAll(b64, "/", `\/`),
		"base64, percent":            url.QueryEscape(b64),
		"base64, lines":              b64[:7] + "\r\n" + b64[7:20] + "\n" + b64[20:],
		"base64, lines in JSON":      b64[:7] + `\r\n` + b64[7:20] + `\n` + b64[20:],
		"mixed percent":              strings.Replace(strings.Replace(secret, "p", "%70", 1), "r", "%72", 1),
		"mixed everything":           strings.NewReplacer("p", "%70", "a", `\u0061`, `"`, "&quot;", "w", "&#119;").Replace(secret),
		"form, plus for a space":     strings.ReplaceAll(secret, " ", "+"),
		"percent of escaped percent": strings.ReplaceAll(allPercent(secret), "%", "%25"),
	} {
		for _, around := range [][2]string{{"", ""}, {`{"k":"`, `","n":1}`}, {"100%", "%"}, {`\`, `\`}, {"&", ";"}, {"a", "a"}} {
			in := around[0] + form + around[1]
			b := []byte(in)
			if n := m.Mask(b); n == 0 {
				t.Errorf("%s: not found in %q", name, in)
				continue
			}
			if len(b) != len(in) {
				t.Errorf("%s: length %d became %d", name, len(in), len(b))
			}
			left := strings.Trim(string(b), "*")
			left = strings.TrimPrefix(strings.TrimSuffix(left, around[1]), around[0])
			if strings.Trim(strings.TrimSuffix(left, "%3D"), "*=") != "" { // padding may stay
				t.Errorf("%s: %q became %q", name, in, b)
			}
			if got := m.MaskString(in); got != string(b) {
				t.Errorf("%s: as a string %q, as bytes %q", name, got, b)
			}
		}
	}
}

// The value inside a larger base64 text, at each alignment, of each length.
func TestT51_Base64AtEveryAlignment(t *testing.T) {
	for extra := range 4 {
		secret := canary + strings.Repeat("z", extra)
		m := masker(t, secret)
		for before := range 7 {
			for after := range 7 {
				for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding, base64.RawStdEncoding} {
					user := strings.Repeat("u", before)
					in := enc.EncodeToString([]byte(user + secret + strings.Repeat("v", after)))
					got := m.MaskString(in)
					if len(got) != len(in) {
						t.Fatalf("length %d became %d", len(in), len(got))
					}
					// Nothing that is left may hold a bit of the value.
					plain, err := enc.DecodeString(strings.ReplaceAll(got, "*", "A"))
					if err != nil {
						t.Fatal(err)
					}
					if before+len(secret)+after != len(plain) || strings.Trim(string(plain[before:before+len(secret)]), "\x00") != "" {
						t.Fatalf("%d before, %d after: %q leaves %q", before, after, got, plain)
					}
				}
			}
		}
	}
}

func TestOverlappingValuesAreAllMasked(t *testing.T) {
	m := masker(t, "abcdefghij", "ghijklmnop", "ijijijijij")
	if got := m.MaskString("..abcdefghijklmnop.."); got != ".."+strings.Repeat("*", 16)+".." {
		t.Errorf("%q", got)
	}
	if got := m.MaskString("ijijijijijij"); got != strings.Repeat("*", 12) {
		t.Errorf("%q", got)
	}
}

func TestMaskIsNoPartOfAValue(t *testing.T) {
	for _, secret := range []string{"**********", "*-*-*-*-*-*", "*-_.~xX0xX0"} {
		m := masker(t, secret)
		for _, in := range []string{secret, secret + secret, "*" + secret + "*"} {
			if got := m.MaskString(in); strings.Contains(got, secret) || len(got) != len(in) {
				t.Errorf("%q became %q", in, got)
			}
		}
	}
}

func TestOtherTextStays(t *testing.T) {
	m := masker(t, canary, "user:"+canary)
	for _, in := range []string{
		`{"model":"gpt2","sha":"607a30d783dfa663caf39e06633721c8d4cfcd7e","tags":["a%20b","c\u00e9\/d","&amp;&lt;"]}`,
		strings.ReplaceAll(canary, "C", "c"), canary[:len(canary)-1], strings.ToUpper(canary),
		strings.Repeat("%", 100), strings.Repeat(`\`, 100), strings.Repeat("&", 100), strings.Repeat("%25", 100), `\u12`, `\ud83d\u0041`, "&#;", "&#x;", "&#99999999;", "&" + strings.Repeat("a", 100) + ";",
	} {
		if got := m.MaskString(in); got != in {
			t.Errorf("%q became %q", in, got)
		}
	}
}

// Somebody makes a credential, and an upstream that echoes it, to keep the
// machine busy: the search ends early and hides everything.
func TestSearchIsBounded(t *testing.T) {
	for _, unit := range []string{"a", "%", `\`, "%25", "&amp;", "+ "} {
		m := masker(t, strings.Repeat(unit, 20_000)+"b")
		text := []byte(strings.Repeat(unit, 128<<10/len(unit)))
		m.Mask(text)
		if strings.Trim(string(text), "*") != "" {
			t.Errorf("%q: the search went on", unit)
		}
	}
}

func secrets() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.StringMatching(`[A-Za-z0-9_+/=%&\\"' .~*-]{8,60}`),
		rapid.StringN(8, 30, 90),
		rapid.StringMatching(`(%25|%|\\|&amp;|25|\\\\){8,20}`),
	)
}

// spell writes s with each character in a spelling chosen at random.
func spell(s string, r *rand.Rand) string {
	var out strings.Builder
	for _, c := range s {
		switch k := r.IntN(5); {
		case k == 0:
			for _, b := range []byte(string(c)) {
				fmt.Fprintf(&out, []string{"%%%02x", "%%%02X"}[r.IntN(2)], b)
			}
		case k == 1 && c <= 0xffff:
			fmt.Fprintf(&out, []string{`\u%04x`, `\u%04X`}[r.IntN(2)], c)
		case k == 2 && c > 0x9f: // below, HTML has a table of its own
			fmt.Fprintf(&out, []string{"&#%d;", "&#x%x;", "&#0%d;"}[r.IntN(3)], c)
		case k == 3 && c == '/':
			out.WriteString(`\/`)
		default:
			out.WriteRune(c)
		}
	}
	return out.String()
}

// Whatever the value, its spelling and its surroundings: it is found, the
// length stays, and the value as such is nowhere left.
func TestAnyMixOfSpellingsIsFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secret := secrets().Draw(t, "secret")
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		mixed := spell(secret, r)
		in := rapid.String().Draw(t, "before") + mixed + rapid.String().Draw(t, "after")
		m := New([]auth.Secret{auth.NewSecret(secret)})
		b := []byte(in)
		if m.Mask(b) == 0 {
			t.Fatalf("%q, spelt %q, was not found", secret, mixed)
		}
		if len(b) != len(in) || strings.Contains(string(b), secret) {
			t.Fatalf("%q became %q", in, b)
		}
	})
}

func FuzzMask(f *testing.F) {
	f.Add(canary, `{"token":"`, `"}`, uint64(1))
	f.Add("%25%25%25%25", "%25", "%", uint64(2))
	f.Add(`\\\\\\\\`, `\`, `\`, uint64(3))
	f.Add("&amp;&amp;", "&", "amp;", uint64(4))
	f.Add("********", "*", "*", uint64(5))
	f.Fuzz(func(t *testing.T, secret, before, after string, seed uint64) {
		m := New([]auth.Secret{auth.NewSecret(secret)})
		if (m == nil) != (len(secret) < minValue) {
			t.Fatalf("%d bytes made %v", len(secret), m)
		}
		if m == nil {
			return
		}
		r := rand.New(rand.NewPCG(seed, 2))
		forms := []string{
			secret, url.QueryEscape(secret), url.PathEscape(secret),
			hex.EncodeToString([]byte(secret)), base64.StdEncoding.EncodeToString([]byte("u:" + secret + "x")),
		}
		if strings.ToValidUTF8(secret, "") == secret {
			j, _ := json.Marshal(secret)
			forms = append(forms, string(j[1:len(j)-1]), spell(secret, r))
		}
		for _, form := range forms {
			in := before + form + after
			b := []byte(in)
			if m.Mask(b) == 0 {
				t.Fatalf("%q was not found as %q", secret, form)
			}
			if len(b) != len(in) {
				t.Fatalf("length %d became %d", len(in), len(b))
			}
			if m.fill != '*' || !strings.Contains(secret, "*") { // else every character is in use
				if strings.Contains(string(b), secret) {
					t.Fatalf("%q is left in %q", secret, b)
				}
			}
		}
		b := []byte(before + after)
		m.Mask(b)
		if len(b) != len(before)+len(after) {
			t.Fatal("the length changed")
		}
	})
}

func benchmarkText(kind string) []byte {
	r := rand.New(rand.NewPCG(1, 1))
	const letters = `abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 _-{}[]:,."`
	b := make([]byte, 0, MaxBody)
	for len(b) < MaxBody-8 {
		switch {
		case kind == "escapes" && len(b)%8 == 0:
			b = append(b, `\"%2F&lt;`...)
		default:
			b = append(b, letters[r.IntN(len(letters))])
		}
	}
	return b
}

func BenchmarkMask(b *testing.B) {
	m := masker(b, canary, "Bearer "+canary, base64.StdEncoding.EncodeToString([]byte("user:"+canary)))
	for _, kind := range []string{"plain", "escapes"} {
		text := benchmarkText(kind)
		b.Run(kind, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				m.Mask(text)
			}
		})
	}
}

func BenchmarkNew(b *testing.B) {
	mask := []auth.Secret{auth.NewSecret(canary), auth.NewSecret("Bearer " + canary)}
	b.ReportAllocs()
	for b.Loop() {
		New(mask)
	}
}

func BenchmarkMaskString(b *testing.B) {
	m := masker(b, canary, "Bearer "+canary)
	b.ReportAllocs()
	for b.Loop() {
		m.MaskString("max-age=0, private, must-revalidate; application/json; charset=utf-8")
	}
}

// Values of one request are found as they stand in any text, and in every form
// beside something of the credential's; the credential's table is not made anew.
func TestT51_ValuesOfOneRequest(t *testing.T) {
	const lasting, brief = "AKIAIOSFODNN7EXAMPLE", "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0"
	always := New([]auth.Secret{auth.NewSecret(lasting)})
	once := []auth.Secret{auth.NewSecret(brief)}
	stars := strings.Repeat("*", len(brief))
	for _, m := range []*Masker{always.With(once), (*Masker)(nil).With(once)} {
		if got := m.MaskString("sig=" + brief); got != "sig="+stars {
			t.Errorf("alone: %q", got)
		}
		b := []byte("<sig>" + brief + "</sig>")
		if n := m.Mask(b); n != 1 || string(b) != "<sig>"+stars+"</sig>" {
			t.Errorf("%d: %q", n, b)
		}
		if m.Mask([]byte("nothing of it")) != 0 {
			t.Error("something was found")
		}
	}
	all := base64.StdEncoding.EncodeToString([]byte("Credential=" + lasting + "/x, Signature=" + brief))
	got := always.With(once).MaskString(all)
	if plain, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(got, "*", "A")); err != nil || strings.Contains(string(plain), brief[8:]) {
		t.Errorf("in base64: %q", got)
	}
	if m := always.With(once); m.table != always.table {
		t.Error("the table was made anew")
	}
	if always.With(nil) != always || always.With([]auth.Secret{auth.NewSecret("short")}) != always {
		t.Error("nothing more to look for, and another masker")
	}
}
