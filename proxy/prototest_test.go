package proxy

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/proxy/box"
	"github.com/weighbridge/weighbridge/proxy/ca"
	"github.com/weighbridge/weighbridge/proxy/guard"
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

// worker is one connection of a worker, in raw bytes.
type worker struct {
	r  *rig
	c  net.Conn
	br *bufio.Reader
}

func (r *rig) worker() *worker {
	r.t.Helper()
	c, err := net.Dial("tcp", r.addr)
	r.must(err)
	r.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	return &worker{r, c, bufio.NewReaderSize(io.TeeReader(c, &r.seen), 64<<10)}
}

func (w *worker) send(s string) {
	w.r.t.Helper()
	if _, err := io.WriteString(w.c, s); err != nil {
		w.r.t.Fatalf("worker cannot send: %v", err)
	}
}

// reply is an answer as the worker saw it.
type workerReply struct {
	status int
	header fields
	body   []byte
	// err is how the body ended, nil for a clean end.
	err error
	raw string // the head
}

func (a *workerReply) code() string { return a.header.Get(headerError) }

// read reads one answer. method says whether there is a body.
func (w *worker) read(method string) *workerReply {
	w.r.t.Helper()
	a, err := w.tryRead(method)
	if err != nil {
		w.r.t.Fatalf("worker got no answer: %v", err)
	}
	return a
}

func (w *worker) tryRead(method string) (*workerReply, error) {
	a := &workerReply{}
	for {
		head, err := rawHead(w.br)
		if err != nil {
			return nil, err
		}
		a.raw = head
		if _, err := fmt.Sscanf(head, "HTTP/1.1 %d", &a.status); err != nil {
			return nil, fmt.Errorf("not an answer: %q", head)
		}
		a.header = parseTestFields(head)
		if a.status >= 200 {
			break
		}
	}
	a.body, a.err = readTestBody(w.br, method, a.status, a.header)
	return a, nil
}

// get sends a GET without more than host and key, and reads the answer.
func (w *worker) get(target, host string, extra ...string) *workerReply {
	w.r.t.Helper()
	w.send("GET " + target + " HTTP/1.1\r\nHost: " + host + "\r\n" + strings.Join(append(extra, ""), "\r\n") + "\r\n")
	return w.read("GET")
}

// reverse asks in reverse mode with the worker's key.
func (r *rig) reverse(target string, extra ...string) *workerReply {
	r.t.Helper()
	return r.worker().get(target, r.addr, append([]string{"Authorization: Bearer " + r.key.Reveal()}, extra...)...)
}

// proxyAuth is the field that carries the worker's key in forward mode.
func (r *rig) proxyAuth() string {
	return "Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(r.key.Reveal()+":"))
}

// connect opens a tunnel and returns what the CONNECT was answered.
func (w *worker) connect(hostPort string, extra ...string) *workerReply {
	w.r.t.Helper()
	w.send("CONNECT " + hostPort + " HTTP/1.1\r\nHost: " + hostPort + "\r\n" + strings.Join(append(extra, ""), "\r\n") + "\r\n")
	return w.read("CONNECT")
}

// inside starts TLS in a tunnel.
func (w *worker) inside(name string) (*worker, error) {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(w.r.authority.RootsPEM())
	pool.AppendCertsFromPEM(testCA(w.r.t).CertPEM())
	c := tls.Client(w.c, &tls.Config{RootCAs: pool, ServerName: name, NextProtos: []string{"h2", "http/1.1"}})
	if err := c.Handshake(); err != nil {
		return nil, err
	}
	if p := c.ConnectionState().NegotiatedProtocol; p != "" && p != "http/1.1" {
		w.r.t.Errorf("negotiated %q", p)
	}
	return &worker{w.r, c, bufio.NewReaderSize(io.TeeReader(c, &w.r.seen), 64<<10)}, nil
}

// tunnel opens an intercepted tunnel with the worker's key.
func (r *rig) tunnel(host string) *worker {
	r.t.Helper()
	w := r.worker()
	if a := w.connect(host+":443", r.proxyAuth()); a.status != 200 {
		r.t.Fatalf("CONNECT %s: %d %s %s", host, a.status, a.code(), a.body)
	}
	in, err := w.inside(host)
	r.must(err)
	return in
}

// closed reports whether the connection ends without another byte, and
// whether it ended cleanly.
func (w *worker) closed() (ended, clean bool) {
	_ = w.c.SetReadDeadline(time.Now().Add(10 * time.Second))
	b, err := w.br.ReadByte()
	if err == nil {
		w.r.t.Logf("one more byte came: %q", b)
		return false, false
	}
	var ne net.Error
	if e, ok := err.(net.Error); ok {
		ne = e
	}
	return ne == nil || !ne.Timeout(), err == io.EOF
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

func (r *rig) expect(a *workerReply, status int, code auth.Code) {
	r.t.Helper()
	if a.status != status || a.code() != string(code) {
		r.t.Fatalf("got %d %q, want %d %q; body %s", a.status, a.code(), status, code, a.body)
	}
}

// rawHead reads up to and with the empty line.
func rawHead(br *bufio.Reader) (string, error) {
	var b strings.Builder
	for {
		line, err := br.ReadString('\n')
		b.WriteString(line)
		if err != nil {
			if b.Len() > 0 && err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return b.String(), err
		}
		if line == "\r\n" {
			return b.String(), nil
		}
	}
}

func parseTestFields(head string) (f fields) {
	lines := strings.Split(strings.TrimSuffix(head, "\r\n\r\n"), "\r\n")
	for _, l := range lines[1:] {
		name, value, _ := strings.Cut(l, ":")
		f = append(f, field{name, strings.TrimSpace(value)})
	}
	return f
}

// readTestBody reads a body by its framing. A body that breaks has an error.
func readTestBody(br *bufio.Reader, method string, status int, h fields) ([]byte, error) {
	switch {
	case method == "HEAD" || status == 204 || status == 304 || method == "CONNECT" && status == 200:
		return nil, nil
	case strings.EqualFold(h.Get("Transfer-Encoding"), "chunked"):
		return readTestChunks(br)
	case h.has("Content-Length"):
		var n int64
		if _, err := fmt.Sscan(h.Get("Content-Length"), &n); err != nil {
			return nil, err
		}
		b, err := io.ReadAll(io.LimitReader(br, n))
		if err == nil && int64(len(b)) < n {
			err = io.ErrUnexpectedEOF
		}
		return b, err
	}
	return io.ReadAll(br)
}

func readTestChunks(br *bufio.Reader) (out []byte, err error) {
	for {
		line, err := br.ReadString('\n')
		if err != nil {
			return out, unexpected(err)
		}
		var n int64
		if _, err := fmt.Sscanf(strings.TrimSpace(line), "%x", &n); err != nil {
			return out, fmt.Errorf("chunk size %q", line)
		}
		if n == 0 {
			_, err := rawTrailer(br)
			return out, unexpected(err)
		}
		b := make([]byte, n+2)
		k, err := io.ReadFull(br, b)
		out = append(out, b[:min(int64(k), n)]...)
		if err != nil {
			return out, unexpected(err)
		}
	}
}

func rawTrailer(br *bufio.Reader) (string, error) {
	var b strings.Builder
	for {
		line, err := br.ReadString('\n')
		b.WriteString(line)
		if err != nil || line == "\r\n" {
			return b.String(), err
		}
	}
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// lockedBuffer is a bytes.Buffer for many goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b.Reset()
}

func (l *lockedBuffer) Bytes() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Clone(l.b.Bytes())
}

func (l *lockedBuffer) String() string { return string(l.Bytes()) }

// clock is the time, which can be moved.
type clock struct{ offset atomic.Int64 }

func (c *clock) now() time.Time          { return time.Now().Add(time.Duration(c.offset.Load())) }
func (c *clock) advance(d time.Duration) { c.offset.Add(int64(d)) }

// countingDialer is the real guard, with every dial counted.
type countingDialer struct {
	mu    sync.Mutex
	table map[string]string
	dials []string
	own   atomic.Pointer[[]netip.AddrPort]
	look  *noNames
}

func newDialer(testing.TB) *countingDialer {
	d := &countingDialer{table: map[string]string{}, look: &noNames{}}
	d.own.Store(&[]netip.AddrPort{})
	return d
}

func (d *countingDialer) resolve(hostPort, addr string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.table[hostPort] = addr
}

func (d *countingDialer) guard() (*guard.Dialer, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	table := map[string]string{}
	for k, v := range d.table {
		table[k] = v
	}
	return guard.New(guard.Options{Resolve: table, Own: func() []netip.AddrPort { return *d.own.Load() }, Resolver: d.look})
}

func (d *countingDialer) Check(host string, port uint16) error {
	g, err := d.guard()
	if err != nil {
		return err
	}
	return g.Check(host, port)
}

func (d *countingDialer) Dial(ctx context.Context, host string, port uint16) (net.Conn, error) {
	g, err := d.guard()
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	d.dials = append(d.dials, fmt.Sprintf("%s:%d", host, port))
	d.mu.Unlock()
	return g.Dial(ctx, host, port)
}

func (d *countingDialer) Recheck(host string, port uint16, c net.Conn) error {
	g, err := d.guard()
	if err != nil {
		return err
	}
	return g.Recheck(host, port, c)
}

func (d *countingDialer) dialled() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.dials)
}

// noNames knows no name, and keeps who asked for one.
type noNames struct {
	mu    sync.Mutex
	asked []string
}

func (n *noNames) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked = append(n.asked, host)
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

// samples are what a rig tells of its requests, in metrics and as traces.
type samples struct {
	mu sync.Mutex
	s  []Sample
	t  []*Trace
}

func (s *samples) Trace(t *Trace) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.t = append(s.t, t)
}

func (s *samples) traces() []*Trace {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.t)
}

func (s *samples) Observe(x Sample) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.s = append(s.s, x)
}

func (s *samples) all() []Sample {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.s)
}
