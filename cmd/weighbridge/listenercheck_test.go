package main

import (
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/proxy/ca"
)

// A worker's bundle is held against what the listener really shows.
func TestListenerProblem(t *testing.T) {
	srv := httptest.NewTLSServer(nil)
	defer srv.Close()
	dir := t.TempDir()
	good, bad, none := filepath.Join(dir, "good"), filepath.Join(dir, "bad"), filepath.Join(dir, "none")
	for path, der := range map[string][]byte{good: srv.Certificate().Raw, bad: otherRoot(t)} {
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	plain := strings.Replace(srv.URL, "https:", "http:", 1)
	// The certificate of httptest is for 127.0.0.1 and example.com.
	for _, c := range []struct{ listener, as, bundle, says string }{
		{srv.URL, srv.URL, good, ""},
		{srv.URL, "https://example.com:8443", good, ""},
		{srv.URL, srv.URL, bad, "append that authority to " + bad},
		{srv.URL, "https://weights.test:8443", good, "is not for weights.test: say with --proxy-url"},
		{srv.URL, srv.URL, none, ""},
		{srv.URL, plain, good, ""},
		{plain, srv.URL, good, ""},
		{"unix:/x", "https://example.com", good, ""},
	} {
		got := listenerProblem(t.Context(), c.listener, c.as, c.bundle)
		if (got == "") != (c.says == "") || !strings.Contains(got, c.says) {
			t.Errorf("%s as %s: %q, want %q", c.listener, c.as, got, c.says)
		}
	}
}

// otherRoot is a root that signed nothing.
func otherRoot(t *testing.T) []byte {
	t.Helper()
	root, err := ca.NewRoot(time.Now(), "another root")
	if err != nil {
		t.Fatal(err)
	}
	return root.Certificate().Raw
}
