package cases

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/config"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/house/origin"
	"github.com/weighbridge/weighbridge/internal/workerenv"
)

// names is a resolver that a test answers for. What is asked is kept.
type names struct {
	mu    sync.Mutex
	hosts map[string]func(nth int) ([]string, error)
	asked []string
}

// always answers the same.
func always(addrs ...string) func(int) ([]string, error) {
	return func(int) ([]string, error) { return addrs, nil }
}

// LookupNetIP implements guard.Resolver.
func (n *names) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	nth := 0
	for _, a := range n.asked {
		if a == host {
			nth++
		}
	}
	n.asked = append(n.asked, host)
	answer, ok := n.hosts[host]
	if !ok {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	texts, err := answer(nth)
	var out []netip.Addr
	for _, t := range texts {
		out = append(out, netip.MustParseAddr(t))
	}
	return out, err
}

// queries are the names asked for since the last call.
func (n *names) queries() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	out := n.asked
	n.asked = nil
	return out
}

func (n *names) set(host string, answer func(int) ([]string, error)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.hosts == nil {
		n.hosts = map[string]func(int) ([]string, error){}
	}
	n.hosts[host] = answer
}

// rebound is a house whose one upstream is found by DNS: a tap on 127.0.0.1,
// which alone of the private addresses is allowed. Its credential is for the
// tap's port.
func rebound(t *testing.T, dns *names, configure func(*config.Config)) (h *house.House, p *tap, secret *house.Canary, key string) {
	t.Helper()
	h = house.New(t, house.Options{Empty: true, Resolver: dns, Mount: func(s *origin.Server) {
		// Every answer closes its connection, so that each request dials.
		p = newTap(t, edited(guarded, nil)(t, s.Authority()), func(string) string {
			return "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\nContent-Type: application/octet-stream\r\n\r\nok"
		})
	}, Configure: func(c *config.Config) {
		c.Upstream.AllowPrivate = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
		if configure != nil {
			configure(c)
		}
	}})
	secret = bearer(h, "c", guarded+":"+p.port()+"/*")
	key = h.AddKey(admin.NewKey{Name: "w", Credentials: []string{"c"}}).Key
	return h, p, secret, key
}

// TestT33_RebindingIsSeenAtEveryDial: answers that change between requests, or
// that mix what may be dialled with what may not.
func TestT33_RebindingIsSeenAtEveryDial(t *testing.T) {
	t.Parallel()
	dns := &names{}
	h, p, _, key := rebound(t, dns, nil)
	for _, mode := range modes {
		w := newWorker(t, h, mode, key)
		for _, c := range []struct {
			name          string
			first, second []string
		}{
			{"to the metadata service", []string{"127.0.0.1"}, []string{"169.254.169.254"}},
			{"to loopback", []string{"127.0.0.1"}, []string{"127.0.0.2"}},
			{"to a private network", []string{"127.0.0.1"}, []string{"10.0.0.1"}},
			{"to IPv6 loopback", []string{"127.0.0.1"}, []string{"::1"}},
			{"to a mapped address", []string{"127.0.0.1"}, []string{"::ffff:10.0.0.1"}},
			{"to NAT64 of a private address", []string{"127.0.0.1"}, []string{"64:ff9b::a00:1"}},
			{"to a mixture", []string{"127.0.0.1"}, []string{"127.0.0.1", "10.0.0.1"}},
			{"to a mixture, the other way round", []string{"127.0.0.1"}, []string{"10.0.0.1", "127.0.0.1"}},
			{"to the unspecified address", []string{"127.0.0.1"}, []string{"0.0.0.0"}},
		} {
			dns.queries()
			dns.set(guarded, func(nth int) ([]string, error) {
				if nth == 0 {
					return c.first, nil
				}
				return c.second, nil
			})
			p.forget()
			url := "https://" + guarded + ":" + p.port() + "/x"
			if r := w.get(url); r.status != 200 {
				t.Errorf("%s, %s: the first answer: %s", mode, c.name, r)
			}
			if r := w.get(url); r.status != 403 || r.code() != auth.CodeAddressForbidden {
				t.Errorf("%s, %s: the second answer: %s", mode, c.name, r)
			}
			if asked := dns.queries(); len(asked) != 2 {
				t.Errorf("%s, %s: each dial looks up once, not %v", mode, c.name, asked)
			}
			if n := p.accepted(); n != 1 {
				t.Errorf("%s, %s: %d connections", mode, c.name, n)
			}
		}
	}
}

// TestT33_KeptConnectionsAreCheckedToo: an address that was allowed when its
// connection was made, and is not any more.
func TestT33_KeptConnectionsAreCheckedToo(t *testing.T) {
	t.Parallel()
	dns := &names{}
	dns.set(guarded, always("127.0.0.1"))
	var p *tap
	h := house.New(t, house.Options{Empty: true, Resolver: dns, Mount: func(s *origin.Server) {
		p = newTap(t, edited(guarded, nil)(t, s.Authority()), nil)
	}, Configure: func(c *config.Config) {
		c.Upstream.AllowPrivate = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	}})
	bearer(h, "c", guarded+":"+p.port()+"/*")
	w := newWorker(t, h, workerenv.Reverse, h.AddKey(admin.NewKey{Name: "w", Credentials: []string{"c"}}).Key)
	url := "https://" + guarded + ":" + p.port() + "/x"
	for range 3 {
		if r := w.get(url); r.status != 200 {
			t.Fatal(r)
		}
	}
	if n := p.accepted(); n != 1 {
		t.Fatalf("the connection was not kept: %d", n)
	}
	if _, err := h.Reload(func(c *config.Config) { c.Upstream.AllowPrivate = nil }); err != nil {
		t.Fatal(err)
	}
	p.forget()
	if r := w.get(url); r.code() != auth.CodeAddressForbidden || p.heard() != "" {
		t.Errorf("over a kept connection: %s", r)
	}
}

// TestT36_NoQueryBeforeTheDecision: a name that a worker may not reach is
// never looked up, by whatever way it is asked for.
func TestT36_NoQueryBeforeTheDecision(t *testing.T) {
	t.Parallel()
	dns := &names{}
	dns.set("unlisted.example.net", always("127.0.0.1"))
	dns.set(guarded, always("127.0.0.1"))
	h, p, _, key := rebound(t, dns, func(c *config.Config) { c.Unmatched.Forward = auth.UnmatchedDeny })
	routed := h.AddKey(admin.NewKey{Name: "routed", Credentials: []string{"c"}, Routes: []string{"elsewhere.example.com/*"}}).Key
	revoked := h.AddKey(admin.NewKey{Name: "revoked", Credentials: []string{"c"}})
	h.Call(http.MethodPost, "/api/v1/keys/revoked/revoke", nil, nil)
	unlinked := h.AddKey(admin.NewKey{Name: "unlinked"}).Key
	good := guarded + ":" + p.port()

	refused := func(name string, want auth.Code, r reply) {
		t.Helper()
		if r.code() != want {
			t.Errorf("%s: %s", name, r)
		}
		if asked := dns.queries(); len(asked) > 0 {
			t.Errorf("%s: asked for %v", name, asked)
		}
	}
	for _, host := range []string{"unlisted.example.net:443", "does-not-exist.example.net:443"} {
		refused("CONNECT "+host, auth.CodeNoCredentialMatched, dial(t, h).connect(key, host))
	}
	for what, c := range map[string]struct {
		request string
		want    auth.Code
	}{
		"absolute form":           {"GET http://unlisted.example.net/ HTTP/1.1\r\nHost: unlisted.example.net\r\n" + basicKey(key), auth.CodeNoCredentialMatched},
		"absolute form, no key":   {"GET http://" + good + "/ HTTP/1.1\r\nHost: " + good + "\r\n", auth.CodeKeyMissing},
		"reverse":                 {"GET /unlisted.example.net/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + key + "\r\n", auth.CodeNoCredentialMatched},
		"reverse, no key":         {"GET /" + good + "/x HTTP/1.1\r\nHost: localhost\r\n", auth.CodeKeyMissing},
		"reverse, unknown key":    {"GET /" + good + "/x HTTP/1.1\r\nHost: localhost\r\nX-Weighbridge-Key: " + auth.NewAPIKey().Reveal() + "\r\n", auth.CodeKeyInvalid},
		"reverse, revoked key":    {"GET /" + good + "/x HTTP/1.1\r\nHost: localhost\r\nX-Weighbridge-Key: " + revoked.Key + "\r\n", auth.CodeKeyRevoked},
		"reverse, unlinked key":   {"GET /" + good + "/x HTTP/1.1\r\nHost: localhost\r\nX-Weighbridge-Key: " + unlinked + "\r\n", auth.CodeNotLinked},
		"reverse, other routes":   {"GET /" + good + "/x HTTP/1.1\r\nHost: localhost\r\nX-Weighbridge-Key: " + routed + "\r\n", auth.CodeRouteForbidden},
		"reverse, ambiguous":      {"GET /" + good + "/a/../x HTTP/1.1\r\nHost: localhost\r\nX-Weighbridge-Key: " + key + "\r\n", auth.CodeBadTarget},
		"reverse, scope":          {"DELETE /" + good + "/x HTTP/1.1\r\nHost: localhost\r\nX-Weighbridge-Key: " + key + "\r\n", auth.CodeScopeForbidden},
		"reverse, foreign box":    {"GET /.weighbridge/s/AAAA/x HTTP/1.1\r\nHost: localhost\r\n", auth.CodeBoxInvalid},
		"CONNECT, no key":         {"CONNECT " + good + " HTTP/1.1\r\nHost: " + good + "\r\n", auth.CodeKeyMissing},
		"CONNECT, forbidden port": {"CONNECT unlisted.example.net:22 HTTP/1.1\r\nHost: unlisted.example.net:22\r\n" + basicKey(key), auth.CodeNoCredentialMatched},
		"Host of another":         {"GET http://" + good + "/ HTTP/1.1\r\nHost: unlisted.example.net\r\n" + basicKey(key), auth.CodeBadTarget},
	} {
		c2 := dial(t, h)
		c2.say(c.request + "\r\n")
		refused(what, c.want, c2.answer(http.MethodGet))
	}
	// An opened tunnel asks nothing either, until a request in it is allowed.
	inside := openTunnel(t, h, key, good)
	if asked := dns.queries(); len(asked) > 0 {
		t.Errorf("opening a tunnel asked for %v", asked)
	}
	refused("inside, another host", auth.CodeMisdirected, inside.get("unlisted.example.net", "/x", ""))
	refused("inside, a revoked key", auth.CodeKeyRevoked, openTunnel(t, h, revoked.Key, good).get(good, "/x", ""))
	h.Call(http.MethodPost, "/api/v1/explain", admin.ExplainRequest{URL: "https://unlisted.example.net/", Key: "w"}, nil)
	if asked := dns.queries(); len(asked) > 0 {
		t.Errorf("explaining asked for %v", asked)
	}
	if r := openTunnel(t, h, key, good).get(good, "/x", ""); r.status != 200 || len(dns.queries()) != 1 {
		t.Errorf("what is allowed: %s", r)
	}
}

// TestT34_WeighbridgeIsNotReachedThroughItself: its own listeners are refused
// however they are named, even where an operator allowed loopback and wrote
// the address.
func TestT34_WeighbridgeIsNotReachedThroughItself(t *testing.T) {
	t.Parallel()
	for _, admins := range []string{"127.0.0.1:0", "[::1]:0"} {
		if l, err := net.Listen("tcp", admins); err != nil {
			t.Logf("without %s: %v", admins, err)
			continue
		} else {
			_ = l.Close()
		}
		dns := &names{}
		dns.set("own4.example.net", always("127.0.0.1"))
		dns.set("own6.example.net", always("::1"))
		dns.set("localhost", always("127.0.0.1", "::1"))
		h := house.New(t, house.Options{Empty: true, Resolver: dns, Configure: func(c *config.Config) {
			c.AdminListen = admins
			c.Unmatched.Reverse = auth.UnmatchedPass
			c.Upstream.AllowPrivate = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
		}})
		key := h.HubWorker("hub").Key
		proxy, admin := portOf(h.Bridge.ProxyURL()), portOf(h.Bridge.AdminURL())
		if _, err := h.Reload(func(c *config.Config) {
			c.Upstream.Resolve["written.example.net:80"] = "127.0.0.1:" + proxy
			c.Upstream.Resolve["written.example.net:81"] = strings.Replace(admins, ":0", ":"+admin, 1)
			c.Upstream.ConnectPorts = []uint16{80, 81, 443}
			for _, port := range []string{proxy, admin} {
				n, _ := strconv.ParseUint(port, 10, 16)
				c.Upstream.ConnectPorts = append(c.Upstream.ConnectPorts, uint16(n))
			}
		}); err != nil {
			t.Fatal(err)
		}
		authorities := []string{"127.0.0.1:" + proxy, "own4.example.net:" + proxy, "localhost:" + proxy, "[::ffff:127.0.0.1]:" + proxy,
			"written.example.net:80", "written.example.net:81", "localhost:" + admin}
		if admins == "127.0.0.1:0" {
			authorities = append(authorities, "127.0.0.1:"+admin, "own4.example.net:"+admin)
		} else {
			authorities = append(authorities, "[::1]:"+admin, "own6.example.net:"+admin)
		}
		for _, a := range authorities {
			for what, r := range map[string]reply{
				"CONNECT":       dial(t, h).connect(key, a),
				"absolute form": dial(t, h).get(a, "http://"+a+"/metrics", basicKey(key)),
				"reverse":       dial(t, h).get("localhost", "/http:"+a+"/metrics", "Authorization: Bearer "+key+"\r\n"),
			} {
				if c := r.code(); c != auth.CodeAddressForbidden && c != auth.CodeBadTarget || strings.Contains(string(r.body), "weighbridge_requests") {
					t.Errorf("%s %s: %s", what, a, r)
				}
			}
		}
	}
}

// TestT34_TheAdministrativeSideServesNoWebPage: what a page could make a
// browser send, by a name that it made lead here, changes nothing and shows
// nothing.
func TestT34_TheAdministrativeSideServesNoWebPage(t *testing.T) {
	t.Parallel()
	h := house.New(t, house.Options{Empty: true})
	h.HubWorker("hub")
	addr := strings.TrimPrefix(h.Bridge.AdminURL(), "http://")
	for _, header := range []string{"", "Origin: https://evil.example.net\r\n", "Authorization: Bearer wbt_guess\r\n"} {
		for _, host := range []string{addr, "evil.example.net", "localhost"} {
			for _, path := range []string{"/api/v1/credentials", "/api/v1/keys", "/api/v1/audit", "/api/v1/system"} {
				if r := dialTo(t, h, addr).get(host, path, header); r.status != 401 && r.status != 403 || strings.Contains(string(r.body), "hub") {
					t.Errorf("%s with %q as %s: %s", path, header, host, r)
				}
			}
			if r := dialTo(t, h, addr).get(host, "/debug/pprof/", header); r.status != 404 && r.status != 403 {
				t.Errorf("pprof: %s", r)
			}
		}
	}
}
