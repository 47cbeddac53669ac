package wire

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The benchmarks measure the CPU of what is between origin and client: both of
// these run in a process of their own. Compare rows of one run only:
//
//	go test -run '^$' -bench Body -benchtime 4x ./proxy/wire

const benchPeer = "WIRE_BENCH_PEER"

// TestBenchPeer is that process when the benchmarks start it, and nothing
// otherwise.
func TestBenchPeer(t *testing.T) {
	if os.Getenv(benchPeer) == "" {
		return
	}
	ca := newAuthority(t, nil)
	leaf := ca.issue(t, nil)
	plain, secure := filler(t, nil), filler(t, &tls.Config{Certificates: []tls.Certificate{leaf}})
	fmt.Printf("%s %s\n", plain, secure)
	_ = pem.Encode(os.Stdout, &pem.Block{Type: "CERTIFICATE", Bytes: ca.cert.Raw})
	front := ca.issue(t, nil)
	_ = pem.Encode(os.Stdout, &pem.Block{Type: "CERTIFICATE", Bytes: front.Certificate[0]})
	key, err := x509.MarshalPKCS8PrivateKey(front.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	_ = pem.Encode(os.Stdout, &pem.Block{Type: "PRIVATE KEY", Bytes: key})
	fmt.Println("ready")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		if what, ok := strings.CutPrefix(in.Text(), "probe "); ok {
			probe(t, what)
			continue
		}
		var addr string
		var secure bool
		var streams, size, repeat int
		if _, err := fmt.Sscan(in.Text(), &addr, &secure, &streams, &size, &repeat); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range streams {
			wg.Go(func() { download(t, ca.pool, addr, secure, size, repeat) })
		}
		wg.Wait()
		fmt.Println("done")
	}
}

func download(t *testing.T, roots *x509.CertPool, addr string, secure bool, size, repeat int) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = c.Close() }()
	if secure {
		c = tls.Client(c, &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"})
	}
	br, buf := bufio.NewReaderSize(c, 64<<10), make([]byte, 256<<10)
	for range repeat {
		if _, err := fmt.Fprintf(c, "GET /%d HTTP/1.1\r\nHost: x\r\n\r\n", size); err != nil {
			t.Error(err)
			return
		}
		resp, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Error(err)
			return
		}
		if n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{resp.Body}, buf); n != int64(size) || err != nil {
			t.Error(n, err)
			return
		}
	}
}

type peer struct {
	in            io.Writer
	out           *bufio.Reader
	plain, secure string
	rootPEM       []byte
	roots         *x509.CertPool
	front         tls.Certificate
}

// startPeer starts a peer, by the command before where there is one.
func startPeer(b *testing.B, before ...string) *peer {
	args := append(before, os.Args[0], "-test.run=^TestBenchPeer$")
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), benchPeer+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = in.Close(); _, _ = io.Copy(io.Discard, out); _ = cmd.Wait() })
	p := &peer{in: in, out: bufio.NewReader(out), roots: x509.NewCertPool()}
	line, _ := p.out.ReadString('\n')
	if _, err := fmt.Sscan(line, &p.plain, &p.secure); err != nil {
		b.Fatal(err, line)
	}
	var text strings.Builder
	for {
		line, err := p.out.ReadString('\n')
		if err != nil {
			b.Fatal(err)
		}
		if line == "ready\n" {
			break
		}
		text.WriteString(line)
	}
	root, rest := pem.Decode([]byte(text.String()))
	p.rootPEM = pem.EncodeToMemory(root)
	p.roots.AppendCertsFromPEM(p.rootPEM)
	if p.front, err = tls.X509KeyPair(rest, rest); err != nil {
		b.Fatal(err)
	}
	return p
}

func (p *peer) run(b *testing.B, addr string, secure bool, streams, size, repeat int) {
	_, _ = fmt.Fprintln(p.in, addr, secure, streams, size, repeat)
	if line, err := p.out.ReadString('\n'); line != "done\n" {
		b.Fatal(line, err)
	}
}

// cpu is the user and system time of this process.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// peakRSS is VmHWM of proc(5), in MiB; 0 where there is none.
func peakRSS() float64 {
	text, _ := os.ReadFile("/proc/self/status")
	_, line, _ := strings.Cut(string(text), "VmHWM:")
	var kib float64
	_, _ = fmt.Sscan(line, &kib)
	return kib / 1024
}

func benchRig(b *testing.B, p *peer, upTLS, downTLS bool) *rig {
	origin := p.plain
	if upTLS {
		origin = p.secure
	}
	o := rigOptions{origin: origin, upTLS: upTLS, client: func(o *ClientOptions) { o.TLS = &tls.Config{RootCAs: p.roots} }}
	if downTLS {
		o.listenTLS = &tls.Config{Certificates: []tls.Certificate{p.front}}
	}
	return newRig(b, o)
}

func BenchmarkBody(b *testing.B) {
	p := startPeer(b)
	for _, streams := range []int{1, 8, 128} {
		for _, sides := range []string{"plain-plain", "tls-plain", "plain-tls", "tls-tls"} { // upstream-worker
			upTLS, downTLS := sides[:3] == "tls", sides[len(sides)-3:] == "tls"
			b.Run(fmt.Sprintf("%s/%d", sides, streams), func(b *testing.B) {
				r := benchRig(b, p, upTLS, downTLS)
				const total = 512 << 20
				p.run(b, r.addr, downTLS, streams, 1<<20, 1)
				b.SetBytes(total)
				b.ResetTimer()
				before := cpu()
				for b.Loop() {
					p.run(b, r.addr, downTLS, streams, total/streams, 1)
				}
				b.ReportMetric((cpu()-before).Seconds()/(float64(b.N)*total/(1<<30)), "cpu-s/GiB")
				b.ReportMetric(peakRSS(), "peak-RSS-MiB") // since the process began
			})
		}
	}
}

func BenchmarkSmallRequest(b *testing.B) {
	p := startPeer(b)
	for _, sides := range []string{"plain-plain", "tls-tls"} {
		withTLS := sides == "tls-tls"
		b.Run(sides, func(b *testing.B) {
			r := benchRig(b, p, withTLS, withTLS)
			const conns, each = 32, 200
			p.run(b, r.addr, withTLS, conns, 1024, 10)
			b.ResetTimer()
			before, start := cpu(), time.Now()
			for b.Loop() {
				p.run(b, r.addr, withTLS, conns, 1024, each)
			}
			n := float64(b.N) * conns * each
			b.ReportMetric((cpu()-before).Seconds()*1e6/n, "cpu-µs/req")
			b.ReportMetric(n/time.Since(start).Seconds(), "req/s")
		})
	}
}
