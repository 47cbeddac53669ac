// Package field says who runs in a comparison and how each is started: its
// configuration, its command line, and how a client reaches the origin
// through it.
package field

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/weighbridge/weighbridge/bench/internal/load"
	"github.com/weighbridge/weighbridge/bench/internal/pki"
	"github.com/weighbridge/weighbridge/bench/internal/proc"
)

// Mode is how bytes travel: the worker's side of the peer, then the origin's.
type Mode string

// The modes. Direct ones have no peer.
const (
	Intercepted Mode = "mitm" // CONNECT, and TLS on both sides
	TLSToTLS    Mode = "tls-tls"
	PlainToTLS  Mode = "plain-tls"
	Plain       Mode = "plain-plain"
	DirectTLS   Mode = "direct-tls"
	DirectPlain Mode = "direct-plain"
)

// secure tells on which sides TLS is spoken.
func (m Mode) secure() (worker, origin bool) {
	switch m {
	case Intercepted, TLSToTLS, DirectTLS:
		return true, true
	case PlainToTLS:
		return false, true
	default:
		return false, false
	}
}

// Host is the name of the origin. It is in no name server: every peer is told
// where it is.
const Host = "models.bench.test"

// Rig is what all peers of a run share.
type Rig struct {
	// Dir is a directory on a disk, and Memory one in memory, empty where
	// there is none.
	Dir, Memory string
	Files       *pki.Files
	// PlainAddr and TLSAddr are the origin's, on loopback.
	PlainAddr, TLSAddr string
	// Token is what the origin wants to see.
	Token string
	// Self is this program and Weighbridge the one that is measured. Profile
	// is a directory: where it is set, weighbridge runs inside Self, under
	// the profiler.
	Self, Weighbridge, Profile string
}

// Peer is one way for bytes to take.
type Peer struct {
	Name string
	Mode Mode
	// Program is what has to be installed, empty for what is built here.
	Program string
	start   func(ctx context.Context, s *seat) error
}

// ID names the peer in one mode.
func (p *Peer) ID() string { return p.Name + " " + string(p.Mode) }

// Running is a peer that listens.
type Running struct {
	*Peer
	// Process is nil where there is no peer (direct).
	Process *proc.Process
	// Plan is how it is reached; Kind, Conns, Bytes, Time and Limit are for
	// the caller to fill.
	Plan load.Plan
}

// Stop ends it.
func (r *Running) Stop() {
	if r.Process != nil {
		r.Process.Stop()
	}
}

// seat is a peer that is being started.
type seat struct {
	*Rig
	peer *Peer
	dir  string // of its own
	addr string // to listen at
	run  *Running
	// workerTLS and originTLS are the sides of the mode.
	workerTLS, originTLS bool
}

// startTime bounds a start.
const startTime = 20 * time.Second

// ErrMissing is a peer whose program is not installed.
var ErrMissing = errors.New("not installed")

// Start starts p and waits until it listens. An error is ErrMissing where its
// program is not there.
func (p *Peer) Start(ctx context.Context, r *Rig) (*Running, error) {
	s := &seat{Rig: r, peer: p, run: &Running{Peer: p}}
	s.workerTLS, s.originTLS = p.Mode.secure()
	s.run.Plan = load.Plan{
		TLS: s.workerTLS, CA: r.Files.Root, Name: Host, Host: s.origin(),
		Fields: []string{"Authorization: Bearer " + r.Token},
	}
	if p.start == nil {
		s.run.Plan.Addr = s.originAddr()
		return s.run, nil
	}
	if p.Program != "" && program(p.Program) == "" {
		return nil, fmt.Errorf("%s is %w", p.Program, ErrMissing)
	}
	var err error
	if s.dir, err = os.MkdirTemp(r.Dir, "peer-"); err != nil {
		return nil, err
	}
	if s.addr, err = freeAddr(); err != nil {
		return nil, err
	}
	s.run.Plan.Addr = s.addr
	if p.Mode == Intercepted {
		s.run.Plan.Connect = s.origin()
	}
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	if err := p.start(ctx, s); err != nil {
		s.run.Stop()
		return nil, fmt.Errorf("%s: %w", p.ID(), err)
	}
	return s.run, nil
}

// originAddr is where the origin is, in the mode's way.
func (s *seat) originAddr() string {
	if s.originTLS {
		return s.TLSAddr
	}
	return s.PlainAddr
}

// origin is the origin's name and port.
func (s *seat) origin() string {
	_, port, _ := net.SplitHostPort(s.originAddr())
	return net.JoinHostPort(Host, port)
}

// file writes a file of the peer's and returns its path.
func (s *seat) file(name, text string) (string, error) {
	path := filepath.Join(s.dir, name)
	return path, os.WriteFile(path, []byte(text), 0o600)
}

// launch starts the peer's process and waits until it listens.
func (s *seat) launch(ctx context.Context, env []string, args ...string) error {
	p, err := proc.Start(proc.Spec{Args: args, Env: env, Dir: s.dir, Log: filepath.Join(s.dir, "log")})
	if err != nil {
		return err
	}
	s.run.Process = p
	return p.Await(ctx, s.addr)
}

// freeAddr is an address that nobody listens at.
func freeAddr() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}

// program finds an installed program, also where only root's PATH leads.
func program(name string) string {
	if p, err := exec.LookPath(name); err == nil {
		return p
	}
	for _, dir := range []string{"/usr/sbin", "/usr/local/sbin", "/sbin"} {
		if p, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return p
		}
	}
	return ""
}

// TwoAddrs are two addresses that nobody listens at, for the origin.
func TwoAddrs() (plain, secure string, err error) {
	if plain, err = freeAddr(); err == nil {
		secure, err = freeAddr()
	}
	return plain, secure, err
}
