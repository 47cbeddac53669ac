package main

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weighbridge/weighbridge/auth"
)

// maxHealthAnswer bounds what is read of one answer: our roots, or a refusal.
const maxHealthAnswer = 1 << 20

func (a *app) healthcheckCommand() *cobra.Command {
	var proxyURL, caFile, serverName, connect, key string
	var timeout time.Duration
	var live bool
	c := &cobra.Command{
		Use: "healthcheck", Short: "Ask the proxy listener whether it works, as probes do", Args: noArgs,
		Long: "Asks the listener for its readiness, and with --connect opens a tunnel through it as a\n" +
			"worker does: with --key, or to a listener that implies one, up to a certificate of ours for\n" +
			"that host, which a credential of the key must cover; no upstream is asked. Without a key it is\n" +
			"enough that weighbridge asks for one. Ends with 0 where all of this works; the listener is\n" +
			"that of WEIGHBRIDGE_LISTEN where --proxy-url is not given, and its TLS that of\n" +
			"WEIGHBRIDGE_TLS_OWN_CA (by ca.pem in the data directory) or WEIGHBRIDGE_TLS_CERT_FILE.",
		Example: "  weighbridge healthcheck\n  weighbridge healthcheck --connect huggingface.co --key @/run/secrets/probe-key",
		RunE: func(c *cobra.Command, _ []string) error {
			h := health{}
			if key != "" {
				v, err := keyValue(a.value("--key", key))
				if err != nil {
					return err
				}
				h.key = auth.NewSecret(v)
			}
			if err := h.locate(cmp.Or(proxyURL, a.env("WEIGHBRIDGE_LISTEN"), "127.0.0.1:8080")); err != nil {
				return err
			}
			if proxyURL == "" {
				if err := h.ownTLS(a); err != nil {
					return err
				}
			}
			if err := h.trust(caFile, serverName); err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(c.Context(), timeout)
			defer cancel()
			endpoint := "readyz"
			if live {
				endpoint = "healthz"
			}
			if _, err := h.own(ctx, endpoint); err != nil {
				return err
			}
			if connect == "" {
				return nil
			}
			return h.tunnel(ctx, connect)
		},
	}
	c.Flags().StringVar(&proxyURL, "proxy-url", "", "the listener: scheme://host:port, host:port or unix:PATH")
	c.Flags().StringVar(&caFile, "ca-file", "", "roots (PEM) for the certificate of a listener with TLS")
	c.Flags().StringVar(&serverName, "server-name", "", "name in the certificate of a listener with TLS, where it is not that of the URL")
	c.Flags().BoolVar(&live, "live", false, "ask only whether it lives: a full disk, which a restart does not mend, is no failure then")
	c.Flags().StringVar(&connect, "connect", "", "host, or host:port, to open a tunnel to")
	c.Flags().StringVar(&key, "key", "", "API key for the tunnel: @FILE, env:VAR or - (standard input)")
	c.Flags().DurationVar(&timeout, "timeout", 3*time.Second, "how long all of it may take")
	must(c.MarkFlagFilename("ca-file"))
	return c
}

// health asks one listener.
type health struct {
	network, address string
	// tls is set where the listener speaks TLS.
	tls *tls.Config
	key auth.Secret
}

// locate takes a URL, host:port or unix:PATH; "every address" is loopback.
func (h *health) locate(at string) error {
	if path, ok := strings.CutPrefix(at, "unix:"); ok {
		h.network, h.address = "unix", path
		return nil
	}
	if !strings.Contains(at, "://") {
		at = "http://" + at
	}
	u, err := url.Parse(at)
	if err != nil || u.Port() == "" || u.Scheme != "http" && u.Scheme != "https" {
		return usage("that is not a listener: give scheme://host:port, host:port or unix:PATH")
	}
	host := u.Hostname()
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	h.network, h.address = "tcp", net.JoinHostPort(host, u.Port())
	if u.Scheme == "https" {
		h.tls = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host}
	}
	return nil
}

// dial opens a connection that ends with ctx.
func (h *health) dial(ctx context.Context) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, h.network, h.address)
	if err != nil {
		return nil, err
	}
	if end, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(end) // fails only on what is closed
	}
	if h.tls == nil {
		return conn, nil
	}
	secure := tls.Client(conn, h.tls)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return secure, nil
}

// ask sends one request head and reads the answer to it; an answer to CONNECT
// leaves the connection open.
func (h *health) ask(ctx context.Context, head string) (net.Conn, *http.Response, error) {
	conn, err := h.dial(ctx)
	if err != nil {
		return nil, nil, err
	}
	if _, err := io.WriteString(conn, head+"\r\n"); err != nil {
		_ = conn.Close()
		return nil, nil, err
	}
	method, _, _ := strings.Cut(head, " ")
	// Nothing comes after an answer to CONNECT before we speak.
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		_ = conn.Close()
		return nil, nil, fmt.Errorf("%s: %w", h.address, err)
	}
	return conn, resp, nil
}

// own asks for what is below /.weighbridge/.
func (h *health) own(ctx context.Context, name string) ([]byte, error) {
	conn, resp, err := h.ask(ctx, "GET /.weighbridge/"+name+" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n")
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxHealthAnswer))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s: %s", name, resp.Status, strings.TrimSpace(string(body)))
	}
	return body, nil
}

// tunnel asks for a tunnel and, where it is given one, for our certificate.
func (h *health) tunnel(ctx context.Context, to string) error {
	host, port, err := net.SplitHostPort(to)
	if err != nil {
		host, port = to, "443"
	}
	if strings.ContainsAny(host+port, " \r\n/@") || host == "" {
		return usage("--connect: that is not a host or host:port")
	}
	head := "CONNECT " + net.JoinHostPort(host, port) + " HTTP/1.1\r\nHost: " + net.JoinHostPort(host, port) + "\r\n"
	if !h.key.IsZero() {
		head += "Proxy-Authorization: Bearer " + h.key.Reveal() + "\r\n"
	}
	conn, resp, err := h.ask(ctx, head)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	code := auth.Code(resp.Header.Get("X-Weighbridge-Error"))
	switch {
	case resp.StatusCode == http.StatusOK:
	case code == auth.CodeKeyMissing && h.key.IsZero():
		return nil
	default:
		return fmt.Errorf("CONNECT %s: %s %s", host, resp.Status, code)
	}
	pem, err := h.own(ctx, "ca.pem")
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return errors.New("ca.pem: no certificate")
	}
	// The tunnel ends at weighbridge: no byte goes further before a request.
	inner := tls.Client(conn, &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host, RootCAs: roots})
	if err := inner.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("the tunnel to %s does not end at weighbridge (does a credential of this team cover that host?): %w", host, err)
	}
	return nil
}
