package guard

import (
	"context"
	"net"
	"net/netip"
	"net/url"
	"time"
)

// Resolver is the part of *net.Resolver that is used.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Options of a Dialer. The zero value dials public addresses only.
type Options struct {
	// AllowPrivate are networks that may be dialled although they are not
	// public. Metadata addresses and our own listeners stay forbidden.
	AllowPrivate []netip.Prefix
	// Resolve maps "host:port" to "address:port", as curl --resolve: such a
	// target is dialled there without a lookup and exempt from the check,
	// because an operator wrote it. Metadata addresses stay forbidden.
	Resolve map[string]string
	// Own returns the addresses of our own listeners. A wildcard address
	// stands for every local one. They are refused always.
	Own func() []netip.AddrPort
	// Resolver defaults to net.DefaultResolver.
	Resolver Resolver
	// Proxy is a corporate proxy (http or https) that is asked to CONNECT to
	// the checked address, or to the name where ProxyResolves is set.
	Proxy         *url.URL
	ProxyResolves bool
	// ConnectTimeout bounds one attempt at one address. Default 10 s.
	ConnectTimeout time.Duration
	// Connect makes the TCP connection to a checked address; nil means a
	// net.Dialer that checks the address again in its control hook.
	Connect func(ctx context.Context, addr netip.AddrPort) (net.Conn, error)
}

// Dialer dials guarded. All methods may be used by any number of goroutines.
type Dialer struct{}

// New makes a Dialer. Its error names every malformed option.
func New(o Options) (*Dialer, error) { panic("being written") }

// Check refuses what needs no lookup to be refused: an address that is
// forbidden, a name of a metadata service, something that is neither a name
// nor an address in canonical form. It makes no DNS query; Dial does it again.
func (d *Dialer) Check(host string, port uint16) error { panic("being written") }

// Dial connects to host, which is a lower-case name or a canonical IP address
// without brackets. Errors are *auth.Error with CodeAddressForbidden,
// CodeUpstreamUnreachable or CodeUpstreamTimeout.
func (d *Dialer) Dial(ctx context.Context, host string, port uint16) (net.Conn, error) {
	panic("being written")
}

// Recheck says whether a kept connection to host:port may still be used under
// this dialer's options.
func (d *Dialer) Recheck(host string, port uint16, c net.Conn) error { panic("being written") }
