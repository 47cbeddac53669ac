package ca

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// strictClient connects to each [port, name] of its first argument with a
// context as Python 3.13 makes it by default, with the CA file of its second,
// and prints what came of it.
const strictClient = `
import json, socket, ssl, sys
out = []
for port, name in json.loads(sys.argv[1]):
    ctx = ssl.create_default_context(cafile=sys.argv[2])
    ctx.verify_flags |= 0x20  # VERIFY_X509_STRICT
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=60) as s:
            with ctx.wrap_socket(s, server_hostname=name) as t:
                out.append(t.version())
    except Exception as e:
        out.append(type(e).__name__ + ": " + str(e))
print(json.dumps(out))
`

// serve ends TLS with cfg on loopback until the test ends.
func serve(t *testing.T, cfg *tls.Config) (port int) {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", cfg)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.(*tls.Conn).HandshakeContext(t.Context()) // the client's verdict counts
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().(*net.TCPAddr).Port
}

// tool finds a program that this test needs.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is needed to test certificates with a real client; install it", name)
	}
	return path
}

func writeFile(t *testing.T, name string, b []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// rolledOver is an authority whose root was replaced, and the roots before.
func rolledOver(t *testing.T, first Root) (*Authority, []Root) {
	t.Helper()
	now := time.Now()
	roots, err := Rotate([]Root{first}, now, "weighbridge test root")
	if err != nil {
		t.Fatal(err)
	}
	a, _ := testAuthority(t, Options{Roots: roots})
	return a, []Root{first}
}

// rolledAgain are the roots after n rotations in a row.
func rolledAgain(t *testing.T, roots []Root, n int) []Root {
	t.Helper()
	for range n {
		var err error
		if roots, err = Rotate(roots, time.Now(), "weighbridge test root"); err != nil {
			t.Fatal(err)
		}
	}
	return roots
}

func TestPythonStrictClientVerifies(t *testing.T) {
	python := tool(t, "python3")
	now := time.Now()
	plain, _ := testAuthority(t, Options{})
	given, _ := testAuthority(t, Options{Roots: []Root{givenRoot(t, now)}})
	rolled, before := rolledOver(t, testRoot(t, now))
	old, _ := testAuthority(t, Options{Roots: before})
	thrice, _ := testAuthority(t, Options{Roots: rolledAgain(t, before, 3)})

	for name, c := range map[string]struct {
		server *Authority
		trust  []byte
	}{
		"own root":                 {plain, plain.RootsPEM()},
		"in the bundle":            {plain, plain.Bundle(given.RootsPEM())},
		"operator's issuing CA":    {given, given.RootsPEM()},
		"rolled over, new bundle":  {rolled, rolled.RootsPEM()},
		"rolled over, old bundle":  {rolled, old.RootsPEM()},
		"rolled over three times":  {thrice, old.RootsPEM()},
		"rolled over, newest only": {rolled, rolled.Roots()[0].CertPEM()},
	} {
		t.Run(name, func(t *testing.T) {
			var dial [][2]any
			var want []string
			add := func(cfg *tls.Config, as, result string) {
				dial, want = append(dial, [2]any{serve(t, cfg), as}), append(want, result)
			}
			for _, host := range []string{"huggingface.co", "cas-bridge.xethub.hf.co", "127.0.0.1", "::1"} {
				cfg, err := c.server.ConfigFor(t.Context(), "team_a", host, teamHosts)
				if err != nil {
					t.Fatal(err)
				}
				add(cfg, host, "TLSv1.3")
			}
			// Only addresses, only names: the other kind is excluded whole.
			for host, hosts := range map[string][]string{"127.0.0.1": {"127.0.0.1"}, "huggingface.co": {"huggingface.co"}} {
				cfg, err := c.server.ConfigFor(t.Context(), "team_"+host, host, hosts)
				if err != nil {
					t.Fatal(err)
				}
				add(cfg, host, "TLSv1.3")
			}
			add(forging(t, c.server, "example.com"), "example.com", "permitted subtree violation")
			add(forging(t, c.server, "127.0.0.2"), "127.0.0.2", "permitted subtree violation")

			for i, got := range runStrict(t, python, dial, c.trust) {
				if !strings.Contains(got, want[i]) {
					t.Errorf("%v: %s, want %s", dial[i][1], got, want[i])
				}
			}
		})
	}
}

func runStrict(t *testing.T, python string, dial [][2]any, trust []byte) (out []string) {
	t.Helper()
	arg, err := json.Marshal(dial)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), python, "-c", strictClient, string(arg), writeFile(t, "ca.pem", trust))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	b, err := cmd.Output()
	if err != nil {
		t.Fatalf("python3: %v: %s", err, &stderr)
	}
	if err := json.Unmarshal(b, &out); err != nil || len(out) != len(dial) {
		t.Fatalf("python3 printed %q: %v", b, err)
	}
	return out
}

// forged signs a leaf for host with the key of the team's intermediate.
func forged(t *testing.T, a *Authority, host string) *tls.Certificate {
	t.Helper()
	good, err := parseHost("huggingface.co")
	if err != nil {
		t.Fatal(err)
	}
	iss, err := a.issuer("team_a", "huggingface.co", good, teamHosts, a.now())
	if err != nil {
		t.Fatal(err)
	}
	addr, err := parseHost(host)
	if err != nil {
		t.Fatal(err)
	}
	cert, _, err := iss.mint(host, addr, a.now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func forging(t *testing.T, a *Authority, host string) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{*forged(t, a, host)}, MinVersion: tls.VersionTLS12}
}

func TestOpenSSLStrictVerifies(t *testing.T) {
	openssl := tool(t, "openssl")
	now := time.Now()
	plain, _ := testAuthority(t, Options{})
	rolled, before := rolledOver(t, testRoot(t, now))
	old, _ := testAuthority(t, Options{Roots: before})
	rsaRoot, _ := testAuthority(t, Options{Roots: []Root{givenRoot(t, now)}})

	check := func(cert *tls.Certificate, host string, trust []byte) (string, error) {
		var between []byte
		for _, der := range cert.Certificate[1:] {
			between = append(between, encodeCert(der)...)
		}
		name := "-verify_hostname"
		if net.ParseIP(host) != nil {
			name = "-verify_ip"
		}
		out, err := exec.CommandContext(t.Context(), openssl, "verify", "-x509_strict", "-purpose", "sslserver", name, host,
			"-no-CApath", "-no-CAstore", "-CAfile", writeFile(t, "ca.pem", trust), "-untrusted", writeFile(t, "between.pem", between),
			writeFile(t, "leaf.pem", encodeCert(cert.Certificate[0]))).CombinedOutput()
		return string(out), err
	}
	for _, c := range []struct {
		name   string
		server *Authority
		trust  []byte
	}{
		{"own root", plain, plain.RootsPEM()},
		{"RSA issuing CA", rsaRoot, rsaRoot.RootsPEM()},
		{"rolled over, old bundle", rolled, old.RootsPEM()},
		{"rolled over, both", rolled, rolled.RootsPEM()},
	} {
		for _, host := range []string{"huggingface.co", "a.hf.co", "127.0.0.1", "::1"} {
			if out, err := check(mint(t, c.server, host, teamHosts), host, c.trust); err != nil {
				t.Errorf("%s: %s: %v: %s", c.name, host, err, out)
			}
		}
		for _, host := range []string{"example.com", "10.0.0.1"} {
			if out, err := check(forged(t, c.server, host), host, c.trust); err == nil || !strings.Contains(out, "permitted subtree violation") {
				t.Errorf("%s: a forged leaf for %s: %v: %s", c.name, host, err, out)
			}
		}
	}
	if out, err := check(mint(t, plain, "huggingface.co", teamHosts), "example.com", plain.RootsPEM()); err == nil {
		t.Errorf("good for another host: %s", out)
	}
}

// What an operator makes with the line that the documentation gives is taken.
func TestOpenSSLMadeRootIsTaken(t *testing.T) {
	openssl := tool(t, "openssl")
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca.key")
	out, err := exec.CommandContext(t.Context(), openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
		"-keyout", keyFile, "-out", certFile, "-days", "365", "-subj", "/CN=Corporate CA",
		"-addext", "keyUsage=critical,keyCertSign,cRLSign").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	cert, err := os.ReadFile(certFile)
	if err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := pem.Decode(key); b == nil {
		t.Fatal("openssl wrote no PEM")
	}
	r, err := ParseRoot(cert, auth.NewSecret(string(key)), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	a, _ := testAuthority(t, Options{Roots: []Root{r}})
	if err := verify(mint(t, a, "huggingface.co", teamHosts).Certificate, "huggingface.co", time.Now(), r); err != nil {
		t.Error(err)
	}
}
