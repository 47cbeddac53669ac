//go:build realclients

package realclouds

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/house/ready"
	"github.com/weighbridge/weighbridge/internal/workerenv"
)

// patience bounds a client or the start of a server; reaching it is a failure.
const patience = 2 * time.Minute

// cloudDir is where setup.sh put everything, scriptDir has the scripts.
var cloudDir, scriptDir string

func TestMain(m *testing.M) {
	cloudDir, scriptDir = ready.Must("clouds")
	os.Exit(m.Run())
}

// run runs a client with nothing of our own environment but PATH.
func run(t *testing.T, env []string, command ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	home := t.TempDir()
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Dir = home
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "LANG=C.UTF-8", "NODE_PATH=" + filepath.Join(cloudDir, "node_modules")}, env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// environ is what a worker is told to set.
func environ(h *house.House, mode workerenv.Mode, key string) []string {
	var env []string
	for _, v := range h.WorkerEnv(mode, key) {
		env = append(env, v.Name+"="+v.Value)
	}
	return env
}

// serve starts a server that listens on addr, waits until it does, and ends it
// with the test.
func serve(t *testing.T, addr string, env []string, command ...string) {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir = t.TempDir()
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + cmd.Dir}, env...)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })
	for begun := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		if c, err := net.Dial("tcp", addr); err == nil {
			_ = c.Close()
			return
		}
		select {
		case <-ended:
			t.Fatalf("%s ended: %s", command[0], out.String())
		default:
		}
		if time.Since(begun) > patience {
			t.Fatalf("%s does not listen on %s", command[0], addr)
		}
	}
}

// freePort is a port that nobody listens on just now.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// pemFiles writes a certificate and its key.
func pemFiles(t *testing.T, c *tls.Certificate) (cert, key string) {
	t.Helper()
	dir := t.TempDir()
	var chain []byte
	for _, der := range c.Certificate {
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, text := range map[string][]byte{cert: chain, key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}
