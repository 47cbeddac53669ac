package bridge

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/config"
	"github.com/weighbridge/weighbridge/proxy/ca"
)

func TestListenerNames(t *testing.T) {
	for _, c := range []struct{ addr, url, want string }{
		{"127.0.0.1:8080", "", ""},
		{"LocalHost:8080", "", "localhost"},
		{"[0:0:0:0:0:0:0:1]:8080", "", "::1"},
		{"[::ffff:192.0.2.7]:8080", "", "192.0.2.7"},
		{"unix:/run/p.sock", "https://Weights.Example.com:9443/base", "weights.example.com"},
		{":8080", "https://[2001:db8::1]", "2001:db8::1"},
	} {
		names, _ := listenerNames(c.addr, c.url)
		if !slices.Contains(names, "localhost") || c.want != "" && !slices.Contains(names, c.want) {
			t.Errorf("%s %s: %q", c.addr, c.url, names)
		}
	}
	host, err := os.Hostname()
	check(t, err)
	if _, own := listenerNames("0.0.0.0:8080", ""); !slices.Contains(own, strings.ToLower(host)) {
		t.Errorf("own names %q", own)
	}
}

// A listener with a certificate of our own root is reached by every name that
// the operator wrote, in whatever case.
func TestOwnCA(t *testing.T) {
	data := filepath.Join(shortDir(t), "data")
	b := start(t, load(t, func(c *config.Config) {
		c.DataDir, c.TLS.OwnCA, c.PublicURL = data, true, "https://Weights.Example.COM:9443"
	}))
	pem, err := os.ReadFile(filepath.Join(data, rootFile))
	check(t, err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	for _, name := range []string{"localhost", "127.0.0.1", "weights.example.com"} {
		c, err := tls.Dial("tcp", strings.TrimPrefix(b.ProxyURL(), "https://"), &tls.Config{RootCAs: roots, ServerName: name})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		_ = c.Close()
	}
}

// A renewed certificate is taken by a reload; a broken one leaves the old one
// in place, and all else of the configuration with it.
func TestReloadRenewsTheCertificate(t *testing.T) {
	dir := shortDir(t)
	data := filepath.Join(dir, "data")
	files := config.TLS{CertFile: filepath.Join(dir, "tls.crt"), KeyFile: filepath.Join(dir, "tls.key")}
	write := func() []byte {
		root, err := ca.NewRoot(time.Now(), "operator")
		check(t, err)
		check(t, os.WriteFile(files.CertFile, root.CertPEM(), 0o600))
		check(t, os.WriteFile(files.KeyFile, []byte(root.KeyPEM().Reveal()), 0o600))
		return root.Certificate().Raw
	}
	first := write()
	b := start(t, load(t, func(c *config.Config) { c.DataDir, c.TLS = data, files }))
	served := func() []byte {
		c, err := tls.Dial("tcp", strings.TrimPrefix(b.ProxyURL(), "https://"), &tls.Config{InsecureSkipVerify: true})
		check(t, err)
		defer func() { _ = c.Close() }()
		return c.ConnectionState().PeerCertificates[0].Raw
	}
	if !bytes.Equal(served(), first) {
		t.Error("another certificate is served than that of the file")
	}
	second := write()
	again := load(t, func(c *config.Config) { c.DataDir, c.TLS, c.Drain = data, files, time.Second })
	restart, err := b.Reload(t.Context(), again)
	if err != nil || len(restart) != 0 {
		t.Fatalf("restart %v, %v", restart, err)
	}
	if !bytes.Equal(served(), second) {
		t.Error("the renewed certificate is not served")
	}
	again = load(t, func(c *config.Config) { c.DataDir, c.TLS, c.Drain = data, files, time.Minute })
	check(t, os.WriteFile(files.CertFile, []byte("broken"), 0o600))
	if _, err := b.Reload(t.Context(), again); err == nil {
		t.Error("a broken certificate was taken")
	}
	if !bytes.Equal(served(), second) || b.DrainLimit() != time.Second {
		t.Error("a refused reload changed something")
	}
}

// The admin listener has TLS of its own, and a certificate for its own names.
func TestAdminTLS(t *testing.T) {
	data := filepath.Join(shortDir(t), "data")
	b := start(t, load(t, func(c *config.Config) {
		c.DataDir, c.AdminListen, c.AdminTLS.OwnCA = data, "127.0.0.1:0", true
	}))
	pem, err := os.ReadFile(filepath.Join(data, rootFile))
	check(t, err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	if !strings.HasPrefix(b.AdminURL(), "https://127.0.0.1:") || !strings.HasPrefix(b.ProxyURL(), "http://") {
		t.Errorf("%s, %s", b.AdminURL(), b.ProxyURL())
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	defer client.CloseIdleConnections()
	for path, want := range map[string]int{"/healthz": 200, "/api/v1/keys": 401} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.AdminURL()+path, nil)
		check(t, err)
		resp, err := client.Do(r)
		check(t, err)
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
}
