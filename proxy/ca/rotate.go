package ca

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

const (
	// RolloverPeriod is how long a root stays published after a newer one took
	// its place: time for every worker to fetch the bundle again.
	RolloverPeriod = 30 * 24 * time.Hour
	// maxRoots bounds how many roots are published together, and so what a
	// handshake carries, when somebody rotates again and again.
	maxRoots = 4
)

// Rotate makes a new root and returns it before those of roots that stay
// published beside it: the ones neither expired nor replaced longer than
// RolloverPeriod ago, four in all at most. Nothing changes until the result is
// given to SetRoots; roots itself is left as it is.
func Rotate(roots []Root, now time.Time, name string) ([]Root, error) {
	fresh, err := NewRoot(now, name)
	if err != nil {
		return nil, err
	}
	out := []Root{fresh}
	old, err := newestFirst(roots)
	if err != nil {
		return nil, err
	}
	for i, r := range old {
		if now.After(r.p.cert.NotAfter) || len(out) == maxRoots {
			break
		}
		if i > 0 && now.Sub(old[i-1].p.cert.NotBefore) > RolloverPeriod {
			break
		}
		out = append(out, r)
	}
	return out, nil
}

// newestFirst sorts by the beginning of validity; roots of the same second
// keep the order in which they were given.
func newestFirst(roots []Root) ([]Root, error) {
	out := slices.Clone(roots)
	for _, r := range out {
		if r.p == nil {
			return nil, errors.New("an empty root")
		}
	}
	slices.SortStableFunc(out, func(a, b Root) int { return b.p.cert.NotBefore.Compare(a.p.cert.NotBefore) })
	return out, nil
}

// EncodeRoots writes certificates and keys as PEM, for sealing: the value
// holds private keys in the clear.
func EncodeRoots(roots []Root) []byte {
	var b bytes.Buffer
	for _, r := range roots {
		if r.p == nil {
			continue
		}
		b.Write(encodeCert(r.p.cert.Raw))
		for _, c := range r.p.above {
			b.Write(encodeCert(c.Raw))
		}
		b.WriteString(r.KeyPEM().Reveal())
	}
	return b.Bytes()
}

// DecodeRoots reads what EncodeRoots wrote, in the same order. It does not ask
// whether they are still valid: New does.
func DecodeRoots(b []byte) ([]Root, error) {
	var out []Root
	var certs []byte
	for {
		var block *pem.Block
		if block, b = pem.Decode(b); block == nil {
			break
		}
		if block.Type == pemCertificate {
			certs = append(certs, pem.EncodeToMemory(block)...)
			continue
		}
		chain, err := parseCerts(certs)
		if err != nil {
			return nil, fmt.Errorf("stored root %d: %w", len(out)+1, err)
		}
		key, err := parseKey(auth.NewSecret(string(pem.EncodeToMemory(block))))
		if err != nil {
			return nil, fmt.Errorf("stored root %d: %w", len(out)+1, err)
		}
		out, certs = append(out, Root{p: &root{cert: chain[0], above: chain[1:], key: key}}), nil
	}
	if len(certs) > 0 || len(out) == 0 {
		return nil, errors.New("the stored roots are incomplete")
	}
	return out, nil
}

// cross certifies the key of fresh by old, so that a worker that trusts only
// old still verifies what fresh signs. It is the rung-th certificate of its
// kind in the chain; it is nil where old may not have that many authorities,
// and an intermediate, below it (RFC 5280, section 4.2.1.9).
func cross(old, fresh *root, rung int, now time.Time) ([]byte, error) {
	if n := old.cert.MaxPathLen; n > 0 && n <= rung || n == 0 && old.cert.MaxPathLenZero {
		return nil, nil
	}
	tmpl, err := authorityTemplate(fresh.cert.Subject, fresh.cert.SubjectKeyId)
	if err != nil {
		return nil, err
	}
	tmpl.RawSubject, tmpl.AuthorityKeyId = fresh.cert.RawSubject, old.cert.SubjectKeyId
	tmpl.NotBefore, tmpl.NotAfter = now.Add(-backdate), earlier(fresh.cert.NotAfter, old.cert.NotAfter)
	cert, err := sign(tmpl, old.cert, fresh.cert.PublicKey, old.key)
	if err != nil {
		return nil, fmt.Errorf("certifying the new root by the old one: %w", err)
	}
	return cert.Raw, nil
}
