package guard

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// corporate stands for a host name in errors about the corporate proxy.
const corporate = "the corporate proxy"

// maxProxyAnswer bounds the head of a corporate proxy's answer to CONNECT.
const maxProxyAnswer = 16 << 10

// viaProxy connects to target ("address:port", or "name:port" where the proxy
// resolves) through the corporate proxy (RFC 9110 section 9.3.6). The proxy's
// user and password are in no error.
func (d *Dialer) viaProxy(ctx context.Context, host, target string) (net.Conn, error) {
	ctx, stop := context.WithTimeout(ctx, 2*d.o.ConnectTimeout)
	defer stop()
	c, err := d.reachProxy(ctx)
	if err != nil {
		return nil, err
	}
	// The context ends the exchange by a deadline in the past.
	release := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	err = d.askProxy(c, target)
	if !release() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = c.Close()
		if ctx.Err() != nil || isTimeout(err) {
			return nil, auth.NewError(auth.CodeUpstreamTimeout, "the corporate proxy did not connect to "+host+" in time", err)
		}
		return nil, auth.NewError(auth.CodeUpstreamUnreachable, "the corporate proxy did not connect to "+host, err)
	}
	return c, nil
}

// reachProxy connects to the corporate proxy itself. An operator wrote its
// address, so it may be private; it may not be metadata or one of ours.
func (d *Dialer) reachProxy(ctx context.Context) (net.Conn, error) {
	name := strings.ToLower(d.o.Proxy.Hostname())
	port := uint64(80)
	if d.o.Proxy.Scheme == "https" {
		port = 443
	}
	if p := d.o.Proxy.Port(); p != "" {
		var err error
		if port, err = strconv.ParseUint(p, 10, 16); err != nil {
			return nil, auth.NewError(auth.CodeUpstreamUnreachable, "the corporate proxy's port is not valid", nil)
		}
	}
	var ips []netip.Addr
	if a, err := netip.ParseAddr(name); err == nil {
		ips = []netip.Addr{a}
	} else if ips, err = d.o.Resolver.LookupNetIP(ctx, "ip", name); err != nil {
		return nil, auth.NewError(auth.CodeUpstreamUnreachable, "the corporate proxy's name cannot be resolved", err)
	}
	var addrs []netip.AddrPort
	for _, ip := range ips {
		to := netip.AddrPortFrom(ip.Unmap(), uint16(port))
		if refusal := d.verdict(corporate, to, true); refusal != nil {
			return nil, refusal
		}
		addrs = append(addrs, to)
	}
	if len(addrs) == 0 {
		return nil, auth.NewError(auth.CodeUpstreamUnreachable, "the corporate proxy's name has no address", nil)
	}
	c, err := d.race(withGrant(ctx, grant{corporate, true}), corporate, addrs)
	if err != nil || d.o.Proxy.Scheme != "https" {
		return c, err
	}
	cfg := d.o.ProxyTLS.Clone()
	if cfg == nil {
		cfg = &tls.Config{}
	}
	cfg.MinVersion = max(cfg.MinVersion, tls.VersionTLS12)
	cfg.ServerName, cfg.InsecureSkipVerify, cfg.NextProtos = name, false, []string{"http/1.1"}
	t := tls.Client(c, cfg)
	if err := t.HandshakeContext(ctx); err != nil {
		_ = c.Close()
		return nil, auth.NewError(auth.CodeUpstreamUnreachable, "the corporate proxy's certificate or handshake was not accepted", err)
	}
	return t, nil
}

// askProxy sends CONNECT and reads its answer. Bytes behind the answer's head
// would belong to the tunnel, whose first word is ours: they are an error.
func (d *Dialer) askProxy(c net.Conn, target string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n", target, target)
	if u := d.o.Proxy.User; u != nil {
		password, _ := u.Password()
		b.WriteString("Proxy-Authorization: Basic " +
			base64.StdEncoding.EncodeToString([]byte(u.Username()+":"+password)) + "\r\n")
	}
	b.WriteString("\r\n")
	if _, err := io.WriteString(c, b.String()); err != nil {
		return err
	}
	br := bufio.NewReader(io.LimitReader(c, maxProxyAnswer))
	resp, err := http.ReadResponse(br, &http.Request{Method: http.MethodConnect})
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the corporate proxy answered %d", resp.StatusCode)
	}
	if br.Buffered() > 0 {
		return fmt.Errorf("the corporate proxy sent %d bytes behind its answer", br.Buffered())
	}
	return nil
}
