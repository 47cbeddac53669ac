package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/config"
	"github.com/weighbridge/weighbridge/internal/bridge"
	"github.com/weighbridge/weighbridge/internal/workerenv"
	"github.com/weighbridge/weighbridge/signer"
)

// serveFlags are the flags of serve that stand over the environment and the
// file.
type serveFlags struct {
	config, listen, adminListen string
	drain                       time.Duration
}

func (a *app) serveCommand() *cobra.Command {
	var f serveFlags
	c := &cobra.Command{
		Use: "serve", Short: "Run weighbridge", Args: noArgs,
		Long: "Runs the proxy and its administration. The first start makes the data directory and\n" +
			"prints, once, the first API key. SIGTERM drains: no new connections, live downloads get\n" +
			"--drain; a second signal stops at once. SIGHUP reloads the configuration.",
		RunE: func(c *cobra.Command, _ []string) error {
			return a.serve(c.Context(), func() (*config.Loaded, error) { return a.load(c, &f) })
		},
	}
	c.Flags().StringVar(&f.config, "config", "", "configuration file (YAML)")
	c.Flags().StringVar(&f.listen, "listen", "", "address of the proxy listener: host:port or unix:PATH (default 127.0.0.1:8080)")
	c.Flags().StringVar(&f.adminListen, "admin-listen", "", "address of the admin listener: host:port or unix:PATH, or off for none (default 127.0.0.1:8081)")
	c.Flags().DurationVar(&f.drain, "drain", 0, "how long live downloads may go on after SIGTERM (default 10m)")
	must(c.MarkFlagFilename("config", "yaml", "yml"))
	return c
}

// load reads the configuration: flags over environment over file over
// defaults.
func (a *app) load(c *cobra.Command, f *serveFlags) (*config.Loaded, error) {
	o := config.LoadOptions{Path: f.config, Environ: a.environ, Providers: signer.Providers()}
	o.Override = func(cfg *config.Config) {
		if c.Flags().Changed("data-dir") || c.InheritedFlags().Changed("data-dir") {
			cfg.DataDir = a.dataDir
		}
		if c.Flags().Changed("listen") {
			cfg.Listen = f.listen
		}
		if c.Flags().Changed("admin-listen") {
			cfg.AdminListen = f.adminListen
		}
		if c.Flags().Changed("drain") {
			cfg.Drain = f.drain
		}
	}
	return config.Load(o)
}

// serve runs until a signal or ctx ends it.
func (a *app) serve(ctx context.Context, load func() (*config.Loaded, error)) error {
	loaded, err := load()
	if err != nil {
		return err
	}
	cfg := &loaded.Config
	log, flush := a.logger(cfg.Log)
	defer flush()
	for _, w := range loaded.Warnings {
		log.Warn().Msg(w.Error())
	}
	// Signals are taken from here on, so that none is lost while opening.
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt, syscall.SIGHUP)
	defer signal.Stop(signals)

	b, err := bridge.Open(ctx, loaded, bridge.Options{Logger: log, Version: buildVersion(), Environ: a.environ})
	if err != nil {
		return err
	}
	defer func() { _ = b.Close() }()
	if err := b.Listen(ctx); err != nil {
		return err
	}
	if err := a.greet(ctx, b, cfg); err != nil {
		// Nobody has seen the key, so the next start makes another and shows it.
		log.Error().Err(err).Msg("the first API key could not be shown")
	}
	log.Info().Str("proxy", b.ProxyURL()).Str("admin", cmp.Or(b.AdminURL(), "off")).Str("version", buildVersion()).Msg("serving")

	served := make(chan error, 1)
	go func() { served <- b.Serve(ctx) }()
	for {
		select {
		case err := <-served:
			return err
		case <-ctx.Done():
			return a.drain(b, log, signals, served)
		case s := <-signals:
			if s != syscall.SIGHUP {
				log.Info().Str("signal", s.String()).Str("drain", b.DrainLimit().String()).Msg("draining: no new connections, live downloads may finish")
				return a.drain(b, log, signals, served)
			}
			a.reload(ctx, b, log, load)
		}
	}
}

// reload keeps the old configuration where the new one has a mistake, and says
// why.
func (a *app) reload(ctx context.Context, b *bridge.Bridge, log zerolog.Logger, load func() (*config.Loaded, error)) {
	loaded, err := load()
	var restart []string
	if err == nil {
		restart, err = b.Reload(ctx, loaded)
	}
	if err != nil {
		var problems config.Problems
		if errors.As(err, &problems) {
			for _, p := range problems {
				log.Error().Msg("configuration: " + p.Error())
			}
		} else {
			log.Error().Err(err).Msg("configuration")
		}
		log.Error().Msg("the configuration was not reloaded: the old one stays")
		return
	}
	for _, w := range loaded.Warnings {
		log.Warn().Msg(w.Error())
	}
	if len(restart) > 0 {
		log.Warn().Strs("fields", restart).Msg("these fields changed and hold after a restart")
	}
	log.Info().Msg("configuration reloaded")
}

// drain waits for live downloads; a second signal, or the end of the time,
// resets what is left.
func (a *app) drain(b *bridge.Bridge, log zerolog.Logger, signals <-chan os.Signal, served <-chan error) error {
	ctx, cancel := context.WithTimeout(context.Background(), b.DrainLimit())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- b.Drain(ctx) }()
	for {
		select {
		case s := <-signals:
			if s != syscall.SIGHUP {
				log.Warn().Msg("second signal: stopping at once")
				cancel()
			}
		case err := <-done:
			if err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
				return err
			}
			if err != nil {
				log.Warn().Msg("downloads that did not finish in time were cut by reset")
			}
			<-served
			log.Info().Msg("stopped")
			return nil
		}
	}
}

// logger makes the log; flush writes what of it is still in memory.
func (a *app) logger(l config.Log) (log zerolog.Logger, flush func()) {
	level, err := zerolog.ParseLevel(l.Level)
	if err != nil {
		level = zerolog.InfoLevel
	}
	lines := newLogBuffer(a.stderr)
	var w io.Writer = lines
	f, isFile := a.stderr.(*os.File)
	if l.Format == "console" || l.Format == "auto" && isFile && isTerminal(f) {
		w = zerolog.ConsoleWriter{Out: a.stderr, TimeFormat: time.RFC3339, NoColor: a.env("NO_COLOR") != ""}
	}
	return zerolog.New(w).Level(level).With().Timestamp().Logger(), lines.Flush
}

// greet prints the first API key, once, and where everything is. The note that
// it was shown is made after it was written, so a start that is killed in
// between shows a fresh one the next time.
func (a *app) greet(ctx context.Context, b *bridge.Bridge, cfg *config.Config) error {
	w := b.Welcome()
	if w == nil {
		return nil
	}
	sys := b.API().System()
	var out bytes.Buffer
	p := func(format string, args ...any) { fmt.Fprintf(&out, format, args...) }
	p("\nweighbridge is ready. This is shown once.\n\n")
	p("  API key of the worker   %s\n", w.Key.Reveal())
	p("  Proxy                   %s\n", sys.ProxyURL)
	p("  Administration          %s\n", cmp.Or(sys.AdminURL, "admin.sock in the data directory"))
	if sys.CABundle != "" {
		p("  CA bundle               %s\n", sys.CABundle)
	}
	p("  Data directory          %s\n\n", sys.DataDir)
	if err := a.lines(&out, w.Key, sys); err != nil {
		return err
	}
	dir := ""
	if cfg.DataDir != "./weighbridge-data" {
		dir = " --data-dir " + quoteArg(cfg.DataDir)
	}
	p("\nNext, give it a credential (the token is read without echo and sealed):\n\n")
	p("  weighbridge credential create%s --provider huggingface --name hub --set token=- --key worker\n\n", dir)
	if _, err := a.stdout.Write(out.Bytes()); err != nil {
		return err
	}
	return b.Welcomed(ctx)
}

// lines are what to export on a worker, in both modes.
func (a *app) lines(out *bytes.Buffer, key auth.Secret, sys admin.System) error {
	if socket, ok := strings.CutPrefix(sys.ProxyURL, "unix:"); ok {
		fmt.Fprintf(out, "The proxy listens on a unix socket, which no variable names. For example, in reverse mode:\n\n"+
			"  curl --unix-socket %s -H 'X-Weighbridge-Key: '\"$WEIGHBRIDGE_KEY\" http://localhost/HOST/PATH\n\n"+
			"`weighbridge env --proxy-url URL` prints the variables for a URL that leads to it.\n", quoteArg(socket))
		return nil
	}
	reverse := "or reverse mode (clients that take an endpoint; no CA needed):"
	if strings.HasPrefix(sys.ProxyURL, "https:") {
		reverse = "or reverse mode (clients that take an endpoint):"
	}
	fmt.Fprintf(out, "On a worker, forward mode (every client that knows HTTPS_PROXY):\n\n")
	if err := a.exports(out, workerenv.Forward, key, sys.ProxyURL, sys.CABundle); err != nil {
		return err
	}
	fmt.Fprintf(out, "\n%s\n\n", reverse)
	return a.exports(out, workerenv.Reverse, key, sys.ProxyURL, sys.CABundle)
}

func (a *app) exports(out io.Writer, mode workerenv.Mode, key auth.Secret, proxyURL, bundle string) error {
	o := workerenv.Options{Mode: mode, ProxyURL: proxyURL, Key: key, Bundle: bundle, Placeholder: signer.PlaceholderToken}
	vars, err := workerenv.Variables(o)
	if err != nil {
		return err
	}
	for i := range vars {
		vars[i].Why = ""
	}
	if err := workerenv.Render(indented{out}, "sh", vars); err != nil {
		return err
	}
	for _, one := range workerenv.Warnings(o) {
		if _, err := fmt.Fprintf(indented{out}, "# %s\n", one); err != nil {
			return err
		}
	}
	return nil
}

// indented writes lines two columns in.
type indented struct{ w io.Writer }

func (i indented) Write(b []byte) (int, error) {
	start := 0
	for n, c := range b {
		if c == '\n' {
			if _, err := fmt.Fprintf(i.w, "  %s", b[start:n+1]); err != nil {
				return start, err
			}
			start = n + 1
		}
	}
	if start < len(b) {
		if _, err := fmt.Fprintf(i.w, "  %s", b[start:]); err != nil {
			return start, err
		}
	}
	return len(b), nil
}
