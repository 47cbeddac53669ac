package origin

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Options of a Server. The zero value is complete.
type Options struct {
	// Authority signs the certificates; one is made where it is nil.
	Authority *Authority
	// Now defaults to time.Now.
	Now func() time.Time
	// KeepRequests bounds the record; the oldest go first. Zero means 65,536.
	KeepRequests int
}

// Server serves many host names on one TLS listener and, for http:// URLs, on
// one plain listener, both on 127.0.0.1 with ports of the system's choice. It
// offers HTTP/1.1 only, because its faults act on the bare connection.
type Server struct {
	Record *Record
	Faults *Faults

	authority *Authority
	now       func() time.Time
	secure    net.Listener
	plain     net.Listener
	servers   []*http.Server
	closing   chan struct{}
	served    sync.WaitGroup

	mu     sync.RWMutex
	hosts  map[string]http.Handler
	leaves map[string]*tls.Certificate
}

// Listen starts a Server. No name is served before Handle names it.
func Listen(o Options) (*Server, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.KeepRequests == 0 {
		o.KeepRequests = 1 << 16
	}
	if o.Authority == nil {
		a, err := NewAuthority(o.Now)
		if err != nil {
			return nil, err
		}
		o.Authority = a
	}
	s := &Server{
		Record:    newRecord(o.KeepRequests),
		Faults:    &Faults{},
		authority: o.Authority,
		now:       o.Now,
		closing:   make(chan struct{}),
		hosts:     map[string]http.Handler{},
		leaves:    map[string]*tls.Certificate{},
	}
	var err error
	if s.secure, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, fmt.Errorf("listening for the fake upstreams: %w", err)
	}
	if s.plain, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, errors.Join(fmt.Errorf("listening for the fake upstreams: %w", err), s.secure.Close())
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}, GetCertificate: s.certificate}
	s.serve(tls.NewListener(s.secure, config))
	s.serve(s.plain)
	return s, nil
}

func (s *Server) serve(l net.Listener) {
	server := &http.Server{
		Handler: s,
		// A client that hangs up is an everyday event of these tests.
		ErrorLog:          log.New(io.Discard, "", 0),
		ReadHeaderTimeout: time.Minute,
	}
	s.servers = append(s.servers, server)
	s.served.Go(func() { _ = server.Serve(l) })
}

// Handle serves host, a lower-case name without port, and issues its
// certificate. A second handler for the same name is an error.
func (s *Server) Handle(host string, h http.Handler) error {
	leaf, err := s.authority.Leaf(host, nil)
	if err != nil {
		return err
	}
	return s.HandleWith(host, leaf, h)
}

// HandleWith is Handle with a certificate of the caller's making.
func (s *Server) HandleWith(host string, leaf *tls.Certificate, h http.Handler) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, taken := s.hosts[host]; taken {
		return fmt.Errorf("%s is served already", host)
	}
	s.hosts[host], s.leaves[host] = h, leaf
	return nil
}

// Addr is the address of the TLS listener, PlainAddr of the other.
func (s *Server) Addr() string { return s.secure.Addr().String() }

// PlainAddr is the address of the plain listener.
func (s *Server) PlainAddr() string { return s.plain.Addr().String() }

// RootPEM is the certificate that signs every name here.
func (s *Server) RootPEM() []byte { return s.authority.RootPEM() }

// Authority is the root itself.
func (s *Server) Authority() *Authority { return s.authority }

// Resolve says for every name where it is found, in the form of
// upstream.resolve: "host:443" and "host:80" to an address.
func (s *Server) Resolve() map[string]string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := make(map[string]string, 2*len(s.hosts))
	for host := range s.hosts {
		out[net.JoinHostPort(host, "443")] = s.Addr()
		out[net.JoinHostPort(host, "80")] = s.PlainAddr()
	}
	return out
}

// Hosts lists every name, sorted.
func (s *Server) Hosts() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Sorted(maps.Keys(s.hosts))
}

// Client is an HTTP client that reaches every name here and nothing else,
// trusts the root alone and follows no redirect.
func (s *Server) Client() *http.Client {
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DisableCompression: true,
			DialContext:        s.Dial,
			TLSClientConfig:    &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: s.authority.Pool()},
		},
	}
}

// Dial connects to a name that is served here, and to nothing else.
func (s *Server) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	to, ok := s.Resolve()[address]
	if !ok {
		return nil, fmt.Errorf("%s is not one of the fake upstreams", address)
	}
	var d net.Dialer
	return d.DialContext(ctx, network, to)
}

// Close ends every connection at once, waits for the listeners and is safe to
// call again.
func (s *Server) Close() error {
	s.mu.Lock()
	select {
	case <-s.closing:
	default:
		close(s.closing)
	}
	s.mu.Unlock()
	var errs []error
	for _, server := range s.servers {
		errs = append(errs, server.Close())
	}
	s.served.Wait()
	return errors.Join(errs...)
}

func (s *Server) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	name := strings.ToLower(hello.ServerName)
	if name == "" {
		// No server name is sent for an IP literal (RFC 6066, section 3).
		name, _, _ = net.SplitHostPort(hello.Conn.LocalAddr().String())
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if leaf := s.leaves[name]; leaf != nil {
		return leaf, nil
	}
	return nil, fmt.Errorf("no such name: %q", name)
}

// ServeHTTP records the request, refuses it where the names disagree, and
// hands it to its host through the faults that are set.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host := strings.ToLower(r.Host)
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	row := s.Record.open(s.now(), host, r)
	out := &recorder{ResponseWriter: w, row: row, record: s.Record}
	s.mu.RLock()
	handler := s.hosts[host]
	s.mu.RUnlock()
	switch {
	case handler == nil:
		http.Error(out, "no such host here", http.StatusMisdirectedRequest)
	case r.TLS != nil && r.TLS.ServerName != "" && !strings.EqualFold(r.TLS.ServerName, host):
		http.Error(out, "server name and Host differ", http.StatusMisdirectedRequest)
	default:
		s.Faults.serve(out, r, host, handler, s.closing)
	}
}
