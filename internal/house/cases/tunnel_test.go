package cases

import (
	"crypto/tls"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/config"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/house/origin"
)

// tunnelled is a house with one host that is intercepted and one that is not,
// both on taps.
type tunnelled struct {
	*house.House
	open, blind *tap
	secret      *house.Canary
	key         string
}

const blindHost = "blind.example.net"

func newTunnelled(t *testing.T) *tunnelled {
	t.Helper()
	x := &tunnelled{}
	x.House = house.New(t, house.Options{Empty: true, Mount: func(s *origin.Server) {
		x.open = newTap(t, edited(guarded, nil)(t, s.Authority()), nil)
		x.blind = newTap(t, edited(blindHost, nil)(t, s.Authority()), nil)
	}, Configure: func(c *config.Config) {
		c.Upstream.Resolve[guarded+":443"], c.Upstream.Resolve[blindHost+":443"] = x.open.addr(), x.blind.addr()
		for _, port := range []string{"22", "25", "6379"} {
			c.Upstream.Resolve[guarded+":"+port], c.Upstream.Resolve[blindHost+":"+port] = x.open.addr(), x.blind.addr()
		}
	}})
	x.secret = bearer(x.House, "c", guarded+"/*")
	x.key = x.AddKey(admin.NewKey{Name: "w", Credentials: []string{"c"}}).Key
	return x
}

// silent asserts that no byte reached an upstream.
func (x *tunnelled) silent(t *testing.T, what string) {
	t.Helper()
	if n := len(x.open.onTheWire()) + len(x.blind.onTheWire()); n != 0 {
		t.Errorf("%s: %d bytes reached an upstream", what, n)
	}
	x.open.forget()
	x.blind.forget()
}

// TestT44_ATunnelCarriesTLSToItsHostAndNothingElse, be it opened or blind.
func TestT44_ATunnelCarriesTLSToItsHostAndNothingElse(t *testing.T) {
	t.Parallel()
	x := newTunnelled(t)
	for what, bytes := range map[string]string{
		"plain HTTP":      "GET / HTTP/1.1\r\nHost: " + blindHost + "\r\n\r\n",
		"SSH":             "SSH-2.0-OpenSSH_9.6\r\n",
		"SMTP":            "EHLO example.com\r\n",
		"Redis":           "*1\r\n$4\r\nINFO\r\n",
		"HTTP/2":          "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"a CONNECT":       "CONNECT evil.example.net:443 HTTP/1.1\r\nHost: evil.example.net:443\r\n\r\n",
		"NULs":            strings.Repeat("\x00", 600),
		"a TLS alert":     "\x15\x03\x01\x00\x02\x02\x28",
		"a giant record":  "\x16\x03\x01\xff\xff" + strings.Repeat("\x01", 200),
		"half a record":   "\x16\x03\x01\x00\x10\x01",
		"an SSLv2 hello":  "\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10" + strings.Repeat("\x01", 40),
		"nothing at all":  "",
		"a lone line end": "\r\n",
	} {
		for _, host := range []string{guarded, blindHost} {
			c := dial(t, x.House)
			if r := c.connect(x.key, host+":443"); r.status != 200 {
				t.Fatalf("%s: %s", host, r)
			}
			c.say(bytes)
			c.closeWrite()
			b, err := io.ReadAll(c.br)
			// A TLS alert is all that may come back: at most one record.
			if len(b) > 7 || len(b) > 0 && b[0] != 0x15 {
				t.Errorf("%s to %s: answered %q, %v", what, host, b, err)
			}
			x.silent(t, what+" to "+host)
		}
	}
}

// TestT44_WhatComesBeforeTheTunnelStandsIsRefused: bytes behind a CONNECT were
// not meant for its host by a client that waits.
func TestT44_WhatComesBeforeTheTunnelStandsIsRefused(t *testing.T) {
	t.Parallel()
	x := newTunnelled(t)
	for _, host := range []string{guarded, blindHost} {
		for _, early := range []string{"GET /x HTTP/1.1\r\nHost: " + host + "\r\n\r\n", "\x16\x03\x01", "x"} {
			c := dial(t, x.House)
			c.say("CONNECT " + host + ":443 HTTP/1.1\r\nHost: " + host + ":443\r\n" + basicKey(x.key) + "\r\n" + early)
			r := c.answer(http.MethodConnect)
			// Where the bytes came in time they refuse the tunnel; where they
			// came late they are its content, and no TLS.
			if r.status == 200 {
				c.closeWrite()
			} else if r.code() != auth.CodeBadRequest {
				t.Errorf("%s, %q: %s", host, early, r)
			}
			_, _ = io.Copy(io.Discard, c.br)
			x.silent(t, host)
		}
	}
}

// TestT44_PortsAndNestedTunnels: other ports, a CONNECT within a tunnel, TLS
// within its TLS.
func TestT44_PortsAndNestedTunnels(t *testing.T) {
	t.Parallel()
	x := newTunnelled(t)
	for _, port := range []string{"22", "25", "6379", "1", "65535"} {
		for _, host := range []string{guarded, blindHost} {
			if r := dial(t, x.House).connect(x.key, host+":"+port); r.code() != auth.CodePortForbidden {
				t.Errorf("%s:%s: %s", host, port, r)
			}
		}
	}
	for _, authority := range []string{guarded + ":0", guarded + ":65536", guarded + ":-1", guarded + ":443x", guarded} {
		if r := dial(t, x.House).connect(x.key, authority); r.status/100 == 2 || r.code() == "" {
			t.Errorf("%s: %s", authority, r)
		}
	}
	for _, to := range []string{blindHost + ":443", guarded + ":443"} {
		c := openTunnel(t, x.House, x.key, guarded+":443")
		c.say("CONNECT " + to + " HTTP/1.1\r\nHost: " + to + "\r\n" + basicKey(x.key) + "\r\n")
		if r := c.answer(http.MethodConnect); r.code() != auth.CodeBadRequest {
			t.Errorf("a CONNECT to %s within a tunnel: %s", to, r)
		}
		c.ends("after a CONNECT within a tunnel")
	}
	c := openTunnel(t, x.House, x.key, guarded+":443")
	inner := tls.Client(c.Conn, &tls.Config{ServerName: guarded, RootCAs: x.Roots(), MinVersion: tls.VersionTLS12})
	if err := inner.HandshakeContext(t.Context()); err == nil {
		t.Error("TLS within the tunnel's TLS was answered")
	}
	x.silent(t, "ports and nested tunnels")
	// The tunnel itself works.
	if r := openTunnel(t, x.House, x.key, guarded+":443").get(guarded, "/x", ""); r.status != 200 || !strings.Contains(x.open.heard(), x.secret.Value()) {
		t.Errorf("a plain request: %s", r)
	}
}

// TestT45_NoOtherProtocolIsSmuggledThrough: upgrades and HTTP/2 with prior
// knowledge, outside and inside a tunnel, on hosts with and without a
// credential.
func TestT45_NoOtherProtocolIsSmuggledThrough(t *testing.T) {
	t.Parallel()
	x := newTunnelled(t)
	websocket := "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	h2c := "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"
	for what, upgrade := range map[string]string{
		"websocket": websocket, "h2c": h2c, "without Connection": "Upgrade: websocket\r\n",
		"in another case": "connection: UPGRADE\r\nUPGRADE: WebSocket\r\n", "TLS": "Connection: Upgrade\r\nUpgrade: TLS/1.2\r\n",
	} {
		for way, r := range map[string]reply{
			"inside":         openTunnel(t, x.House, x.key, guarded+":443").get(guarded, "/ws", upgrade),
			"reverse":        dial(t, x.House).get("localhost", "/"+guarded+"/ws", upgrade+"X-Weighbridge-Key: "+x.key+"\r\n"),
			"forward, plain": dial(t, x.House).get(guarded, "http://"+guarded+"/ws", upgrade+basicKey(x.key)),
		} {
			if r.code() != auth.CodeUpgradeForbidden {
				t.Errorf("%s, %s: %s", what, way, r)
			}
			x.silent(t, what+", "+way)
		}
	}
	preface := "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"
	for way, c := range map[string]*raw{"inside": openTunnel(t, x.House, x.key, guarded+":443"), "outside": dial(t, x.House)} {
		c.say(preface)
		if r := c.answer(http.MethodGet); r.status != 400 && r.err == nil {
			t.Errorf("the preface of HTTP/2 %s: %s", way, r)
		}
		_, _ = io.Copy(io.Discard, c.br)
		x.silent(t, "the preface of HTTP/2")
	}
}

// TestR15_TheDataPlaneSpeaksHTTP11Only: ALPN never offers h2, in a tunnel or
// on a TLS listener, and the administrative side speaks no h2c.
func TestR15_TheDataPlaneSpeaksHTTP11Only(t *testing.T) {
	t.Parallel()
	x := newTunnelled(t)
	both := []string{"h2", "http/1.1"}
	for _, offered := range [][]string{both, {"http/1.1"}, nil} {
		c := dial(t, x.House)
		if r := c.connect(x.key, guarded+":443"); r.status != 200 {
			t.Fatal(r)
		}
		s := tls.Client(c.Conn, &tls.Config{ServerName: guarded, RootCAs: x.Roots(), NextProtos: offered, MinVersion: tls.VersionTLS12})
		if err := s.HandshakeContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := s.ConnectionState().NegotiatedProtocol; got != "http/1.1" && (got != "" || offered != nil) {
			t.Errorf("offered %v, got %q", offered, got)
		}
	}
	c := dial(t, x.House)
	c.connect(x.key, guarded+":443")
	s := tls.Client(c.Conn, &tls.Config{ServerName: guarded, RootCAs: x.Roots(), NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS12})
	if err := s.HandshakeContext(t.Context()); err == nil {
		t.Error("a client of h2 alone was let in")
	}

	admins := dialTo(t, x.House, strings.TrimPrefix(x.Bridge.AdminURL(), "http://"))
	admins.say("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
	b, _ := io.ReadAll(admins.br)
	if !strings.HasPrefix(string(b), "HTTP/1.1 4") && !strings.HasPrefix(string(b), "HTTP/1.1 505") && len(b) > 0 {
		t.Errorf("the administrative side answered the preface of HTTP/2 with %q", b)
	}

	tlsHouse := house.New(t, house.Options{Empty: true, Configure: func(c *config.Config) { c.TLS.OwnCA = true }})
	conn, err := tls.Dial("tcp", strings.TrimPrefix(tlsHouse.Bridge.ProxyURL(), "https://"),
		&tls.Config{ServerName: "localhost", RootCAs: tlsHouse.Roots(), NextProtos: both, MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if got := conn.ConnectionState().NegotiatedProtocol; got != "http/1.1" {
		t.Errorf("the TLS listener chose %q", got)
	}
}
