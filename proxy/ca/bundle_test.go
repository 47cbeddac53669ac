package ca

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestBundleIsPublicRootsAndOursOnce(t *testing.T) {
	now := time.Now()
	public := append([]byte("# a comment\n"), testRoot(t, now).CertPEM()...)
	public = append(public, testRoot(t, now).CertPEM()...)
	a, _ := testAuthority(t, Options{})
	b := a.Bundle(public)
	if n := bytes.Count(b, []byte("BEGIN CERTIFICATE")); n != 3 || bytes.Contains(b, []byte("comment")) {
		t.Errorf("%d certificates:\n%s", n, b)
	}
	if !bytes.HasSuffix(b, a.Roots()[0].CertPEM()) {
		t.Error("ours is not the last")
	}
	if again := a.Bundle(b); !bytes.Equal(again, b) {
		t.Error("a bundle of the bundle grows")
	}
	if got := a.Bundle([]byte("no newline at the end")); !bytes.Equal(got, a.RootsPEM()) {
		t.Errorf("without public roots: %q", got)
	}
}

func TestSystemRootsPEM(t *testing.T) {
	now := time.Now()
	ours := testRoot(t, now)
	public := testRoot(t, now).CertPEM()
	publicFile := writeFile(t, "public.crt", public)
	otherFile := writeFile(t, "other.crt", testRoot(t, now).CertPEM())
	oursFile := writeFile(t, "bundle.pem", append(bytes.Clone(public), ours.CertPEM()...))
	empty := writeFile(t, "empty", []byte("hello"))
	none := filepath.Join(t.TempDir(), "none")

	for _, c := range []struct {
		name     string
		certFile string
		paths    []string
		want     string
		err      string
	}{
		{"the first that is there", "", []string{none, publicFile, otherFile}, publicFile, ""},
		{"SSL_CERT_FILE first", otherFile, []string{publicFile}, otherFile, ""},
		{"SSL_CERT_FILE is our bundle", oursFile, []string{publicFile}, publicFile, ""},
		{"the system's file holds ours too", "", []string{oursFile}, oursFile, ""},
		{"SSL_CERT_FILE is missing", none, []string{publicFile}, "", "SSL_CERT_FILE: open"},
		{"SSL_CERT_FILE is nonsense", empty, []string{publicFile}, "", "SSL_CERT_FILE: " + empty + " holds no certificate"},
		{"nonsense", "", []string{empty, publicFile}, "", "holds no certificate"},
		{"nowhere", "", []string{none}, "", "not found in " + none},
	} {
		b, file, err := SystemRootsPEM(SystemOptions{CertFile: c.certFile, Ours: []Root{ours}, Paths: c.paths})
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: error %v", c.name, err)
			}
			continue
		}
		if err != nil || file != c.want || !bytes.Contains(b, []byte("BEGIN CERTIFICATE")) {
			t.Errorf("%s: %s, %v", c.name, file, err)
		}
	}
}
