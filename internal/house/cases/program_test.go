package cases

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/house/origin"
)

// program builds the real program, once for all tests, with the race detector
// where the tests have it.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "weighbridge-cases")
	if err != nil {
		return "", err
	}
	// A test may run it as another user.
	if err := os.Chmod(dir, 0o755); err != nil {
		return "", err
	}
	path := filepath.Join(dir, "weighbridge")
	args := []string{"build", "-o", path}
	if raceEnabled {
		args = append(args, "-race")
	}
	out, err := exec.Command("go", append(args, "github.com/weighbridge/weighbridge/cmd/weighbridge")...).CombinedOutput()
	if err != nil {
		return path, fmt.Errorf("building the program: %w: %s", err, out)
	}
	return path, nil
})

// built says that program was asked for.
var built atomic.Bool

func removeProgram() {
	if built.Load() {
		path, _ := program()
		_ = os.RemoveAll(filepath.Dir(path))
	}
}

// output is what a program writes; it may be read while it is written.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// process is a weighbridge of its own.
type process struct {
	t   *testing.T
	cmd *exec.Cmd
	dir string
	// out is both outputs, in the order in which they were written.
	out  output
	done chan error
}

// start runs `weighbridge serve` on a data directory. env and args are added.
func start(t *testing.T, dir string, env []string, args ...string) *process {
	t.Helper()
	return run(t, dir, env, append([]string{"serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"}, args...)...)
}

func run(t *testing.T, dir string, env []string, args ...string) *process {
	t.Helper()
	return runAs(t, nil, dir, env, args...)
}

// runAs is run with what as changes before it starts.
func runAs(t *testing.T, as func(*exec.Cmd), dir string, env []string, args ...string) *process {
	t.Helper()
	built.Store(true)
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, dir: dir, done: make(chan error, 1)}
	p.cmd = exec.Command(path, args...)
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "TMPDIR=" + os.TempDir(), "WEIGHBRIDGE_DATA_DIR=" + dir, "WEIGHBRIDGE_LOG_FORMAT=json"}, env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	if as != nil {
		as(p.cmd)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.done <- p.cmd.Wait() }()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.done
		if strings.Contains(p.out.String(), "DATA RACE") {
			t.Errorf("the program has a race:\n%s", p.out.String())
		}
	})
	return p
}

// wait waits for the program's end and returns its exit code; -1 is a signal.
func (p *process) wait() int {
	p.t.Helper()
	select {
	case err := <-p.done:
		p.done <- err
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return exit.ExitCode()
		}
		if err != nil {
			p.t.Fatal(err)
		}
		return 0
	case <-time.After(patience):
		p.t.Fatalf("it does not end:\n%s", p.out.String())
		return -1
	}
}

// ended reports whether the program has ended.
func (p *process) ended() bool {
	select {
	case err := <-p.done:
		p.done <- err
		return true
	default:
		return false
	}
}

func (p *process) signal(s os.Signal) { _ = p.cmd.Process.Signal(s) }

// kill is kill -9.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	p.wait()
}

// until waits until ready says so.
func (p *process) until(what string, ready func() bool) {
	p.t.Helper()
	for end := time.Now().Add(patience); !ready(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) || p.ended() && !ready() {
			p.t.Fatalf("%s: never\n%s", what, p.out.String())
		}
	}
}

var (
	servingLine = regexp.MustCompile(`"proxy":"(http://[^"]+)","admin":"(http://[^"]+)"`)
	keyLine     = regexp.MustCompile(`API key of the worker\s+(wbk_[A-Za-z0-9]+)`)
)

// serving waits until it serves and returns its addresses.
func (p *process) serving() (proxy, admin string) {
	p.t.Helper()
	var m []string
	p.until("it serves", func() bool {
		m = servingLine.FindStringSubmatch(p.out.String())
		return m != nil
	})
	return m[1], m[2]
}

// log is what is logged, without what is shown once.
func (p *process) log() string {
	var b strings.Builder
	for line := range strings.Lines(p.out.String()) {
		if strings.HasPrefix(line, "{") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// key is the key that was shown, or empty.
func (p *process) key() string {
	if m := keyLine.FindStringSubmatch(p.out.String()); m != nil {
		return m[1]
	}
	return ""
}

// web asks a program's listener.
func web(t *testing.T, url, key string) reply {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	return do(client, r)
}

// provisioned is what a program needs to serve the fakes: a configuration
// with a declared credential and key.
type provisioned struct {
	origin *origin.Server
	file   string
	env    []string
	key    string
	secret *house.Canary
}

func provision(t *testing.T, hosts map[string]http.Handler, more string) *provisioned {
	t.Helper()
	s, err := origin.Listen(origin.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	mount(t, hosts)(s)
	dir := t.TempDir()
	p := &provisioned{origin: s, file: filepath.Join(dir, "weighbridge.yaml"), key: auth.NewAPIKey().Reveal(), secret: house.NewCanary("tok_")}
	p.env = []string{"TEST_KEY=" + p.key, "TEST_TOKEN=" + p.secret.Value(), "SSL_CERT_FILE=" + filepath.Join(dir, "roots.pem")}
	writeFile(t, filepath.Join(dir, "roots.pem"), string(s.RootPEM()))
	p.configure(t, more)
	return p
}

// configure writes the configuration anew, with more at its end.
func (p *provisioned) configure(t *testing.T, more string) {
	t.Helper()
	var b strings.Builder
	b.WriteString("upstream:\n  ca_file: " + filepath.Join(filepath.Dir(p.file), "roots.pem") + "\n  resolve:\n")
	for at, addr := range p.origin.Resolve() {
		fmt.Fprintf(&b, "    %q: %q\n", at, addr)
	}
	b.WriteString("credentials:\n  - {name: c, provider: http_bearer, fields: {token: {env: TEST_TOKEN}}, patterns: [\"" + guarded + "/*\"]}\n")
	b.WriteString("keys:\n  - {name: w, value: {env: TEST_KEY}, credentials: [c]}\n" + more)
	writeFile(t, p.file, b.String())
}

// clients are workers of a program, one for each mode, that take https URLs of
// the upstreams.
func (p *process) clients(x *provisioned) []*http.Client {
	p.t.Helper()
	proxy, _ := p.serving()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(readFile(p.t, filepath.Join(p.dir, "ca-bundle.pem")))
	at, err := url.Parse(strings.Replace(proxy, "://", "://weighbridge:"+x.key+"@", 1))
	if err != nil {
		p.t.Fatal(err)
	}
	base := &http.Transport{DisableKeepAlives: true, DisableCompression: true}
	return []*http.Client{
		{Transport: &http.Transport{
			DisableKeepAlives: true, DisableCompression: true, Proxy: http.ProxyURL(at),
			TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		}},
		{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			r = r.Clone(r.Context())
			to, err := url.Parse(proxy + "/" + strings.TrimPrefix(r.URL.String(), "https://"))
			if err != nil {
				return nil, err
			}
			r.URL = to
			r.Header.Set("Authorization", "Bearer "+x.key)
			return base.RoundTrip(r)
		})},
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// transfer is a download that has begun.
type transfer struct {
	url  string
	head *http.Response
}

func download(t *testing.T, client *http.Client, rawURL string) transfer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, rawURL, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return transfer{rawURL, answer}
}

// read reads to the end.
func (d transfer) read() ([]byte, error) {
	defer func() { _ = d.head.Body.Close() }()
	return io.ReadAll(d.head.Body)
}
