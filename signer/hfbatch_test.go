package signer

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/weighbridge/weighbridge/auth"
)

const batchPath = "https://huggingface.co/acme/weights.git/info/lfs/objects/batch"

const gitLFSBody = `{"operation":"download","transfers":["lfs-standalone-file","basic","ssh"],"ref":{"name":"refs/heads/main"},"objects":[{"oid":"ab","size":1}],"hash_algo":"sha256"}`

func TestClassifyBody(t *testing.T) {
	to := target(t, batchPath)
	cases := []struct {
		name, body string
		want       auth.Class
	}{
		{"git-lfs downloads", gitLFSBody, auth.ClassRead},
		{"git-lfs uploads", strings.Replace(gitLFSBody, "download", "upload", 1), auth.ClassWrite},
		{"white space", " \n{ \"operation\" :\t\"download\" } \n", auth.ClassRead},
		{"an escaped value", `{"operation":"down\u006coad"}`, auth.ClassRead},
		{"an escaped name", `{"oper\u0061tion":"download"}`, auth.ClassRead},
		{"an operation deeper", `{"operation":"download","ref":{"operation":"upload"}}`, auth.ClassRead},
		{"an unknown operation", `{"operation":"delete"}`, auth.ClassForbidden},
		{"another case of the value", `{"operation":"Download"}`, auth.ClassForbidden},
		{"no operation", `{"objects":[]}`, auth.ClassForbidden},
		{"another case of the name", `{"Operation":"download"}`, auth.ClassForbidden},
		{"not a string", `{"operation":["download"]}`, auth.ClassForbidden},
		{"null", `{"operation":null}`, auth.ClassForbidden},
		{"repeated", `{"operation":"download","operation":"upload"}`, auth.ClassForbidden},
		{"repeated, last wins", `{"operation":"upload","operation":"download"}`, auth.ClassForbidden},
		{"repeated in another case", `{"operation":"download","OPERATION":"upload"}`, auth.ClassForbidden},
		{"repeated in letters that fold", "{\"operation\":\"download\",\"object\u017f\":1,\"objects\":2}", auth.ClassForbidden},
		{"repeated by an escape", `{"operation":"download","oper\u0061tion":"upload"}`, auth.ClassForbidden},
		{"repeated deeper", `{"operation":"download","ref":{"name":"a","Name":"b"}}`, auth.ClassForbidden},
		{"repeated in an array", `{"operation":"download","objects":[{"oid":"a","oid":"b"}]}`, auth.ClassForbidden},
		{"two objects", `{"operation":"download"}{"operation":"upload"}`, auth.ClassForbidden},
		{"lines", "{\"operation\":\"download\"}\n{\"operation\":\"upload\"}", auth.ClassForbidden},
		{"something behind", `{"operation":"download"} x`, auth.ClassForbidden},
		{"an array", `[{"operation":"download"}]`, auth.ClassForbidden},
		{"a string", `"download"`, auth.ClassForbidden},
		{"empty", ``, auth.ClassForbidden},
		{"cut off", `{"operation":"download"`, auth.ClassForbidden},
		{"a comma too many", `{"operation":"download",}`, auth.ClassForbidden},
		{"a comment", `{"operation":"download"/*,"operation":"upload"*/}`, auth.ClassForbidden},
		{"a byte order mark", "\ufeff" + `{"operation":"download"}`, auth.ClassForbidden},
		{"not UTF-8", "{\"operation\":\"download\",\"a\":\"\xff\"}", auth.ClassForbidden},
		{"a NUL behind", "{\"operation\":\"download\"}\x00", auth.ClassForbidden},
		{"deep", `{"operation":"download","a":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}`, auth.ClassForbidden},
		{"the largest", `{"operation":"download","a":"` + strings.Repeat("x", auth.MaxClassifyBody-31) + `"}`, auth.ClassRead},
		{"too large", `{"operation":"download","a":"` + strings.Repeat("x", auth.MaxClassifyBody-30) + `"}`, auth.ClassForbidden},
		{"a form", "operation=download", auth.ClassForbidden},
	}
	for _, c := range cases {
		if got := (huggingFace{}).ClassifyBody("POST", to, "", []byte(c.body)); got != c.want {
			t.Errorf("%s is %s, want %s", c.name, className(got), className(c.want))
		}
	}
	for _, coding := range []string{"gzip", "identity", "br", " "} {
		if got := (huggingFace{}).ClassifyBody("POST", to, coding, []byte(gitLFSBody)); got != auth.ClassForbidden {
			t.Errorf("with Content-Encoding %q: %s", coding, className(got))
		}
	}
	for _, c := range []struct{ method, url string }{
		{"PUT", batchPath}, {"GET", batchPath}, {"POST", "https://huggingface.co/acme/weights/git-receive-pack"},
	} {
		if got := (huggingFace{}).ClassifyBody(c.method, target(t, c.url), "", []byte(gitLFSBody)); got != auth.ClassForbidden {
			t.Errorf("%s %s: %s", c.method, c.url, className(got))
		}
	}
}

// FuzzClassifyBody holds the classifier against a parser of its own that
// knows no tolerance, and against what lenient readers would make of a body
// that counts as a download.
func FuzzClassifyBody(f *testing.F) {
	for _, s := range []string{
		gitLFSBody, `{"operation":"upload"}`, `{"operation":"download","OPERATION":"upload"}`, `{"a":{"b":[1,2e9,-0.5,true,null,"\u00e9\n"]},"operation":"download"}`,
		`{"operation":"down\u006coad"}`, `{}`, `{"operation":"download"}{}`, `{"\ud800":1,"\ud801":2,"operation":"download"}`, `{"k":1,"K":2}`, "{\"\u212a\":1,\"k\":2}", `[]`, ` {"operation" : "download" } `,
	} {
		f.Add([]byte(s))
	}
	to := auth.Target{Scheme: "https", Host: "huggingface.co", Port: 443, Path: "/acme/weights.git/info/lfs/objects/batch"}
	f.Fuzz(func(t *testing.T, body []byte) {
		got := (huggingFace{}).ClassifyBody("POST", to, "", body)
		want := auth.ClassForbidden
		if len(body) <= auth.MaxClassifyBody {
			switch operation, ok := strictReference(body); {
			case !ok:
			case operation == "download":
				want = auth.ClassRead
			case operation == "upload":
				want = auth.ClassWrite
			}
		}
		if got != want {
			t.Fatalf("%q is %s, want %s", body, className(got), className(want))
		}
		if got == auth.ClassRead {
			// The last and the case-insensitive reading agree.
			var lenient struct{ Operation string }
			if err := json.Unmarshal(body, &lenient); err != nil || lenient.Operation != "download" {
				t.Fatalf("%q: another reader sees %q, %v", body, lenient.Operation, err)
			}
		}
	})
}

// strictReference is a slow JSON parser, byte by byte, after RFC 8259.
func strictReference(body []byte) (operation string, ok bool) {
	if !utf8.Valid(body) {
		return "", false
	}
	r := &reference{s: string(body)}
	r.space()
	if r.peek() != '{' {
		return "", false
	}
	ok = r.value(1, &operation)
	r.space()
	return operation, ok && r.i == len(r.s)
}

type reference struct {
	s string
	i int
}

func (r *reference) peek() byte {
	if r.i < len(r.s) {
		return r.s[r.i]
	}
	return 0
}

func (r *reference) space() {
	for r.i < len(r.s) && strings.IndexByte(" \t\r\n", r.s[r.i]) >= 0 {
		r.i++
	}
}

func (r *reference) eat(c byte) bool {
	if r.i < len(r.s) && r.s[r.i] == c {
		r.i++
		return true
	}
	return false
}

func (r *reference) value(depth int, operation *string) bool {
	switch c := r.peek(); {
	case c == '{':
		return depth <= maxBatchDepth && r.object(depth, operation)
	case c == '[':
		return depth <= maxBatchDepth && r.array(depth)
	case c == '"':
		_, ok := r.str()
		return ok
	case strings.HasPrefix(r.s[r.i:], "true"), strings.HasPrefix(r.s[r.i:], "null"):
		r.i += 4
		return true
	case strings.HasPrefix(r.s[r.i:], "false"):
		r.i += 5
		return true
	default:
		return r.number()
	}
}

func (r *reference) object(depth int, operation *string) bool {
	r.i++
	var names []string
	r.space()
	if r.eat('}') {
		return true
	}
	for {
		r.space()
		name, ok := r.str()
		if !ok {
			return false
		}
		for _, other := range names {
			if strings.EqualFold(other, name) {
				return false
			}
		}
		names = append(names, name)
		r.space()
		if !r.eat(':') {
			return false
		}
		r.space()
		if name == "operation" && operation != nil && r.peek() == '"' {
			at := r.i
			*operation, _ = r.str()
			r.i = at
		}
		if !r.value(depth+1, nil) {
			return false
		}
		r.space()
		if r.eat('}') {
			return true
		}
		if !r.eat(',') {
			return false
		}
	}
}

func (r *reference) array(depth int) bool {
	r.i++
	r.space()
	if r.eat(']') {
		return true
	}
	for {
		r.space()
		if !r.value(depth+1, nil) {
			return false
		}
		r.space()
		if r.eat(']') {
			return true
		}
		if !r.eat(',') {
			return false
		}
	}
}

func (r *reference) str() (string, bool) {
	start := r.i
	if !r.eat('"') {
		return "", false
	}
	for r.i < len(r.s) {
		c := r.s[r.i]
		r.i++
		switch {
		case c < ' ':
			return "", false
		case c == '"':
			var s string
			err := json.Unmarshal([]byte(r.s[start:r.i]), &s)
			return s, err == nil
		case c == '\\':
			if r.i >= len(r.s) {
				return "", false
			}
			e := r.s[r.i]
			r.i++
			if e == 'u' {
				for range 4 {
					if r.i >= len(r.s) || !isHex(r.s[r.i]) {
						return "", false
					}
					r.i++
				}
			} else if strings.IndexByte(`"\/bfnrt`, e) < 0 {
				return "", false
			}
		}
	}
	return "", false
}

func (r *reference) number() bool {
	digits := func() bool {
		at := r.i
		for r.i < len(r.s) && r.s[r.i] >= '0' && r.s[r.i] <= '9' {
			r.i++
		}
		return r.i > at
	}
	r.eat('-')
	if !r.eat('0') && !digits() {
		return false
	}
	if r.eat('.') && !digits() {
		return false
	}
	if r.eat('e') || r.eat('E') {
		if !r.eat('+') {
			r.eat('-')
		}
		return digits()
	}
	return true
}
