package proxy

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/proxy/box"
	"github.com/weighbridge/weighbridge/proxy/ca"
)

// canary is the secret of the rig's credentials. It may appear in what the
// injected host receives and nowhere else.
const canary = "cnry0123456789abcdefCANARYghijklmnopqrstuv"

// The hosts of the rig.
const (
	hubHost   = "hub.example"          // gets the credential
	cdnHost   = "us.cdn.hub.example"   // signed companion: intercepted, bare
	casHost   = "cas.hub.example"      // companion: blind tunnel
	otherHost = "other.example"        // nobody's
	evilHost  = "evil.example"         // nobody's
	plainHost = "plain.example"        // a credential on http://
	notLinked = "unlinked.hub.example" // a credential that is not linked
)

// rig is a Proxy on loopback with everything around it.
type rig struct {
	t         testing.TB
	proxy     *Proxy
	addr      string
	recorder  *memory
	signer    *fakeSigner
	dialer    *countingDialer
	metrics   *samples
	log       *lockedBuffer
	clock     *clock
	upstreams *x509.CertPool
	authority *ca.Authority

	mu    sync.Mutex
	state auth.State
	snap  atomic.Pointer[auth.Snapshot]

	key, writeKey, urlKey auth.Secret
	seen                  lockedBuffer // every byte that workers received
}

// rigOptions change the rig before it starts.
type rigOptions struct {
	policy  Policy
	options func(*Options)
	state   func(*auth.State)
	listen  string
}

func newRig(t testing.TB, o rigOptions) *rig {
	t.Helper()
	r := &rig{
		t: t, recorder: &memory{}, metrics: &samples{}, log: &lockedBuffer{}, clock: &clock{},
		key: auth.NewAPIKey(), writeKey: auth.NewAPIKey(), urlKey: auth.NewURLKey(),
		upstreams: x509.NewCertPool(),
	}
	r.signer = &fakeSigner{}
	r.state = r.firstState()
	if o.state != nil {
		o.state(&r.state)
	}
	r.compile()

	root, err := ca.NewRoot(time.Now(), "rig")
	r.must(err)
	r.authority, err = ca.New(ca.Options{Roots: []ca.Root{root}, Now: r.clock.now})
	r.must(err)
	sealer, err := box.New(box.Options{Keys: [][]byte{box.NewKey()}, Now: r.clock.now})
	r.must(err)
	r.dialer = newDialer(t)
	r.upstreams.AppendCertsFromPEM(testCA(t).CertPEM())

	options := Options{
		Policy: o.policy, Snapshot: r.snap.Load, Signer: r.signer, Recorder: r.recorder,
		Minter: r.authority, Boxes: sealer, Dialer: r.dialer, RootCAs: r.upstreams,
		CAPEM: r.authority.RootsPEM, Logger: zerolog.New(r.log).Level(zerolog.DebugLevel),
		Metrics: r.metrics, Tracer: r.metrics, Now: r.clock.now,
	}
	if o.options != nil {
		o.options(&options)
	}
	r.proxy, err = New(options)
	r.must(err)
	if o.listen == "" {
		o.listen = "127.0.0.1:0"
	}
	ln, err := net.Listen("tcp", o.listen)
	r.must(err)
	r.addr = ln.Addr().String()
	r.dialer.own.Store(&[]netip.AddrPort{netip.MustParseAddrPort(r.addr)})
	served := make(chan error, 1)
	go func() { served <- r.proxy.Serve(ln) }()
	t.Cleanup(func() {
		if err := r.proxy.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
		r.searchCanary()
	})
	return r
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// firstState has one team, one credential for the hub, one for cleartext, one
// that is not linked, and two keys.
func (r *rig) firstState() auth.State {
	now := time.Now().Add(-time.Hour)
	hash := func(s auth.Secret) auth.KeyHash {
		h, _ := auth.HashAPIKey(s.Reveal())
		return h
	}
	urlHash, _ := auth.HashURLKey(r.urlKey.Reveal())
	cred := func(id, name string, patterns ...string) auth.Credential {
		return auth.Credential{
			ID: id, TeamID: "team_1", Name: name, Provider: "fake", Version: 1,
			Status: auth.StatusValid, Patterns: patterns, CreatedAt: now, UpdatedAt: now,
		}
	}
	return auth.State{
		Revision: 1,
		Teams:    []auth.Team{{ID: "team_1", Name: "default", CreatedAt: now}},
		Credentials: []auth.Credential{
			cred("cred_hub", "hub-prod", hubHost+"/*", "https://"+hubHost+":8443/*"),
			cred("cred_plain", "plain", "http://"+plainHost+"/*"),
			cred("cred_unlinked", "unlinked", notLinked+"/*"),
		},
		Keys: []auth.Key{
			{ID: "key_read", TeamID: "team_1", Name: "worker", Scope: auth.ScopeRead, Hash: hash(r.key), URLKeyHash: urlHash, CreatedAt: now},
			{ID: "key_write", TeamID: "team_1", Name: "writer", Scope: auth.ScopeWrite, Hash: hash(r.writeKey), CreatedAt: now},
		},
		Links: []auth.Link{
			{CredentialID: "cred_hub", KeyID: "key_read"}, {CredentialID: "cred_plain", KeyID: "key_read"},
			{CredentialID: "cred_hub", KeyID: "key_write"},
		},
	}
}

// change edits the state and makes it hold for the next request.
func (r *rig) change(f func(*auth.State)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state.Keys = slices.Clone(r.state.Keys)
	r.state.Credentials = slices.Clone(r.state.Credentials)
	f(&r.state)
	r.state.Revision++
	r.compile()
}

func (r *rig) compile() {
	s, err := auth.Compile(r.state, auth.Options{Providers: []auth.Provider{fakeProvider{}}})
	r.must(err)
	r.snap.Store(s)
}

// revoke ends the key of the worker.
func (r *rig) revoke() {
	r.change(func(s *auth.State) { s.Keys[0].RevokedAt = r.clock.now() })
}

// route sends host:port to an origin.
func (r *rig) route(hostPort string, o *origin) *origin {
	r.dialer.resolve(hostPort, o.addr())
	return o
}

// searchCanary looks for the secret where it must not be.
func (r *rig) searchCanary() {
	forms := canaryForms()
	places := map[string][]byte{
		"log": r.log.Bytes(), "worker": r.seen.Bytes(),
		"audit": []byte(fmt.Sprintf("%+v", r.recorder.all())), "metrics": []byte(fmt.Sprintf("%+v", r.metrics.all())),
	}
	for _, t := range r.metrics.traces() {
		places["traces"] = fmt.Appendf(places["traces"], "%+v\n", *t)
	}
	for place, b := range places {
		for _, f := range forms {
			if bytes.Contains(b, f) {
				r.t.Errorf("the secret reached the %s as %q", place, f)
			}
		}
		for _, k := range []auth.Secret{r.key, r.writeKey} {
			if place != "worker" && bytes.Contains(b, []byte(k.Reveal())) {
				r.t.Errorf("an API key reached the %s", place)
			}
		}
	}
}

func canaryForms() [][]byte {
	b := []byte(canary)
	return [][]byte{
		b, []byte(base64.StdEncoding.EncodeToString(b)), []byte(base64.RawURLEncoding.EncodeToString(b)),
		[]byte(fmt.Sprintf("%x", b)), []byte(base64.StdEncoding.EncodeToString([]byte("user:" + canary))),
	}
}

// eventually waits for cond, for as long as a slow machine may need.
func (r *rig) eventually(what string, cond func() bool) {
	r.t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if cond() {
			return
		}
	}
	r.t.Fatalf("never: %s", what)
}
