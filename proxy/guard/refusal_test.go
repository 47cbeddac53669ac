package guard

import (
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/auth"
)

// T30, T31, T34: the next step of a refusal helps. allow_private is advised
// for what it can allow and for nothing else, which is proven by allowing it.
func TestT30_TheNextStepHelps(t *testing.T) {
	names := &record{names: map[string][]string{
		"private.example": {"10.1.2.3"}, "loop.example": {"127.0.0.1"}, "meta.example": {"169.254.169.254"},
		"own.example": {"127.0.0.9"}, "many.example": {"224.0.0.1"}, "nat.example": {"64:ff9b::a9fe:a9fe"},
	}}
	o := Options{
		Resolver: names, Connect: names.connect,
		Own:     func() []netip.AddrPort { return []netip.AddrPort{netip.MustParseAddrPort("127.0.0.9:443")} },
		Resolve: map[string]string{"over.example:443": "169.254.169.254:80", "mine.example:443": "127.0.0.9:443"},
	}
	strict := newDialer(t, o)
	o.AllowPrivate = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
	open := newDialer(t, o)
	for host, says := range map[string]string{
		"private.example":          "upstream.allow_private",
		"loop.example":             "upstream.allow_private",
		"10.0.0.1":                 "upstream.allow_private",
		"::1":                      "upstream.allow_private",
		"meta.example":             "NO_PROXY",
		"nat.example":              "NO_PROXY",
		"169.254.169.254":          "NO_PROXY",
		"metadata.google.internal": "NO_PROXY",
		"own.example":              "NO_PROXY",
		"127.0.0.9":                "NO_PROXY",
		"many.example":             "Correct the URL",
		"0.0.0.0":                  "Correct the URL",
		"255.255.255.255":          "Correct the URL",
		"2130706433":               "canonical form",
		"127.1":                    "canonical form",
		"UPPER.example":            "canonical form",
		"over.example":             "correct upstream.resolve",
		"mine.example":             "correct upstream.resolve",
	} {
		_, err := strict.Dial(t.Context(), host, 443)
		next := auth.AsError(err).NextStep()
		if codeOf(err) != auth.CodeAddressForbidden || !strings.Contains(next, says) {
			t.Errorf("%s: %v, next %q", host, err, next)
		}
		c, err := open.Dial(t.Context(), host, 443)
		if err == nil {
			_ = c.Close()
		}
		if advised := strings.Contains(next, "allow_private"); advised != (err == nil) {
			t.Errorf("%s: allow_private is advised: %v, and with it: %v", host, advised, err)
		}
	}
	for _, at := range []string{"http://169.254.169.254:3128", "http://127.0.0.9:443"} {
		o := Options{Resolver: names, Connect: names.connect, Own: o.Own}
		o.Proxy, _ = url.Parse(at)
		names.names["public.example"] = []string{"93.184.215.14"}
		_, err := newDialer(t, o).Dial(t.Context(), "public.example", 443)
		if next := auth.AsError(err).NextStep(); codeOf(err) != auth.CodeAddressForbidden || !strings.Contains(next, "upstream.proxy") {
			t.Errorf("proxy %s: %v, next %q", at, err, next)
		}
	}
}
