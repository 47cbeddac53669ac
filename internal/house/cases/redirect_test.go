package cases

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/config"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/house/origin"
	"github.com/weighbridge/weighbridge/internal/workerenv"
)

// sink is where a redirect leads. Everything that lands there is searched for
// the secrets.
type sink struct {
	name string
	// to is the Location; FROM stands for the host that redirects.
	to string
	// landed is the host at which it arrives, on the far side; empty where it
	// must not arrive anywhere.
	landed string
	// back says that it comes to the very host that has the credential, where
	// the credential belongs.
	back bool
}

const landing = "/landed"

// sinks are the places that a redirect may name. None of them but the host
// itself has a credential.
func sinks(signed string) []sink {
	return []sink{
		{name: "another host", to: "https://sink.example.net" + landing, landed: "sink.example.net"},
		{name: "a subdomain", to: "https://sub.FROM" + landing, landed: "sub.FROM"},
		{name: "the parent domain", to: "https://example.com" + landing, landed: "example.com"},
		{name: "a sibling", to: "https://sibling.example.com" + landing, landed: "sibling.example.com"},
		{name: "the name as a prefix", to: "https://FROM.sink.example.net" + landing, landed: "FROM.sink.example.net"},
		{name: "the name as a suffix", to: "https://evilFROM" + landing, landed: "evilFROM"},
		{name: "another port", to: "https://FROM:8443" + landing, landed: "FROM"},
		{name: "cleartext of the same host", to: "http://FROM" + landing, landed: "FROM"},
		{name: "cleartext of another host", to: "http://sink.example.net" + landing, landed: "sink.example.net"},
		{name: "the name as user", to: "https://FROM@sink.example.net" + landing, landed: "sink.example.net"},
		{name: "the name in the query", to: "https://sink.example.net" + landing + "?next=https://FROM/", landed: "sink.example.net"},
		{name: "the name in the path", to: "https://sink.example.net" + landing + "/FROM/", landed: "sink.example.net"},
		{name: "no scheme", to: "//sink.example.net" + landing, landed: "sink.example.net"},
		{name: "an IPv4 literal", to: "http://192.0.2.7" + landing, landed: "192.0.2.7"},
		{name: "an IPv6 literal", to: "http://[2001:db8::7]" + landing, landed: "[2001:db8::7]"},
		{name: "the metadata address", to: "http://169.254.169.254" + landing},
		{name: "ourselves", to: "https://127.0.0.1:PROXY" + landing},
		{name: "a signed URL", to: signed, landed: "store.example.net"},
		{name: "five hops, then another host", to: "https://FROM/hops/5", landed: "sink.example.net"},
		{name: "a third host, twice", to: "https://sink.example.net/again", landed: "sink.example.net"},
		{name: "the same host", to: "https://FROM/home", back: true},
	}
}

// redirector answers /to/STATUS/N with a redirect to sink N.
type redirector struct{ all []sink }

func (f *redirector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	part := strings.Split(strings.TrimPrefix(r.URL.Path, "/"), "/")
	send := func(status int, to string) {
		w.Header().Set("Location", to)
		w.WriteHeader(status)
	}
	switch part[0] {
	case "to":
		status, _ := strconv.Atoi(part[1])
		n, _ := strconv.Atoi(part[2])
		send(status, strings.ReplaceAll(f.all[n].to, "FROM", r.Host))
	case "hops":
		if n, _ := strconv.Atoi(part[1]); n > 1 {
			send(302, "/hops/"+strconv.Itoa(n-1))
			return
		}
		send(302, "https://sink.example.net"+landing)
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}

// TestT06_R11_ACredentialArrivesOnlyWhereItsPatternMatches: every sink by
// every status, for three ways of showing a secret, in both modes, by a
// client that sends its own Authorization on every hop.
func TestT06_R11_ACredentialArrivesOnlyWhereItsPatternMatches(t *testing.T) {
	t.Parallel()
	sources := map[string]string{"http_bearer": "models.example.com", "http_basic": "basic.example.com", "http_api_key": "keys.example.com"}
	from := &redirector{}
	handlers := map[string]http.Handler{}
	for _, host := range sources {
		handlers[host] = from
	}
	signer := origin.NewSigner(nil)
	from.all = sinks(signer.Presigned("store.example.net", "/object", "", time.Hour))
	var far *origin.Server
	h := house.New(t, house.Options{Empty: true, Mount: func(s *origin.Server) {
		mount(t, handlers)(s)
		far = farSide(t, s.Authority(), from.all, sources, signer)
	}, Configure: func(c *config.Config) {
		c.Unmatched.Reverse = auth.UnmatchedPass
		c.Upstream.ConnectPorts = []uint16{443, 8443}
		near := c.Upstream.Resolve
		c.Upstream.Resolve = far.Resolve()
		delete(c.Upstream.Resolve, "[[2001:db8::7]]:80")
		delete(c.Upstream.Resolve, "[[2001:db8::7]]:443")
		c.Upstream.Resolve["[2001:db8::7]:80"] = far.PlainAddr()
		for _, host := range sources {
			c.Upstream.Resolve[host+":8443"] = far.Addr()
			c.Upstream.Resolve[host+":443"] = near[host+":443"]
		}
	}})
	from.all[indexOf(from.all, "ourselves")].to = "https://127.0.0.1:" + portOf(h.Bridge.ProxyURL()) + landing

	secrets := []*house.Canary{bearer(h, "bearer", sources["http_bearer"]+"/*"), h.Secret("pass_"), h.Secret("key_")}
	h.AddCredential(admin.NewCredential{Name: "basic", Provider: "http_basic",
		Fields: map[string]string{"username": "me", "password": secrets[1].Value()}, Patterns: []string{sources["http_basic"] + "/*"}})
	h.AddCredential(admin.NewCredential{Name: "key", Provider: "http_api_key",
		Fields: map[string]string{"headerName": "X-Api-Key", "headerValue": secrets[2].Value()}, Patterns: []string{sources["http_api_key"] + "/*"}})
	key := h.AddKey(admin.NewKey{Name: "w", Credentials: []string{"bearer", "basic", "key"}}).Key

	for _, mode := range modes {
		w := newWorker(t, h, mode, key)
		for provider, host := range sources {
			for n, s := range from.all {
				for i, status := range []int{301, 302, 303, 307, 308} {
					if i != n%5 && (provider != "http_bearer" || s.name != "another host" && i != (n+2)%5) {
						continue // every status for one sink, one or two for the others
					}
					what := strings.Join([]string{string(mode), provider, s.name, strconv.Itoa(status)}, ", ")
					h.Server.Record.Reset()
					far.Record.Reset()
					var own []string
					if mode == workerenv.Forward && s.landed != "store.example.net" {
						own = []string{"Authorization", "Bearer worker-own"}
					}
					got := w.follow("https://"+host+"/to/"+strconv.Itoa(status)+"/"+strconv.Itoa(n), own...)
					near, there := h.Server.Record.All(), far.Record.All()
					if len(near) == 0 {
						t.Errorf("%s: nothing reached the host itself: %s", what, got)
					}
					for i := range near {
						if near[i].Host != host || !near[i].Secure || secretIn(&near[i], secrets...) == "" {
							t.Errorf("%s: %s%s did not get its credential", what, near[i].Host, near[i].Path)
						}
					}
					for i := range there {
						if where := secretIn(&there[i], secrets...); where != "" {
							t.Errorf("%s: LEAK: %s%s saw a secret in %s", what, there[i].Host, there[i].Path, where)
						}
					}
					s.check(t, what, strings.ReplaceAll(s.landed, "FROM", host), there, got)
				}
			}
		}
	}
}

// farSide is a server of its own, so that the same name on another port or
// scheme is another place.
func farSide(t *testing.T, root *origin.Authority, all []sink, sources map[string]string, signer *origin.Signer) *origin.Server {
	t.Helper()
	far, err := origin.Listen(origin.Options{Authority: root})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = far.Close() })
	handlers := map[string]http.Handler{}
	for _, s := range all {
		for _, host := range sources {
			handlers[strings.ReplaceAll(s.landed, "FROM", host)] = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/again" {
					http.Redirect(w, r, landing, http.StatusTemporaryRedirect)
				}
			})
		}
	}
	delete(handlers, "")
	handlers["store.example.net"] = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if signer.Guard(w, r, r.Host) {
			w.WriteHeader(http.StatusOK)
		}
	})
	delete(handlers, "[2001:db8::7]")
	mount(t, handlers)(far)
	// Only cleartext goes to a bare address here, so its certificate is none.
	if err := far.HandleWith("[2001:db8::7]", nil, handlers["example.com"]); err != nil {
		t.Fatal(err)
	}
	return far
}

// check asserts that the redirect led where it leads: a sink that nothing
// reaches shows nothing.
func (s sink) check(t *testing.T, what, landed string, there []origin.Request, got reply) {
	t.Helper()
	switch {
	case s.back:
		if len(there) != 0 || got.status != 204 {
			t.Errorf("%s: %s", what, got)
		}
	case landed == "":
		if len(there) != 0 || got.err == nil && got.code() != auth.CodeAddressForbidden && got.code() != auth.CodeBadTarget {
			t.Errorf("%s: arrived at %d places, %s", what, len(there), got)
		}
	case s.name == "the name as user" && len(there) == 0:
		// Userinfo is refused as ambiguous, in reverse mode together with the
		// answer that it stands in.
		if got.code() != auth.CodeBadTarget && got.code() != auth.CodeUpstreamProtocol {
			t.Errorf("%s: %s", what, got)
		}
	case len(there) == 0 || there[len(there)-1].Host != landed || got.err != nil || got.status != 200:
		t.Errorf("%s: did not arrive at %s: %d requests there, %s", what, landed, len(there), got)
	}
}

func indexOf(all []sink, name string) int {
	for i := range all {
		if all[i].name == name {
			return i
		}
	}
	return -1
}
