package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"time"

	"github.com/rs/zerolog"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/proxy/box"
)

// Signer puts the credential of a decision on an outgoing request. Any error
// means that the request must not be sent. *signer.Set is one.
type Signer interface {
	Sign(ctx context.Context, d auth.Decision, out *auth.Outgoing) (auth.Applied, error)
}

// Guide is a Signer that knows better than its worker where a request goes, and
// learns from refusals. *signer.Set is one.
type Guide interface {
	// Aim sets the target of a request that d puts a credential on: where it
	// goes, in the form in which it is signed. With an error out is unchanged.
	Aim(d *auth.Decision, out *auth.Outgoing) error
	// Learn is told of a refusal before anything of it reaches the worker.
	Learn(ctx context.Context, d auth.Decision, out *auth.Outgoing, a *auth.Refused) auth.Lesson
}

// Recorder takes audit events. Record never waits for the disk; Err is nil
// while the sink can keep its promise. *audit.File is one.
type Recorder interface {
	Record(e auth.Event) auth.Ticket
	Err() error
}

// Minter gives the one TLS configuration with which the tunnels of a team to
// a host are ended; one each, so that session tickets work. Its handshakes
// refuse a server name other than host. *ca.Authority is one.
type Minter interface {
	ConfigFor(ctx context.Context, teamID, host string, hosts []string) (*tls.Config, error)
}

// Boxes seals URLs that a worker carries for us. *box.Sealer is one.
type Boxes interface {
	Seal(b box.Box) (string, error)
	Open(sealed string) (box.Box, error)
}

// Dialer reaches upstreams past the address guard. *guard.Dialer is one.
type Dialer interface {
	// Check refuses without a lookup what can be refused without one.
	Check(host string, port uint16) error
	Dial(ctx context.Context, host string, port uint16) (net.Conn, error)
	// Recheck says whether a kept connection may still be used.
	Recheck(host string, port uint16, c net.Conn) error
}

// Sample is what one request was, for the metrics. None of its strings comes
// from a worker, so each has few values.
type Sample struct {
	// Mode is "forward", "reverse", "tunnel", the name of the front, or "own"
	// for requests to weighbridge itself.
	Mode string
	// Outcome is "inject", "bare" or "refused".
	Outcome string
	// Provider is the name of the decision's provider, or empty.
	Provider string
	// Code is set for refusals and failures.
	Code   auth.Code
	Status int
	// Bytes of body that went to the worker.
	Bytes int64
	// Resumed is how many further requests the answer took.
	Resumed int
	// FirstByte is the time to the head of the answer, zero where there was
	// none.
	FirstByte, Duration time.Duration
}

// Metrics is told of every request once it has ended. Observe must be quick.
type Metrics interface {
	Observe(s Sample)
}

// Policy is what an operator may change while requests run.
type Policy struct {
	// UnmatchedForward and UnmatchedReverse are what happens to URLs that no
	// linked credential matches; zero means pass and deny.
	UnmatchedForward, UnmatchedReverse auth.UnmatchedPolicy
	// DefaultKeyID is the key that callers without one count as, on listeners
	// whose own address is loopback or a unix socket. Empty is none.
	DefaultKeyID string
	// DefaultScope is the scope of callers with the default key; zero is read.
	DefaultScope auth.Scope
	// AllowedHosts are the names beside loopback ones that the Host field may
	// carry in an origin-form request with the default key.
	AllowedHosts []string
	// Routes are the named reverse routes: a name without a dot to the base
	// URL it stands for.
	Routes map[string]string
	// Pickers are the named reverse routes that pick their upstream.
	Pickers map[string]Picker
	// PublicURL is the base of the URLs that reverse mode writes into answers.
	// Empty takes scheme and Host of each request.
	PublicURL string
	// ConnectPorts are the ports that a CONNECT may name; nil means 443.
	ConnectPorts []uint16
	// KeyTransfers bounds the requests of one key that are under way at a time,
	// blind tunnels among them; what is beyond gets 429. Zero means no bound.
	KeyTransfers int
}

// Options of a Proxy. Snapshot, Signer, Recorder and Dialer are required.
type Options struct {
	Policy

	Snapshot func() *auth.Snapshot
	Signer   Signer
	Recorder Recorder
	// Minter nil means that interception is off: a CONNECT to a host that
	// would have to be intercepted is then refused.
	Minter Minter
	// Boxes nil means that reverse mode hands signed URLs to the worker as
	// they are.
	Boxes  Boxes
	Dialer Dialer
	// Opened reaches the upstreams that a Picker leads to by the operator's word
	// (auth.Pick.Opened); nil is Dialer.
	Opened Dialer
	// Tokens nil means that callers show API keys alone.
	Tokens Tokens
	// Front nil means that workers speak plain HTTP to the listener.
	Front Front
	// RootCAs verify upstreams; nil means the system's.
	RootCAs *x509.CertPool
	// IdleTimeout ends a transfer that moves no byte for so long. Zero means
	// 60 s.
	IdleTimeout time.Duration
	// CAPEM is served as /.weighbridge/ca.pem; nil means there is none.
	CAPEM func() []byte
	// Ready says why requests cannot be served now; nil means always ready.
	Ready func() error
	// MaxConns bounds worker connections; zero means no bound.
	MaxConns int
	Logger   zerolog.Logger
	// Metrics may be nil.
	Metrics Metrics
	// Tracer nil means that no request is traced, which costs nothing.
	Tracer Tracer
	// Refused is told of every answer 401 and 403 to a request with a
	// credential. It must be quick, and may be nil.
	Refused func(credentialID string, version uint64)
	// Limits is told of the field RateLimit of every answer to a request with a
	// credential. It must be quick, keeps nothing of the string, and may be nil.
	Limits func(credentialID, field string)
	// Seen is told of every request of a key that stands, and of every one that
	// a credential is put on, by the id of either and the worker's address. It
	// must be quick, and may be nil.
	Seen func(id, address string, at time.Time)
	// Now defaults to time.Now.
	Now func() time.Time
	// Wait returns after d, or with ctx's error once that ends; nil waits by
	// the machine's clock.
	Wait func(ctx context.Context, d time.Duration) error
}
