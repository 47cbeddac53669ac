package ca

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// handshake runs one handshake over a pipe and then sends a byte, so that the
// client sees the server's tickets.
func handshake(t *testing.T, server, client *tls.Config) (cs tls.ConnectionState, serverErr, clientErr error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	done := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			done <- err
			return
		}
		defer c.Close()
		s := tls.Server(c, server)
		if err := s.HandshakeContext(t.Context()); err != nil {
			done <- err
			return
		}
		_, err = s.Write([]byte("x"))
		done <- err
	}()
	raw, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	c := tls.Client(raw, client)
	if clientErr = c.HandshakeContext(t.Context()); clientErr == nil {
		_, clientErr = io.ReadFull(c, make([]byte, 1))
	}
	cs = c.ConnectionState()
	raw.Close()
	return cs, <-done, clientErr
}

func clientConfig(a *Authority, host string) *tls.Config {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(a.RootsPEM())
	return &tls.Config{ServerName: host, RootCAs: pool}
}

// sendingName is a client that sends this server name, or none.
func sendingName(a *Authority, name string) *tls.Config {
	c := clientConfig(a, name)
	if name == "" {
		c.ServerName = "127.0.0.1" // crypto/tls sends no name for an address
	}
	return c
}

func TestT02_ServerNameMustBeTheHost(t *testing.T) {
	a, _ := testAuthority(t, Options{})
	for _, c := range []struct {
		host, name string
		ok         bool
	}{
		{"huggingface.co", "huggingface.co", true},
		{"huggingface.co", "HuggingFace.co", true},
		{"huggingface.co", "evil.example.com", false},
		{"huggingface.co", "cdn.huggingface.co", false},
		{"huggingface.co", "", false},
		{"127.0.0.1", "", true},
		{"127.0.0.1", "huggingface.co", false},
		{"evil.hf.co", "huggingface.co", false},
	} {
		cfg, err := a.ConfigFor(t.Context(), "team_a", c.host, teamHosts)
		if err != nil {
			t.Fatal(err)
		}
		_, serverErr, clientErr := handshake(t, cfg, sendingName(a, c.name))
		if c.ok {
			if serverErr != nil || clientErr != nil {
				t.Errorf("host %q, name %q: %v, %v", c.host, c.name, serverErr, clientErr)
			}
			continue
		}
		if !errors.Is(serverErr, ErrServerName) || auth.AsError(serverErr).Code != auth.CodeMisdirected {
			t.Errorf("host %q, name %q: the server says %v", c.host, c.name, serverErr)
		}
		if clientErr == nil {
			t.Errorf("host %q, name %q: the client saw no refusal", c.host, c.name)
		}
	}
	if err := checkServerName("::1", "0:0:0:0:0:0:0:1"); err != nil {
		t.Errorf("an address in another form: %v", err)
	}
	if err := checkServerName("::1", "::2"); !errors.Is(err, ErrServerName) {
		t.Errorf("another address: %v", err)
	}
}

// A resumed session presents no certificate, so the name is checked earlier.
func TestT02_ResumptionDoesNotGoRoundTheServerName(t *testing.T) {
	a, _ := testAuthority(t, Options{})
	cfg, err := a.ConfigFor(t.Context(), "team_a", "huggingface.co", teamHosts)
	if err != nil {
		t.Fatal(err)
	}
	cache := tls.NewLRUClientSessionCache(8)
	client := clientConfig(a, "huggingface.co")
	client.ClientSessionCache = cache
	if _, serverErr, clientErr := handshake(t, cfg, client); serverErr != nil || clientErr != nil {
		t.Fatal(serverErr, clientErr)
	}
	session, ok := cache.Get("huggingface.co")
	if !ok {
		t.Fatal("no ticket was given")
	}
	cache.Put("evil.example.com", session)
	evil := clientConfig(a, "evil.example.com")
	evil.ClientSessionCache = cache
	if _, serverErr, _ := handshake(t, cfg, evil); !errors.Is(serverErr, ErrServerName) {
		t.Fatalf("the server says %v", serverErr)
	}
}

func TestSessionsResumeAcrossConnectionsAndRenewal(t *testing.T) {
	a, clk := testAuthority(t, Options{})
	client := clientConfig(a, "huggingface.co")
	client.ClientSessionCache = tls.NewLRUClientSessionCache(8)
	client.Time = clk.now
	connect := func() tls.ConnectionState {
		t.Helper()
		cfg, err := a.ConfigFor(t.Context(), "team_a", "huggingface.co", teamHosts)
		if err != nil {
			t.Fatal(err)
		}
		cs, serverErr, clientErr := handshake(t, cfg, client)
		if serverErr != nil || clientErr != nil {
			t.Fatal(serverErr, clientErr)
		}
		return cs
	}
	first := connect()
	if second := connect(); first.DidResume || !second.DidResume {
		t.Fatalf("resumed: %v, then %v", first.DidResume, second.DidResume)
	}
	clk.t = clk.t.Add(20 * time.Hour) // the leaf is renewed; the ticket is still good
	if !connect().DidResume {
		t.Error("the renewal of the leaf ended the session")
	}
	client.ClientSessionCache = nil
	if leaf := connect().PeerCertificates[0]; leaf.NotBefore.Before(clk.t.Add(-time.Hour)) {
		t.Error("the configuration still gives the old leaf")
	}
}

func TestT46_OldTLSAndOtherProtocolsAreRefused(t *testing.T) {
	a, _ := testAuthority(t, Options{})
	cfg, err := a.ConfigFor(t.Context(), "team_a", "huggingface.co", teamHosts)
	if err != nil {
		t.Fatal(err)
	}
	old := clientConfig(a, "huggingface.co")
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	if _, serverErr, _ := handshake(t, cfg, old); serverErr == nil {
		t.Error("TLS 1.1 was accepted")
	}
	h2 := clientConfig(a, "huggingface.co")
	h2.NextProtos = []string{"h2"}
	if _, serverErr, _ := handshake(t, cfg, h2); serverErr == nil {
		t.Error("HTTP/2 alone was accepted")
	}
	h2.NextProtos = []string{"h2", "http/1.1"}
	if cs, serverErr, _ := handshake(t, cfg, h2); serverErr != nil || cs.NegotiatedProtocol != "http/1.1" {
		t.Errorf("negotiated %q: %v", cs.NegotiatedProtocol, serverErr)
	}
	for v, want := range map[uint16]bool{tls.VersionTLS12: true, tls.VersionTLS13: true} {
		c := clientConfig(a, "huggingface.co")
		c.MinVersion, c.MaxVersion = v, v
		if _, serverErr, clientErr := handshake(t, cfg, c); (serverErr == nil && clientErr == nil) != want {
			t.Errorf("%s: %v %v", tls.VersionName(v), serverErr, clientErr)
		}
	}
}

func TestConfigForRefusesOutside(t *testing.T) {
	a, _ := testAuthority(t, Options{})
	if _, err := a.ConfigFor(t.Context(), "team_a", "example.com", teamHosts); !errors.Is(err, ErrHostOutside) {
		t.Fatal(err)
	}
	if n := a.configs.len(); n != 0 {
		t.Errorf("%d configurations for a refused host", n)
	}
}

func TestListenerConfig(t *testing.T) {
	a, _ := testAuthority(t, Options{})
	cfg, err := a.ListenerConfig([]string{"proxy.example.org", "127.0.0.1", "localhost"})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"proxy.example.org", "localhost", "127.0.0.1"} {
		if _, serverErr, clientErr := handshake(t, cfg, clientConfig(a, name)); serverErr != nil || clientErr != nil {
			t.Errorf("%s: %v, %v", name, serverErr, clientErr)
		}
	}
	if _, serverErr, _ := handshake(t, cfg, clientConfig(a, "other.example.org")); !errors.Is(serverErr, ErrServerName) {
		t.Errorf("another name: %v", serverErr)
	}
	for _, bad := range [][]string{nil, {"proxy:8080"}, {"com"}} {
		if _, err := a.ListenerConfig(bad); err == nil {
			t.Errorf("%v was taken", bad)
		}
	}
}

func TestMisdirectedReasonIsBounded(t *testing.T) {
	err := auth.AsError(checkServerName("huggingface.co", strings.Repeat("x", 5000)))
	if len(err.Reason) > 500 {
		t.Errorf("a reason of %d bytes", len(err.Reason))
	}
}
