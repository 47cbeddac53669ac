package ca

import (
	"bytes"
	"errors"
	"fmt"
	"time"
)

// hierarchy is one immutable state of the roots.
type hierarchy struct {
	// signer is the newest root that is valid.
	signer *root
	// above is sent after each intermediate: the signer's own chain, and a ladder
	// down the older roots, on which each certifies the key of the one that
	// replaced it. A worker whose bundle is older than the last rollovers goes
	// on downloading, also one whose client (OpenSSL) tries a single chain and
	// takes the first certificate that fits.
	above [][]byte
	// published are all roots, the newest first.
	published []Root
}

func (h *hierarchy) valid(now time.Time) bool {
	return !now.Before(h.signer.cert.NotBefore) && now.Before(h.signer.cert.NotAfter)
}

// SetRoots replaces the roots, for rollover: new handshakes get certificates
// of the newest valid one at once, connections go on as they are. After an
// error nothing has changed.
func (a *Authority) SetRoots(roots []Root) error {
	h, err := newHierarchy(roots, a.now())
	if err != nil {
		return err
	}
	a.hierarchy.Store(h)
	// Entries of the old hierarchy can no longer be reached: their keys name
	// it. Configurations stay, for their session tickets.
	a.teams.clear()
	a.leaves.clear()
	return nil
}

func newHierarchy(roots []Root, now time.Time) (*hierarchy, error) {
	sorted, err := newestFirst(roots)
	if err != nil {
		return nil, err
	}
	if len(sorted) == 0 {
		return nil, errors.New("an authority needs a root")
	}
	h := &hierarchy{}
	var below *root // whose key the next older root certifies
	rungs := 0
	for _, r := range sorted {
		switch c := r.p.cert; {
		case now.After(c.NotAfter):
			continue // published no longer: it verifies nothing
		case h.signer == nil && !now.Before(c.NotBefore):
			h.signer, below = r.p, r.p
			h.above = r.p.sent()
		case h.signer != nil:
			x, err := cross(r.p, below, rungs+1, now)
			if err != nil {
				return nil, err
			}
			if x != nil {
				h.above = append(append(h.above, x), r.p.sent()...)
				below, rungs = r.p, rungs+1
			}
		}
		h.published = append(h.published, r)
	}
	if h.signer == nil {
		c := sorted[0].p.cert
		return nil, fmt.Errorf("no root is valid at %s: the newest, %q, is from %s to %s", now.UTC().Format(time.RFC3339), c.Subject.String(), c.NotBefore.UTC().Format(time.RFC3339), c.NotAfter.UTC().Format(time.RFC3339))
	}
	return h, nil
}

// Roots are the published roots, the newest first.
func (a *Authority) Roots() []Root { return append([]Root(nil), a.hierarchy.Load().published...) }

// RootsPEM is every published root, the newest first: what ca.pem serves.
func (a *Authority) RootsPEM() []byte {
	var b bytes.Buffer
	for _, r := range a.hierarchy.Load().published {
		b.Write(r.CertPEM())
	}
	return b.Bytes()
}
