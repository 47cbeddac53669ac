package signer

import (
	"sync"
	"weak"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/signer/sigv4"
)

// maxS3Signers bounds the entries of s3Signers, most of which are empty.
const maxS3Signers = 1024

// s3Signers keep the signer of one version of a credential from one request to
// the next: deriving its key costs a third of a signature. They are held
// weakly, so that the keys in them go with the next garbage collection, and
// one is used only for the very keys that it was made of: the SDK's signer
// knows them by id and day alone. The zero value is ready.
type s3Signers struct {
	mu   sync.Mutex
	made map[s3SignerKey]weak.Pointer[s3Signer]
}

// s3SignerKey names a signer; a role has several ids.
type s3SignerKey struct {
	credential string
	version    uint64
	id         string
}

type s3Signer struct {
	keys   s3Keys
	signer *sigv4.Signer
	// mask are the keys as what an answer must not show. It is not changed.
	mask []auth.Secret
}

// of returns the signer for keys.
func (s *s3Signers) of(d *auth.Decision, keys s3Keys) *s3Signer {
	key := s3SignerKey{d.CredentialID, d.Version, keys.ID}
	s.mu.Lock()
	made := s.made[key].Value()
	s.mu.Unlock()
	if made != nil && made.keys == keys {
		return made
	}
	mask := appendMask(make([]auth.Secret, 0, 3), keys.Secret)
	mask = appendMask(appendMask(mask, keys.ID), keys.Token)
	made = &s3Signer{keys, sigv4.NewSigner(keys.ID, auth.NewSecret(keys.Secret), auth.NewSecret(keys.Token)), mask[:len(mask):len(mask)]}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.made) >= maxS3Signers {
		clear(s.made)
	}
	if s.made == nil {
		s.made = make(map[s3SignerKey]weak.Pointer[s3Signer])
	}
	s.made[key] = weak.Make(made)
	return made
}
