package guard

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/weighbridge/weighbridge/auth"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// record counts lookups and dials; it answers from names.
type record struct {
	mu      sync.Mutex
	names   map[string][]string
	lookups []string
	dials   []netip.AddrPort
	fail    map[netip.AddrPort]error
	hang    map[netip.AddrPort]bool
}

func (r *record) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lookups = append(r.lookups, host)
	answer, ok := r.names[host]
	if !ok {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	var out []netip.Addr
	for _, s := range answer {
		out = append(out, netip.MustParseAddr(s))
	}
	return out, nil
}

func (r *record) connect(ctx context.Context, a netip.AddrPort) (net.Conn, error) {
	r.mu.Lock()
	r.dials = append(r.dials, a)
	err, hang := r.fail[a], r.hang[a]
	r.mu.Unlock()
	if hang {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	c, _ := net.Pipe()
	return c, nil
}

// newDialer is New for options that are right.
func newDialer(t testing.TB, o Options) *Dialer {
	t.Helper()
	d, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func codeOf(err error) auth.Code {
	var e *auth.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// TestR22_SixtyTargetsNoDial also covers T30 and T31: not one dial, and for
// literals not one lookup.
func TestR22_SixtyTargetsNoDial(t *testing.T) {
	literals := []string{
		// loopback, unspecified
		"127.0.0.1", "127.0.0.2", "127.255.255.254", "0.0.0.0", "0.0.0.1", "::", "::1",
		// private, CGNAT, link-local, unique-local, site-local
		"10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "192.168.255.254",
		"100.64.0.1", "100.127.255.254", "169.254.0.1", "169.254.169.253", "fe80::1", "fc00::1", "fd12:3456::1", "fec0::1",
		// multicast, broadcast, documentation, benchmarking, reserved
		"224.0.0.1", "239.1.1.1", "255.255.255.255", "192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.1",
		"192.0.0.1", "240.0.0.1", "ff02::1", "2001:db8::1", "3fff::1", "2001:2::1", "100::1",
		// metadata
		"169.254.169.254", "169.254.170.2", "169.254.170.23", "fd00:ec2::254", "100.100.100.200", "168.63.129.16",
		// embeddings
		"::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1",
		"64:ff9b::a9fe:a9fe", "64:ff9b:1::a00:1", "2002:7f00:1::", "2002:a9fe:a9fe::", "2001:0:a00:1::1", "2001:0:808:808::80ff:fffe",
		// other notations, which some resolvers read as addresses
		"127.1", "0x7f.1", "0x7f000001", "2130706433", "0177.0.0.1", "127.0.0.1.", "[::1]", "fe80::1%eth0", "0", "0x",
		"127.0.0.01", "１２７.0.0.1", "LOCALHOST", "a..b", "", "x y", "x/y", "x@y", strings.Repeat("a", 64) + ".com",
	}
	names := map[string][]string{
		"loop.test": {"127.0.0.1"}, "six.test": {"::1"}, "mapped.test": {"::ffff:192.168.1.1"}, "imds.test": {"169.254.169.254"},
		"mixed.test": {"93.184.216.34", "10.0.0.1"}, "mixed6.test": {"2606:4700::1", "fe80::1"}, "nat64.test": {"64:ff9b::a9fe:a9fe"},
		"zero.test": {"0.0.0.0"}, "own.test": {"93.184.216.99"},
	}
	named := []string{"metadata.google.internal", "METADATA.google.internal", "metadata.google.internal.", "metadata.goog", "metadata", "instance-data"}

	r := &record{names: names}
	d := newDialer(t, Options{Resolver: r, Connect: r.connect, Own: func() []netip.AddrPort {
		return []netip.AddrPort{netip.MustParseAddrPort("93.184.216.99:443")}
	}})
	total := 0
	refused := func(host string) {
		t.Helper()
		total++
		c, err := d.Dial(t.Context(), host, 443)
		if c != nil || codeOf(err) != auth.CodeAddressForbidden {
			t.Errorf("Dial(%q) = %v, %v; want address_forbidden", host, c, err)
		}
	}
	for _, h := range append(literals, named...) {
		refused(h)
		if err := d.Check(h, 443); codeOf(err) != auth.CodeAddressForbidden {
			t.Errorf("Check(%q) = %v, want address_forbidden", h, err)
		}
	}
	if len(r.lookups) != 0 {
		t.Errorf("lookups of what needs none: %q", r.lookups)
	}
	for h := range names {
		refused(h)
	}
	if len(r.dials) != 0 {
		t.Errorf("dialled %v, want nothing", r.dials)
	}
	if total < 60 {
		t.Errorf("%d targets, want at least 60", total)
	}
}

func TestT30_ReasonNamesHostAndClassButNoAddress(t *testing.T) {
	r := &record{names: map[string][]string{"inner.test": {"10.11.12.13"}}}
	d := newDialer(t, Options{Resolver: r, Connect: r.connect})
	_, err := d.Dial(t.Context(), "inner.test", 443)
	e := auth.AsError(err)
	if e.Code != auth.CodeAddressForbidden || e.Reason != "the host inner.test resolves to a private address" {
		t.Errorf("got %s: %s", e.Code, e.Reason)
	}
	if strings.Contains(e.Error(), "10.11.12.13") {
		t.Error("the reason tells an internal address")
	}
	_, err = d.Dial(t.Context(), "10.1.2.3", 443)
	if e := auth.AsError(err); e.Reason != "10.1.2.3 is a private address" {
		t.Errorf("reason %q", e.Reason)
	}
}

func TestT31_MetadataNeverEvenIfAllowed(t *testing.T) {
	r := &record{names: map[string][]string{"m.test": {"169.254.169.254"}}}
	d := newDialer(t, Options{
		Resolver: r, Connect: r.connect,
		AllowPrivate: []netip.Prefix{netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")},
		Resolve: map[string]string{
			"a.test:443":                   "169.254.169.254:80",
			"b.test:443":                   "[::ffff:169.254.170.2]:80",
			"c.test:443":                   "[64:ff9b::a9fe:a9fe]:80",
			"metadata.google.internal:443": "127.0.0.1:80",
			"169.254.169.254:443":          "127.0.0.1:80",
		},
	})
	for _, h := range []string{"a.test", "b.test", "c.test", "m.test", "metadata.google.internal", "169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16"} {
		if _, err := d.Dial(t.Context(), h, 443); codeOf(err) != auth.CodeAddressForbidden {
			t.Errorf("Dial(%s) = %v, want address_forbidden", h, err)
		}
	}
	if len(r.dials) != 0 {
		t.Errorf("dialled %v", r.dials)
	}
}

func TestAllowPrivate(t *testing.T) {
	r := &record{names: map[string][]string{"minio.test": {"10.1.2.3"}, "mixed.test": {"10.1.2.3", "10.9.0.1"}}}
	d := newDialer(t, Options{Resolver: r, Connect: r.connect, AllowPrivate: []netip.Prefix{netip.MustParsePrefix("::ffff:10.1.0.0/112"), netip.MustParsePrefix("fd00::/8")}})
	for host, ok := range map[string]bool{
		"minio.test": true, "10.1.255.255": true, "::ffff:10.1.0.1": true, "fd00::1": true,
		"10.2.0.1": false, "mixed.test": false, "192.168.0.1": false, "64:ff9b::a02:1": false, "64:ff9b::a01:1": true,
		// The form itself is not allowed, whatever it embeds.
		"2002:a01:1::": false,
	} {
		if _, err := d.Dial(t.Context(), host, 443); (err == nil) != ok {
			t.Errorf("Dial(%s) = %v, want ok=%v", host, err, ok)
		}
	}
}

func TestResolveOverride(t *testing.T) {
	r := &record{names: map[string][]string{"hub.test": {"93.184.216.34"}}}
	d := newDialer(t, Options{Resolver: r, Connect: r.connect, Resolve: map[string]string{"Hub.test:443": "127.0.0.1:9443"}})
	if _, err := d.Dial(t.Context(), "hub.test", 443); err != nil {
		t.Fatal(err)
	}
	if len(r.lookups) != 0 || len(r.dials) != 1 || r.dials[0] != netip.MustParseAddrPort("127.0.0.1:9443") {
		t.Errorf("lookups %v, dials %v", r.lookups, r.dials)
	}
	// Another port is another target.
	if _, err := d.Dial(t.Context(), "hub.test", 444); err != nil {
		t.Fatal(err)
	}
	if r.dials[1] != netip.MustParseAddrPort("93.184.216.34:444") {
		t.Errorf("dials %v", r.dials)
	}
}

// TestPermit: exactly the host and port that are written, whatever class their
// address is of, directly, and never a metadata service or a listener of ours.
func TestPermit(t *testing.T) {
	r := &record{names: map[string][]string{"gpu.test": {"10.1.2.3"}, "twin.test": {"10.1.2.3"}, "imds.test": {"169.254.169.254"}}}
	d := newDialer(t, Options{
		Resolver: r, Connect: r.connect, Permit: []string{"GPU.test:8188", "127.0.0.1:8188", "[fd00::5]:8188", "imds.test:80", "169.254.169.254:80", "10.9.9.9:80"},
		Own:   func() []netip.AddrPort { return []netip.AddrPort{netip.MustParseAddrPort("10.9.9.9:80")} },
		Proxy: mustURL("http://proxy.test:3128"), ProxyResolves: true,
	})
	for _, c := range []struct {
		host string
		port uint16
		ok   bool
	}{
		{"gpu.test", 8188, true}, {"127.0.0.1", 8188, true}, {"fd00::5", 8188, true},
		{"gpu.test", 80, false}, {"twin.test", 8188, false}, {"10.1.2.3", 8188, false}, {"127.0.0.1", 8189, false}, {"127.0.0.2", 8188, false},
		{"imds.test", 80, false}, {"169.254.169.254", 80, false}, {"10.9.9.9", 80, false},
	} {
		r.dials = nil
		conn, err := d.Dial(t.Context(), c.host, c.port)
		direct := len(r.dials) == 1 && r.dials[0].Port() == c.port
		if (err == nil) != c.ok || direct != c.ok {
			t.Errorf("Dial(%s, %d): %v, %v, dialled %v, want ok=%v", c.host, c.port, conn, err, r.dials, c.ok)
		}
	}
}

// TestT33_WholeLookupRefused: one forbidden address among public ones, in
// every place, and a name whose answer flips between the check and the dial.
func TestT33_WholeLookupRefused(t *testing.T) {
	public := []string{"93.184.216.34", "93.184.216.35", "2606:4700::1"}
	for i := 0; i <= len(public); i++ {
		answer := append(append(append([]string{}, public[:i]...), "192.168.0.1"), public[i:]...)
		r := &record{names: map[string][]string{"x.test": answer}}
		d := newDialer(t, Options{Resolver: r, Connect: r.connect})
		if _, err := d.Dial(t.Context(), "x.test", 443); codeOf(err) != auth.CodeAddressForbidden || len(r.dials) != 0 {
			t.Errorf("answer %v: %v, dials %v", answer, err, r.dials)
		}
	}
	r := &record{names: map[string][]string{"flip.test": {"93.184.216.34"}}}
	d := newDialer(t, Options{Resolver: r, Connect: r.connect})
	if _, err := d.Dial(t.Context(), "flip.test", 443); err != nil {
		t.Fatal(err)
	}
	if len(r.lookups) != 1 || r.dials[0].Addr() != netip.MustParseAddr("93.184.216.34") {
		t.Errorf("%d lookups for one dial to %v: the checked address must be the dialled one", len(r.lookups), r.dials)
	}
	r.names["flip.test"] = []string{"127.0.0.1"}
	if _, err := d.Dial(t.Context(), "flip.test", 443); codeOf(err) != auth.CodeAddressForbidden || len(r.dials) != 1 {
		t.Errorf("after the flip: %v, dials %v", err, r.dials)
	}
}

// TestT34_OwnAddresses: our own listeners by address, name, IPv6 and embedding,
// for a listener on one address and for a wildcard one, never by any allowance.
func TestT34_OwnAddresses(t *testing.T) {
	r := &record{names: map[string][]string{"me.test": {"127.0.0.1"}, "me6.test": {"::1"}}}
	for _, listener := range []string{"127.0.0.1:8081", "0.0.0.0:8081", "[::]:8081"} {
		d := newDialer(t, Options{
			Resolver: r, Connect: r.connect,
			AllowPrivate: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")},
			Resolve:      map[string]string{"over.test:443": "127.0.0.1:8081"},
			Own:          func() []netip.AddrPort { return []netip.AddrPort{netip.MustParseAddrPort(listener)} },
		})
		refused := []string{"127.0.0.1", "::ffff:127.0.0.1", "me.test", "64:ff9b::7f00:1"}
		if listener != "127.0.0.1:8081" {
			refused = append(refused, "::1", "127.0.0.9", "me6.test")
		}
		for _, h := range refused {
			_, err := d.Dial(t.Context(), h, 8081)
			if e := auth.AsError(err); e.Code != auth.CodeAddressForbidden || !strings.Contains(e.Reason, "weighbridge itself") {
				t.Errorf("listener %s: Dial(%s) = %v", listener, h, err)
			}
		}
		if _, err := d.Dial(t.Context(), "over.test", 443); codeOf(err) != auth.CodeAddressForbidden {
			t.Errorf("listener %s: an override reached it: %v", listener, err)
		}
		if _, err := d.Dial(t.Context(), "127.0.0.1", 8082); err != nil {
			t.Errorf("another port: %v", err)
		}
	}
}

// TestT35_UnreadableAddressRefused goes through the control hook itself.
func TestT35_UnreadableAddressRefused(t *testing.T) {
	d := newDialer(t, Options{})
	ctx := withGrant(t.Context(), grant{host: "x.test"})
	for _, a := range []string{"", "garbage", "93.184.216.34", "x.test:443", "[::1", "/tmp/socket", "127.0.0.1:443", "[fe80::1%lo]:443"} {
		if err := d.control(ctx, "tcp", a, nil); codeOf(err) != auth.CodeAddressForbidden {
			t.Errorf("control(%q) = %v, want address_forbidden", a, err)
		}
	}
	if err := d.control(ctx, "tcp", "93.184.216.34:443", nil); err != nil {
		t.Errorf("a public address: %v", err)
	}
	if err := d.control(t.Context(), "tcp", "93.184.216.34:443", nil); codeOf(err) != auth.CodeAddressForbidden {
		t.Errorf("without a grant: %v", err)
	}
	if err := d.Recheck("x.test", 443, oddConn{}); codeOf(err) != auth.CodeAddressForbidden {
		t.Errorf("Recheck of an unreadable address: %v", err)
	}
}

type oddConn struct{ net.Conn }

func (oddConn) RemoteAddr() net.Addr { return &net.UnixAddr{Name: "@", Net: "unix"} }

// TestT36_CheckMakesNoQuery: what Check can refuse or allow needs no DNS.
func TestT36_CheckMakesNoQuery(t *testing.T) {
	r := &record{}
	d := newDialer(t, Options{Resolver: r, Connect: r.connect})
	for _, h := range []string{"unlisted.test", "127.0.0.1", "metadata.goog", "8.8.8.8"} {
		_ = d.Check(h, 443)
	}
	if len(r.lookups)+len(r.dials) != 0 {
		t.Errorf("Check looked up %v, dialled %v", r.lookups, r.dials)
	}
}

func TestRealDialAndRecheck(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	port := uint16(ln.Addr().(*net.TCPAddr).Port)
	r := &record{names: map[string][]string{"here.test": {"127.0.0.1"}}}
	d := newDialer(t, Options{Resolver: r, AllowPrivate: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	c, err := d.Dial(t.Context(), "here.test", port)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if err := d.Recheck("here.test", port, c); err != nil {
		t.Errorf("Recheck: %v", err)
	}
	// The same connection under options that no longer allow it.
	strict := newDialer(t, Options{})
	if err := strict.Recheck("here.test", port, c); codeOf(err) != auth.CodeAddressForbidden {
		t.Errorf("Recheck after a stricter reload: %v", err)
	}
	moved := newDialer(t, Options{Resolve: map[string]string{fmt.Sprintf("here.test:%d", port): "127.0.0.2:1"}})
	if err := moved.Recheck("here.test", port, c); codeOf(err) != auth.CodeAddressForbidden {
		t.Errorf("Recheck after an override moved it: %v", err)
	}
	_ = ln.Close()
	if _, err := d.Dial(t.Context(), "here.test", port); codeOf(err) != auth.CodeUpstreamUnreachable {
		t.Errorf("refused connection: %v, want upstream_unreachable", err)
	}
	if _, err := d.Dial(t.Context(), "gone.test", port); codeOf(err) != auth.CodeUpstreamUnreachable || !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("unknown name: %v", err)
	}
}

func TestHappyEyeballs(t *testing.T) {
	a, b := netip.MustParseAddrPort("[2606:4700::1]:443"), netip.MustParseAddrPort("93.184.216.34:443")
	names := map[string][]string{"x.test": {"2606:4700::1", "93.184.216.34"}}
	t.Run("the second where the first hangs", func(t *testing.T) {
		r := &record{names: names, hang: map[netip.AddrPort]bool{a: true}}
		d := newDialer(t, Options{Resolver: r, Connect: r.connect})
		if _, err := d.Dial(t.Context(), "x.test", 443); err != nil || len(r.dials) != 2 {
			t.Errorf("%v, dials %v", err, r.dials)
		}
	})
	t.Run("the second at once where the first fails", func(t *testing.T) {
		r := &record{names: names, fail: map[netip.AddrPort]error{a: errors.New("refused")}}
		d := newDialer(t, Options{Resolver: r, Connect: r.connect})
		if _, err := d.Dial(t.Context(), "x.test", 443); err != nil || r.dials[1] != b {
			t.Errorf("%v, dials %v", err, r.dials)
		}
	})
	t.Run("all fail", func(t *testing.T) {
		r := &record{names: names, fail: map[netip.AddrPort]error{a: errors.New("refused"), b: errors.New("refused")}}
		d := newDialer(t, Options{Resolver: r, Connect: r.connect})
		if _, err := d.Dial(t.Context(), "x.test", 443); codeOf(err) != auth.CodeUpstreamUnreachable {
			t.Error(err)
		}
	})
	t.Run("all hang", func(t *testing.T) {
		r := &record{names: names, hang: map[netip.AddrPort]bool{a: true, b: true}}
		d := newDialer(t, Options{Resolver: r, Connect: r.connect, ConnectTimeout: 10 * time.Millisecond})
		if _, err := d.Dial(t.Context(), "x.test", 443); codeOf(err) != auth.CodeUpstreamTimeout {
			t.Error(err)
		}
	})
	t.Run("the caller leaves", func(t *testing.T) {
		r := &record{names: names, hang: map[netip.AddrPort]bool{a: true, b: true}}
		d := newDialer(t, Options{Resolver: r, Connect: r.connect})
		ctx, stop := context.WithTimeout(t.Context(), 5*time.Millisecond)
		defer stop()
		if _, err := d.Dial(ctx, "x.test", 443); codeOf(err) == "" {
			t.Error(err)
		}
	})
}

func TestNewReportsEveryMistake(t *testing.T) {
	_, err := New(Options{
		AllowPrivate: []netip.Prefix{{}},
		Resolve:      map[string]string{"nohost": "127.0.0.1:1", "a:1": "name:1", "b:0": "127.0.0.1:1", "c:1": "127.0.0.1:0"},
		Proxy:        mustURL("ftp://user:hunter2@proxy.test"),
		Permit:       []string{"noport"},
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"allow_private", `"nohost"`, `"name:1"`, `"b:0"`, `"127.0.0.1:0"`, "ftp://", `"noport"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not name %s", err, want)
		}
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Error("the error has the proxy's password")
	}
}
