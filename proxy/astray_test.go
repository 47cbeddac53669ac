package proxy

import (
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/auth"
)

// TestT12_NoUpstreamURLReachesAReverseWorkerRaw, however it is spelt: it comes
// back through us, escaped as clients escape it, or the answer is refused.
func TestT12_NoUpstreamURLReachesAReverseWorkerRaw(t *testing.T) {
	const query = "?X-Amz-Signature=aa&X-Amz-Credential=bb"
	for _, c := range []struct{ ref, target string }{
		{"https://" + cdnHost + "/a b" + query, "/a%20b" + query},
		{"https://" + cdnHost + "/\xc3\xa9" + query + "&f=\xc3\xa9 x", "/%C3%A9" + query + "&f=%C3%A9%20x"},
		{"https://user@" + cdnHost + "/x", ""},
		{"https://" + cdnHost + "./x" + query, ""},
		{"https://" + cdnHost + "/a\\b" + query, ""},
		{"https:\\\\" + cdnHost + "/x", ""},
		{"https:/" + cdnHost + "/x", ""},
		{"https:///" + cdnHost + "/x", ""},
		{"https:" + cdnHost + "/x", ""},
		{"ht\ttps://" + cdnHost + "/x", ""},
		{"https://" + cdnHost + "/%0a" + query, ""},
	} {
		for name, field := range map[string]string{"Location": "Location: " + c.ref, "Link": "Link: <" + c.ref + ">; rel=\"next\"", "a provider's": "X-Base: " + c.ref} {
			r := newRig(t, rigOptions{})
			r.hub(func(q *request) bool { return text(q, "302 Found", "", field) })
			cdn := r.route(cdnHost+":443", newOrigin(t, ok, cdnHost))
			a := r.reverse("/" + hubHost + "/a")
			if strings.Contains(a.raw, cdnHost) && !strings.Contains(a.raw, r.addr+"/"+cdnHost) {
				t.Errorf("%s: the worker got %q", name, a.raw)
			}
			if c.target == "" {
				if a.status != 502 || a.code() != string(auth.CodeUpstreamProtocol) {
					t.Errorf("%s %q: %d %s %q", name, c.ref, a.status, a.code(), a.header.Get("Location"))
				}
				continue
			}
			if name != "Location" {
				continue
			}
			a = r.worker().get(strings.TrimPrefix(a.header.Get("Location"), "http://"+r.addr), r.addr)
			if got := cdn.last().target; a.status != 200 || got != c.target {
				t.Errorf("%q: %d %s, the upstream got %q", c.ref, a.status, a.code(), got)
			}
		}
	}
}

// URLs that lead to no upstream of ours stay.
func TestURLsOfOtherSchemesStay(t *testing.T) {
	r := newRig(t, rigOptions{})
	r.hub(func(q *request) bool {
		return text(q, "200 OK", "", "Link: <mailto:a@b.example>; rel=author, <urn:x:y>; rel=license")
	})
	a := r.reverse("/" + hubHost + "/a")
	if a.status != 200 || !strings.Contains(a.raw, "<mailto:a@b.example>; rel=author, <urn:x:y>") {
		t.Errorf("%d %q", a.status, a.raw)
	}
}

// TestThePathOfThePublicURLIsKept: a proxy in front of us takes it away again.
func TestThePathOfThePublicURLIsKept(t *testing.T) {
	for _, base := range []string{"https://gw.example/wb", "https://gw.example/wb/", "https://gw.example"} {
		for _, path := range []string{"/" + hubHost, "/hub"} {
			r := newRig(t, rigOptions{policy: Policy{PublicURL: base, Routes: map[string]string{"hub": "https://" + hubHost}}})
			prefix, _ := strings.CutPrefix(strings.TrimSuffix(base, "/"), "https://gw.example")
			for ref, want := range map[string]string{
				"/b?c=d":                             prefix + path + "/b?c=d",
				"b":                                  prefix + path + "/b",
				"https://" + hubHost + "/b":          "https://gw.example" + prefix + path + "/b",
				"/%zz":                               prefix + path + "/%zz",
				"https://gw.example" + prefix + "/x": "https://gw.example" + prefix + "/x",
			} {
				r.hub(func(q *request) bool { return text(q, "302 Found", "", "Location: "+ref) })
				a := r.reverse(path + "/a")
				if got := a.header.Get("Location"); got != want {
					t.Errorf("%s, %s: %q leads to %q, want %q", base, path, ref, got, want)
				}
				r.proxy.ForgetConnections()
			}
		}
	}
}
