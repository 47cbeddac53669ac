package cases

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/config"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/house/origin"
)

// corporate is a proxy on our way out. It keeps what it is asked for, and
// everything that passes.
type corporate struct {
	net.Listener
	served sync.WaitGroup

	mu     sync.Mutex
	asked  []string
	passed strings.Builder
}

func newCorporate(t *testing.T) *corporate {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &corporate{Listener: l}
	p.served.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.served.Go(func() { p.serve(c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		p.served.Wait()
	})
	return p
}

func (p *corporate) serve(c net.Conn) {
	defer func() { _ = c.Close() }()
	br := bufio.NewReader(c)
	r, err := http.ReadRequest(br)
	if err != nil {
		return
	}
	p.mu.Lock()
	p.asked = append(p.asked, r.Method+" "+r.Host)
	p.mu.Unlock()
	up, err := net.Dial("tcp", r.Host)
	if err != nil {
		_, _ = io.WriteString(c, "HTTP/1.1 502 Bad Gateway\r\n\r\n")
		return
	}
	_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
	var both sync.WaitGroup
	both.Go(func() {
		_, _ = io.Copy(up, io.TeeReader(br, p))
		_ = up.(*net.TCPConn).CloseWrite()
	})
	_, _ = io.Copy(c, up)
	_ = c.Close()
	_ = up.Close()
	both.Wait()
}

func (p *corporate) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.passed.Write(b)
}

func (p *corporate) saw() (asked []string, passed string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked, p.passed.String()
}

// TestT13_TheWayOutIsHonoured: with a corporate proxy everything goes through
// it, to the address that was checked, and the proxy sees ciphertext only;
// where it fails nothing goes past it.
func TestT13_TheWayOutIsHonoured(t *testing.T) {
	t.Parallel()
	dns := &names{}
	dns.set(guarded, always("127.0.0.1"))
	way := newCorporate(t)
	var p *tap
	h := house.New(t, house.Options{Empty: true, Resolver: dns, Mount: func(s *origin.Server) {
		p = newTap(t, edited(guarded, nil)(t, s.Authority()), nil)
	}, Configure: func(c *config.Config) {
		c.Upstream.AllowPrivate = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
		c.Upstream.Proxy = "http://" + way.Addr().String()
	}})
	secret := bearer(h, "c", guarded+":"+p.port()+"/*")
	key := h.AddKey(admin.NewKey{Name: "w", Credentials: []string{"c"}}).Key
	url := "https://" + guarded + ":" + p.port() + "/x"
	for _, mode := range modes {
		if r := newWorker(t, h, mode, key).get(url); r.status != 200 {
			t.Errorf("%s: %s", mode, r)
		}
	}
	asked, passed := way.saw()
	if len(asked) != 1 || asked[0] != "CONNECT "+p.addr() {
		t.Errorf("the corporate proxy was asked for %q", asked)
	}
	if strings.Contains(passed, secret.Value()) || !strings.Contains(p.heard(), secret.Value()) {
		t.Error("the corporate proxy saw the credential, or nobody did")
	}
	// A proxy that is not there any more: nothing goes directly.
	_ = way.Close()
	if _, err := h.Reload(func(c *config.Config) { c.Upstream.Resolve = nil }); err != nil {
		t.Fatal(err)
	}
	h.Bridge.Proxy().ForgetConnections()
	p.forget()
	for _, mode := range modes {
		if r := newWorker(t, h, mode, key).get(url); r.code() != auth.CodeUpstreamUnreachable || p.accepted() != 0 {
			t.Errorf("%s: without its proxy: %s, %d connections", mode, r, p.accepted())
		}
	}
}

// TestT13_OurOwnEnvironmentLeadsNowhere: *_PROXY variables of the process are
// not ours to follow.
func TestT13_OurOwnEnvironmentLeadsNowhere(t *testing.T) {
	trap := newTap(t, nil, nil)
	for _, name := range []string{"HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "https_proxy", "http_proxy", "all_proxy"} {
		t.Setenv(name, "http://"+trap.addr())
	}
	h := house.New(t, house.Options{Empty: true, Mount: mount(t, map[string]http.Handler{guarded: files(origin.Text("weights"))})})
	bearer(h, "c", guarded+"/*")
	key := h.AddKey(admin.NewKey{Name: "w", Credentials: []string{"c"}}).Key
	for _, mode := range modes {
		if r := newWorker(t, h, mode, key).get("https://" + guarded + "/x"); r.status != 200 || string(r.body) != "weights" {
			t.Errorf("%s: %s", mode, r)
		}
	}
	if trap.accepted() != 0 {
		t.Error("a variable of the environment was followed")
	}
}
