package load_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/bench/internal/body"
	"github.com/weighbridge/weighbridge/bench/internal/load"
	"github.com/weighbridge/weighbridge/bench/internal/origin"
	"github.com/weighbridge/weighbridge/bench/internal/pki"
	"github.com/weighbridge/weighbridge/bench/internal/standin"
)

const host, token = "models.bench.test", "the-token"

// rig is an origin in this process.
type rig struct {
	files         *pki.Files
	plain, secure string
}

func newRig(t *testing.T) *rig {
	t.Helper()
	files, err := pki.Make(t.TempDir(), host)
	if err != nil {
		t.Fatal(err)
	}
	s, err := origin.New(origin.Options{Cert: files.Cert, Key: files.Key, Token: token})
	if err != nil {
		t.Fatal(err)
	}
	serve := func(secure bool) string {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- s.Serve(ctx, ln, secure) }()
		t.Cleanup(func() {
			stop()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
		return ln.Addr().String()
	}
	return &rig{files: files, plain: serve(false), secure: serve(true)}
}

func (r *rig) plan(secure bool) load.Plan {
	p := load.Plan{
		Kind: load.Streams, Conns: 3, Bytes: 5<<20 + 17, Limit: time.Minute, Time: 50 * time.Millisecond,
		Addr: r.plain, TLS: secure, CA: r.files.Root, Name: host, Host: host,
		Fields: []string{"Authorization: Bearer " + token},
	}
	if secure {
		p.Addr = r.secure
	}
	return p
}

// do runs the client as its process does.
func do(t *testing.T, p load.Plan) load.Result {
	t.Helper()
	in, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := load.Main(strings.NewReader(string(in)+"\ngo\n"), &out); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	var r load.Result
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &r); err != nil {
		t.Fatalf("%q: %v", out.String(), err)
	}
	return r
}

func TestEveryKindOfWork(t *testing.T) {
	r := newRig(t)
	for _, secure := range []bool{false, true} {
		for _, kind := range []load.Kind{load.Streams, load.Requests, load.Connects, load.First, load.Kept} {
			p := r.plan(secure)
			p.Kind = kind
			if kind == load.First {
				p.Conns = 1
			}
			got := do(t, p)
			if got.Error != "" || got.Ops == 0 || got.Bytes == 0 {
				t.Errorf("%s, TLS %v: %+v", kind, secure, got)
			}
			if kind == load.Streams && got.Bytes != 3*(5<<20+17) {
				t.Errorf("TLS %v: %d bytes", secure, got.Bytes)
			}
		}
	}
}

func TestWithoutTheTokenNothingComes(t *testing.T) {
	p := newRig(t).plan(true)
	p.Fields = nil
	if got := do(t, p); !strings.Contains(got.Error, "401") {
		t.Fatalf("%+v", got)
	}
}

// The peers that are written here move bytes as they are.
func TestStandInsMoveBytes(t *testing.T) {
	r := newRig(t)
	for name, c := range map[string]struct {
		serve            func(context.Context, standin.Options) error
		workerTLS, toTLS bool
		intercept        bool
	}{
		"relay tls-tls":       {serve: standin.Relay, workerTLS: true, toTLS: true},
		"relay plain-tls":     {serve: standin.Relay, toTLS: true},
		"relay plain-plain":   {serve: standin.Relay},
		"reverse tls-tls":     {serve: standin.Reverse, workerTLS: true, toTLS: true},
		"reverse plain-plain": {serve: standin.Reverse},
		"naive tls-tls":       {serve: standin.Naive, workerTLS: true, toTLS: true},
		"goproxy":             {serve: standin.Intercept, workerTLS: true, toTLS: true, intercept: true},
	} {
		t.Run(name, func(t *testing.T) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			addr := ln.Addr().String()
			_ = ln.Close()
			o := standin.Options{Listen: addr, To: r.plain}
			if c.toTLS {
				o.To, o.Name, o.CA = r.secure, host, r.files.Root
			}
			p := r.plan(c.workerTLS)
			p.Addr = addr
			switch {
			case c.intercept:
				o.InterceptCert, o.InterceptKey = r.files.InterceptCert, r.files.InterceptKey
				p.Connect, p.CA = host+":443", r.files.InterceptCert
			case c.workerTLS:
				o.Cert, o.Key = r.files.Cert, r.files.Key
			}
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- c.serve(ctx, o) }()
			for {
				if c, err := net.Dial("tcp", addr); err == nil {
					_ = c.Close()
					break
				}
				time.Sleep(time.Millisecond)
			}
			if got := do(t, p); got.Error != "" || got.Bytes != 3*(5<<20+17) {
				t.Errorf("%+v", got)
			}
			stop()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAWrongByteIsNoticed(t *testing.T) {
	right := append([]byte(nil), body.Block()[:1000]...)
	var c body.Checker
	if err := c.Check(right); err != nil {
		t.Fatal(err)
	}
	next := append([]byte(nil), body.Block()[1000:2000]...)
	next[999] ^= 1
	if err := c.Check(next); err == nil {
		t.Fatal("a flipped bit passed")
	}
	// A piece that came twice, as after a peer's mistake with its buffers.
	if err := c.Check(right); err == nil {
		t.Fatal("bytes of another place passed")
	}
}
