package wire

import (
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// minRSABits is the least that the CA/Browser Forum's baseline requirements
// (section 6.1.5) and NIST SP 800-131A accept.
const minRSABits = 2048

// sessionsPerDest bounds the TLS sessions kept for resumption at one Dest.
const sessionsPerDest = 4

// tlsConfig makes the configuration for d from the operator's base. Only what
// cannot weaken verification is taken from base.
func tlsConfig(base *tls.Config, d Dest) *tls.Config {
	cfg := &tls.Config{
		ServerName:         d.Host,
		NextProtos:         []string{"http/1.1"},
		MinVersion:         tls.VersionTLS12,
		ClientSessionCache: tls.NewLRUClientSessionCache(sessionsPerDest),
	}
	var policy func(tls.ConnectionState) error
	if base != nil {
		cfg.RootCAs = base.RootCAs
		cfg.MinVersion = max(cfg.MinVersion, base.MinVersion)
		cfg.Time = base.Time
		policy = base.VerifyConnection
	}
	cfg.VerifyConnection = func(s tls.ConnectionState) error {
		if p := s.NegotiatedProtocol; p != "" && p != "http/1.1" {
			return fmt.Errorf("the server chose the protocol %q", p)
		}
		if err := strongKeys(s); err != nil {
			return err
		}
		if policy != nil {
			if err := policy(s); err != nil {
				return &policyError{err}
			}
		}
		return nil
	}
	return cfg
}

// weakKeyError is an RSA key that is too short, in a chain that is otherwise fine.
type weakKeyError struct{ bits int }

func (e *weakKeyError) Error() string { return fmt.Sprintf("an RSA key of %d bits", e.bits) }

// policyError is a refusal by the operator's own VerifyConnection.
type policyError struct{ error }

func (e *policyError) Unwrap() error { return e.error }

// strongKeys refuses connections none of whose verified chains has strong keys
// all the way.
func strongKeys(s tls.ConnectionState) error {
	if len(s.VerifiedChains) == 0 {
		return errors.New("no verified chain") // verification must not be off
	}
	var weak error
	for _, chain := range s.VerifiedChains {
		weak = nil
		for _, c := range chain {
			if k, ok := c.PublicKey.(*rsa.PublicKey); ok && k.N.BitLen() < minRSABits {
				weak = &weakKeyError{k.N.BitLen()}
			}
		}
		if weak == nil {
			return nil
		}
	}
	return weak
}

// handshakeError says in public words why TLS to d failed. now is the clock
// that certificates were checked by.
func handshakeError(d Dest, err error, now time.Time) *auth.Error {
	refuse := func(why string) *auth.Error {
		return auth.NewError(auth.CodeUpstreamTLS, "TLS to "+d.Host+" failed: "+why, err)
	}
	if e, ok := errors.AsType[*policyError](err); ok {
		return refuse("the certificate is refused by policy: " + e.Error())
	}
	if e, ok := errors.AsType[*weakKeyError](err); ok {
		return refuse("the certificate is weak: " + e.Error())
	}
	if e, ok := errors.AsType[x509.HostnameError](err); ok {
		if e.Certificate != nil && len(e.Certificate.DNSNames) == 0 && len(e.Certificate.IPAddresses) == 0 {
			return refuse("the certificate names no host (no subject alternative name)")
		}
		return refuse("the certificate is for another host")
	}
	if e, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		// crypto/x509 hides an insecure signature behind this error.
		if e.Cert != nil && insecure(e.Cert.SignatureAlgorithm) {
			return refuse("the certificate is weak: signed with " + e.Cert.SignatureAlgorithm.String())
		}
		if e.Cert != nil && e.Cert.Subject.String() == e.Cert.Issuer.String() {
			return refuse("the certificate is self-signed, or its authority is unknown")
		}
		return refuse("the certificate is signed by an unknown authority")
	}
	if e, ok := errors.AsType[x509.InsecureAlgorithmError](err); ok {
		return refuse("the certificate is weak: signed with " + x509.SignatureAlgorithm(e).String())
	}
	if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		return refuse(invalidCertificate(e, now))
	}
	if _, ok := errors.AsType[x509.UnhandledCriticalExtension](err); ok {
		return refuse("the certificate has a critical extension that is not understood")
	}
	if e, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return refuse("the certificate is not accepted: " + e.Err.Error())
	}
	if e, ok := errors.AsType[*net.OpError](err); ok && e.Op == "remote error" { // crypto/tls's word for an alert
		return refuse("the server sent the alert: " + strings.TrimPrefix(e.Err.Error(), "tls: "))
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return refuse("the server does not speak TLS")
	}
	if t, ok := errors.AsType[net.Error](err); ok && t.Timeout() {
		return auth.NewError(auth.CodeUpstreamTimeout, "TLS to "+d.Host+" was not established in time", err)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return auth.NewError(auth.CodeUpstreamUnreachable, d.Host+" closed the connection while TLS was established", err)
	}
	return refuse("the handshake was not accepted")
}

// insecure are the signatures that crypto/x509 does not accept.
func insecure(a x509.SignatureAlgorithm) bool {
	switch a {
	case x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1:
		return true
	default:
		return false
	}
}

func invalidCertificate(e x509.CertificateInvalidError, now time.Time) string {
	switch e.Reason {
	case x509.Expired:
		if e.Cert != nil && now.Before(e.Cert.NotBefore) {
			return "the certificate is not valid before " + e.Cert.NotBefore.UTC().Format(time.RFC3339)
		}
		if e.Cert != nil {
			return "the certificate expired at " + e.Cert.NotAfter.UTC().Format(time.RFC3339)
		}
		return "the certificate has expired"
	case x509.CANotAuthorizedForThisName, x509.NameConstraintsWithoutSANs, x509.TooManyConstraints, x509.UnconstrainedName:
		return "the certificate is outside its authority's name constraints"
	case x509.NotAuthorizedToSign:
		return "the certificate is signed by one that is no authority"
	case x509.IncompatibleUsage, x509.CANotAuthorizedForExtKeyUsage:
		return "the certificate is not for servers"
	case x509.TooManyIntermediates:
		return "the certificate's chain is longer than its authority allows"
	default:
		return "the certificate is not valid"
	}
}
