package field

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// The patterns that the worker's key is linked to: a thousand, as ten each of
// a hundred credentials.
const (
	credentials           = 100
	patternsPerCredential = 10
)

// weighbridge starts weighbridge with everything switched on: a thousand
// patterns, the audit record on a disk, masking of reflected values, metrics,
// the administration, and one log line for each request.
func weighbridge(ctx context.Context, s *seat) error {
	data := filepath.Join(s.dir, "data")
	if s.peer.Name == Unsynced {
		if s.Memory == "" {
			return errors.New("there is no file system in memory here")
		}
		var err error
		if data, err = os.MkdirTemp(s.Memory, "data-"); err != nil {
			return err
		}
	}
	file, err := s.file("weighbridge.yaml", s.weighbridgeConfig(data))
	if err != nil {
		return err
	}
	key := "wbk_" + rand.Text() + rand.Text()
	env := append(os.Environ(), "BENCH_KEY="+key, "BENCH_TOKEN="+s.Token)
	args := []string{s.Weighbridge, "serve", "--config", file}
	if s.Profile != "" {
		out := filepath.Join(s.Profile, strings.ReplaceAll(s.peer.ID(), " ", "-")+".pprof")
		args = []string{s.Self, "weighbridge", "-config", file, "-profile", out}
	}
	if err := s.launch(ctx, env, args...); err != nil {
		return err
	}
	plan := &s.run.Plan
	if s.peer.Mode == Intercepted {
		plan.ConnectFields = []string{"Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(key+":"))}
		plan.Fields = nil
		plan.CA = filepath.Join(s.dir, "ca.pem")
		return fetch(ctx, "http://"+s.addr+"/.weighbridge/ca.pem", plan.CA)
	}
	plan.Fields = []string{"Authorization: Bearer " + key}
	plan.Host, plan.Prefix = s.addr, "/"+s.origin()
	if !s.originTLS {
		plan.Prefix = "/http:" + s.origin()
	}
	return nil
}

func (s *seat) weighbridgeConfig(data string) string {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	scheme := ""
	if !s.originTLS {
		scheme = "http://"
	}
	_, port, _ := net.SplitHostPort(s.originAddr())
	p("data_dir: %q", data)
	p("listen: %q", s.addr)
	p("admin_listen: %q", "127.0.0.1:0")
	p("log: {level: info, format: json}")
	p("drain: 1s")
	p("audit: {team_quota: 0B}") // one worker here does what a fleet does
	p("upstream: {ca_file: %q, connect_ports: [443, %s], resolve: {%q: %q}}", s.Files.Root, port, s.origin(), s.originAddr())
	if s.workerTLS && s.peer.Mode != Intercepted {
		p("tls: {cert_file: %q, key_file: %q}", s.Files.Cert, s.Files.Key)
	}
	p("keys:")
	p("  - {name: worker, value: {env: BENCH_KEY}}")
	p("credentials:")
	for c := range credentials {
		p("  - name: registry%d", c)
		p("    provider: http_bearer")
		p("    fields: {token: {env: BENCH_TOKEN}}")
		p("    keys: [worker]")
		p("    patterns:")
		for i := range patternsPerCredential {
			p("      - %q", fmt.Sprintf("%s%s/org%d/*", scheme, s.origin(), c*patternsPerCredential+i))
		}
	}
	return b.String()
}

// fetch gets a small file.
func fetch(ctx context.Context, url, path string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, resp.Status)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o600)
}
