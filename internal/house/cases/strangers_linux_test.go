package cases

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weighbridge/weighbridge/internal/house/origin"
)

// The most that what a stranger sends may cost (Envoy's threat model: an input
// that makes a server spend more than 100 times of it is a flaw).
const (
	strangerInput  = 10 << 10
	strangerMemory = 1 << 20
	strangerCPU    = 100
)

// strangerInputs are what somebody without a key may send, by name: everything
// that is read before it is known who asks.
func strangerInputs() map[string]string {
	fill := func(unit string, room int) string { return strings.Repeat(unit, room/len(unit)) }
	const most = 9 << 10
	head := func(target string, fields ...string) string {
		return "GET " + target + " HTTP/1.1\r\nHost: localhost\r\n" + strings.Join(append(fields, "\r\n"), "\r\n")
	}
	under := "/" + guarded + "/x"
	in := map[string]string{
		"nothing":             "",
		"letters":             fill("A", strangerInput),
		"zeros":               fill("\x00", strangerInput),
		"lines":               fill("\r\n", strangerInput),
		"TLS":                 "\x16\x03\x01\x27\x10\x01\x00\x27\x0c\x03\x03" + fill("\xff", most),
		"HTTP/2":              "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + fill("\x00\x00\x00\x04\x00\x00\x00\x00\x00", most),
		"health":              head("/.weighbridge/healthz"),
		"readiness":           head("/.weighbridge/readyz"),
		"roots":               head("/.weighbridge/ca.pem"),
		"no key":              head(under),
		"a key":               head(under, "Authorization: Bearer wbk_"+fill("q", 44)),
		"a long key":          head(under, "Authorization: Bearer wbk_"+fill("q", most)),
		"a token":             head(under, "Authorization: Bearer eyJhbGciOiJSUzI1NiJ9."+fill("e30", most)+".c2ln"),
		"Basic":               head(under, "Authorization: Basic "+base64.StdEncoding.EncodeToString([]byte(fill("a:", most*3/4)))),
		"Basic that is not":   head(under, "Authorization: Basic "+fill("=", most)),
		"signed for S3":       head("/bucket/key", "x-amz-date: 20260101T000000Z", "Authorization: AWS4-HMAC-SHA256 Credential=WBAK"+fill("Q", 16)+"/20260101/us-east-1/s3/aws4_request, SignedHeaders="+fill("a;", most-200)+"host, Signature="+fill("0", 64)),
		"presigned for S3":    head("/bucket/key?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=WBAK" + fill("Q", 16) + "%2F20260101%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20260101T000000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=" + fill("0", 64) + fill("&a=%20", most-400)),
		"a URL key":           head("/.weighbridge/k/wbu_" + fill("q", 44) + "/" + guarded + "/x"),
		"a sealed URL":        head("/.weighbridge/s/" + fill("A", most)),
		"dots":                head("/" + guarded + fill("/%2e%2e", most)),
		"slashes":             head("/" + guarded + fill("/", most)),
		"percent":             head("/" + guarded + "/" + fill("%25", most)),
		"query":               head(under + "?" + fill("a=%3d&", most)),
		"labels":              head("/" + fill("a.", most) + "com/x"),
		"A-labels":            head("/" + fill("xn--80ak6aa92e.", most) + "com/x"),
		"letters beyond":      head("/" + fill("\u00e4", most) + ".com/x"),
		"small fields":        head(under, fill("a:b\r\n", most)+"c: d"),
		"a long field":        head(under, "X-A: "+fill("a", most)),
		"named by Connection": head(under, "Connection: "+fill("a,", most)),
		"ranges":              head(under, "Range: bytes="+fill("0-0,", most)+"1-1"),
		"codings":             head(under, "Transfer-Encoding: "+fill("chunked,", most)+"chunked"),
		"cookies":             head(under, "Cookie: "+fill("a=b; ", most)),
		"CONNECT":             "CONNECT " + guarded + ":443 HTTP/1.1\r\nHost: " + guarded + ":443\r\n\r\n",
		"CONNECT, a key":      "CONNECT " + guarded + ":443 HTTP/1.1\r\nHost: " + guarded + ":443\r\n" + basicKey("wbk_"+fill("q", 44)) + "\r\n",
		"CONNECT, labels":     "CONNECT " + fill("a.", most) + "com:443 HTTP/1.1\r\n\r\n",
		"plain":               "GET http://" + guarded + "/ HTTP/1.1\r\nHost: " + guarded + "\r\n\r\n",
		"chunks":              "POST " + under + " HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" + fill("1\r\na\r\n", most) + "0\r\n\r\n",
		"a chunk's extension": "POST " + under + " HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1;" + fill("a=b;", most) + "\r\na\r\n0\r\n\r\n",
		"pipelined":           fill(head("/.weighbridge/healthz"), most),
	}
	replace := strings.NewReplacer("HOST", "localhost", "TARGET", under, "AUTH", "")
	for _, p := range payloads() {
		in[p.name] = replace.Replace(p.text)
	}
	return in
}

// TestR34_NoInputOfAStrangerCostsMuch: whatever somebody without a key sends, of
// up to 10 KiB, makes weighbridge allocate no more than 1 MiB and compute no more
// than 100 times what sending it took.
func TestR34_NoInputOfAStrangerCostsMuch(t *testing.T) { // not beside others: time of ours counts
	x := provision(t, map[string]http.Handler{guarded: files(origin.Text("weights"))}, "")
	p := start(t, shortDir(t), x.env, "--config", x.file)
	proxy, admin := p.serving()
	addr := strings.TrimPrefix(proxy, "http://")
	send := func(text string) {
		c, err := net.DialTimeout("tcp", addr, patience)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		_ = c.SetDeadline(time.Now().Add(patience))
		_, _ = io.WriteString(c, text) // it may be refused before its end
		_ = c.(*net.TCPConn).CloseWrite()
		if _, err := io.Copy(io.Discard, c); err != nil {
			if e, ok := err.(net.Error); ok && e.Timeout() {
				t.Fatalf("no end after %d bytes that end", len(text))
			}
		}
	}
	times := soak(2)
	most := float64(strangerMemory)
	if raceEnabled { // whose own memory is not the program's
		most *= 4
	}
	p.allocated(admin)
	looking := p.allocated(admin)
	looking = p.allocated(admin) - looking // what it takes to ask
	worstCPU, worstMemory, nameCPU, nameMemory := 0.0, 0.0, "", ""
	for name, text := range strangerInputs() {
		if len(text) > strangerInput {
			t.Fatalf("%s: %d bytes", name, len(text))
		}
		send(text) // once, so that what is made once is
		allocated, ours, theirs := p.allocated(admin), cpuOf(t, 0), cpuOf(t, p.cmd.Process.Pid)
		for range times {
			send(text)
		}
		ratio := float64(cpuOf(t, p.cmd.Process.Pid)-theirs) / float64(cpuOf(t, 0)-ours)
		memory := max(p.allocated(admin)-allocated-looking, 0) / float64(times)
		if ratio > strangerCPU || memory > most {
			t.Errorf("%s: %.0f bytes, and %.1f times the time of the client", name, memory, ratio)
		}
		if ratio > worstCPU {
			worstCPU, nameCPU = ratio, name
		}
		if memory > worstMemory {
			worstMemory, nameMemory = memory, name
		}
	}
	t.Logf("%d inputs, at worst %.0f KiB (%s) and %.1f times the client's time (%s)", len(strangerInputs()), worstMemory/1024, nameMemory, worstCPU, nameCPU)
	if r := web(t, proxy+"/"+guarded+"/x", x.key); r.status != 200 {
		t.Errorf("afterwards: %s", r)
	}
}

// cpuOf is the time that a process has computed so far; 0 is this one. The clock
// is that of clock_getcpuclockid(3).
func cpuOf(t testing.TB, pid int) time.Duration {
	t.Helper()
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|2), &ts); err != nil { //nolint:gosec // as the macro of the C library has it
		t.Fatal(err)
	}
	return time.Duration(ts.Nano())
}

// allocated is how many bytes the program has allocated so far.
func (p *process) allocated(admin string) float64 {
	p.t.Helper()
	r := web(p.t, admin+"/metrics", "")
	_, line, found := bytes.Cut(r.body, []byte("\ngo_memstats_alloc_bytes_total "))
	var n float64
	if _, err := fmt.Sscan(string(line[:min(len(line), 40)]), &n); !found || err != nil {
		p.t.Fatalf("no figure: %s", r)
	}
	return n
}
