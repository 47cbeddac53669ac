// Package trial asks weighbridge for the first byte of a URL, as the client of
// a worker does, and says in words what came of it: whether the download would
// work, with which credential, how long the file is, and else who refused and
// what helps. It uses the data plane alone, which is all that a worker has.
//
// Nothing that it returns holds an API key, a query or a URL's userinfo.
package trial

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/workerenv"
)

// Options say how a worker reaches weighbridge.
type Options struct {
	// Mode is forward or reverse.
	Mode workerenv.Mode
	// Proxy is scheme://host:port of the listener, in reverse mode with the path
	// that it is below (public_url); userinfo is not looked at.
	Proxy *url.URL
	// Key is the worker's API key, or the token of its ServiceAccount; zero where
	// the listener implies one.
	Key auth.Secret
	// URLKey is what stands in the path of every request in reverse mode, for
	// clients that send no token.
	URLKey auth.Secret
	// HubRoute, where it is set, is the route that stands for the Hub's host in
	// reverse mode.
	HubRoute string
	// Roots is what certificates are verified by; nil means the system's.
	Roots *x509.CertPool
	// Now is the clock that certificates are verified by; nil means time.Now.
	Now func() time.Time
	// Patience bounds the wait for the head of each answer; zero means 30 s.
	Patience time.Duration
}

// Caller asks. Its methods may be called at the same time.
type Caller struct {
	o    Options
	base url.URL
	// at is base with the path that the listener is below, to which upstreams
	// and our own endpoints are added.
	at     string
	client *http.Client
	direct *http.Client
}

// userAgent names us: some upstreams refuse requests without a name.
const userAgent = "weighbridge-worker"

// New makes a Caller. Close ends its connections.
func New(o Options) *Caller {
	if o.Patience == 0 {
		o.Patience = 30 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	c := &Caller{o: o, base: url.URL{Scheme: o.Proxy.Scheme, Host: o.Proxy.Host}}
	c.at = c.base.String()
	if o.Mode == workerenv.Reverse {
		c.at += strings.TrimRight(o.Proxy.EscapedPath(), "/")
	}
	c.direct = c.newClient(nil)
	c.client = c.direct
	if o.Mode == workerenv.Forward {
		proxy := c.base
		if !o.Key.IsZero() {
			proxy.User = url.UserPassword("weighbridge", o.Key.Reveal())
		}
		c.client = c.newClient(http.ProxyURL(&proxy))
	}
	return c
}

func (c *Caller) newClient(proxy func(*http.Request) (*url.URL, error)) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                 proxy,
			DisableCompression:    true,
			TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.o.Roots, Time: c.o.Now},
			TLSHandshakeTimeout:   c.o.Patience,
			ResponseHeaderTimeout: c.o.Patience,
			DialContext:           (&net.Dialer{Timeout: c.o.Patience}).DialContext,
			OnProxyConnectResponse: func(_ context.Context, _ *url.URL, _ *http.Request, r *http.Response) error {
				if r.StatusCode == http.StatusOK {
					return nil
				}
				return &connectError{status: r.StatusCode, code: auth.Code(r.Header.Get("X-Weighbridge-Error")), retry: r.Header.Get("Retry-After")}
			},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Close ends idle connections.
func (c *Caller) Close() {
	c.client.CloseIdleConnections()
	c.direct.CloseIdleConnections()
}

// connectError is an answer to CONNECT that opens no tunnel. Its head is all
// that there is of it.
type connectError struct {
	status int
	code   auth.Code
	retry  string
}

func (e *connectError) Error() string { return fmt.Sprintf("CONNECT was answered with %d", e.status) }

// request makes the request for an upstream's URL in the caller's mode. Where
// it follows from a redirect it goes where that says, as clients do.
func (c *Caller) request(ctx context.Context, u *url.URL, redirected bool) (*http.Request, error) {
	to := u.String()
	if c.o.Mode == workerenv.Reverse && !redirected && !c.ours(u) {
		prefix := ""
		if !c.o.URLKey.IsZero() {
			prefix = "/.weighbridge/k/" + c.o.URLKey.Reveal()
		}
		scheme := ""
		if u.Scheme == "http" {
			scheme = "http:"
		}
		host := scheme + u.Host
		if c.o.HubRoute != "" && host == "huggingface.co" {
			host = c.o.HubRoute
		}
		to = c.at + prefix + "/" + host + u.RequestURI()
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, to, nil)
	if err != nil {
		return nil, errBadURL
	}
	r.Header.Set("User-Agent", userAgent)
	r.Header.Set("X-Weighbridge-Explain", "1")
	// Clients take their token off where a redirect leaves the host, and so the
	// key reaches nobody but weighbridge.
	if c.o.Mode == workerenv.Reverse && !c.o.Key.IsZero() && c.ours(r.URL) {
		r.Header.Set("Authorization", "Bearer "+c.o.Key.Reveal())
	}
	return r, nil
}

// ours reports whether u is at the listener, by the name that the worker has
// for it.
func (c *Caller) ours(u *url.URL) bool { return u.Scheme == c.base.Scheme && u.Host == c.base.Host }

// upstream is what a URL at the listener stands for, without its query, for
// words about it: the URL itself may hold a key, and says nothing to others.
func (c *Caller) upstream(u *url.URL) *url.URL {
	if c.o.Mode != workerenv.Reverse || !c.ours(u) {
		return u
	}
	path := strings.TrimPrefix(u.EscapedPath(), strings.TrimPrefix(c.at, c.base.String()))
	if after, ok := strings.CutPrefix(path, "/.weighbridge/k/"); ok {
		_, path, _ = strings.Cut(after, "/")
	}
	host, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	scheme := "https"
	if plain, ok := strings.CutPrefix(host, "http:"); ok {
		scheme, host = "http", plain
	}
	if host == c.o.HubRoute && host != "" {
		host = "huggingface.co"
	}
	to, err := url.Parse(scheme + "://" + host + "/" + rest)
	if err != nil || host == "" || host == ".weighbridge" {
		return &c.base
	}
	return to
}

var errBadURL = errors.New("that is not a URL that can be downloaded: give https://host/path")

// ParseURL reads an absolute http or https URL. Its error never repeats it:
// what stands there may hold a secret.
func ParseURL(s string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSpace(s))
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errBadURL
	}
	return u, nil
}

// Shown is a URL as it may be printed: without userinfo, query and fragment.
func Shown(u *url.URL) string {
	out := u.Scheme + "://" + u.Host + u.EscapedPath()
	// A URL key stands in the path of a URL of weighbridge's own.
	if before, after, ok := strings.Cut(out, "/.weighbridge/k/"); ok {
		_, rest, _ := strings.Cut(after, "/")
		out = before + "/.weighbridge/k/…/" + rest
	}
	if before, _, ok := strings.Cut(out, "/.weighbridge/s/"); ok {
		out = before + "/.weighbridge/s/…"
	}
	return out
}
