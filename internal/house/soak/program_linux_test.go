package soak

import (
	"bytes"
	"cmp"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/house/hub"
)

// patience bounds every wait. What is waited for comes by itself and soon.
const patience = 2 * time.Minute

// program is a weighbridge of its own, so that what it holds can be told from
// what the test does.
type program struct {
	Yard
	t           testing.TB
	dir, config string
	// more are credentials beside those of every program, keys are API keys, and
	// env are the variables that they name.
	more, keys string
	env        []string
	// idle is the setting upstream.idle_timeout; 2s where it is empty.
	idle  string
	token string
	cmd   *exec.Cmd
	done  chan error
	out   output
	admin string
}

// output keeps the end of what a program writes.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.buf.Len() > 1<<20 {
		o.buf.Next(o.buf.Len() / 2)
	}
	return o.buf.Write(p)
}

// String is what was written last.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

var servingLine = regexp.MustCompile(`"proxy":"(http://[^"]+)","admin":"(http://[^"]+)"`)

// startProgram builds and starts it in front of a Hub and the hosts of files.
// more adds to what it stands in front of.
func startProgram(t testing.TB, more ...func(*program)) *program {
	t.Helper()
	dir := t.TempDir()
	p := &program{t: t, dir: filepath.Join(dir, "data"), config: filepath.Join(dir, "weighbridge.yaml"), token: "tok_of_the_files_0123456789", done: make(chan error, 1)}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var err error
	p.Hub, err = hub.Start(hub.Options{})
	must(err)
	t.Cleanup(func() { _ = p.Hub.Close() })
	p.Server = p.Hub.Server
	p.Hub.AddToken(hub.SampleToken("hf_of_the_hub_0123456789"))
	for _, host := range []string{SecureHost, PlainHost} {
		must(p.Server.Handle(host, Files(p.token)))
	}
	for _, add := range more {
		add(p)
	}
	must(os.WriteFile(filepath.Join(dir, "roots.pem"), p.Server.RootPEM(), 0o600))
	p.Key = auth.NewAPIKey().Reveal()
	p.configure(0)

	path := filepath.Join(dir, "weighbridge")
	// Without the race detector, whose memory is not the program's.
	if out, err := exec.Command("go", "build", "-o", path, "github.com/weighbridge/weighbridge/cmd/weighbridge").CombinedOutput(); err != nil {
		t.Fatalf("building the program: %v: %s", err, out)
	}
	p.cmd = exec.Command(path, "serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--config", p.config)
	p.cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "WEIGHBRIDGE_DATA_DIR=" + p.dir, "WEIGHBRIDGE_LOG_FORMAT=json", "WEIGHBRIDGE_LOG_LEVEL=info",
		"SOAK_KEY=" + p.Key, "SOAK_ID=AKIASOAK", "SOAK_TOKEN=" + p.token, "SOAK_HUB=hf_of_the_hub_0123456789", "SSL_CERT_FILE=" + filepath.Join(dir, "roots.pem"),
	}
	p.cmd.Env = append(p.cmd.Env, p.env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	must(p.cmd.Start())
	go func() { p.done <- p.cmd.Wait() }()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.done
	})
	var m []string
	p.until("it serves", func() bool {
		m = servingLine.FindStringSubmatch(p.out.String())
		return m != nil
	})
	p.Proxy, p.admin = m[1], m[2]
	pem, err := os.ReadFile(filepath.Join(p.dir, "ca-bundle.pem"))
	must(err)
	p.Roots = x509.NewCertPool()
	p.Roots.AppendCertsFromPEM(pem)
	must(p.Open())
	t.Cleanup(p.Close)
	return p
}

// configure writes the configuration; each n is another one.
func (p *program) configure(n int) {
	p.t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "audit: {retention: %dd}\nunmatched: {forward: %s}\n", 90+n%7, []string{"pass", "deny"}[n%2])
	fmt.Fprintf(&b, "upstream:\n  idle_timeout: %s\n  ca_file: %s\n  resolve:\n", cmp.Or(p.idle, "2s"), filepath.Join(filepath.Dir(p.config), "roots.pem"))
	for at, addr := range p.Server.Resolve() {
		fmt.Fprintf(&b, "    %q: %q\n", at, addr)
	}
	if n%3 == 1 {
		b.WriteString("    \"more.example.com:443\": \"127.0.0.1:9\"\n")
	}
	b.WriteString("credentials:\n" +
		"  - {name: files, provider: http_bearer, fields: {token: {env: SOAK_TOKEN}}, patterns: [\"" + SecureHost + "/*\", \"http://" + PlainHost + "/*\"]}\n" +
		"  - {name: hub, provider: huggingface, fields: {token: {env: SOAK_HUB}}}\n" +
		p.more + "keys:\n  - {name: w, value: {env: SOAK_KEY}, credentials: [files, hub]}\n" + p.keys)
	if err := os.WriteFile(p.config, []byte(b.String()), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// reload makes the program read another configuration.
func (p *program) reload(n int) {
	p.t.Helper()
	p.configure(n)
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		p.t.Fatal(err)
	}
}

// until waits until ready says so.
func (p *program) until(what string, ready func() bool) {
	p.t.Helper()
	for end := time.Now().Add(patience); !ready(); time.Sleep(20 * time.Millisecond) {
		select {
		case err := <-p.done:
			p.done <- err
			p.t.Fatalf("%s: it ended with %v\n%s", what, err, p.out.String())
		default:
		}
		if time.Now().After(end) {
			p.t.Fatalf("%s: never\n%s", what, p.out.String())
		}
	}
}

// vitals are what a program holds.
type vitals struct {
	goroutines, descriptors int
	// rss is in MiB; lent are the bytes lent to streams, transfers how many
	// there are.
	rss             float64
	lent, transfers float64
}

// String is the vitals in one line.
func (v vitals) String() string {
	return fmt.Sprintf("%d goroutines, %d descriptors, %.1f MiB resident", v.goroutines, v.descriptors, v.rss)
}

// vitals reads them from proc(5) and from the program's own metrics.
func (p *program) vitals() (v vitals) {
	p.t.Helper()
	proc := "/proc/" + strconv.Itoa(p.cmd.Process.Pid)
	status, err := os.ReadFile(proc + "/status")
	if err != nil {
		p.t.Fatal(err)
	}
	_, line, _ := strings.Cut(string(status), "VmRSS:")
	var kib float64
	if _, err := fmt.Sscan(line, &kib); err != nil {
		p.t.Fatal(err)
	}
	v.rss = kib / 1024
	open, err := os.ReadDir(proc + "/fd")
	if err != nil {
		p.t.Fatal(err)
	}
	v.descriptors = len(open)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.admin+"/metrics", nil)
	if err != nil {
		p.t.Fatal(err)
	}
	answer, err := client.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	var text bytes.Buffer
	if _, err := text.ReadFrom(answer.Body); err != nil {
		p.t.Fatal(err)
	}
	gauge := func(name string) (f float64) {
		for line := range strings.Lines(text.String()) {
			if value, ok := strings.CutPrefix(line, name+" "); ok {
				_, _ = fmt.Sscan(value, &f)
			}
		}
		return f
	}
	v.goroutines = int(gauge("go_goroutines"))
	v.lent, v.transfers = gauge("weighbridge_lent_bytes"), gauge("weighbridge_transfers")
	return v
}
