// Command bench measures weighbridge beside what people could use in its
// place: the same origin, the same client, every peer in turn, several rounds
// of that. Each part is a process of its own:
//
//	bench run         the comparison (make bench)
//	bench must        the goals, with what the last run measured
//	bench origin      the server behind every peer
//	bench load        the client
//	bench relay, reverse, naive, intercept, weighbridge
//	                  peers that are written in Go
//
// Everything is on loopback, bounded in count and time, and ends by itself.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/weighbridge/weighbridge/bench/internal/load"
	"github.com/weighbridge/weighbridge/bench/internal/origin"
	"github.com/weighbridge/weighbridge/bench/internal/standin"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// parts are the parts that this program can play.
var parts = map[string]func(ctx context.Context, args []string) error{
	"run":         compare,
	"must":        must,
	"origin":      serveOrigin,
	"load":        func(context.Context, []string) error { return load.Main(os.Stdin, os.Stdout) },
	"relay":       peer(standin.Relay),
	"reverse":     peer(standin.Reverse),
	"naive":       peer(standin.Naive),
	"intercept":   peer(standin.Intercept),
	"weighbridge": profiled,
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		args = []string{"run"}
	}
	part, ok := parts[args[0]]
	if !ok {
		return fmt.Errorf("there is no part %q; see `go doc`", args[0])
	}
	return part(ctx, args[1:])
}

// peer is the part of a peer.
func peer(serve func(context.Context, standin.Options) error) func(context.Context, []string) error {
	return func(ctx context.Context, args []string) error {
		var o standin.Options
		f := flag.NewFlagSet("peer", flag.ExitOnError)
		o.Flags(f)
		if err := f.Parse(args); err != nil {
			return err
		}
		return serve(ctx, o)
	}
}

func profiled(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("weighbridge", flag.ExitOnError)
	file := f.String("config", "", "configuration")
	out := f.String("profile", "", "file for the CPU profile")
	if err := f.Parse(args); err != nil {
		return err
	}
	return standin.Weighbridge(ctx, *file, *out)
}

func serveOrigin(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("origin", flag.ExitOnError)
	plain := f.String("plain", "127.0.0.1:0", "address of the plain listener")
	secure := f.String("tls", "127.0.0.1:0", "address of the TLS listener")
	var o origin.Options
	f.StringVar(&o.Cert, "cert", "", "certificate, PEM")
	f.StringVar(&o.Key, "key", "", "its key, PEM")
	if err := f.Parse(args); err != nil {
		return err
	}
	o.Token = os.Getenv("BENCH_TOKEN")
	s, err := origin.New(o)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for _, l := range []struct {
		addr   string
		secure bool
	}{{*plain, false}, {*secure, true}} {
		ln, err := net.Listen("tcp", l.addr)
		if err != nil {
			cancel(err)
			break
		}
		wg.Go(func() { cancel(s.Serve(ctx, ln, l.secure)) })
	}
	wg.Wait()
	if err := context.Cause(ctx); err != nil && err != context.Canceled {
		return err
	}
	return nil
}
