package ca

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// ErrHostOutside is in the tree of the error for a host that the team's name
// constraints do not cover.
var ErrHostOutside = errors.New("host is outside the team's name constraints")

// The defaults of Options.
const (
	DefaultLeafLife         = 24 * time.Hour
	DefaultIntermediateLife = 7 * 24 * time.Hour
	DefaultCacheSize        = 1024
)

// Options of an Authority.
type Options struct {
	// Roots are published all together; the newest that is valid signs. At
	// least one.
	Roots []Root
	// Now defaults to time.Now.
	Now func() time.Time
	// LeafLife defaults to DefaultLeafLife, IntermediateLife to
	// DefaultIntermediateLife; an intermediate lives at least twice as long.
	LeafLife         time.Duration
	IntermediateLife time.Duration
	// CacheSize bounds each of three caches (leaves, configurations, teams'
	// intermediates) in entries. It defaults to DefaultCacheSize.
	CacheSize int
}

// Authority mints leaf certificates for the hosts of teams. It is safe for
// concurrent use, and starts no goroutine.
type Authority struct {
	now                        func() time.Time
	leafLife, intermediateLife time.Duration

	hierarchy atomic.Pointer[hierarchy]
	teams     *lru[teamKey, *team]
	leaves    *lru[leafKey, *leaf]
	configs   *lru[configKey, *config]
}

// New makes an Authority. The error says which of the options is at fault.
func New(o Options) (*Authority, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	o.LeafLife = orDefault(o.LeafLife, DefaultLeafLife)
	o.IntermediateLife = orDefault(o.IntermediateLife, DefaultIntermediateLife)
	o.CacheSize = orDefault(o.CacheSize, DefaultCacheSize)
	if o.LeafLife < 0 || o.CacheSize < 0 || o.IntermediateLife < 2*o.LeafLife {
		return nil, fmt.Errorf("a leaf's life of %s, an intermediate's of %s (at least twice that) and %d cache entries do not make an authority", o.LeafLife, o.IntermediateLife, o.CacheSize)
	}
	a := &Authority{
		now: o.Now, leafLife: o.LeafLife, intermediateLife: o.IntermediateLife,
		teams:   newLRU[teamKey, *team](o.CacheSize),
		leaves:  newLRU[leafKey, *leaf](o.CacheSize),
		configs: newLRU[configKey, *config](o.CacheSize),
	}
	return a, a.SetRoots(o.Roots)
}

func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

// teamKey names a team with one state of its hosts.
type teamKey struct {
	roots *hierarchy
	id    string
	hosts [sha256.Size]byte
}

// team holds a team's intermediates for one state of its hosts.
type team struct {
	id string

	mu          sync.Mutex
	parsed      bool
	err         error
	hosts       hostSet
	constraints []constraint
	issuers     []*issuer // by constraint; nil until somebody asks
}

type leafKey struct {
	issuer *issuer
	host   string
}

// leaf is one leaf; mu is held while it is minted.
type leaf struct {
	mu    sync.Mutex
	cert  *tls.Certificate
	fresh window
}

// Certificate returns the leaf for host with its chain (the root left out),
// minting it where the cache has none that is fresh. hosts is what
// Snapshot.InterceptHosts(teamID) says: exact names, suffixes with a leading
// dot, IP literals. Another hosts means another intermediate.
//
// A host that hosts does not cover gets no certificate: the error is
// ErrHostOutside in an *auth.Error. Of many callers for one host one mints and
// the others wait for it.
func (a *Authority) Certificate(ctx context.Context, teamID, host string, hosts []string) (*tls.Certificate, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	addr, err := parseHost(host)
	if err != nil {
		return nil, err
	}
	now := a.now()
	iss, err := a.issuer(teamID, host, addr, hosts, now)
	if err != nil {
		return nil, err
	}
	l := a.leaves.get(leafKey{iss, host}, func() *leaf { return &leaf{} })
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cert == nil || !l.fresh.contains(now) {
		cert, fresh, err := iss.mint(host, addr, now, a.leafLife)
		if err != nil {
			return nil, err
		}
		l.cert, l.fresh = cert, fresh
	}
	return l.cert, nil
}

// issuer returns the intermediate of the team that covers host.
func (a *Authority) issuer(teamID, host string, addr netip.Addr, hosts []string, now time.Time) (*issuer, error) {
	h := a.hierarchy.Load()
	t := a.teams.get(teamKey{h, teamID, hashHosts(hosts)}, func() *team { return &team{id: teamID} })
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.parsed {
		t.parsed = true
		if t.hosts, t.err = parseHosts(hosts); t.err == nil {
			t.constraints = constraints(t.hosts)
			t.issuers = make([]*issuer, len(t.constraints))
		}
	}
	if t.err != nil {
		return nil, t.err
	}
	if !t.hosts.covers(host, addr) {
		return nil, outside(host, "no credential of the team could match it")
	}
	n := slices.IndexFunc(t.constraints, func(c constraint) bool { return c.covers(host, addr) })
	if n < 0 {
		return nil, outside(host, "only a public suffix covers it, and that is never certified")
	}
	if t.issuers[n] == nil || !t.issuers[n].fresh.contains(now) {
		if !h.valid(now) {
			return nil, auth.NewError(auth.CodeInternal, "the interception root is not valid at this time; run `weighbridge ca rotate`, or correct the clock", nil)
		}
		iss, err := newIssuer(h, t.id, t.constraints[n], now, a.intermediateLife)
		if err != nil {
			return nil, err
		}
		t.issuers[n] = iss
	}
	return t.issuers[n], nil
}

func outside(host, why string) error {
	return auth.NewError(auth.CodeInternal, fmt.Sprintf("no certificate for %q: %s", host, why), ErrHostOutside)
}

// hashHosts is SHA-256 over the hosts, each after its length.
func hashHosts(hosts []string) (sum [sha256.Size]byte) {
	h := sha256.New()
	var n [4]byte
	for _, s := range hosts {
		binary.BigEndian.PutUint32(n[:], uint32(len(s)))
		h.Write(n[:])
		h.Write([]byte(s))
	}
	h.Sum(sum[:0])
	return sum
}
