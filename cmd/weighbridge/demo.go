package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/config"
	"github.com/weighbridge/weighbridge/internal/bridge"
	"github.com/weighbridge/weighbridge/internal/house/hub"
)

const demoPath = "/" + hub.SampleGated + "/resolve/main/" + hub.SampleWeights

func (a *app) demoCommand() *cobra.Command {
	return &cobra.Command{
		Use: "demo", Short: "Show the story on loopback: no account, no token, no network", Args: noArgs,
		Long: "Starts a sample hub with a gated model and a weighbridge in front of it, both on\n" +
			"loopback and in a temporary directory, and shows a worker without a token refused\n" +
			"directly and served through weighbridge. Ends by itself.",
		RunE: func(c *cobra.Command, _ []string) error {
			d := &demo{app: a}
			err := d.run(c.Context())
			return errors.Join(err, d.close())
		},
	}
}

// demo is one run of the story.
type demo struct {
	*app
	hub    *hub.Hub
	bridge *bridge.Bridge
	dir    string
	served chan error
	key    auth.Secret
	token  auth.Secret
	// want is the digest of the file as the hub has it.
	want string
}

func (d *demo) say(format string, args ...any) { _, _ = fmt.Fprintf(d.stdout, format+"\n", args...) }

func (d *demo) run(ctx context.Context) error {
	if err := d.startHub(); err != nil {
		return err
	}
	d.say("1. A hub on loopback holds a gated model: https://%s%s", hub.Host, demoPath)
	status, _, err := d.fetch(ctx, d.hub.Server.Client(), "https://"+hub.Host+demoPath, "")
	if err != nil {
		return err
	}
	if status != http.StatusUnauthorized {
		return fmt.Errorf("the hub answered %d to a worker without a token, not 401", status)
	}
	d.say("   A worker without a token asks the hub directly:   %d %s", status, http.StatusText(status))

	if err := d.startBridge(ctx); err != nil {
		return err
	}
	d.say("\n2. A weighbridge in front of it, %s, holds the token: sealed, and linked to one API key.", d.bridge.ProxyURL())
	for _, way := range []struct {
		name string
		get  func(context.Context) (int, *download, error)
	}{{"forward mode, HTTPS_PROXY", d.forward}, {"reverse mode, a URL below it", d.reverse}} {
		status, got, err := way.get(ctx)
		switch {
		case err != nil:
			return err
		case status != http.StatusOK || got.sum != d.want:
			return fmt.Errorf("%s: %d, %d bytes, SHA-256 %s where the hub has %s", way.name, status, got.bytes, got.sum, d.want)
		}
		d.say("   The same worker, %-30s  %d OK, %s, SHA-256 as the hub has it", way.name+":", status, size(got.bytes))
		d.say("     %s", got.tensors)
	}
	return d.show(ctx)
}

func (d *demo) startHub() (err error) {
	if d.hub, err = hub.Start(hub.Options{}); err != nil {
		return err
	}
	if err = d.hub.AddSample(); err != nil {
		return err
	}
	d.token = auth.NewSecret("hf_" + rand.Text() + rand.Text())
	d.hub.AddToken(hub.Token{Value: d.token.Reveal(), User: "alice", Grants: []string{hub.SampleGated}})
	// The digest is the hub's own word for the file.
	req, err := http.NewRequest(http.MethodHead, "https://"+hub.Host+demoPath, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+d.token.Reveal())
	resp, err := d.hub.Server.Client().Do(req)
	if err != nil {
		return err
	}
	_ = resp.Body.Close()
	d.want = strings.Trim(resp.Header.Get("X-Linked-Etag"), `"`)
	d.hub.Server.Record.Reset()
	return nil
}

func (d *demo) startBridge(ctx context.Context) (err error) {
	if d.dir, err = os.MkdirTemp("", "weighbridge-demo-"); err != nil {
		return err
	}
	rootFile := filepath.Join(d.dir, "hub-root.pem")
	if err := os.WriteFile(rootFile, d.hub.Server.RootPEM(), 0o600); err != nil {
		return err
	}
	loaded, err := config.Load(config.LoadOptions{Override: func(c *config.Config) {
		c.DataDir = filepath.Join(d.dir, "data")
		c.Listen, c.AdminListen = "127.0.0.1:0", ""
		c.Upstream.CAFile, c.Upstream.Resolve = rootFile, d.hub.Server.Resolve()
	}})
	if err != nil {
		return err
	}
	b, err := bridge.Open(ctx, loaded, bridge.Options{Logger: zerolog.Nop(), Version: buildVersion(), Environ: d.environ})
	if err != nil {
		return err
	}
	d.bridge, d.key = b, b.Welcome().Key
	if err := b.Listen(ctx); err != nil {
		return err
	}
	d.served = make(chan error, 1)
	go func() { d.served <- b.Serve(context.WithoutCancel(ctx)) }()
	_, err = admin.NewLocalClient(loaded.Config.DataDir).CreateCredential(ctx, admin.NewCredential{
		Name: "hub", Provider: "huggingface", Fields: map[string]string{"token": d.token.Reveal()}, Keys: []string{"worker"},
	})
	d.hub.Server.Record.Reset() // the validation; what workers cause is shown
	return err
}

// show says what the hub saw and what is on record.
func (d *demo) show(ctx context.Context) error {
	d.say("\n3. What the hub and its CDN saw:")
	for _, r := range d.hub.Server.Record.All() {
		shown := "no Authorization"
		if r.Authorization() == "Bearer "+d.token.Reveal() {
			shown = "the token"
		} else if r.Authorization() != "" {
			return errors.New("the hub saw an Authorization that is not the token")
		}
		if (shown == "the token") != (r.Host == hub.Host) && r.Status != http.StatusUnauthorized {
			return fmt.Errorf("%s saw %s", r.Host, shown)
		}
		d.say("   %d %s %-18s %s", r.Status, r.Method, r.Host, shown)
	}
	events, err := admin.NewLocalClient(filepath.Join(d.dir, "data")).ListEvents(ctx, admin.ListEventsQuery{})
	if err != nil {
		return err
	}
	d.say("\n4. What is on record (`weighbridge audit`), and no value of the token anywhere in it:")
	for i := range events {
		e := &events[i]
		if e.Action == auth.ActionUsed {
			d.say("   %s  key %q  credential %q  rule %s  %s %s", e.Action, e.KeyName, e.CredentialName, e.Rule, e.Method, e.Host)
		}
	}
	d.say("\nThe worker never held the token. `weighbridge serve` does the same for the real hub.")
	return nil
}

func (d *demo) close() error {
	var errs []error
	if d.bridge != nil {
		errs = append(errs, d.bridge.Close())
		if d.served != nil {
			<-d.served
		}
	}
	if d.hub != nil {
		errs = append(errs, d.hub.Close())
	}
	if d.dir != "" {
		errs = append(errs, os.RemoveAll(d.dir))
	}
	return errors.Join(errs...)
}
