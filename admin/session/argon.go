package session

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/argon2"

	"github.com/weighbridge/weighbridge/auth"
)

// cost is what one hash takes.
type cost struct {
	memory  uint32 // KiB
	passes  uint32
	threads uint8
}

// usual is the first of the equal settings that the OWASP Password Storage
// Cheat Sheet names for argon2id: 19 MiB, two passes, one lane.
func usual() cost { return cost{memory: 19 << 10, passes: 2, threads: 1} }

const (
	// saltSize is RFC 9106, section 3.1: 128 bits are enough for all uses.
	saltSize = 16
	// hashSize is the tag of RFC 9106, section 4: 256 bits.
	hashSize = 32
	// hashing is how many hashes are reckoned at a time, and hashingKnown how
	// many beside them for devices that have signed in before, which a flood of
	// others thus does not keep out. All sign-ins together take 57 MiB of memory
	// at most. More at a time end no sooner.
	hashing      = 2
	hashingKnown = 1
	// maxWaiting is how many wait for their turn, and maxWait how long: a hash
	// takes some 20 ms, so that who is in line at all comes in.
	maxWaiting = 128
	maxWait    = 5 * time.Second
)

// errBusy is what a sign-in ends with where too many others are under way.
var errBusy = errors.New("too many sign-ins are under way")

// hasher reckons and compares password hashes, a few at a time.
type hasher struct {
	cost cost
	// strangers and known are the lines for either.
	strangers, known lane
	// nobody is what a password of no user is compared with, so that it takes
	// as long as any.
	nobody auth.PasswordHash
}

// lane is a line of those who wait, with so many at a time at its head.
type lane struct {
	slots chan struct{} // holds who is reckoning
	line  chan struct{} // and who waits, too
}

func newLane(slots int) lane {
	return lane{make(chan struct{}, slots), make(chan struct{}, slots+maxWaiting)}
}

func newHasher(c cost) *hasher {
	h := &hasher{cost: c, strangers: newLane(hashing), known: newLane(hashingKnown)}
	// No password has this hash: it is random itself.
	var sum [hashSize]byte
	_, _ = rand.Read(sum[:])
	h.nobody = encode(c, newSalt(), sum[:])
	return h
}

func newSalt() []byte {
	salt := make([]byte, saltSize)
	_, _ = rand.Read(salt) // never fails since Go 1.24
	return salt
}

// turn waits until fn may reckon, and runs it.
func (l lane) turn(ctx context.Context, fn func()) error {
	select {
	case l.line <- struct{}{}:
		defer func() { <-l.line }()
	default:
		return errBusy
	}
	wait, stop := context.WithTimeout(ctx, maxWait)
	defer stop()
	select {
	case l.slots <- struct{}{}:
		defer func() { <-l.slots }()
		fn()
		return nil
	case <-wait.Done():
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return errBusy
	}
}

// hash reckons what is stored of a password, for somebody who may set one.
func (h *hasher) hash(ctx context.Context, password auth.Secret) (out auth.PasswordHash, err error) {
	err = h.known.turn(ctx, func() {
		salt := newSalt()
		out = encode(h.cost, salt, reckon(h.cost, password, salt, hashSize))
	})
	return out, err
}

// same reports whether password is the one of which stored was made. Where
// stored is zero it takes as long, and is false. known is whether the device is.
func (h *hasher) same(ctx context.Context, stored auth.PasswordHash, password auth.Secret, known bool) (ok bool, err error) {
	none := stored.IsZero()
	if none {
		stored = h.nobody
	}
	c, salt, want, err := decode(stored)
	if err != nil {
		return false, err
	}
	l := h.strangers
	if known {
		l = h.known
	}
	err = l.turn(ctx, func() {
		ok = subtle.ConstantTimeCompare(reckon(c, password, salt, len(want)), want) == 1
	})
	return ok && !none && err == nil, err
}

func reckon(c cost, password auth.Secret, salt []byte, size int) []byte {
	return argon2.IDKey([]byte(password.Reveal()), salt, c.passes, c.memory, c.threads, uint32(size))
}

// encode writes the PHC string form, as every other implementation of argon2
// does: $argon2id$v=19$m=…,t=…,p=…$salt$hash, in base64 without padding.
func encode(c cost, salt, sum []byte) auth.PasswordHash {
	b64 := base64.RawStdEncoding.EncodeToString
	return auth.NewPasswordHash(fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, c.memory, c.passes, c.threads, b64(salt), b64(sum)))
}

var errHash = errors.New("a stored password hash is not one of argon2id that can be reckoned here")

// decode reads what encode wrote, at any cost up to sixteen times the usual:
// what is stored is authenticated, and still no row may take all memory.
func decode(stored auth.PasswordHash) (c cost, salt, sum []byte, err error) {
	parts := strings.Split(stored.Reveal(), "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return c, nil, nil, errHash
	}
	n, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &c.memory, &c.passes, &c.threads)
	if err != nil || n != 3 || fmt.Sprintf("m=%d,t=%d,p=%d", c.memory, c.passes, c.threads) != parts[3] {
		return c, nil, nil, errHash
	}
	salt, err = base64.RawStdEncoding.Strict().DecodeString(parts[4])
	if err == nil {
		sum, err = base64.RawStdEncoding.Strict().DecodeString(parts[5])
	}
	most := usual()
	if err != nil || len(salt) < 8 || len(sum) < saltSize || len(salt)+len(sum) > 256 ||
		c.memory < 8*uint32(c.threads) || c.memory > 16*most.memory || c.passes < 1 || c.passes > 16*most.passes || c.threads < 1 {
		return c, nil, nil, errHash
	}
	return c, salt, sum, nil
}
