package cases

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/config"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/house/hub"
	"github.com/weighbridge/weighbridge/internal/house/origin"
)

// unprovoked are the codes that no request can bring about.
var unprovoked = map[auth.Code]string{
	auth.CodeInternal:         "only a defect brings it about: package proxy/wire has a handler that panics",
	auth.CodeOverloaded:       "package proxy/wire has a server that is full, and package proxy texts that take all the memory",
	auth.CodeTransferCut:      "its worker sees a reset and no answer: package proxy has the cuts",
	auth.CodeTooManyTransfers: "package proxy has transfers that stay: TestR22_AKeyHasNoMoreTransfersThanItMay",
	auth.CodeStoreUnavailable: "it takes a database that goes away: TestOutageIsBounded, in package realstores",
	auth.CodeSignatureInvalid: "it is answered in the words of S3: TestS3FrontSignatures, in a house like this one",
}

// refusalHouse is a house in which everything can go wrong.
type refusalHouse struct {
	*house.House
	t   *testing.T
	now *clock
	key admin.Key
	// own is a secret of the worker's, which every request carries in its
	// query, its header and its cookies.
	own *house.Canary
}

func newRefusalHouse(t *testing.T, configure func(*config.Config)) *refusalHouse {
	t.Helper()
	x := &refusalHouse{t: t, now: &clock{}}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	dns := &names{}
	dns.set("slow.example.com", func(int) ([]string, error) {
		return nil, &net.DNSError{Err: "i/o timeout", Name: "slow.example.com", IsTimeout: true}
	})
	var liar, stranger *tap
	x.House = house.New(t, house.Options{Now: x.now.now, Resolver: dns, Mount: func(s *origin.Server) {
		liar = newTap(t, edited("liar.example.com", nil)(t, s.Authority()), func(string) string {
			return "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"
		})
		stranger = newTap(t, edited("other.example.com", nil)(t, s.Authority()), nil)
	}, Configure: func(c *config.Config) {
		c.Upstream.Resolve["liar.example.com:443"], c.Upstream.Resolve["stranger.example.com:443"] = liar.addr(), stranger.addr()
		c.Upstream.Resolve["closed.example.com:443"] = closed.Addr().String()
		c.ComfyUI.Servers = []string{"http://" + closed.Addr().String()}
		if configure != nil {
			configure(c)
		}
	}})
	x.own = x.Secret("own_")
	x.key = x.HubWorker("hub")
	for _, name := range []string{"liar", "stranger", "closed", "slow"} {
		bearer(x.House, name, name+".example.com/*")
		x.Link(name, "hub")
	}
	return x
}

// headers carry the worker's own secret.
func (x *refusalHouse) headers() string {
	v := x.own.Value()
	return "Cookie: session=" + v + "\r\nX-Own: " + v + "\r\nReferer: https://example.com/?" + v + "\r\n"
}

func (x *refusalHouse) target(path string) string { return path + "?token=" + x.own.Value() }

// reverse asks in reverse mode with a key, or none.
func (x *refusalHouse) reverse(method, key, path, header string) reply {
	c := dial(x.t, x.House)
	if key != "" {
		header += "Authorization: Bearer " + key + "\r\n"
	}
	c.say(method + " " + x.target(path) + " HTTP/1.1\r\nHost: localhost\r\n" + x.headers() + header + "\r\n")
	return c.answer(method)
}

// forward asks in a tunnel.
func (x *refusalHouse) forward(key, host, method, path, header string) reply {
	c := openTunnelAt(x.t, x.House, key, host+":443", x.now.now)
	c.say(method + " " + x.target(path) + " HTTP/1.1\r\nHost: " + host + "\r\nAuthorization: Bearer " + x.own.Value() + "\r\n" + x.headers() + header + "\r\n")
	return c.answer(method)
}

const gatedPath = "/" + hub.SampleGated + "/resolve/main/" + hub.SampleConfig

// provocations bring every code about, in both modes where both have it.
func (x *refusalHouse) provocations() map[auth.Code][]func() reply {
	key, gated := x.key.Key, "/"+hub.Host+gatedPath
	made := func(in admin.NewKey) string { return x.AddKey(in).Key }
	unlinked := made(admin.NewKey{Name: "unlinked", Unmatched: "deny"})
	routed := made(admin.NewKey{Name: "routed", Credentials: []string{"hub"}, Routes: []string{"elsewhere.example.com/*"}})
	expiring := made(admin.NewKey{Name: "expiring", Credentials: []string{"hub"}})
	x.EndKey("expiring", x.now.now().Add(time.Minute))
	metered := made(admin.NewKey{Name: "metered", Credentials: []string{"hub"}, Limits: &admin.Limits{Rate: auth.MinRate}})
	elsewhere := made(admin.NewKey{Name: "elsewhere", Credentials: []string{"hub"}, Sources: []string{"192.0.2.0/24"}})
	revoked := made(admin.NewKey{Name: "revoked", Credentials: []string{"hub"}})
	x.Call(http.MethodPost, "/api/v1/keys/revoked/revoke", nil, nil)
	x.AddCredential(admin.NewCredential{Name: "ending", Provider: "http_bearer", Keys: []string{"hub"}, ExpiresAt: ptr(x.now.now().Add(time.Minute)),
		Fields: map[string]string{"token": x.Secret("tok_").Value()}, Patterns: []string{"ending.example.com/*"}})
	sealed := x.reverse("GET", key, "/"+hub.Host+"/"+hub.SampleGated+"/resolve/main/"+escape(hub.SamplePlus), "").header.Get("Location")
	sealed = strings.TrimPrefix(sealed, "http://localhost")
	x.now.jump(2 * time.Hour)
	x.reverse("GET", metered, gated, "") // the one that it may ask

	both := func(key, host, path string) []func() reply {
		return []func() reply{
			func() reply { return x.reverse("GET", key, "/"+host+path, "") },
			func() reply { return x.forward(key, host, "GET", path, "") },
		}
	}
	one := func(f func() reply) []func() reply { return []func() reply{f} }
	return map[auth.Code][]func() reply{
		auth.CodeNoCredentialMatched: {
			func() reply { return x.reverse("GET", key, "/elsewhere.example.com/x", "") },
			func() reply { return dial(x.t, x.House).connect(unlinked, "elsewhere.example.com:443") },
		},
		auth.CodeNotLinked:           both(unlinked, hub.Host, gatedPath),
		auth.CodeCredentialNotUsable: both(key, "ending.example.com", "/x"),
		auth.CodeKeyMissing: {
			func() reply { return x.reverse("GET", "", gated, "") },
			func() reply { return dial(x.t, x.House).get(hub.Host, "http://"+hub.Host+x.target("/x"), x.headers()) },
		},
		auth.CodeKeyInvalid: {
			func() reply { return x.reverse("GET", auth.NewAPIKey().Reveal(), gated, "") },
			func() reply { return dial(x.t, x.House).connect(auth.NewAPIKey().Reveal(), hub.Host+":443") },
		},
		auth.CodeKeyExpired:       both(expiring, hub.Host, gatedPath),
		auth.CodeKeyRevoked:       both(revoked, hub.Host, gatedPath),
		auth.CodeSourceForbidden:  both(elsewhere, hub.Host, gatedPath),
		auth.CodeTooManyRequests:  both(metered, hub.Host, gatedPath),
		auth.CodeRouteForbidden:   both(routed, hub.Host, gatedPath),
		auth.CodeRouteUnavailable: one(func() reply { return x.reverse("GET", key, "/comfyui/queue", "") }),
		auth.CodeScopeForbidden: {
			func() reply { return x.reverse("DELETE", key, gated, "") },
			func() reply { return x.forward(key, hub.Host, "GET", "/api/whoami-v2", "") },
		},
		auth.CodeMisdirected: one(func() reply {
			c := openTunnelAt(x.t, x.House, key, hub.Host+":443", x.now.now)
			return c.get("evil.example.net", x.target("/x"), x.headers())
		}),
		auth.CodeBadTarget: both(key, hub.Host, "/a/%2e%2e/b"),
		auth.CodeBadRequest: {
			func() reply { return x.reverse("GET", key, gated, "X-Bad : space before the colon\r\n") },
			func() reply { return x.forward(key, hub.Host, "GET", gatedPath, "Host: "+hub.Host+"\r\n") },
		},
		auth.CodeHeaderTooLarge: {
			func() reply { return x.reverse("GET", key, gated, "X-Long: "+strings.Repeat("x", 40_000)+"\r\n") },
			func() reply {
				return x.forward(key, hub.Host, "GET", gatedPath, "X-Long: "+strings.Repeat("x", 40_000)+"\r\n")
			},
		},
		auth.CodeAddressForbidden: one(func() reply {
			return dial(x.t, x.House).get("169.254.169.254", "http://169.254.169.254"+x.target("/latest/meta-data/"), basicKey(key)+x.headers())
		}),
		auth.CodePortForbidden: one(func() reply { return dial(x.t, x.House).connect(key, "elsewhere.example.com:22") }),
		auth.CodeUpgradeForbidden: one(func() reply {
			return x.forward(key, hub.Host, "GET", gatedPath, "Connection: Upgrade\r\nUpgrade: websocket\r\n")
		}),
		auth.CodeUpstreamUnreachable: both(key, "closed.example.com", "/x"),
		auth.CodeUpstreamTimeout:     both(key, "slow.example.com", "/x"),
		auth.CodeUpstreamTLS:         both(key, "stranger.example.com", "/x"),
		auth.CodeUpstreamProtocol:    both(key, "liar.example.com", "/x"),
		auth.CodeBoxInvalid:          one(func() reply { return x.reverse("GET", "", "/.weighbridge/s/"+strings.Repeat("A", 80), "") }),
		auth.CodeBoxExpired: one(func() reply {
			c := dial(x.t, x.House)
			return c.get("localhost", sealed, x.headers())
		}),
	}
}

// check asserts what every refusal has in common.
func (x *refusalHouse) check(want auth.Code, r reply) {
	x.t.Helper()
	var said struct {
		Error, Reason, Next string
		Code                auth.Code
		RequestID           string `json:"request_id"`
	}
	err := json.Unmarshal(r.body, &said)
	switch {
	case r.err != nil || r.code() != want:
		x.t.Errorf("%s: %s", want, r)
	case err != nil || said.Code != want || said.Reason == "" || said.Next == "" || said.RequestID == "" || !strings.Contains(said.Error, said.Reason):
		x.t.Errorf("%s: its body says %q, %v", want, r.body, err)
	case r.header.Get("Content-Type") != "application/json" || r.header.Get("Set-Cookie") != "" || r.header.Get("Server") != "":
		x.t.Errorf("%s: its header says %v", want, r.header)
	}
}

// TestT50_EveryRefusalIsFreeOfSecrets brings every code about once, while
// requests carry secrets in every place. That nothing of them is in an answer,
// in the log, in the record or in metrics is asserted when the house closes.
func TestT50_EveryRefusalIsFreeOfSecrets(t *testing.T) {
	t.Parallel()
	x := newRefusalHouse(t, nil)
	provoked := map[auth.Code]bool{}
	for code, ways := range x.provocations() {
		for _, way := range ways {
			x.check(code, way())
			provoked[code] = true
		}
	}
	provoked[auth.CodeTooManyAttempts], provoked[auth.CodeDraining] = true, true
	last := reply{}
	for range 12 {
		last = x.reverse("GET", auth.NewAPIKey().Reveal(), "/"+hub.Host+gatedPath, "")
	}
	x.check(auth.CodeTooManyAttempts, last)
	if last.header.Get("Retry-After") == "" {
		t.Error("too many attempts, and no word of when to try again")
	}

	// A request of which the beginning came before the drain.
	c := dial(t, x.House)
	c.say("GET " + x.target("/"+hub.Host+gatedPath) + " HTTP/1.1\r\n")
	x.Eventually("the beginning was read", func() bool { return x.Bridge.Proxy().Conns() > 0 })
	time.Sleep(50 * time.Millisecond) // for the server to have read it; otherwise the drain ends the connection
	drained := make(chan error, 1)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	go func() { drained <- x.Bridge.Drain(ctx) }()
	x.Eventually("it drains", func() bool { return x.Bridge.Proxy().Ready() != nil })
	c.say("Host: localhost\r\n" + x.headers() + "Authorization: Bearer " + x.key.Key + "\r\n\r\n")
	if r := c.answer(http.MethodGet); r.err == nil {
		x.check(auth.CodeDraining, r)
	}
	c.ends("after the drain")
	if err := <-drained; err != nil {
		t.Errorf("draining: %v", err)
	}

	for _, code := range inOtherHouses(t) {
		provoked[code] = true
	}
	for _, info := range auth.Codes() {
		if why := unprovoked[info.Code]; !provoked[info.Code] && why == "" {
			t.Errorf("nothing provokes %s", info.Code)
		}
	}
}

// inOtherHouses provokes what needs another configuration or breaks the house.
func inOtherHouses(t *testing.T) []auth.Code {
	t.Helper()
	// A record that takes nothing.
	x := newRefusalHouse(t, func(c *config.Config) { c.Audit.TeamQuota = 1 })
	x.check(auth.CodeAuditUnavailable, x.reverse("GET", x.key.Key, "/"+hub.Host+gatedPath, ""))
	x.check(auth.CodeAuditUnavailable, x.forward(x.key.Key, hub.Host, "GET", gatedPath, ""))
	if n := x.Server.Record.Total(); n != 0 {
		t.Errorf("%d requests went out that are not on record", n)
	}
	// A page in a browser beside a listener that implies a key.
	x = newRefusalHouse(t, nil)
	if _, err := x.Reload(func(c *config.Config) { c.DefaultKey = "hub" }); err != nil {
		t.Fatal(err)
	}
	for _, page := range []string{"Origin: https://evil.example.net\r\n", "Sec-Fetch-Site: cross-site\r\n", "Sec-Fetch-Site: same-site\r\n"} {
		x.check(auth.CodeBrowserForbidden, x.reverse("GET", "", "/"+hub.Host+gatedPath, page))
	}
	x.check(auth.CodeBrowserForbidden, dial(t, x.House).get("rebound.example.net", x.target("/"+hub.Host+gatedPath), x.headers()))
	if r := x.reverse("GET", "", "/"+hub.Host+gatedPath, ""); r.status/100 != 3 && r.status != 200 {
		t.Errorf("a program beside a listener that implies a key: %s", r)
	}
	// A cluster that says of nobody who they are.
	keys := newClusterKeys(t)
	if _, err := x.Reload(func(c *config.Config) {
		c.ServiceAccounts = config.ServiceAccounts{Issuer: clusterIssuer, Audience: "weighbridge", Review: "https://127.0.0.1:1"}
	}); err != nil {
		t.Fatal(err)
	}
	x.check(auth.CodeIdentityUnavailable, x.reverse("GET", keys.token(x.House, "comfy/worker", "weighbridge", time.Now().Add(time.Hour)), "/"+hub.Host+gatedPath, ""))
	// A store that is gone.
	if err := x.Bridge.Store().Close(); err != nil {
		t.Fatal(err)
	}
	x.Server.Record.Reset()
	x.check(auth.CodeCredentialFailed, x.reverse("GET", x.key.Key, "/"+hub.Host+gatedPath, ""))
	x.check(auth.CodeCredentialFailed, x.forward(x.key.Key, hub.Host, "GET", gatedPath, ""))
	if n := x.Server.Record.Total(); n != 0 {
		t.Errorf("%d requests went out without their credential", n)
	}
	return []auth.Code{auth.CodeAuditUnavailable, auth.CodeBrowserForbidden, auth.CodeIdentityUnavailable, auth.CodeCredentialFailed}
}
