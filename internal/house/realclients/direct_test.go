//go:build realclients

package realclients

import (
	"bufio"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/internal/house/hub"
	"github.com/weighbridge/weighbridge/internal/house/origin"
)

const directToken = "hf_DirectTokenOfTheRealClientSuite0123456"

// connector answers CONNECT by a tunnel to wherever the fake Hub serves that
// name, for clients that insist on real host names. It changes nothing.
func connector(t *testing.T, h *hub.Hub) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var tunnels sync.WaitGroup
	tunnels.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			tunnels.Go(func() { tunnel(conn, h.Server.Resolve()) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		_ = h.Close()
		tunnels.Wait()
	})
	return "http://" + l.Addr().String()
}

func tunnel(conn net.Conn, resolve map[string]string) {
	defer func() { _ = conn.Close() }()
	in := bufio.NewReader(conn)
	r, err := http.ReadRequest(in)
	if err != nil {
		return
	}
	up, err := net.Dial("tcp", resolve[r.Host])
	if err != nil || r.Method != http.MethodConnect {
		_, _ = io.WriteString(conn, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
		return
	}
	defer func() { _ = up.Close() }()
	_, _ = io.WriteString(conn, "HTTP/1.1 200 Connection established\r\n\r\n")
	go func() {
		_, _ = io.Copy(up, in)
		_ = up.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(conn, up)
}

// fixture is a Hub with the sample and a token, and what a client needs to
// reach it directly.
func fixture(t *testing.T, o hub.Options) (*hub.Hub, []string, string) {
	t.Helper()
	h, err := hub.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	proxy := connector(t, h)
	h.AddToken(hub.SampleToken(directToken))
	if err := h.AddSample(); err != nil {
		t.Fatal(err)
	}
	bundle := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(bundle, h.Server.RootPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	return h, []string{"HTTPS_PROXY=" + proxy, "https_proxy=" + proxy, "SSL_CERT_FILE=" + bundle,
		"REQUESTS_CA_BUNDLE=" + bundle, "GIT_SSL_CAINFO=" + bundle, "CURL_CA_BUNDLE=" + bundle}, bundle
}

// TestFakeHubWithoutWeighbridge shows that the fake Hub is one for the clients
// themselves: with a real token they download from it directly, and those that
// show their token to the CDN are refused there.
func TestFakeHubWithoutWeighbridge(t *testing.T) {
	t.Parallel()
	h, common, bundle := fixture(t, hub.Options{Git: true})
	weights := "https://" + hub.Host + "/" + hub.SampleGated + "/resolve/main/" + hub.SampleWeights
	python := python("python2-xet")
	download := []string{python, filepath.Join(scriptDir, "hub_download.py"), hub.SampleGated, ".", hub.SampleWeights, hub.SampleConfig}
	snapshot := []string{python, filepath.Join(scriptDir, "hub_snapshot.py"), hub.SampleGated, "."}
	limited := hub.RateLimited(1, 0)
	limited.Method, limited.Path = http.MethodGet, "/resolve/" // clients wait for files, not for listings
	for _, c := range []struct {
		name    string
		env     []string
		command []string
		fault   origin.Fault
		xet     bool
		fails   string
	}{
		{name: "huggingface_hub with hf_xet", env: []string{"HF_TOKEN=" + directToken}, xet: true, command: download},
		{name: "huggingface_hub without xet", env: []string{"HF_TOKEN=" + directToken, "HF_HUB_DISABLE_XET=1"}, command: download},
		{name: "snapshot with hf_xet", env: []string{"HF_TOKEN=" + directToken}, xet: true, command: snapshot},
		{name: "resumes after a reset", env: []string{"HF_TOKEN=" + directToken, "HF_HUB_DISABLE_XET=1"}, command: download,
			fault: origin.Fault{Kind: origin.Reset, Host: hub.CDNHost, After: 1 << 20, Times: 1}},
		{name: "waits out a rate limit", env: []string{"HF_TOKEN=" + directToken, "HF_HUB_DISABLE_XET=1"}, command: download, fault: limited},
		{name: "huggingface_hub without a token", command: download, fails: "gated"},
		{name: "curl", command: []string{"curl", "-fsSL", "-H", "Authorization: Bearer " + directToken, "-o", hub.SampleWeights, weights}},
		{name: "requests", command: []string{python, filepath.Join(scriptDir, "fetch_requests.py"), weights, hub.SampleWeights, directToken}},
		{name: "urllib shows the CDN its token", fails: "400",
			command: []string{python, filepath.Join(scriptDir, "fetch_urllib.py"), weights, hub.SampleWeights, directToken}},
		{name: "wget shows the CDN its token", fails: "400",
			command: []string{"wget", "-nv", "--ca-certificate=" + bundle, "--header=Authorization: Bearer " + directToken, "-O", hub.SampleWeights, weights}},
		{name: "git with git-lfs",
			command: []string{"git", "clone", "https://alice:" + directToken + "@" + hub.Host + "/" + hub.SampleGated, "."}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h.Server.Record.Reset()
			h.Server.Faults.Clear()
			h.Server.Faults.Add(c.fault)
			dir := t.TempDir()
			out, err := run(t, dir, append(common, c.env...), c.command)
			if c.fails != "" {
				if err == nil || !strings.Contains(out, c.fails) {
					t.Fatalf("want a failure that says %s: %v\n%s", c.fails, err, out)
				}
				return
			}
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if compareTree(t, dir, sampleFiles(t, 1)) == 0 {
				t.Fatal("nothing was downloaded")
			}
			basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("alice:"+directToken))
			for _, a := range h.Server.Record.Authorizations(hub.Host) {
				if a != "" && a != "Bearer "+directToken && a != basic {
					t.Errorf("the Hub saw %q", a)
				}
			}
			if got := len(h.Server.Record.On(hub.TransferHost)) > 0; got != c.xet {
				t.Errorf("bytes came by xet: %v, want %v", got, c.xet)
			}
		})
	}
}

// TestFakeXetWithoutWeighbridge shows that hf_xet falls back to the first
// version of reconstructions, and that it asks for a new token in time.
func TestFakeXetWithoutWeighbridge(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]hub.Options{
		"v1 only":             {XetV1Only: true},
		"short-lived tokens":  {XetLife: 20 * time.Second},
		"one chunk in a xorb": {XorbChunks: 1},
	} {
		t.Run(name, func(t *testing.T) {
			h, common, _ := fixture(t, o)
			dir := t.TempDir()
			out, err := run(t, dir, append(common, "HF_TOKEN="+directToken), []string{python("python2-xet"),
				filepath.Join(scriptDir, "hub_download.py"), hub.SampleGated, ".", hub.SampleWeights, hub.SamplePlus})
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if n := compareTree(t, dir, sampleFiles(t, 1)); n != 2 {
				t.Errorf("%d files", n)
			}
			first := len(h.Server.Record.Where(func(r *origin.Request) bool { return strings.HasPrefix(r.Path, "/v1/reconstructions/") }))
			if (first > 0) != o.XetV1Only {
				t.Errorf("%d reconstructions of the first version", first)
			}
		})
	}
}
