package main

import (
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/weighbridge/weighbridge/config"
	"github.com/weighbridge/weighbridge/internal/bridge"
	"github.com/weighbridge/weighbridge/internal/tracing"
	"github.com/weighbridge/weighbridge/signer"
)

// serveFlags are the flags of serve that stand over the environment and the
// file.
type serveFlags struct {
	config, listen, adminListen string
	drain, drainDelay           time.Duration
	// firstKey is the file that gets the first API key in place of the output.
	firstKey string
}

func (f *serveFlags) registerConfig(c *cobra.Command) {
	c.Flags().StringVar(&f.config, "config", "", "configuration file (YAML)")
	must(c.MarkFlagFilename("config", "yaml", "yml"))
}

func (a *app) serveCommand() *cobra.Command {
	var f serveFlags
	c := &cobra.Command{
		Use: "serve", Short: "Run weighbridge", Args: noArgs,
		Long: "Runs the proxy and its administration. The first start makes the data directory and\n" +
			"prints, once, the first API key. SIGTERM drains: no new connections, live downloads get\n" +
			"--drain, after everything was served as before for --drain-delay; a second signal stops at\n" +
			"once. SIGHUP reloads the configuration.",
		RunE: func(c *cobra.Command, _ []string) error {
			return a.serve(c.Context(), f.firstKey, func() (*config.Loaded, error) { return a.load(c, &f) })
		},
	}
	f.registerConfig(c)
	c.Flags().StringVar(&f.listen, "listen", "", "address of the proxy listener: host:port or unix:PATH (default 127.0.0.1:8080)")
	c.Flags().StringVar(&f.adminListen, "admin-listen", "", "address of the admin listener: host:port or unix:PATH, or off for none (default 127.0.0.1:8081)")
	c.Flags().DurationVar(&f.drain, "drain", 0, "how long live downloads may go on after SIGTERM (default 10m)")
	c.Flags().DurationVar(&f.drainDelay, "drain-delay", 0, "how long after SIGTERM everything is served as before, while readiness says draining")
	c.Flags().StringVar(&f.firstKey, "first-key", "", "write the first API key into this file, of mode 0600, instead of printing it (a service's output is kept in a journal)")
	must(c.MarkFlagFilename("first-key"))
	return c
}

// load reads the configuration: flags over environment over file over
// defaults.
func (a *app) load(c *cobra.Command, f *serveFlags) (*config.Loaded, error) {
	o := config.LoadOptions{Path: f.config, Environ: a.environ, Providers: signer.Providers(), Tracing: tracing.Built}
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
		if c.Flags().Changed("drain-delay") {
			cfg.DrainDelay = f.drainDelay
		}
	}
	return config.Load(o)
}

// serve runs until a signal or ctx ends it.
func (a *app) serve(ctx context.Context, firstKey string, load func() (*config.Loaded, error)) error {
	confined := confine() // before there is a secret to be kept
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
	if confined != nil {
		log.Warn().Err(confined).Msg("other processes of this user may read the memory of weighbridge")
	}
	// Signals are taken from here on, so that none is lost while opening.
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt, syscall.SIGHUP)
	defer signal.Stop(signals)

	// Almost all that is read at a start stays: collecting garbage meanwhile
	// would look at the same rows again and again (a fifth of the start of a
	// house with 10,000 credentials).
	was := debug.SetGCPercent(bridge.StartGCPercent)
	b, err := bridge.Open(ctx, loaded, bridge.Options{Logger: log, Version: buildVersion(), Environ: a.environ})
	debug.SetGCPercent(was)
	if err != nil {
		return err
	}
	defer func() { _ = b.Close() }()
	if err := b.Listen(ctx); err != nil {
		return err
	}
	if err := a.greet(ctx, b, cfg, firstKey); err != nil {
		// Nobody has seen the key, so the next start makes another and shows it.
		log.Error().Err(err).Msg("the first API key could not be shown")
	}
	if err := a.greetFirstUser(ctx, b, firstKey != ""); err != nil {
		log.Warn().Err(err).Msg("there is no user yet, and no link by which to make the first: run weighbridge user create")
	}
	log.Info().Str("proxy", b.ProxyURL()).Str("admin", cmp.Or(b.AdminURL(), "off")).Str("version", buildVersion()).Msg("serving")

	// Reading the configuration and compiling what is stored leaves several
	// times as much garbage as a request makes.
	if a.env("GOGC") == "" { // else it was set on purpose
		defer leaveRoom()()
	}
	resting := newRest(b.Proxy().Lent)
	resting.now()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go resting.run(ctx)

	served := make(chan error, 1)
	go func() { served <- b.Serve(ctx) }()
	for {
		select {
		case err := <-served:
			return err
		case <-ctx.Done():
			return drain(b, log, false, signals, served)
		case s := <-signals:
			if s != syscall.SIGHUP {
				return endServe(b, log, s, signals, served)
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
