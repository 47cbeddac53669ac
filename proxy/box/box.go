package box

import (
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// Kind says what a box stands for.
type Kind uint8

// The kinds of boxes. The zero value is none.
const (
	// KindURL is exactly one URL, query and all.
	KindURL Kind = 1
	// KindPrefix is every URL at and below Target's path on its host; the rest
	// of the path and the query come with the request.
	KindPrefix Kind = 2
)

// Box is what is sealed.
type Box struct {
	Kind   Kind
	TeamID string
	KeyID  string
	// Target is where the box leads, byte for byte.
	Target auth.Target
	// Origin is the URL that led there, without its query.
	Origin auth.Target
	// Expires has whole seconds.
	Expires time.Time
}

// Resolve gives the URL that a request for a box means; rest is the escaped
// path after the box ("" or beginning with "/").
func (b Box) Resolve(rest, rawQuery string, hasQuery bool) (auth.Target, error) {
	panic("being written")
}

// CheckIdentity fails with CodeBoxInvalid where id is not whom b was made for.
func (b Box) CheckIdentity(id auth.Identity) error { panic("being written") }

// MaxURL bounds a sealed target in bytes.
const MaxURL = 8 << 10

// MaxLife bounds how far ahead a box may expire.
const MaxLife = 7 * 24 * time.Hour

// Options of a Sealer.
type Options struct {
	// Keys are 32 bytes each: the first seals, all open.
	Keys [][]byte
	Now  func() time.Time
}

// Sealer seals and opens boxes.
type Sealer struct{}

// New makes a Sealer.
func New(o Options) (*Sealer, error) { panic("being written") }

// NewKey makes a key from crypto/rand.
func NewKey() []byte { panic("being written") }

// Seal returns the box as base64url without padding.
func (s *Sealer) Seal(b Box) (string, error) { panic("being written") }

// Open returns what was sealed. The error is *auth.Error with CodeBoxInvalid
// or CodeBoxExpired.
func (s *Sealer) Open(sealed string) (Box, error) { panic("being written") }
