package bridge

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/weighbridge/weighbridge/admin"
)

// listeners are the sockets of one weighbridge.
type listeners struct {
	mu     sync.Mutex
	proxy  net.Listener
	admin  net.Listener
	socket net.Listener
	// scheme is that of the proxy listener, adminScheme that of the admin
	// listener; no reload changes them.
	scheme, adminScheme string

	servers []*http.Server
}

// Listen opens every socket. Where one cannot be opened, none stays open.
func (b *Bridge) Listen(ctx context.Context) (err error) {
	l := &b.listeners
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	cfg := &b.loaded.Load().Config
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.proxy, err = listen(ctx, "listen", cfg.Listen, socketMode(cfg.SocketAccess)); err != nil {
		return err
	}
	tlsConfig, err := b.tls.config(cfg, b.authority)
	if err != nil {
		return err
	}
	l.scheme = "http"
	if tlsConfig != nil {
		l.scheme = "https"
		l.proxy = b.proxy.TLSListener(l.proxy, tlsConfig)
	}
	if cfg.AdminListen != "" {
		if l.admin, err = listen(ctx, "admin_listen", cfg.AdminListen, ownerOnly); err != nil {
			return err
		}
		tlsConfig, err := b.adminTLS.config(cfg, b.authority)
		if err != nil {
			return err
		}
		l.adminScheme = "http"
		if tlsConfig != nil {
			l.adminScheme = "https"
			l.admin = tls.NewListener(l.admin, tlsConfig)
		}
	}
	if b.writable {
		path, err := admin.SocketPath(b.dir)
		if err != nil {
			return err
		}
		if l.socket, err = listenSocket(ctx, path, ownerOnly); err != nil {
			return err
		}
	}
	return nil
}

// listen opens host:port or unix:PATH; mode is for the socket.
func listen(ctx context.Context, field, addr string, mode fs.FileMode) (net.Listener, error) {
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		return listenSocket(ctx, path, mode)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s: %s is in use by another process: stop it, or choose another address with --%s", field, addr, strings.ReplaceAll(field, "_", "-"))
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", field, err)
	}
	return l, nil
}

// ownerOnly is the mode of a socket that only our own user may connect to.
const ownerOnly fs.FileMode = 0o600

// socketMode is the mode of a socket by whose it is to be; anything but the
// words for more is ownerOnly.
func socketMode(access string) fs.FileMode {
	switch access {
	case "group":
		return 0o660
	case "all":
		return 0o666
	default:
		return ownerOnly
	}
}

// listenSocket opens a unix socket of a mode: its permission is its
// authorization. A socket that a killed process left behind is replaced; one
// that answers is not.
func listenSocket(ctx context.Context, path string, mode fs.FileMode) (net.Listener, error) {
	if info, err := os.Lstat(path); err == nil {
		if info.Mode()&fs.ModeSocket == 0 {
			return nil, fmt.Errorf("%s: exists and is not a socket", path)
		}
		var d net.Dialer
		if c, err := d.DialContext(ctx, "unix", path); err == nil {
			_ = c.Close()
			return nil, fmt.Errorf("%s: another weighbridge answers there", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	// In a directory that nobody else may enter nobody can connect in the
	// moment before chmod. Elsewhere the umask closes that moment; it is the
	// whole process's, so it stays as it is where it is not needed.
	var lc net.ListenConfig
	var l net.Listener
	var err error
	if dir, statErr := os.Stat(filepath.Dir(path)); statErr == nil && dir.Mode().Perm()&0o077 == 0 {
		l, err = lc.Listen(ctx, "unix", path)
	} else {
		old := syscall.Umask(0o177)
		l, err = lc.Listen(ctx, "unix", path)
		syscall.Umask(old)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := os.Chmod(path, mode); err != nil {
		_ = l.Close()
		return nil, err
	}
	return l, nil
}

// Bounds of the admin side, which serves small JSON. A stream that follows
// the record has no write bound.
const (
	adminHeaderTimeout = 10 * time.Second
	adminIdleTimeout   = 2 * time.Minute
	adminHeaderBytes   = 32 << 10
)

func (l *listeners) serveAdmin(ln net.Listener, h http.Handler, report func(error)) {
	srv := &http.Server{
		Handler: h, ReadHeaderTimeout: adminHeaderTimeout, IdleTimeout: adminIdleTimeout, MaxHeaderBytes: adminHeaderBytes,
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){},
	}
	l.mu.Lock()
	l.servers = append(l.servers, srv)
	l.mu.Unlock()
	go func() {
		if err := srv.Serve(ln); err != nil && !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			report(err)
		}
	}()
}

func (l *listeners) proxyAddr() net.Addr { return addrOf(&l.mu, &l.proxy) }
func (l *listeners) adminAddr() net.Addr { return addrOf(&l.mu, &l.admin) }

func addrOf(mu *sync.Mutex, ln *net.Listener) net.Addr {
	mu.Lock()
	defer mu.Unlock()
	if *ln == nil {
		return nil
	}
	return (*ln).Addr()
}

func (l *listeners) own() []netip.AddrPort {
	var out []netip.AddrPort
	for _, a := range []net.Addr{l.proxyAddr(), l.adminAddr()} {
		if a == nil {
			continue
		}
		if ap, err := netip.ParseAddrPort(a.String()); err == nil {
			out = append(out, ap)
		}
	}
	return out
}

// close closes what is open; the proxy listener belongs to the proxy once it
// serves.
func (l *listeners) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.servers {
		_ = s.Close()
	}
	l.servers = nil
	for _, ln := range []net.Listener{l.proxy, l.admin, l.socket} {
		if ln != nil {
			_ = ln.Close()
		}
	}
}
