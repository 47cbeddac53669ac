package proxy

import (
	"bufio"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/weighbridge/weighbridge/auth"
)

// FuzzHeaders puts a worker's header through the building of the outgoing
// request: what leaves is what came, without what must not travel.
func FuzzHeaders(f *testing.F) {
	key := auth.NewAPIKey().Reveal()
	for _, s := range []string{
		"Accept: */*\r\nRange: bytes=0-1",
		"Connection: Authorization, X-A\r\nAuthorization: Bearer x\r\nX-A: b\r\nconnection: x-b\r\nX-B: c",
		"Connection:\r\nConnection: ,,close , keep-alive\r\nKeep-Alive: 1\r\nTE: trailers",
		"Cookie: a=b;c=d\r\ncookie: e\r\nUser-Agent: x\r\nUSER-AGENT: y\r\nContent-Type: a\r\ncontent-type: b",
		"Proxy-Authorization: Basic " + key + "\r\nX-Weighbridge-Key: " + key,
		"Authorization: Bearer " + key + "\r\nX-Forwarded-For: 10.0.0.1\r\nForwarded: for=x",
		"X-Custom: " + key, "Referer: http://proxy:8080/.weighbridge/k/wbu_x/", "X: \t a \xff b\t", "A:", "Trailer: x\r\nExpect: 100-continue",
	} {
		for _, inject := range []bool{true, false} {
			f.Add(s, inject)
		}
	}
	f.Fuzz(func(t *testing.T, lines string, inject bool) {
		var in fields
		for _, l := range strings.Split(lines, "\r\n") {
			name, value, ok := strings.Cut(l, ":")
			if !ok || !isToken(name) || !isFieldValue(value) {
				return // the transport refuses it
			}
			in = append(in, field{name, trimOWS(value)})
		}
		raw := "GET /a HTTP/1.1\r\nHost: h\r\n" + lines + "\r\n\r\n"
		var h fasthttp.RequestHeader
		h.DisableNormalizing()
		if h.Read(bufio.NewReaderSize(strings.NewReader(raw), 32<<10)) != nil {
			return
		}
		x := returning(t, "/hub.example/a?b")
		x.method = "GET"
		x.fields = readFields(&h)
		if got := x.fields[1:]; len(got) != len(in) {
			t.Fatalf("read %q of %q", got, lines)
		}
		for i, f := range x.fields[1:] {
			if f != in[i] {
				t.Fatalf("read %q, want %q", f, in[i])
			}
		}
		x.decision = auth.Decision{Outcome: auth.Bare}
		if inject {
			x.decision.Outcome = auth.Inject
		}
		out, err := x.outgoing(false)
		if err != nil {
			if err.Code != auth.CodeBadRequest || !strings.Contains(lines, "_") {
				t.Fatal(err)
			}
			return
		}
		if inject {
			out.Header.Set("Authorization", "Bearer "+canary)
		}
		named := map[string]bool{}
		x.fields.tokens("Connection", func(s string) bool { named[strings.ToLower(s)] = true; return true })
		var want fields
		for _, f := range in {
			low := strings.ToLower(f.name)
			k := kindOf(f.name)
			if k == plain && !named[low] && !(inject && low == "accept-encoding") {
				want = append(want, f)
			}
		}
		var got fields
		for _, f := range out.fields {
			low := strings.ToLower(f.name)
			switch kindOf(f.name) {
			case hopByHop, ours, override, position:
				t.Fatalf("%s travels", f.name)
			case secret:
				if inject && f.value != "Bearer "+canary {
					t.Fatalf("the worker's %s travels beside a credential", f.name)
				}
			case plain:
				if !(inject && low == "accept-encoding") {
					got = append(got, f)
				}
			}
			if named[low] && (!inject || low != "authorization" && low != "accept-encoding") {
				t.Fatalf("%s was named by Connection and travels", f.name)
			}
			if holdsKey(f.value, x.snap, time.Now()) {
				t.Fatalf("a key travels in %s", f.name)
			}
		}
		if len(got) != len(want) {
			t.Fatalf("%q became %q", want, got)
		}
		for i := range got {
			if got[i] != want[i] {
				t.Fatalf("%q became %q", want, got)
			}
		}
		// And on the wire it is what an independent parser reads again.
		var req fasthttp.Request
		writeRequest(&req, out)
		wire := req.Header.Header()
		r, e := http.ReadRequest(bufio.NewReader(strings.NewReader(string(wire))))
		if e != nil {
			t.Fatalf("%q: %v", wire, e)
		}
		if r.Host != "hub.example" || r.RequestURI != "/a?b" {
			t.Fatalf("%q", wire)
		}
		for _, f := range out.fields {
			found := false
			for _, v := range r.Header.Values(http.CanonicalHeaderKey(f.name)) {
				found = found || v == f.value
			}
			if !found && !strings.EqualFold(f.name, "Host") && trimOWS(f.value) == strings.TrimSpace(f.value) {
				t.Fatalf("%s: %q is not on the wire: %q", f.name, f.value, wire)
			}
		}
	})
}

// FuzzReturnURL: whatever an upstream writes into Location, what the worker is
// given leads back to exactly that, or is untouched.
func FuzzReturnURL(f *testing.F) {
	for _, s := range []string{
		"/a", "a", "../b", "./c/../d", "?q", "#f", "//h.example/x", "https://h.example:8443/a%2Fb?c=d+e#f", "http://h.example/", "https://h", "HTTPS://H.example",
		"https://h.example/f?X-Amz-Algorithm=a&X-Amz-Signature=b", "mailto:x", "https:a", ":", "://", "https://[::1]/", "/.weighbridge/k/x/", "..", ".", "/..", "/a/./b/../c/",
	} {
		f.Add(s, false)
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, ref string, route bool) {
		uri := "/hub.example/org/model/f?x=1"
		if route {
			uri = "/comfy/api/view"
		}
		x := returning(t, uri)
		got := x.returnURL(ref)
		if got == ref {
			return
		}
		if x.astray {
			if got != "http://proxy:8080/" {
				t.Fatalf("%q cannot be led back and became %q", ref, got)
			}
			return
		}
		r, ok := x.resolve(ref)
		if !ok {
			t.Fatalf("%q was not understood and became %q", ref, got)
		}
		want, err := auth.ParseTarget(r.scheme, r.authority, r.pathAndQuery)
		path, _, _ := strings.Cut(strings.TrimPrefix(got, "http://proxy:8080"), "#")
		if text, ok := strings.CutPrefix(path, sealed); ok {
			b, e := x.p.o.Boxes.Open(text)
			if e != nil || err != nil || b.Target != want {
				t.Fatalf("%q is sealed as %+v, want %+v (%v %v)", ref, b, want, e, err)
			}
			return
		}
		back := returning(t, uri)
		back.back = wayBack{}
		e := back.locate(path)
		if (e == nil) != (err == nil) {
			t.Fatalf("%q became %q: %v, want %v", ref, got, e, err)
		}
		if e == nil && back.target != want {
			t.Fatalf("%q became %q, which is %+v, want %+v", ref, got, back.target, want)
		}
	})
}

// FuzzLink: rewriting never changes anything but what stands in <…>.
func FuzzLink(f *testing.F) {
	f.Add(`<https://hub.example/x>; rel="next", </y>; rel=prev; title="<z>"`)
	f.Add(`<>`)
	f.Add(`"\"<a>`)
	f.Fuzz(func(t *testing.T, v string) {
		x := returning(t, "/hub.example/a")
		got := x.returnLink(v)
		if !strings.Contains(v, "<") && got != v {
			t.Fatalf("%q became %q", v, got)
		}
		if strings.Count(got, "<") > strings.Count(v, "<") || strings.ContainsAny(got, "\r\n") && !strings.ContainsAny(v, "\r\n") {
			t.Fatalf("%q became %q", v, got)
		}
	})
}
