// Package truststore puts roots where clients that take no variable look for
// them, and takes them out again: into the operating system's store by the
// system's own program, or into one PEM file that a library brought along
// (certifi's). Both are idempotent, and undone without a trace.
package truststore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// System is the operating system's store.
type System struct {
	// Root is the directory of another system, such as an image that is being
	// built; its own program is run in it by chroot(8). Empty means this one.
	Root string
	// Run runs a program of the system; nil means the real one.
	Run func(ctx context.Context, name string, args ...string) ([]byte, error)
}

// ErrUnknown says that this system's store is not one that we know to change.
var ErrUnknown = errors.New("the store of this operating system is not one that weighbridge changes")

// kind is a family of systems: where an operator puts further roots, what
// makes them count, and the bundle that comes of it.
type kind struct {
	name, anchors, suffix, program string
	args                           []string
	bundles                        []string
	// bare systems of this kind come without the directory.
	bare bool
}

// kinds are in the order in which they are looked for. Sources: the manual
// pages update-ca-certificates(8) of Debian, Alpine and SUSE,
// update-ca-trust(8) of Fedora and RHEL, trust(1) of p11-kit for Arch.
var kinds = [...]kind{
	{"RHEL and Fedora", "/etc/pki/ca-trust/source/anchors", ".pem", "update-ca-trust", []string{"extract"}, []string{"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"}, false},
	{"SUSE", "/etc/pki/trust/anchors", ".pem", "update-ca-certificates", nil, []string{"/var/lib/ca-certificates/ca-bundle.pem", "/etc/ssl/ca-bundle.pem"}, false},
	{"Arch", "/etc/ca-certificates/trust-source/anchors", ".crt", "trust", []string{"extract-compat"}, []string{"/etc/ssl/certs/ca-certificates.crt"}, false},
	{"Debian, Ubuntu and Alpine", "/usr/local/share/ca-certificates", ".crt", "update-ca-certificates", nil, []string{"/etc/ssl/certs/ca-certificates.crt"}, true},
}

// prefix begins the names of our files; the rest is the fingerprint.
const prefix = "weighbridge-"

// Fingerprint is the SHA-256 of a certificate in lower-case hexadecimal.
func Fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}

// Change is what was done to a store.
type Change struct {
	// Store names it in words, Path is where its roots are.
	Store, Path string
	// Changed are the fingerprints of the roots that were put in or taken out,
	// Unchanged those of which nothing had to be done.
	Changed, Unchanged []string
}

// find says which family this system is of.
func (s *System) find() (*kind, error) {
	for i := range kinds {
		k := &kinds[i]
		if info, err := os.Stat(s.path(k.anchors)); (err != nil || !info.IsDir()) && !k.bare {
			continue
		}
		if _, err := s.program(k.program); err == nil {
			return k, nil
		}
	}
	return nil, ErrUnknown
}

func (s *System) path(p string) string { return filepath.Join("/", s.Root, p) }

// sbin is where the programs of system administration are, which is not in
// every PATH.
var sbin = [...]string{"/usr/sbin", "/sbin", "/usr/bin", "/bin"}

func (s *System) program(name string) (string, error) {
	if p, err := exec.LookPath(name); err == nil && s.Root == "" {
		return p, nil
	}
	for _, dir := range sbin {
		if _, err := exec.LookPath(s.path(filepath.Join(dir, name))); err == nil {
			return filepath.Join(dir, name), nil
		}
	}
	return "", fmt.Errorf("%s: %w", name, exec.ErrNotFound)
}

// Install makes the store trust roots. Where the system's program fails, what
// was written is taken away again.
func (s *System) Install(ctx context.Context, roots []*x509.Certificate) (Change, error) {
	k, err := s.find()
	if err != nil {
		return Change{}, err
	}
	dir := s.path(k.anchors)
	out := Change{Store: k.name, Path: dir}
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // certificates are public
		return out, err
	}
	var written []string
	undo := func() {
		for _, f := range written {
			_ = os.Remove(f) // the error that led here counts
		}
	}
	for _, c := range roots {
		file, text := filepath.Join(dir, prefix+Fingerprint(c)[:32]+k.suffix), encode(c)
		if old, err := os.ReadFile(file); err == nil && bytes.Equal(old, text) && s.holds(k, c) {
			out.Unchanged = append(out.Unchanged, Fingerprint(c))
			continue
		}
		if err := writeFile(file, text); err != nil {
			undo()
			return out, err
		}
		written, out.Changed = append(written, file), append(out.Changed, Fingerprint(c))
	}
	if len(written) == 0 {
		return out, nil
	}
	if err := s.update(ctx, k); err != nil {
		undo()
		return out, err
	}
	for _, c := range roots {
		if !s.holds(k, c) {
			undo()
			return out, fmt.Errorf("%s ended well, and the root %s is not in %s", k.program, Fingerprint(c), s.path(k.bundles[0]))
		}
	}
	return out, nil
}

// Uninstall takes roots of ours out: those with the fingerprints of only, or
// all where only is nil. Files that are not ours are not touched.
func (s *System) Uninstall(ctx context.Context, only []string) (Change, error) {
	k, err := s.find()
	if err != nil {
		return Change{}, err
	}
	dir := s.path(k.anchors)
	out := Change{Store: k.name, Path: dir}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return out, nil
	}
	if err != nil {
		return out, err
	}
	for _, e := range entries {
		file := filepath.Join(dir, e.Name())
		if !strings.HasPrefix(e.Name(), prefix) || !e.Type().IsRegular() {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return out, err
		}
		c := certificate(text)
		if c == nil || e.Name() != prefix+Fingerprint(c)[:32]+k.suffix || only != nil && !slices.Contains(only, Fingerprint(c)) {
			continue
		}
		if err := os.Remove(file); err != nil {
			return out, err
		}
		out.Changed = append(out.Changed, Fingerprint(c))
	}
	if len(out.Changed) == 0 {
		return out, nil
	}
	return out, s.update(ctx, k)
}

// update has the system's program take in what changed.
func (s *System) update(ctx context.Context, k *kind) error {
	run := s.Run
	if run == nil {
		run = runProgram
	}
	name, err := s.program(k.program)
	if err != nil {
		return err
	}
	args := k.args
	if s.Root != "" {
		name, args = "chroot", append([]string{s.Root, name}, args...)
	}
	out, err := run(ctx, name, args...)
	if err != nil {
		return fmt.Errorf("%s: %w: %s", k.program, err, lastLine(out))
	}
	return nil
}

func runProgram(ctx context.Context, name string, args ...string) ([]byte, error) {
	return exec.CommandContext(ctx, name, args...).CombinedOutput()
}

// holds reports whether the bundle that clients read has c.
func (s *System) holds(k *kind, c *x509.Certificate) bool {
	for _, b := range k.bundles {
		text, err := os.ReadFile(s.path(b))
		if err != nil {
			continue
		}
		for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
			if bytes.Equal(block.Bytes, c.Raw) {
				return true
			}
		}
	}
	return false
}

func encode(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

// certificate is the only one in text, or nil.
func certificate(text []byte) *x509.Certificate {
	block, rest := pem.Decode(text)
	if block == nil || len(bytes.TrimSpace(rest)) != 0 {
		return nil
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil
	}
	return c
}

// writeFile writes a file whole or not at all, readable for everybody.
func writeFile(file string, text []byte) error {
	mode := fs.FileMode(0o644)
	if info, err := os.Stat(file); err == nil {
		mode = info.Mode().Perm()
	}
	f, err := os.CreateTemp(filepath.Dir(file), ".weighbridge-")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // gone already where all went well
	_, err = f.Write(text)
	if err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}

func lastLine(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1]
}
