package truststore_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/internal/house/origin"
	"github.com/weighbridge/weighbridge/internal/trial"
	"github.com/weighbridge/weighbridge/internal/truststore"
)

func root(t *testing.T) *x509.Certificate {
	t.Helper()
	a, err := origin.NewAuthority(nil)
	if err != nil {
		t.Fatal(err)
	}
	return trial.Certificates(a.RootPEM())[0]
}

// other is a system of some family, whose program puts its anchors together.
type other struct {
	t       *testing.T
	root    string
	anchors string
	bundle  string
	ran     []string
	fails   bool
}

func newOther(t *testing.T, anchors, program, bundle string) *other {
	t.Helper()
	o := &other{t: t, root: t.TempDir(), anchors: anchors, bundle: bundle}
	for _, dir := range []string{"/usr/sbin", anchors, filepath.Dir(bundle)} {
		if err := os.MkdirAll(filepath.Join(o.root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(o.root, "/usr/sbin", program), []byte("#!/bin/sh\n"), 0o755); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
	return o
}

func (o *other) system() *truststore.System {
	return &truststore.System{Root: o.root, Run: func(_ context.Context, name string, args ...string) ([]byte, error) {
		o.ran = append(o.ran, strings.Join(append([]string{name}, args...), " "))
		if o.fails {
			return []byte("no space left"), errors.New("exit status 1")
		}
		return nil, os.WriteFile(filepath.Join(o.root, o.bundle), o.all(), 0o600)
	}}
}

// all is what the anchors hold.
func (o *other) all() []byte {
	var out []byte
	files, err := filepath.Glob(filepath.Join(o.root, o.anchors, "*"))
	if err != nil {
		o.t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			o.t.Fatal(err)
		}
		out = append(out, b...)
	}
	return out
}

func TestFamilies(t *testing.T) {
	for name, c := range map[string]struct{ anchors, program, bundle, command string }{
		"Debian": {"/usr/local/share/ca-certificates", "update-ca-certificates", "/etc/ssl/certs/ca-certificates.crt", "/usr/sbin/update-ca-certificates"},
		"RHEL":   {"/etc/pki/ca-trust/source/anchors", "update-ca-trust", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/usr/sbin/update-ca-trust extract"},
		"SUSE":   {"/etc/pki/trust/anchors", "update-ca-certificates", "/var/lib/ca-certificates/ca-bundle.pem", "/usr/sbin/update-ca-certificates"},
		"Arch":   {"/etc/ca-certificates/trust-source/anchors", "trust", "/etc/ssl/certs/ca-certificates.crt", "/usr/sbin/trust extract-compat"},
	} {
		o := newOther(t, c.anchors, c.program, c.bundle)
		theirs := filepath.Join(o.root, c.anchors, "weighbridge-theirs.crt")
		if err := os.WriteFile(theirs, []byte("not ours\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		one, two := root(t), root(t)
		for round, want := range []int{2, 0} { // the second time nothing is to be done
			done, err := o.system().Install(t.Context(), []*x509.Certificate{one, two})
			if err != nil || len(done.Changed) != want || len(done.Unchanged) != 2-want {
				t.Fatalf("%s, round %d: %+v, %v", name, round, done, err)
			}
		}
		if want := "chroot " + o.root + " " + c.command; len(o.ran) != 1 || o.ran[0] != want {
			t.Errorf("%s: ran %q, not %q", name, o.ran, want)
		}
		done, err := o.system().Uninstall(t.Context(), []string{truststore.Fingerprint(one)})
		if err != nil || len(done.Changed) != 1 || done.Changed[0] != truststore.Fingerprint(one) {
			t.Fatalf("%s: %+v, %v", name, done, err)
		}
		if done, err = o.system().Uninstall(t.Context(), nil); err != nil || len(done.Changed) != 1 {
			t.Fatalf("%s: %+v, %v", name, done, err)
		}
		if done, err = o.system().Uninstall(t.Context(), nil); err != nil || len(done.Changed) != 0 {
			t.Fatalf("%s: %+v, %v", name, done, err)
		}
		if got := o.all(); string(got) != "not ours\n" {
			t.Errorf("%s: what is not ours was touched: %q", name, got)
		}
	}
}

// Where the system's program fails, its next run must not find what nobody was
// told of.
func TestFailureLeavesNothing(t *testing.T) {
	o := newOther(t, "/usr/local/share/ca-certificates", "update-ca-certificates", "/etc/ssl/certs/ca-certificates.crt")
	o.fails = true
	if _, err := o.system().Install(t.Context(), []*x509.Certificate{root(t)}); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("%v", err)
	}
	if got := o.all(); len(got) != 0 {
		t.Errorf("there is left: %s", got)
	}
	if _, err := (&truststore.System{Root: t.TempDir()}).Install(t.Context(), []*x509.Certificate{root(t)}); !errors.Is(err, truststore.ErrUnknown) {
		t.Errorf("an empty system: %v", err)
	}
}

// certifi's file gets our roots behind its own, through a link, once, and is
// byte for byte what it was when they are taken out.
func TestFile(t *testing.T) {
	dir := t.TempDir()
	public, err := origin.NewAuthority(nil)
	if err != nil {
		t.Fatal(err)
	}
	before := append([]byte("# Issuer: somebody\n"), public.RootPEM()...)
	real, link := filepath.Join(dir, "cacert.pem"), filepath.Join(dir, "link.pem")
	if err := errors.Join(os.WriteFile(real, before, 0o640), os.Symlink(real, link)); err != nil {
		t.Fatal(err)
	}
	one, two := root(t), root(t)
	for _, want := range []int{2, 0} {
		if done, err := truststore.InstallFile(link, []*x509.Certificate{one, two}); err != nil || len(done.Changed) != want {
			t.Fatalf("%+v, %v", done, err)
		}
	}
	text, err := os.ReadFile(real)
	if err != nil || len(trial.Certificates(text)) != 3 || !bytes.HasPrefix(text, before) {
		t.Fatalf("%v\n%s", err, text)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode().IsRegular() {
		t.Error("the link is none any more")
	}
	if info, err := os.Stat(real); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v", info.Mode())
	}
	if done, err := truststore.UninstallFile(link, []string{truststore.Fingerprint(two)}); err != nil || len(done.Changed) != 1 {
		t.Fatalf("%+v, %v", done, err)
	}
	if done, err := truststore.UninstallFile(link, nil); err != nil || len(done.Changed) != 1 {
		t.Fatalf("%+v, %v", done, err)
	}
	if after, err := os.ReadFile(real); err != nil || !bytes.Equal(after, before) {
		t.Errorf("%v\n%s", err, after)
	}
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := truststore.InstallFile(empty, []*x509.Certificate{one}); err == nil {
		t.Error("a file without a certificate was taken for a bundle")
	}
}
