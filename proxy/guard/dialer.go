package guard

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/weighbridge/weighbridge/auth"
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
	// because an operator wrote it. Metadata addresses and our own listeners
	// stay forbidden.
	Resolve map[string]string
	// Permit are "host:port" that may be dialled whatever class their address is
	// of, because an operator wrote them. They are dialled directly. Metadata
	// addresses and our own listeners stay forbidden.
	Permit []string
	// Own returns the addresses of our own listeners. A wildcard address
	// stands for every local one. They are refused always.
	Own func() []netip.AddrPort
	// Resolver defaults to net.DefaultResolver.
	Resolver Resolver
	// Proxy is a corporate proxy (http or https, with or without userinfo)
	// that is asked to CONNECT to the checked address, or to the name where
	// ProxyResolves is set. Nobody checks where that proxy connects to then.
	Proxy         *url.URL
	ProxyResolves bool
	// ProxyTLS is for an https proxy: RootCAs. Verification cannot be turned
	// off by it.
	ProxyTLS *tls.Config
	// ConnectTimeout bounds one attempt at one address, and the corporate
	// proxy's answer. Default 10 s.
	ConnectTimeout time.Duration
	// Connect makes the TCP connection to a checked address; nil means a
	// net.Dialer that checks the address again in its control hook.
	Connect func(ctx context.Context, addr netip.AddrPort) (net.Conn, error)
}

const (
	defaultConnectTimeout = 10 * time.Second
	// stagger is the wait before the next address is tried beside one that
	// does not answer: RFC 8305 section 5.
	stagger = 250 * time.Millisecond
)

// Dialer dials guarded. All methods may be used by any number of goroutines.
type Dialer struct {
	o       Options
	allow   []netip.Prefix
	resolve map[string]netip.AddrPort
	permit  map[string]bool
}

// New makes a Dialer. Its error names every malformed option.
func New(o Options) (*Dialer, error) {
	d := &Dialer{o: o, resolve: make(map[string]netip.AddrPort, len(o.Resolve)), permit: make(map[string]bool, len(o.Permit))}
	if d.o.ConnectTimeout <= 0 {
		d.o.ConnectTimeout = defaultConnectTimeout
	}
	if d.o.Resolver == nil {
		d.o.Resolver = net.DefaultResolver
	}
	if d.o.Connect == nil {
		d.o.Connect = d.connect
	}
	var errs []error
	for _, p := range o.AllowPrivate {
		if !p.IsValid() {
			errs = append(errs, errors.New("allow_private: a network is not valid"))
			continue
		}
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		d.allow = append(d.allow, p.Masked())
	}
	for from, to := range o.Resolve {
		host, port, err := splitHostPort(from)
		if err != nil {
			errs = append(errs, fmt.Errorf("resolve: %q is not host:port", from))
			continue
		}
		addr, err := netip.ParseAddrPort(to)
		if err != nil || addr.Port() == 0 {
			errs = append(errs, fmt.Errorf("resolve: %q is not address:port", to))
			continue
		}
		d.resolve[key(host, port)] = netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
	}
	for _, p := range o.Permit {
		host, port, err := splitHostPort(p)
		if err != nil {
			errs = append(errs, fmt.Errorf("permit: %q is not host:port", p))
			continue
		}
		d.permit[key(host, port)] = true
	}
	if p := o.Proxy; p != nil {
		if p.Scheme != "http" && p.Scheme != "https" || p.Hostname() == "" {
			errs = append(errs, fmt.Errorf("proxy: %q is not an http or https URL with a host", p.Redacted()))
		}
	}
	if len(errs) > 0 {
		// Maps have no order; a message has one.
		slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
		return nil, errors.Join(errs...)
	}
	return d, nil
}

func splitHostPort(s string) (string, uint16, error) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return "", 0, err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 || host == "" {
		return "", 0, errors.New("bad port")
	}
	return strings.ToLower(host), uint16(n), nil
}

func key(host string, port uint16) string {
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}

// Check refuses what needs no lookup to be refused: an address that is
// forbidden, a name of a metadata service, something that is neither a name
// nor an address in canonical form. It makes no DNS query; Dial does it again.
func (d *Dialer) Check(host string, port uint16) error {
	if _, _, err := d.check(host, port); err != nil {
		return err
	}
	return nil
}

// check returns the address to dial without any lookup: an override's, or
// that of an address literal; the zero AddrPort for a name. exempt says that an
// operator wrote it.
func (d *Dialer) check(host string, port uint16) (to netip.AddrPort, exempt bool, err *auth.Error) {
	if metadataName(host) {
		return to, false, refused("the host "+printable(host)+" is a metadata service", nextMetadata, nil)
	}
	addr, isAddr, err := literal(host)
	if err != nil {
		return to, false, err
	}
	if port == 0 {
		return to, false, refused("port 0 of "+host+" cannot be connected to", "Name the port on which the upstream listens.", nil)
	}
	if isAddr {
		to = netip.AddrPortFrom(addr.Unmap(), port)
		// A literal is metadata under any port and any override.
		if Classify(addr) == Metadata {
			return to, false, d.verdict(host, to, false)
		}
	}
	if over, ok := d.resolve[key(host, port)]; ok {
		return over, true, d.verdict(host, over, true)
	}
	exempt = d.permit[key(host, port)]
	if isAddr {
		return to, exempt, d.verdict(host, to, exempt)
	}
	return netip.AddrPort{}, exempt, nil
}

// Dial connects to host, which is a lower-case name or a canonical IP address
// without brackets. Errors are *auth.Error with CodeAddressForbidden,
// CodeUpstreamUnreachable or CodeUpstreamTimeout. Their reasons name the host
// and the class of its address, and no address that the caller did not give.
func (d *Dialer) Dial(ctx context.Context, host string, port uint16) (net.Conn, error) {
	to, exempt, refusal := d.check(host, port)
	if refusal != nil {
		return nil, refusal
	}
	if to.IsValid() {
		return d.dial(ctx, host, port, []netip.AddrPort{to}, exempt)
	}
	if d.o.Proxy != nil && d.o.ProxyResolves && !exempt {
		return d.viaProxy(ctx, host, key(host, port))
	}
	addrs, err := d.lookup(ctx, host, port, exempt)
	if err != nil {
		return nil, err
	}
	return d.dial(ctx, host, port, addrs, exempt)
}

// lookup resolves host once and refuses the lookup whole where one address of
// it is forbidden: an answer that mixes public and private addresses is an
// attack or a mistake, and either way not ours to sort out.
func (d *Dialer) lookup(ctx context.Context, host string, port uint16, exempt bool) ([]netip.AddrPort, error) {
	ips, err := d.o.Resolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		code, why := auth.CodeUpstreamUnreachable, "cannot be resolved"
		if dns := (*net.DNSError)(nil); errors.As(err, &dns) {
			switch {
			case dns.IsNotFound:
				why = "does not exist in DNS"
			case dns.IsTimeout:
				code, why = auth.CodeUpstreamTimeout, "was not resolved in time"
			}
		}
		return nil, auth.NewError(code, "the host "+host+" "+why, err)
	}
	out := make([]netip.AddrPort, 0, len(ips))
	for _, ip := range ips {
		to := netip.AddrPortFrom(ip.Unmap(), port)
		if refusal := d.verdict(host, to, exempt); refusal != nil {
			return nil, refusal
		}
		out = append(out, to)
	}
	if len(out) == 0 {
		return nil, auth.NewError(auth.CodeUpstreamUnreachable, "the host "+host+" has no address", nil)
	}
	return out, nil
}

// dial connects to one of addrs, all of which were checked, directly or
// through the corporate proxy. An override is dialled directly: it says where.
func (d *Dialer) dial(ctx context.Context, host string, port uint16, addrs []netip.AddrPort, exempt bool) (net.Conn, error) {
	if d.o.Proxy == nil || exempt {
		return d.race(withGrant(ctx, grant{host, exempt}), host, addrs)
	}
	var first error
	for _, a := range addrs {
		c, err := d.viaProxy(ctx, host, a.String())
		if err == nil {
			return c, nil
		}
		if first == nil {
			first = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, first
}

// Recheck says whether a kept connection to host:port may still be used under
// this dialer's options: after a reload that forbids its address it may not.
// c must be the connection that Dial returned. With a corporate proxy the
// address is the proxy's and says nothing; such connections may be used.
func (d *Dialer) Recheck(host string, port uint16, c net.Conn) error {
	to, exempt, refusal := d.check(host, port)
	if refusal != nil {
		return refusal
	}
	if d.o.Proxy != nil && !exempt {
		return nil
	}
	remote, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil {
		return refused("the address of a connection to "+host+" cannot be read", nextInside, err)
	}
	remote = netip.AddrPortFrom(remote.Addr().Unmap(), remote.Port())
	if to.IsValid() && remote != to {
		return refused("a connection to "+host+" leads to another address than it has now", "Try again: another connection will be made.", nil)
	}
	if refusal := d.verdict(host, remote, exempt); refusal != nil {
		return refusal
	}
	return nil
}

// connect is Options.Connect: a plain TCP connection to addr, which is checked
// again at the last moment, as text, the way the kernel is going to get it.
func (d *Dialer) connect(ctx context.Context, addr netip.AddrPort) (net.Conn, error) {
	nd := net.Dialer{
		Timeout:        d.o.ConnectTimeout,
		KeepAlive:      30 * time.Second,
		FallbackDelay:  -1, // one address: nothing to fall back to
		ControlContext: d.control,
	}
	return nd.DialContext(ctx, "tcp", addr.String())
}

// control refuses an address that cannot be read, and one that was not
// granted. It is the last check before connect(2).
func (d *Dialer) control(ctx context.Context, _, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return refused("an address to dial cannot be read", nextInside, err)
	}
	g, ok := granted(ctx)
	if !ok {
		return refused("an address was to be dialled without a check", nextInside, &net.AddrError{Err: "no grant", Addr: address})
	}
	if refusal := d.verdict(g.host, to, g.exempt); refusal != nil {
		return refusal
	}
	return nil
}

// grant travels with a dial from the check to the control hook.
type grant struct {
	host   string
	exempt bool
}

type grantKey struct{}

func withGrant(ctx context.Context, g grant) context.Context {
	return context.WithValue(ctx, grantKey{}, g)
}

func granted(ctx context.Context) (grant, bool) {
	g, ok := ctx.Value(grantKey{}).(grant)
	return g, ok
}
