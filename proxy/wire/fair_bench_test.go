package wire

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

// probe makes requests of 1 KiB, one after the other with a pause between, and
// prints after what time the first byte came: the median and the 99th
// percentile, in nanoseconds.
func probe(t *testing.T, what string) {
	var addr string
	var secure bool
	var n int
	if _, err := fmt.Sscan(what, &addr, &secure, &n); err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if secure {
		// The certificate is the other peer's, and all that counts is the time.
		c = tls.Client(c, &tls.Config{InsecureSkipVerify: true})
	}
	br := bufio.NewReader(c)
	took := make([]time.Duration, 0, n)
	for range n {
		time.Sleep(2 * time.Millisecond)
		start := time.Now()
		if _, err := io.WriteString(c, "GET /1024 HTTP/1.1\r\nHost: x\r\nX-Key: probe\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if _, err := br.Peek(1); err != nil {
			t.Fatal(err)
		}
		took = append(took, time.Since(start))
		resp, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(took)
	fmt.Println("probed", took[n/2].Nanoseconds(), took[n*99/100].Nanoseconds())
}

// BenchmarkFairness measures after what time the first byte of a small request
// comes, while another key streams and while it does not. The streams, their
// origin and their clients, have a process of their own, and so have the small
// requests: what they wait for is us, and the machine's processors. These go to
// the streams' clients and origin last, as if those were on other machines. On
// two processors that takes more than being nice: the operating system takes
// the processor from who has just woken another one, for milliseconds. Under
// chrt the processors are ours first, whatever else runs.
//
//	go test -exec 'chrt -r 1' -run '^$' -bench Fairness -benchtime 1x ./proxy/wire
func BenchmarkFairness(b *testing.B) {
	for _, sides := range []string{"plain-plain", "tls-plain", "tls-tls"} { // upstream-worker
		upTLS, downTLS := sides[:3] == "tls", sides[len(sides)-3:] == "tls"
		for _, c := range []struct {
			streams int
			turns   bool
		}{{0, true}, {8, false}, {8, true}, {64, false}, {64, true}} {
			streams := c.streams
			b.Run(fmt.Sprintf("%s/streams=%d/turns=%v", sides, streams, c.turns), func(b *testing.B) {
				heavy, light := startPeer(b, "chrt", "-o", "0", "nice", "-n", "19"), startPeer(b)
				var moved atomic.Int64
				address := func(p *peer) string {
					if upTLS {
						return p.secure
					}
					return p.plain
				}
				o := rigOptions{
					client: func(o *ClientOptions) {
						roots := heavy.roots.Clone()
						roots.AppendCertsFromPEM(light.rootPEM)
						o.TLS = &tls.Config{RootCAs: roots}
						if c.turns {
							s, err := NewShares(0)
							if err != nil {
								b.Fatal(err)
							}
							b.Cleanup(func() { _ = s.Close() })
							o.Shares = s
						}
						o.Dial = func(ctx context.Context, d Dest) (net.Conn, error) {
							to := address(heavy)
							if d.Port == 2 {
								to = address(light)
							}
							return (&net.Dialer{}).DialContext(ctx, "tcp", to)
						}
					},
					handler: func(r *rig) fasthttp.RequestHandler {
						return func(ctx *fasthttp.RequestCtx) {
							d, key, req := r.dest, "streams", fasthttp.AcquireRequest()
							defer fasthttp.ReleaseRequest(req)
							if string(ctx.Request.Header.Peek("X-Key")) == "probe" {
								d.Port, key = 2, "probe"
							}
							r.client.o.Shares.Seen(key)
							req.Header.DisableNormalizing()
							req.Header.SetRequestURIBytes(ctx.Request.Header.RequestURI())
							req.Header.SetHost("x")
							body, err := r.client.Do(Context(ctx), d, req, &ctx.Response)
							if err != nil {
								ctx.Response.SetStatusCode(502)
								return
							}
							body.Bind(ctx.Conn(), func(n int64) { moved.Add(n) })
							body.Share(key)
							body.Attach(&ctx.Response)
						}
					},
					upTLS: upTLS,
				}
				if downTLS {
					o.listenTLS = &tls.Config{Certificates: []tls.Certificate{heavy.front}}
				}
				r := newRig(b, o)
				before, then := time.Now(), int64(0)
				if streams > 0 {
					_, _ = fmt.Fprintln(heavy.in, r.addr, downTLS, streams, 64<<20, 1_000_000)
					eventually(b, "the streams run", func() bool { return moved.Load() > int64(streams)<<20 })
					before, then = time.Now(), moved.Load()
				}
				probed := func(addr string, secure bool) (p50, p99 int64) {
					if _, err := fmt.Fprintln(light.in, "probe", addr, secure, 300); err != nil {
						b.Fatal(err)
					}
					line, _ := light.out.ReadString('\n')
					if _, err := fmt.Sscanf(line, "probed %d %d", &p50, &p99); err != nil {
						b.Fatal(line)
					}
					return p50, p99
				}
				var p50, p99 int64
				for b.Loop() {
					p50, p99 = probed(r.addr, downTLS)
				}
				// The same requests past us: what the machine itself lets them wait.
				_, direct := probed(address(light), upTLS)
				b.ReportMetric(float64(direct)/1e6, "direct-p99-ms")
				b.ReportMetric(float64(p50)/1e6, "p50-ms")
				b.ReportMetric(float64(p99)/1e6, "p99-ms")
				b.ReportMetric(float64(moved.Load()-then)/time.Since(before).Seconds()/1e6, "MB/s")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}
