//go:build linux

package cases

import (
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weighbridge/weighbridge/internal/doctor"
	"github.com/weighbridge/weighbridge/internal/house/origin"
)

// limit sets a soft limit of a running program.
func (p *process) limit(resource int, soft uint64) {
	p.t.Helper()
	var l unix.Rlimit
	if err := unix.Prlimit(p.cmd.Process.Pid, resource, nil, &l); err != nil {
		p.t.Fatal(err)
	}
	l.Cur = min(soft, l.Max)
	if err := unix.Prlimit(p.cmd.Process.Pid, resource, &l, nil); err != nil {
		p.t.Fatal(err)
	}
}

// TestR01_AFullDiskRefusesAndHeals: a limit on the size of files stands for a
// full disk, because everybody may set it. What cannot be put on record is
// not served: it does not even reach the upstream once that is known. When
// there is room again, service resumes by itself, and nothing was lost.
func TestR01_AFullDiskRefusesAndHeals(t *testing.T) {
	t.Parallel()
	x := provision(t, map[string]http.Handler{guarded: files(origin.Text("weights"))}, "")
	p := start(t, shortDir(t), x.env, "--config", x.file)
	proxy, admin := p.serving()
	url := proxy + "/" + guarded + "/x"
	const rounds = 3
	served := 0
	for range rounds {
		for range 3 {
			// A disk that others keep busy may take longer than a commit may.
			p.until("it is served", func() bool { return web(t, url, x.key).status == 200 })
			served++
		}
		p.limit(unix.RLIMIT_FSIZE, 0)
		p.until("the record is found to be unwritable", func() bool { return web(t, url, x.key).code() == "audit_unavailable" })
		x.origin.Record.Reset()
		for range 5 {
			if r := web(t, url, x.key); r.status != 503 || r.code() != "audit_unavailable" || r.header.Get("Retry-After") == "" {
				t.Errorf("on a full disk: %s", r)
			}
		}
		if n := x.origin.Record.Total(); n != 0 {
			t.Errorf("%d requests went out that cannot be on record", n)
		}
		// Acts are refused as well, in words, and leave nothing behind.
		if code, out := command(t, p.dir, "key", "create", "--name", "refused"); code == 0 || !strings.Contains(out, "the disk is full") {
			t.Errorf("an act on a full disk: exit code %d: %s", code, out)
		}
		for _, ready := range []string{admin + "/readyz", proxy + "/.weighbridge/readyz"} {
			if r := web(t, ready, ""); r.status != 503 || !strings.Contains(string(r.body), "audit_unavailable") {
				t.Errorf("%s on a full disk: %s", ready, r)
			}
		}
		if r := web(t, admin+"/healthz", ""); r.status != 200 {
			t.Errorf("alive on a full disk: %s", r)
		}
		diagnosed(t, proxy, x.key, "proxy_not_ready", "the audit record cannot be written", "/.weighbridge/readyz'")
		p.limit(unix.RLIMIT_FSIZE, unix.RLIM_INFINITY)
		p.until("it is served again", func() bool { return web(t, url, x.key).status == 200 })
		served++
	}
	must(t, p.dir, "key", "create", "--name", "taken")
	if out := must(t, p.dir, "key", "list"); strings.Contains(out, "refused") || !strings.Contains(out, "taken") {
		t.Errorf("what was refused is there, or what was taken is not: %s", out)
	}
	p.signal(unix.SIGTERM)
	if code := p.wait(); code != 0 {
		t.Errorf("exit code %d: %s", code, p.out.String())
	}
	used := 0
	for _, line := range auditLines(t, p.dir) {
		used += strings.Count(line, `"action":"used"`)
	}
	// One that was refused because its commit took too long may stand there too.
	if used < served {
		t.Errorf("%d uses on record, %d were served", used, served)
	}
	if !strings.Contains(p.out.String(), "takes events again") || strings.Contains(p.out.String(), "panic") {
		t.Errorf("the log: %s", p.out.String())
	}
}

// diagnosed wants the doctor on a worker to find something, and to say what helps.
func diagnosed(t *testing.T, proxy, key, check, detail, fix string) {
	t.Helper()
	at := strings.Replace(proxy, "://", "://weighbridge:"+key+"@", 1)
	r := doctor.Examine(t.Context(), doctor.Options{
		Environ: []string{"HTTPS_PROXY=" + at, "https_proxy=" + at}, URLs: []string{"https://" + guarded + "/x"},
		Run: func(context.Context, string, ...string) (string, error) { return "", exec.ErrNotFound }, StorePaths: []string{"/nowhere"},
	})
	for _, f := range r.Findings {
		if f.Check == check {
			if f.Severity != doctor.Fault || r.OK || !strings.Contains(f.Detail, detail) || !strings.Contains(f.Fix, fix) {
				t.Errorf("%s: %s\n\t%s", f.Severity, f.Detail, f.Fix)
			}
			return
		}
	}
	t.Errorf("the doctor does not find %s: %+v", check, r.Findings)
}

// TestR16_OutOfDescriptors: more clients than descriptors. The program stays,
// tells of it, and serves as soon as some are gone.
func TestR16_OutOfDescriptors(t *testing.T) {
	t.Parallel()
	x := provision(t, map[string]http.Handler{guarded: files(origin.Text("weights"))}, "")
	p := start(t, filepath.Join(t.TempDir(), "data"), x.env, "--config", x.file)
	proxy, _ := p.serving()
	if r := web(t, proxy+"/"+guarded+"/x", x.key); r.status != 200 {
		t.Fatal(r)
	}
	open, err := os.ReadDir("/proc/" + strconv.Itoa(p.cmd.Process.Pid) + "/fd")
	if err != nil {
		t.Fatal(err)
	}
	p.limit(unix.RLIMIT_NOFILE, uint64(len(open))+40)
	var crowd []net.Conn
	for range 300 {
		c, err := net.Dial("tcp", strings.TrimPrefix(proxy, "http://"))
		if err != nil {
			break // reset at once: that is an answer
		}
		crowd = append(crowd, c)
	}
	p.until("it tells of it", func() bool { return strings.Contains(p.out.String(), "cannot accept connections") })
	for _, c := range crowd {
		_ = c.Close()
	}
	p.until("it serves again", func() bool { return web(t, proxy+"/"+guarded+"/x", x.key).status == 200 })
	if strings.Contains(p.out.String(), "panic") {
		t.Errorf("the log: %s", p.out.String())
	}
}
