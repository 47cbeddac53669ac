package field

import (
	"context"
	"os/exec"
	"regexp"
	"runtime"
	"runtime/debug"
)

// Names of peers that figures are compared with.
const (
	Weighbridge = "weighbridge"
	// Unsynced is weighbridge with its data in memory, where a sync is free.
	Unsynced = "weighbridge:unsynced"
	Batch    = "relay:batch"
	Splice   = "relay:splice"
	Nginx    = "nginx"
	Haproxy  = "haproxy"
	Httputil = "httputil"
	Naive    = "fasthttp:naive"
	Goproxy  = "goproxy"
	Squid    = "squid"
	Mitmd    = "mitmproxy"
	Direct   = "direct"
)

// Peers is everybody, in the order of the tables.
func Peers() []*Peer {
	var out []*Peer
	add := func(p Peer) { out = append(out, &p) }
	for _, m := range []Mode{Intercepted, TLSToTLS, PlainToTLS, Plain} {
		add(Peer{Name: Weighbridge, Mode: m, start: weighbridge})
		switch m {
		case Intercepted:
			add(Peer{Name: Unsynced, Mode: m, start: weighbridge})
			add(Peer{Name: Goproxy, Mode: m, start: standin("intercept")})
			add(Peer{Name: Squid, Mode: m, Program: "squid", start: squid})
			add(Peer{Name: Mitmd, Mode: m, Program: "mitmdump", start: mitmproxy})
			continue
		case Plain:
			add(Peer{Name: Splice, Mode: m, start: standin("relay")})
		default:
			add(Peer{Name: Batch, Mode: m, start: standin("relay")})
		}
		add(Peer{Name: Nginx, Mode: m, Program: "nginx", start: nginx})
		add(Peer{Name: Haproxy, Mode: m, Program: "haproxy", start: haproxy})
		add(Peer{Name: Httputil, Mode: m, start: standin("reverse")})
		if m == TLSToTLS {
			add(Peer{Name: Naive, Mode: m, start: standin("naive")})
		}
	}
	add(Peer{Name: Direct, Mode: DirectTLS})
	add(Peer{Name: Direct, Mode: DirectPlain})
	return out
}

// standin starts this program in another part.
func standin(part string) func(context.Context, *seat) error {
	return func(ctx context.Context, s *seat) error {
		args := []string{s.Self, part, "-listen", s.addr, "-to", s.originAddr()}
		if s.workerTLS && s.peer.Mode != Intercepted {
			args = append(args, "-cert", s.Files.Cert, "-key", s.Files.Key)
		}
		if s.originTLS {
			args = append(args, "-name", Host, "-ca", s.Files.Root)
		}
		if s.peer.Mode == Intercepted {
			args = append(args, "-intercept-cert", s.Files.InterceptCert, "-intercept-key", s.Files.InterceptKey)
			s.run.Plan.CA = s.Files.InterceptCert
		}
		return s.launch(ctx, nil, args...)
	}
}

// Versions tells what was compared.
func Versions(ctx context.Context) map[string]string {
	out := map[string]string{"Go": runtime.Version()}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			switch m.Path {
			case "github.com/elazarl/goproxy":
				out[Goproxy] = m.Version
			case "github.com/valyala/fasthttp":
				out[Naive] = m.Version
			}
		}
	}
	number := regexp.MustCompile(`\d+\.\d+(\.\d+)?`)
	for name, args := range map[string][]string{
		Nginx: {"nginx", "-v"}, Haproxy: {"haproxy", "-v"}, Squid: {"squid", "-v"}, Mitmd: {"mitmdump", "--version"},
	} {
		path := program(args[0])
		if path == "" {
			continue
		}
		if b, err := exec.CommandContext(ctx, path, args[1:]...).CombinedOutput(); err == nil {
			out[name] = number.FindString(string(b))
		}
	}
	return out
}
