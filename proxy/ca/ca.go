package ca

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// ErrServerName is in the tree of the error of a handshake whose server name
// is not the host of the CONNECT. That error is an *auth.Error with
// CodeMisdirected.
var ErrServerName = errors.New("server name is not the host of the tunnel")

// ErrHostOutside is in the tree of the error for a host that the team's name
// constraints do not cover.
var ErrHostOutside = errors.New("host is outside the team's name constraints")

// Root is a certificate authority that workers trust, with its key.
type Root struct{}

// NewRoot makes a root: P-256, self-signed, ten years.
func NewRoot(now time.Time, name string) (Root, error) { panic("being written") }

// ParseRoot takes an operator's own authority.
func ParseRoot(certPEM []byte, keyPEM auth.Secret, now time.Time) (Root, error) {
	panic("being written")
}

// Rotate puts a new root before the others.
func Rotate(roots []Root, now time.Time, name string) ([]Root, error) { panic("being written") }

// EncodeRoots writes certificates and keys for sealing; DecodeRoots reads them.
func EncodeRoots(roots []Root) []byte { panic("being written") }

// DecodeRoots reads what EncodeRoots wrote.
func DecodeRoots(b []byte) ([]Root, error) { panic("being written") }

// Certificate is the root's certificate.
func (r Root) Certificate() *x509.Certificate { panic("being written") }

// CertPEM is what workers must trust.
func (r Root) CertPEM() []byte { panic("being written") }

// KeyPEM is the key, PKCS #8.
func (r Root) KeyPEM() auth.Secret { panic("being written") }

// Fingerprint is SHA-256 of the certificate, in hexadecimal.
func (r Root) Fingerprint() string { panic("being written") }

// Options of an Authority.
type Options struct {
	Roots            []Root
	Now              func() time.Time
	LeafLife         time.Duration
	IntermediateLife time.Duration
	CacheSize        int
}

// Authority mints leaf certificates for the hosts of teams.
type Authority struct{}

// New makes an Authority.
func New(o Options) (*Authority, error) { panic("being written") }

// Certificate returns the leaf for host with its chain, minting it where the
// cache has none. hosts is what Snapshot.InterceptHosts(teamID) says.
func (a *Authority) Certificate(ctx context.Context, teamID, host string, hosts []string) (*tls.Certificate, error) {
	panic("being written")
}

// ConfigFor returns the one server configuration for (teamID, host).
func (a *Authority) ConfigFor(ctx context.Context, teamID, host string, hosts []string) (*tls.Config, error) {
	panic("being written")
}

// ListenerConfig is for the proxy's own TLS listener (tls.own_ca).
func (a *Authority) ListenerConfig(names []string) (*tls.Config, error) { panic("being written") }

// SetRoots replaces the roots, for rollover.
func (a *Authority) SetRoots(roots []Root) error { panic("being written") }

// RootsPEM is every published root.
func (a *Authority) RootsPEM() []byte { panic("being written") }

// Bundle is public roots and ours, what a worker's CA variables must name.
func (a *Authority) Bundle(public []byte) []byte { panic("being written") }

// SystemOptions says where SystemRootsPEM looks.
type SystemOptions struct {
	// CertFile is the value of SSL_CERT_FILE, or empty.
	CertFile string
	// Ours are our roots: a file that holds one of them is not public.
	Ours []Root
	// Paths are the files to try; nil means the known ones.
	Paths []string
}

// SystemRootsPEM reads the machine's public roots and says from which file.
func SystemRootsPEM(o SystemOptions) (pem []byte, file string, err error) { panic("being written") }
