package chain

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"hash"
)

// What the keys are derived for. A change of the form of lines is a new number.
const (
	infoChain = "weighbridge audit chain 1"
	infoHead  = "weighbridge audit head 1"
)

// text is how MACs and signatures stand in a line (RFC 4648, section 5).
var text = base64.RawURLEncoding

// Keys are those of all chains of one weighbridge, and the one that signs
// heads. Printing them prints an address.
type Keys struct{ p *keys }

type keys struct {
	chain []byte
	head  ed25519.PrivateKey
}

// NewKeys derives the keys from root by HKDF-SHA-256 (RFC 5869), which must be
// at least 256 random bits and is not kept.
func NewKeys(root []byte) (*Keys, error) {
	chain, err := hkdf.Key(sha256.New, root, nil, infoChain, sha256.Size)
	if err != nil {
		return nil, err
	}
	seed, err := hkdf.Key(sha256.New, root, nil, infoHead, ed25519.SeedSize)
	if err != nil {
		return nil, err
	}
	return &Keys{&keys{chain: chain, head: ed25519.NewKeyFromSeed(seed)}}, nil
}

// Public verifies what heads are signed with. It may be shown to everybody.
func (k *Keys) Public() string {
	return text.EncodeToString(k.p.head.Public().(ed25519.PublicKey))
}

// of is HMAC-SHA-256 under the key of one team's chain in one writer. That key
// is derived, so that the key of one chain could be given away without those
// of the others.
func (k *Keys) of(writer, team string) hash.Hash {
	mac := hmac.New(sha256.New, k.p.chain)
	b := binary.BigEndian.AppendUint32(nil, uint32(len(writer))) //nolint:gosec // a name
	b = append(append(b, writer...), team...)
	mac.Write(b)
	return hmac.New(sha256.New, mac.Sum(nil))
}

// signed is what a signature is made of.
func signed(line []byte) []byte { return append([]byte(infoHead+"\x00"), line...) }

// appendSignature signs line, which is without its end, and appends the
// signature to dst.
func (k *Keys) appendSignature(dst, line []byte) []byte {
	return text.AppendEncode(dst, ed25519.Sign(k.p.head, signed(line)))
}

// signedBy reports whether sig is the signature of line.
func (k *Keys) signedBy(line []byte, sig string) bool {
	b, err := text.DecodeString(sig)
	return err == nil && ed25519.Verify(k.p.head.Public().(ed25519.PublicKey), signed(line), b)
}
