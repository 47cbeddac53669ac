package signer

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/weighbridge/weighbridge/auth"
)

func edited(t testing.TB, edit jsonEdit, in string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := editJSON(&out, strings.NewReader(in), edit)
	return out.String(), err
}

func TestXetMembersAreRemovedAndNothingElseChanges(t *testing.T) {
	for in, want := range map[string]string{
		`{}`:                    `{}`,
		``:                      ``,
		` [ ] `:                 ` [ ] `,
		`{"xetHash":"a"}`:       `{}`,
		`{"a":1,"xetHash":"a"}`: `{"a":1}`,
		`{"xetHash":"a","a":1}`: `{"a":1}`,
		`{"a":1,"xetHash":{},"b":2,"xetEnabled":true}`:           `{"a":1,"b":2}`,
		`{"xetHash":1,"xetEnabled":2}`:                           `{}`,
		`{ "xetHash" : "a" , "a" : 1.50e+3 }`:                    `{  "a" : 1.50e+3 }`,
		"{\n  \"a\": 1,\n  \"xetHash\": \"x\",\n  \"b\": 2\n}\n": "{\n  \"a\": 1,\n  \"b\": 2\n}\n",
		"{\n  \"a\": 1,\n  \"xetHash\": \"x\"\n}":                "{\n  \"a\": 1\n}",
		`[{"type":"file","oid":"x","size":12345678901234567890,"xetHash":"y","path":"a\u00e9\/b"},{"xetHash":null}]`: `[{"type":"file","oid":"x","size":12345678901234567890,"path":"a\u00e9\/b"},{}]`,
		`{"a":{"b":[{"xetHash":{"x":[1,{"y":"}"}]},"c":[]}]}}`:                                                       `{"a":{"b":[{"c":[]}]}}`,
		`{"x\u0065tHash":"a","a":1}`:    `{"a":1}`,
		`{"XETHASH":"a","a":"xetHash"}`: `{"a":"xetHash"}`,
		`{"xetHash2":1,"a xetHash":2}`:  `{"xetHash2":1,"a xetHash":2}`,
		`"xetHash"`:                     `"xetHash"`,
		`-0.5E-7`:                       `-0.5E-7`,
		`{"` + strings.Repeat("n", 1000) + `":1,"xetHash":2}`:                      `{"` + strings.Repeat("n", 1000) + `":1}`,
		`{"` + strings.Repeat(`\"`, 200) + `":"` + strings.Repeat(`\\`, 99) + `"}`: `{"` + strings.Repeat(`\"`, 200) + `":"` + strings.Repeat(`\\`, 99) + `"}`,
	} {
		if got, err := edited(t, listingEdit, in); err != nil || got != want {
			t.Errorf("%s\nbecomes %s, %v\nwant    %s", in, got, err, want)
		}
	}
}

func TestBrokenJSONIsAnError(t *testing.T) {
	for _, in := range []string{
		`{`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `{"a":1,}`, `{,}`, `{"a" 1}`, `{a:1}`, `{"a":1]`, `[`, `[1`, `[1,`, `[1,]`, `[,]`, `[1}`,
		`"`, `"\`, `"\x"`, `"\u12"`, `"\u12g4"`, "\"\n\"", `tru`, `trux`, `nul`, `fals`, `-`, `01`, `1.`, `1.e3`, `1e`, `1e+`, `+1`, `.5`, `--1`,
		`{} {}`, `1 2`, `{"a":1}}`, "{}\x00", `{"xetHash":}`, `{"xetHash":[}`, `{"xetHash":01}`, "\ufeff{}", `'a'`, `{"a":"` + "\x01" + `"}`, `{"xet`,
	} {
		if got, err := edited(t, listingEdit, in); err == nil {
			t.Errorf("%q becomes %q without an error", in, got)
		}
	}
	if _, err := edited(t, listingEdit, strings.Repeat("[", 5000)+strings.Repeat("]", 5000)); !errors.Is(err, errJSONDepth) {
		t.Errorf("deep nesting: %v", err)
	}
	broken := errors.New("the connection broke")
	err := editJSON(io.Discard, io.MultiReader(strings.NewReader(`{"a":[1,2`), iotest.ErrReader(broken)), listingEdit)
	if !errors.Is(err, broken) {
		t.Errorf("the source's error is lost: %v", err)
	}
	err = editJSON(failingWriter{}, strings.NewReader(`["`+strings.Repeat("x", 100000)+`"]`), listingEdit)
	if !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("the destination's error is lost: %v", err)
	}
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestBatchLinksLeadBack(t *testing.T) {
	edit := batchEdit(&auth.Answer{Return: func(s string) string {
		if strings.HasPrefix(s, "https://") {
			return "http://proxy/s/" + strings.TrimPrefix(s, "https://")
		}
		return s
	}})
	in := `{"transfer":"basic","href":"https://no/","objects":[
 {"oid":"a","size":1,"href":"https://no/","actions":{"download":{"href":"https://cdn/x?A=1&B=%2B\u0026C=<>","header":{"href":"https://no/"},"expires_in":3600},"verify":{"HREF":"https:\/\/hub/v"}}},
 {"oid":"b","error":{"code":404,"href":"https://no/"}},
 {"oid":"c","actions":{"download":{"href":null}}},
 {"oid":"d","actions":{"upload":{"href":"/relative"}}},
 {"oid":"e","actions":null}]}`
	want := `{"transfer":"basic","href":"https://no/","objects":[
 {"oid":"a","size":1,"href":"https://no/","actions":{"download":{"href":"http://proxy/s/cdn/x?A=1&B=%2B&C=<>","header":{"href":"https://no/"},"expires_in":3600},"verify":{"HREF":"http://proxy/s/hub/v"}}},
 {"oid":"b","error":{"code":404,"href":"https://no/"}},
 {"oid":"c","actions":{"download":{"href":null}}},
 {"oid":"d","actions":{"upload":{"href":"/relative"}}},
 {"oid":"e","actions":null}]}`
	if got, err := edited(t, edit, in); err != nil || got != want {
		t.Errorf("becomes %s, %v", got, err)
	}
	long := `{"objects":[{"actions":{"download":{"href":"` + strings.Repeat("x", maxJSONString+1) + `"}}}]}`
	if _, err := edited(t, edit, long); !errors.Is(err, errJSONLong) {
		t.Errorf("a URL without end: %v", err)
	}
}

// A body of any size must pass in bounded memory, even one long string or
// endless white space.
func TestEditStreams(t *testing.T) {
	const size = 2 << 20
	for name, c := range map[string]struct{ open, middle, end string }{
		"a long string":  {`{"xetHash":1,"a":"`, "x", `"}`},
		"a long name":    {`{"`, "x", `":1}`},
		"a long drop":    {`{"xetHash":"`, "x", `"}`},
		"white space":    {`{"a":1`, " ", `}`},
		"a long number":  {`[1`, "0", `]`},
		"many members":   {`{"a":0`, `,"xetHash":"0123456789","bcdefgh":12345`, `}`},
		"many elements":  {`[0`, `,{"path":"a","xetHash":"b"}`, `]`},
		"many backslash": {`["`, `\\`, `"]`},
	} {
		t.Run(name, func(t *testing.T) {
			src := io.MultiReader(strings.NewReader(c.open), &repeat{text: strings.Repeat(c.middle, 1000), left: size}, strings.NewReader(c.end))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			if err := editJSON(io.Discard, src, listingEdit); err != nil {
				t.Fatal(err)
			}
			runtime.ReadMemStats(&after)
			if taken := after.TotalAlloc - before.TotalAlloc; taken > 256<<10 {
				t.Errorf("%d bytes of memory were taken for a body of %d", taken, size)
			}
		})
	}
}

// repeat gives whole copies of text until left bytes are used up.
type repeat struct {
	text string
	at   int
	left int
}

func (r *repeat) Read(p []byte) (int, error) {
	if r.left <= 0 && r.at == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.text[r.at:])
	r.at = (r.at + n) % len(r.text)
	r.left -= n
	return n, nil
}

// FuzzEditJSON: what comes out is valid JSON exactly where what goes in is,
// equal to it but for the hidden members, byte-identical where there are
// none, and the same however the bytes arrive.
func FuzzEditJSON(f *testing.F) {
	for _, s := range []string{
		`[{"type":"file","oid":"x","size":1,"xetHash":"y"}]`, `{"a":1,"xetHash":{"b":[1,2]},"c":null}`, `{ "xetEnabled" : true }`,
		`{"a":-1.5e+7,"b":"\ud83d\ude00\\","xetHash":"",  "c":[true,false]} `, `[1,2,`, `{"xetHash":1,}`, `"\u00"`, `{"x\u0065tHash":1}`, `{"XetHash":1,"ſ":2}`, `0`, ``,
	} {
		f.Add([]byte(s), uint8(1))
	}
	f.Fuzz(func(t *testing.T, in []byte, step uint8) {
		var whole, pieces bytes.Buffer
		errWhole := editJSON(&whole, bytes.NewReader(in), listingEdit)
		errPieces := editJSON(&pieces, &stepReader{in, int(step)%7 + 1}, listingEdit)
		if (errWhole == nil) != (errPieces == nil) || errWhole == nil && !bytes.Equal(whole.Bytes(), pieces.Bytes()) {
			t.Fatalf("%q in pieces: %q, %v; whole: %q, %v", in, pieces.Bytes(), errPieces, whole.Bytes(), errWhole)
		}
		if errors.Is(errWhole, errJSONDepth) {
			return
		}
		valid := json.Valid(in) || len(bytes.Trim(in, " \t\r\n")) == 0
		if (errWhole == nil) != valid {
			t.Fatalf("%q: error %v, valid %v", in, errWhole, valid)
		}
		if !json.Valid(in) || !valid {
			return
		}
		if !json.Valid(whole.Bytes()) {
			t.Fatalf("%q becomes %q", in, whole.Bytes())
		}
		want, got := decodeExactly(t, in), decodeExactly(t, whole.Bytes())
		hidden := false
		want = without(want, &hidden)
		if !reflect.DeepEqual(want, got) {
			t.Fatalf("%q becomes %q", in, whole.Bytes())
		}
		if !hidden && !bytes.Equal(in, whole.Bytes()) {
			t.Fatalf("%q becomes %q, with nothing to hide", in, whole.Bytes())
		}
	})
}

type stepReader struct {
	rest []byte
	step int
}

func (r *stepReader) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.rest[:min(r.step, len(r.rest))])
	r.rest = r.rest[n:]
	return n, nil
}

// decodeExactly keeps numbers as written, and members in order and repeated.
func decodeExactly(t *testing.T, b []byte) any {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	v, err := decodeValue(d)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

type jsonMember struct {
	Name  string
	Value any
}

type jsonObject []jsonMember

func decodeValue(d *json.Decoder) (any, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('{'):
		out := jsonObject{}
		for d.More() {
			name, err := d.Token()
			if err != nil {
				return nil, err
			}
			v, err := decodeValue(d)
			if err != nil {
				return nil, err
			}
			out = append(out, jsonMember{name.(string), v})
		}
		_, err = d.Token()
		return out, err
	case json.Delim('['):
		out := []any{}
		for d.More() {
			v, err := decodeValue(d)
			if err != nil {
				return nil, err
			}
			out = append(out, v)
		}
		_, err = d.Token()
		return out, err
	}
	return token, nil
}

func without(v any, hidden *bool) any {
	switch v := v.(type) {
	case jsonObject:
		out := jsonObject{}
		for _, m := range v {
			if strings.EqualFold(m.Name, "xetHash") || strings.EqualFold(m.Name, "xetEnabled") {
				*hidden = true
				continue
			}
			out = append(out, jsonMember{m.Name, without(m.Value, hidden)})
		}
		return out
	case []any:
		out := []any{}
		for _, e := range v {
			out = append(out, without(e, hidden))
		}
		return out
	}
	return v
}
