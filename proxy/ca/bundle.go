package ca

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// Bundle is the certificates of public followed by our published roots, each
// once: what a worker's CA variables must name, because most of them replace
// the trust store instead of adding to it.
func (a *Authority) Bundle(public []byte) []byte { return Merge(public, a.RootsPEM()) }

// Merge is the certificates of PEM sources in their order, each once. What else
// stands in them, such as comments and keys, is left out.
func Merge(sources ...[]byte) []byte {
	var b bytes.Buffer
	seen := map[string]bool{}
	for _, src := range sources {
		for der := range certificates(src) {
			if !seen[string(der)] {
				seen[string(der)] = true
				b.Write(encodeCert(der))
			}
		}
	}
	return b.Bytes()
}

// certificates yields the DER of each PEM block CERTIFICATE of src.
func certificates(src []byte) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for rest := src; ; {
			var block *pem.Block
			if block, rest = pem.Decode(rest); block == nil {
				return
			}
			if block.Type == pemCertificate && !yield(block.Bytes) {
				return
			}
		}
	}
}

// systemBundles is where systems keep their public roots in one file.
func systemBundles() []string {
	return []string{
		"/etc/ssl/certs/ca-certificates.crt",                // Debian, Ubuntu, Arch, Gentoo
		"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // RHEL 7 and later, Fedora
		"/etc/pki/tls/certs/ca-bundle.crt",                  // RHEL 6, Amazon Linux
		"/etc/ssl/ca-bundle.pem",                            // SUSE
		"/etc/ssl/cert.pem",                                 // Alpine, FreeBSD, macOS
		"/usr/local/etc/ssl/cert.pem",                       // FreeBSD
		"/usr/local/share/certs/ca-root-nss.crt",            // FreeBSD before 14
	}
}

// SystemOptions says where SystemRootsPEM looks.
type SystemOptions struct {
	// CertFile is the value of SSL_CERT_FILE, or empty. It is taken first, as
	// OpenSSL and Go do, unless it is a bundle of ours: a machine that uses
	// weighbridge itself must not have its bundle grow out of itself.
	CertFile string
	// Ours are our roots, by which a bundle of ours is known.
	Ours []Root
	// Paths are the files to try, in order; nil means the known ones of
	// Debian, RHEL, SUSE, Alpine, FreeBSD and macOS.
	Paths []string
}

// SystemRootsPEM reads the machine's public roots and says from which file.
// Its error says where it looked.
func SystemRootsPEM(o SystemOptions) (roots []byte, file string, err error) {
	if o.CertFile != "" {
		b, err := readBundle(o.CertFile, o.Ours)
		switch {
		case err == nil:
			return b, o.CertFile, nil
		case !errors.Is(err, errOurs):
			return nil, "", fmt.Errorf("SSL_CERT_FILE: %w", err)
		}
	}
	paths := o.Paths
	if paths == nil {
		paths = systemBundles()
	}
	for _, p := range paths {
		b, err := readBundle(p, nil) // may hold ours, where somebody installed it
		switch {
		case err == nil:
			return b, p, nil
		case !errors.Is(err, fs.ErrNotExist):
			return nil, "", err
		}
	}
	return nil, "", fmt.Errorf("the system's public roots were not found in %s; install the package ca-certificates, or name a file in SSL_CERT_FILE", strings.Join(paths, ", "))
}

var errOurs = errors.New("a bundle of this weighbridge")

// readBundle reads a file with at least one certificate; errOurs where one of
// ours is among them.
func readBundle(file string, ours []Root) ([]byte, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	n := 0
	for der := range certificates(b) {
		n++
		for _, r := range ours {
			if r.p != nil && bytes.Equal(der, r.p.anchor().Raw) {
				return nil, errOurs
			}
		}
	}
	if n == 0 {
		return nil, fmt.Errorf("%s holds no certificate", file)
	}
	return b, nil
}
