package proxy

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// payload is a request as the HTTP Garden's authors would send it. HOST and
// KEY are filled in.
type payload struct {
	name string
	raw  string
	// status is what the first answer must be; 400 also stands for 431 and for
	// a connection that ends without an answer.
	status int
	// upstream is how many requests may reach the upstream.
	upstream int
}

const keyLine = "KEY\r\n"

var payloads = []payload{
	{"plain", "GET /a HTTP/1.1\r\nHost: HOST\r\n" + keyLine + "\r\n", 200, 1},
	{"CL+TE", "POST /repo/batch HTTP/1.1\r\nHost: HOST\r\n" + keyLine + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: HOST\r\n\r\n", 400, 0},
	{"TE+CL", "POST /repo/batch HTTP/1.1\r\nHost: HOST\r\n" + keyLine + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400, 0},
	{"two CL", "POST /repo/batch HTTP/1.1\r\nHost: HOST\r\n" + keyLine + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", 400, 0},
	{"two equal CL", "POST /repo/batch HTTP/1.1\r\nHost: HOST\r\n" + keyLine + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400, 0},
	{"CL list", "POST /repo/batch HTTP/1.1\r\nHost: HOST\r\n" + keyLine + "Content-Length: 5, 5\r\n\r\nhello", 400, 0},
	{"CL negative", "POST /repo/batch HTTP/1.1\r\nHost: HOST\r\n" + keyLine + "Content-Length: -1\r\n\r\n", 400, 0},
	{"CL plus", "POST /repo/batch HTTP/1.1\r\nHost: HOST\r\n" + keyLine + "Content-Length: +5\r\n\r\nhello", 400, 0},
	{"CL hex", "POST /repo/batch HTTP/1.1\r\nHost: HOST\r\n" + keyLine + "Content-Length: 0x5\r\n\r\nhello", 400, 0},
	{"CL empty", "POST /repo/batch HTTP/1.1\r\nHost: HOST\r\n" + keyLine + "Content-Length:\r\n\r\n", 400, 0},
	{"CL huge", "POST /repo/batch HTTP/1.1\r\nHost: HOST\r\n" + keyLine + "Content-Length: 18446744073709551621\r\n\r\nhello", 400, 0},
	{"CL underscore", "POST /repo/batch HTTP/1.1\r\nHost: HOST\r\n" + keyLine + "Content_Length: 5\r\n\r\nGET /x HTTP/1.1\r\n", 403, 0},
	{"TE xchunked", "POST /repo/batch HTTP/1.1\r\nHost: HOST\r\n" + keyLine + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400, 0},
	{"TE identity", "POST /repo/batch HTTP/1.1\r\nHost: HOST\r\n" + keyLine + "Transfer-Encoding: identity\r\n\r\n", 400, 0},
	{"TE gzip, chunked", "POST /repo/batch HTTP/1.1\r\nHost: HOST\r\n" + keyLine + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400, 0},
	{"TE twice", "POST /repo/batch HTTP/1.1\r\nHost: HOST\r\n" + keyLine + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, 0},
	{"TE with tab", "POST /repo/batch HTTP/1.1\r\nHost: HOST\r\n" + keyLine + "Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n", 400, 0},
	{"TE vertical tab", "POST /repo/batch HTTP/1.1\r\nHost: HOST\r\n" + keyLine + "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", 400, 0},
	{"TE in 1.0", "POST /repo/batch HTTP/1.0\r\nHost: HOST\r\n" + keyLine + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, 0},
	{"space before colon", "GET /a HTTP/1.1\r\nHost: HOST\r\n" + keyLine + "X-A : b\r\n\r\n", 400, 0},
	{"space in name", "GET /a HTTP/1.1\r\nHost: HOST\r\n" + keyLine + "X A: b\r\n\r\n", 400, 0},
	{"empty name", "GET /a HTTP/1.1\r\nHost: HOST\r\n" + keyLine + ": b\r\n\r\n", 400, 0},
	{"no colon", "GET /a HTTP/1.1\r\nHost: HOST\r\n" + keyLine + "X-A\r\n\r\n", 400, 0},
	{"obs-fold", "GET /a HTTP/1.1\r\nHost: HOST\r\n" + keyLine + "X-A: b\r\n c\r\n\r\n", 400, 0},
	{"obs-fold first", "GET /a HTTP/1.1\r\n Host: HOST\r\n" + keyLine + "\r\n", 400, 0},
	{"bare LF line", "GET /a HTTP/1.1\nHost: HOST\r\n" + keyLine + "\r\n", 400, 0},
	{"bare LF field", "GET /a HTTP/1.1\r\nHost: HOST\n" + keyLine + "\r\n", 400, 0},
	{"bare LF end", "GET /a HTTP/1.1\r\nHost: HOST\r\nKEY\r\n\n", 400, 0},
	{"bare CR in value", "GET /a HTTP/1.1\r\nHost: HOST\r\n" + keyLine + "X-A: b\rX-B: c\r\n\r\n", 400, 0},
	{"NUL in value", "GET /a HTTP/1.1\r\nHost: HOST\r\n" + keyLine + "X-A: b\x00\r\n\r\n", 400, 0},
	{"HTTP/1.9", "GET /a HTTP/1.9\r\nHost: HOST\r\n" + keyLine + "\r\n", 400, 0},
	{"HTTP/2.0 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, 0},
	{"HTTP/0.9", "GET /a\r\n\r\n", 400, 0},
	{"lower-case version", "GET /a http/1.1\r\nHost: HOST\r\n" + keyLine + "\r\n", 400, 0},
	{"two spaces", "GET  /a HTTP/1.1\r\nHost: HOST\r\n" + keyLine + "\r\n", 400, 0},
	{"space in target", "GET /a b HTTP/1.1\r\nHost: HOST\r\n" + keyLine + "\r\n", 400, 0},
	{"control in target", "GET /a\x01b HTTP/1.1\r\nHost: HOST\r\n" + keyLine + "\r\n", 400, 0},
	{"bad method", "G(T /a HTTP/1.1\r\nHost: HOST\r\n" + keyLine + "\r\n", 400, 0},
	{"no Host", "GET /a HTTP/1.1\r\n" + keyLine + "\r\n", 400, 0},
	{"two Hosts", "GET /a HTTP/1.1\r\nHost: HOST\r\nHost: evil.example\r\n" + keyLine + "\r\n", 400, 0},
	{"body on GET", "GET /a HTTP/1.1\r\nHost: HOST\r\n" + keyLine + "Content-Length: 5\r\n\r\nhello", 400, 0},
	{"chunked body on GET", "GET /a HTTP/1.1\r\nHost: HOST\r\n" + keyLine + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, 0},
	{"body on HEAD", "HEAD /a HTTP/1.1\r\nHost: HOST\r\n" + keyLine + "Content-Length: 5\r\n\r\nhello", 400, 0},
	{"CL 0 on GET", "GET /a HTTP/1.1\r\nHost: HOST\r\n" + keyLine + "Content-Length: 0\r\n\r\n", 200, 1},
	{"one empty line before", "\r\nGET /a HTTP/1.1\r\nHost: HOST\r\n" + keyLine + "\r\n", 200, 1},
	{"chunk size with space", batch("18 \r\n" + read + "\r\n0\r\n\r\n"), 400, 0},
	{"chunk size hex prefix", batch("0x18\r\n" + read + "\r\n0\r\n\r\n"), 400, 0},
	{"chunk size negative", batch("-18\r\n" + read + "\r\n0\r\n\r\n"), 400, 0},
	{"chunk size overflow", batch("10000000000000018\r\n" + read + "\r\n0\r\n\r\n"), 400, 0},
	{"chunk LF", batch("18\n" + read + "\r\n0\r\n\r\n"), 400, 0},
	{"chunk LF in extension", batch("18;a\nb\r\n" + read + "\r\n0\r\n\r\n"), 400, 0},
	{"chunk data too long", batch("18\r\n" + read + "x\r\n0\r\n\r\n"), 400, 0},
	{"chunk end LF", batch("18\r\n" + read + "\n0\r\n\r\n"), 400, 0},
	{"chunked well", batch("18\r\n" + read + "\r\n0\r\n\r\n"), 200, 1},
	{"TRACE", "TRACE /a HTTP/1.1\r\nHost: HOST\r\n" + keyLine + "\r\n", 405, 0},
	{"upgrade websocket", "GET /a HTTP/1.1\r\nHost: HOST\r\n" + keyLine + "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n", 403, 0},
	{"upgrade h2c", "GET /a HTTP/1.1\r\nHost: HOST\r\n" + keyLine + "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n", 403, 0},
}

const read = `{"operation":"download"}`

func batch(body string) string {
	return "POST /repo/batch HTTP/1.1\r\nHost: HOST\r\n" + keyLine + "Transfer-Encoding: chunked\r\n\r\n" + body
}

func TestT40_R12_SmugglingShapesAreRefused(t *testing.T) {
	for _, in := range []string{"reverse", "tunnel", "absolute"} {
		t.Run(in, func(t *testing.T) {
			r := newRig(t, rigOptions{})
			hub := r.hub(ok)
			for _, p := range payloads {
				t.Run(p.name, func(t *testing.T) {
					before := len(hub.requests())
					var w *worker
					host, key, path := hubHost, "X-Fill: 1", ""
					switch in {
					case "tunnel":
						w = r.tunnel(hubHost)
					case "reverse":
						w, host, key, path = r.worker(), r.addr, "Authorization: Bearer "+r.key.Reveal(), "/"+hubHost
					case "absolute":
						w, key, path = r.worker(), r.proxyAuth(), "https://"+hubHost
					}
					raw := strings.NewReplacer("HOST", host, "KEY", key, " /a", " "+path+"/a", " /repo", " "+path+"/repo").Replace(p.raw)
					_, _ = io.WriteString(w.c, raw)
					method, _, _ := strings.Cut(strings.TrimLeft(p.raw, "\r\n"), " ")
					a, err := w.tryRead(method)
					switch {
					case p.status == 400 && err != nil:
					case p.status == 400 && (a.status == 400 || a.status == 431):
						if ended, _ := w.closed(); !ended {
							t.Error("the connection goes on")
						}
					case err != nil || a.status != p.status:
						t.Errorf("%v %+v, want %d", err, a, p.status)
					case p.status != 200 && a.code() == "":
						t.Errorf("%d is not ours: %q", a.status, a.raw)
					}
					if got := len(hub.requests()) - before; got != p.upstream {
						t.Errorf("%d requests reached the upstream, want %d", got, p.upstream)
					}
				})
			}
			for _, q := range hub.requests() {
				if strings.Contains(q.target, "smuggled") {
					t.Errorf("smuggled: %q", q.head)
				}
			}
		})
	}
}

func TestT40_AnAbsoluteTargetMustBeItsHost(t *testing.T) {
	r := newRig(t, rigOptions{})
	plain, evil := r.route(plainHost+":80", newOrigin(t, ok)), r.evil()
	for _, c := range []struct {
		target, host string
		status       int
	}{
		{"http://" + plainHost + "/a", plainHost, 200},
		{"http://" + plainHost + "/a", strings.ToUpper(plainHost) + ":80", 200},
		{"http://" + plainHost + "/a", evilHost, 400},
		{"http://" + evilHost + "/a", plainHost, 400},
		{"http://" + plainHost + ":81/a", plainHost, 400},
		{"http://" + plainHost + "@" + evilHost + "/a", plainHost, 400},
		{"http://" + plainHost + "#@" + evilHost + "/a", plainHost, 400},
		{"http://" + plainHost + "\\@" + evilHost + "/a", plainHost, 400},
		{"ftp://" + plainHost + "/a", plainHost, 400},
		{"*", plainHost, 400},
	} {
		if a := r.worker().get(c.target, c.host, r.proxyAuth()); a.status != c.status {
			t.Errorf("%s with Host %s: %d %s, want %d", c.target, c.host, a.status, a.code(), c.status)
		}
	}
	evil.none()
	for _, q := range plain.requests() {
		if q.fields.Get("Host") != plainHost || q.target != "/a" {
			t.Errorf("%q", q.head)
		}
	}
}

func TestT43_AnswersAreNeverMixed(t *testing.T) {
	r := newRig(t, rigOptions{})
	// The hub answers every path with itself, in all the ways that leave
	// connections in doubt.
	r.hub(func(q *request) bool {
		kind := q.target[strings.LastIndexByte(q.target, '/')+1:]
		tag := "X-Tag: " + q.target
		switch {
		case strings.HasPrefix(kind, "none"):
			_, _ = io.WriteString(q.w, "HTTP/1.1 204 No Content\r\n"+tag+"\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged")
			return true
		case strings.HasPrefix(kind, "extra"):
			_, _ = io.WriteString(q.w, "HTTP/1.1 200 OK\r\n"+tag+"\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged")
			return true
		case strings.HasPrefix(kind, "interim"):
			_, _ = io.WriteString(q.w, "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n")
			return text(q, "200 OK", q.target, tag)
		case strings.HasPrefix(kind, "same"):
			return text(q, "304 Not Modified", "", tag)
		case strings.HasPrefix(kind, "early"):
			// Answered, then the connection is dropped.
			_ = text(q, "413 Too Large", "no", tag)
			return false
		case strings.HasPrefix(kind, "chunks"):
			_, _ = io.WriteString(q.w, "HTTP/1.1 200 OK\r\n"+tag+"\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
			return true
		}
		return text(q, "200 OK", q.target, tag)
	})
	kinds := []string{"none", "extra", "interim", "same", "early", "chunks", "plain"}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			key := r.key
			if g%2 == 1 {
				key = r.writeKey
			}
			w := r.worker()
			for i := range 60 {
				kind := kinds[(i*7+g*3)%len(kinds)]
				path := fmt.Sprintf("/%d/%s%d", g, kind, i)
				method := "GET"
				if (i+g)%5 == 0 && kind != "chunks" {
					method = "HEAD"
				}
				if _, err := io.WriteString(w.c, method+" /"+hubHost+path+" HTTP/1.1\r\nHost: "+r.addr+"\r\nAuthorization: Bearer "+key.Reveal()+"\r\n\r\n"); err != nil {
					t.Errorf("send: %v", err)
					return
				}
				a, err := w.tryRead(method)
				if err != nil {
					t.Errorf("%s: %v", path, err)
					return
				}
				if a.status == 502 {
					// The upstream dropped the connection that this request was
					// sent on: a fault that is told, not a mix.
					w = r.worker()
					continue
				}
				if got := a.header.Get("X-Tag"); got != path || strings.Contains(string(a.body), "forged") {
					t.Errorf("asked for %s, got the answer to %q: %d %s", path, got, a.status, a.body)
				}
			}
		})
	}
	wg.Wait()
}

func TestT44_TunnelsToOtherPortsAndOtherProtocolsAreRefused(t *testing.T) {
	r := newRig(t, rigOptions{})
	for _, host := range []string{otherHost, casHost} {
		for _, port := range []string{"22", "25", "6379", "80", "8443"} {
			r.expect(r.worker().connect(host+":"+port, r.proxyAuth()), 403, auth.CodePortForbidden)
		}
	}
	r.expect(r.worker().connect(otherHost, r.proxyAuth()), 400, auth.CodeBadTarget)
	if d := r.dialer.dialled(); len(d) > 0 {
		t.Errorf("dialled %q", d)
	}
	// In a tunnel to 443 nothing passes but TLS for its host.
	hub, cas := r.hub(ok), r.route(casHost+":443", newOrigin(t, ok, casHost))
	for _, host := range []string{hubHost, casHost} {
		for _, first := range []string{"GET / HTTP/1.1\r\nHost: " + host + "\r\n\r\n", "SSH-2.0-OpenSSH_9\r\n", "\x00\x00\x00", strings.Repeat("A", 4096)} {
			w := r.worker()
			if a := w.connect(host+":443", r.proxyAuth()); a.status != 200 {
				t.Fatalf("%d %s", a.status, a.body)
			}
			_, _ = io.WriteString(w.c, first)
			if half, ok := w.c.(*net.TCPConn); ok {
				_ = half.CloseWrite()
			}
			b, _ := io.ReadAll(w.br)
			if len(b) > 7 { // at most a TLS alert
				t.Errorf("%s: %q was answered %q", host, first, b)
			}
		}
	}
	hub.none()
	if got := cas.bytes.String(); got != "" {
		t.Errorf("copied blindly: %q", got)
	}
	// Bytes before the answer.
	for _, host := range []string{hubHost, casHost} {
		w := r.worker()
		w.send("CONNECT " + host + ":443 HTTP/1.1\r\nHost: " + host + ":443\r\n" + r.proxyAuth() + "\r\n\r\nGET / HTTP/1.1\r\n\r\n")
		if a := w.read("GET"); a.status != 400 {
			t.Errorf("%s: %d", host, a.status)
		}
	}
	// CONNECT and TLS in an intercepted tunnel.
	in := r.tunnel(hubHost)
	r.expect(in.connect(hubHost+":443", r.proxyAuth()), 400, auth.CodeBadRequest)
	in = r.tunnel(hubHost)
	c := tls.Client(in.c, &tls.Config{ServerName: hubHost, InsecureSkipVerify: true}) //nolint:gosec // it must fail
	if err := c.Handshake(); err == nil {
		t.Error("TLS in TLS came about")
	}
	hub.none()
}

func TestT44_AConfiguredPortIsATunnel(t *testing.T) {
	r := newRig(t, rigOptions{policy: Policy{ConnectPorts: []uint16{443, 9418}}})
	o := r.route(otherHost+":9418", newOrigin(t, ok))
	w := r.worker()
	if a := w.connect(otherHost+":9418", r.proxyAuth()); a.status != 200 {
		t.Fatalf("%d", a.status)
	}
	if a := w.get("/a", otherHost); a.status != 200 || o.last().target != "/a" {
		t.Errorf("%d", a.status)
	}
}

func TestT45_UpgradesAreRefusedEverywhere(t *testing.T) {
	r := newRig(t, rigOptions{})
	hub := r.hub(ok)
	for _, f := range []string{"Upgrade: websocket", "upgrade: h2c", "Upgrade: TLS/1.2"} {
		r.expect(r.tunnel(hubHost).get("/a", hubHost, "Connection: Upgrade", f), 403, auth.CodeUpgradeForbidden)
		r.expect(r.reverse("/"+hubHost+"/a", f), 403, auth.CodeUpgradeForbidden)
		r.expect(r.worker().get("https://"+hubHost+"/a", hubHost, r.proxyAuth(), f), 403, auth.CodeUpgradeForbidden)
	}
	hub.none()
	// An upstream that switches unasked.
	r = newRig(t, rigOptions{})
	r.hub(func(q *request) bool {
		_, _ = io.WriteString(q.w, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nraw")
		return false
	})
	r.expect(r.reverse("/"+hubHost+"/a"), 502, auth.CodeUpstreamProtocol)
}

func TestR14_HeaderLimits(t *testing.T) {
	r := newRig(t, rigOptions{})
	hub := r.hub(ok)
	token := strings.Repeat("t", 16<<10)
	path := "/a?" + strings.Repeat("q", 8<<10)
	r.expect(r.reverse("/"+hubHost+path, "X-Token: "+token), 200, "")
	if q := hub.last(); q.target != path || q.fields.Get("X-Token") != token {
		t.Error("a long head was changed")
	}
	n := len(hub.requests())
	r.expect(r.reverse("/"+hubHost+"/a", strings.Split(strings.Repeat("a:\n", maxFields), "\n")[:maxFields]...), 431, auth.CodeHeaderTooLarge)
	r.expect(r.reverse("/"+hubHost+"/a", "Connection: "+strings.Repeat("a,", maxFields+1)), 400, auth.CodeBadRequest)
	r.expect(r.reverse("/"+hubHost+"/a", "X-Token: "+strings.Repeat("t", 64<<10)), 431, auth.CodeHeaderTooLarge)
	r.expect(r.reverse("/"+hubHost+"/a?"+strings.Repeat("q", 64<<10)), 431, auth.CodeHeaderTooLarge)
	if len(hub.requests()) != n {
		t.Error("a refused request was sent")
	}
	// Many at once take no memory that would count: the head is never held
	// beyond its limit.
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			c, err := net.Dial("tcp", r.addr)
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = c.Close() }()
			_ = c.SetDeadline(time.Now().Add(20 * time.Second))
			_, _ = io.WriteString(c, "GET /"+hubHost+"/a HTTP/1.1\r\nHost: x\r\nX: "+strings.Repeat("x", 1<<20))
			b, _ := io.ReadAll(c)
			if len(b) > 0 && !strings.HasPrefix(string(b), "HTTP/1.1 431") {
				t.Errorf("%.80q", b)
			}
		})
	}
	wg.Wait()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapInuse) - int64(before.HeapInuse); grown > 80<<20 {
		t.Errorf("the heap grew by %d MiB", grown>>20)
	}
}

func TestExpectContinueIsBetweenTheWorkerAndUs(t *testing.T) {
	r := newRig(t, rigOptions{})
	hub := r.hub(ok)
	w := r.worker()
	w.send("PUT /" + hubHost + "/a HTTP/1.1\r\nHost: " + r.addr + "\r\nAuthorization: Bearer " + r.writeKey.Reveal() + "\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
	head, err := rawHead(w.br)
	r.must(err)
	if !strings.HasPrefix(head, "HTTP/1.1 100 ") {
		t.Fatalf("%q", head)
	}
	w.send("hello")
	r.expect(w.read("PUT"), 200, "")
	if q := hub.last(); q.fields.has("Expect") || string(q.body) != "hello" {
		t.Errorf("%q", q.head)
	}
	// Who is refused is not asked to send.
	w = r.worker()
	w.send("PUT /" + hubHost + "/a HTTP/1.1\r\nHost: " + r.addr + "\r\nAuthorization: Bearer " + r.key.Reveal() + "\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
	a := w.read("PUT")
	r.expect(a, 403, auth.CodeScopeForbidden)
	if strings.Contains(a.raw, "100") && strings.HasPrefix(a.raw, "HTTP/1.1 100") {
		t.Error("a refused upload was asked for")
	}
}
