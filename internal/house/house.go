package house

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/config"
	"github.com/weighbridge/weighbridge/internal/bridge"
	"github.com/weighbridge/weighbridge/internal/house/hub"
	"github.com/weighbridge/weighbridge/internal/house/origin"
	"github.com/weighbridge/weighbridge/internal/tracing"
	"github.com/weighbridge/weighbridge/proxy/guard"
	"github.com/weighbridge/weighbridge/signer"
)

// Options of a House. The zero value is a whole one.
type Options struct {
	// Hub are the options of the fake Hub.
	Hub hub.Options
	// Mount puts further fakes on the server that the Hub is on.
	Mount func(*origin.Server)
	// Configure changes the configuration before weighbridge starts.
	Configure func(*config.Config)
	// Now is the clock of weighbridge and, unless Hub names its own, of the
	// Hub; nil means time.Now.
	Now func() time.Time
	// DataDir is used where a test starts weighbridge again on what an earlier
	// one left; a new directory otherwise.
	DataDir string
	// Resolver answers weighbridge's DNS queries; nil means the system's.
	Resolver guard.Resolver
	// Environ is added to the environment that weighbridge sees.
	Environ []string
	// Empty leaves the Hub without sample repositories, which takes a good part
	// of the time that a start takes.
	Empty bool
}

// House is a whole weighbridge on ports of the system's choice, in front of a
// Hub that verifies. Everything that comes out of it is searched for the Hub's
// token, and everything that is kept or sent upstream for the API keys, when
// the test ends.
type House struct {
	Bridge *bridge.Bridge
	Hub    *hub.Hub
	Server *origin.Server
	// Token is what the Hub wants and no worker may ever see.
	Token *Canary
	// Watch searches for Token and for what Secret adds.
	Watch *Watch
	// Log is the log at level debug.
	Log     *Log
	DataDir string

	t      testing.TB
	load   config.LoadOptions
	api    *admin.Client
	served chan error
	keys   *Watch
	idle   []func()
	once   sync.Once
}

// New starts a House; it ends with the test, or by Close.
func New(t testing.TB, o Options) *House {
	t.Helper()
	if o.Hub.Now == nil {
		o.Hub.Now = o.Now
	}
	if o.DataDir == "" {
		o.DataDir = filepath.Join(t.TempDir(), "data")
	}
	h := &House{t: t, DataDir: o.DataDir, Token: NewCanary("hf_"), served: make(chan error, 1), keys: NewWatch()}
	h.Watch = NewWatch(h.Token)
	h.Log = &Log{to: io.MultiWriter(h.Watch.Stream("log"), h.keys.Stream("log"))}

	var err error
	h.Hub, err = hub.Start(o.Hub)
	h.must(err)
	h.Server = h.Hub.Server
	// The record is of what workers cause, whenever weighbridge itself asks.
	h.Server.Record.Ignore(Validation)
	h.Server.Record.Observe(func(r origin.Request) {
		h.keys.See("sent upstream", []byte(r.Method+" "+r.Path+"?"+r.Query))
		h.keys.fields("sent upstream", r.Header)
	})
	h.Hub.AddToken(hub.SampleToken(h.Token.Value()))
	if !o.Empty {
		h.must(h.Hub.AddSample())
	}
	if o.Mount != nil {
		o.Mount(h.Server)
	}
	roots := filepath.Join(t.TempDir(), "upstream-roots.pem")
	h.must(os.WriteFile(roots, h.Server.RootPEM(), 0o600))

	h.load = config.LoadOptions{Tracing: tracing.Built, Override: func(c *config.Config) {
		c.DataDir, c.Listen, c.AdminListen = h.DataDir, "127.0.0.1:0", "127.0.0.1:0"
		c.Upstream.CAFile, c.Upstream.Resolve = roots, h.Server.Resolve()
		if o.Configure != nil {
			o.Configure(c)
		}
	}}
	for _, p := range signer.Providers() {
		h.load.Schemas = append(h.load.Schemas, p.Schema())
	}
	loaded, err := config.Load(h.load)
	h.must(err)
	h.Bridge, err = bridge.Open(t.Context(), loaded, bridge.Options{
		Logger: zerolog.New(h.Log).Level(zerolog.DebugLevel).With().Timestamp().Logger(), Version: "test", Now: o.Now, Resolver: o.Resolver,
		// A machine that is busy with other tests may take seconds to sync.
		CommitLimit: time.Minute,
		Stdout:      h.Watch.Tee("standard output", io.Discard),
		// The fakes' root plays the public roots: a worker needs it in its
		// bundle for the hosts that are not intercepted.
		Environ: append([]string{"SSL_CERT_FILE=" + roots}, o.Environ...),
	})
	h.must(err)
	h.must(h.Bridge.Listen(t.Context()))
	h.api = admin.NewLocalClient(h.DataDir)
	// The context of a test ends before its cleanup, and serving must not.
	go func() { h.served <- h.Bridge.Serve(context.WithoutCancel(t.Context())) }()
	t.Cleanup(h.Close)
	return h
}

// Reload changes the configuration as it was at the start, as SIGHUP does, and
// returns what only holds after a restart.
func (h *House) Reload(change func(*config.Config)) ([]string, error) {
	o := h.load
	o.Override = func(c *config.Config) {
		h.load.Override(c)
		change(c)
	}
	loaded, err := config.Load(o)
	if err != nil {
		return nil, err
	}
	return h.Bridge.Reload(h.t.Context(), loaded)
}

func (h *House) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// Secret makes a further canary that begins with prefix.
func (h *House) Secret(prefix string) *Canary {
	c := NewCanary(prefix)
	h.Watch.Add(c)
	return c
}

// Close ends the house and makes the last assertion: no secret in the log, in
// the data directory, in metrics, in any answer of the API, and in nothing that
// a worker received; no API key in what is kept or in what reached an upstream.
func (h *House) Close() {
	h.t.Helper()
	h.once.Do(func() {
		h.t.Helper()
		h.lookAround()
		for _, close := range h.idle {
			close()
		}
		if err := h.Bridge.Close(); err != nil {
			h.t.Errorf("closing weighbridge: %v", err)
		}
		if err := <-h.served; err != nil && !errors.Is(err, net.ErrClosed) {
			h.t.Errorf("weighbridge served until: %v", err)
		}
		if err := h.Hub.Close(); err != nil {
			h.t.Errorf("closing the fake hub: %v", err)
		}
		for _, w := range []*Watch{h.Watch, h.keys} {
			if err := w.Walk(h.DataDir); err != nil {
				h.t.Error(err)
			}
			for _, hit := range w.Hits() {
				h.t.Errorf("leak: %s", hit)
			}
		}
	})
}

// lookAround reads every page of the administrative side.
func (h *House) lookAround() {
	h.t.Helper()
	// The test's own context has ended by now.
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, path := range []string{"/api/v1/system", "/api/v1/credentials?limit=1000", "/api/v1/keys?limit=1000", "/api/v1/audit?limit=10000",
		"/api/v1/transfers", "/api/v1/ca", "/api/v1/usage", "/api/v1/audit/verify", "/api/v1/audit/export", "/metrics", "/readyz"} {
		var body []byte
		if err := h.api.Call(ctx, http.MethodGet, path, nil, &body); err != nil {
			body = []byte(err.Error())
		}
		h.Watch.See("admin "+path, body)
		h.keys.See("admin "+path, body)
		if strings.HasSuffix(path, "/verify") && bytes.Contains(body, []byte(`"ok":false`)) {
			h.t.Errorf("the record does not verify: %s", body)
		}
	}
	var copied []byte
	if err := h.api.Call(ctx, http.MethodPost, "/api/v1/backup", admin.BackupOptions{}, &copied); err != nil {
		copied = []byte(err.Error())
	}
	h.Watch.See("backup", copied)
	h.keys.See("backup", copied)
}

// Log keeps log lines for a test to read.
type Log struct {
	to io.Writer // searches

	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = l.to.Write(p)
	return l.text.Write(p)
}

// String is everything logged so far.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
