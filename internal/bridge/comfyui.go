package bridge

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strconv"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/config"
	"github.com/weighbridge/weighbridge/internal/comfyui"
	"github.com/weighbridge/weighbridge/proxy"
	"github.com/weighbridge/weighbridge/proxy/guard"
)

// placesFile is in the data directory: where prompts are.
const placesFile = "comfyui-places.jsonl"

// openComfyUI makes the route to the operator's ComfyUI servers, whether there
// are any now or only after a reload.
func (b *Bridge) openComfyUI(ctx context.Context, cfg *config.Config) error {
	g, err := b.newServersGuard(cfg)
	if err != nil {
		return err
	}
	b.servers = &dialer{}
	b.servers.current.Store(g)
	file := ""
	if cfg.Store.Driver != "memory" {
		file = filepath.Join(b.dir, placesFile)
	}
	client := ownClient(b.servers, &b.ownRoots)
	b.comfy, err = comfyui.New(comfyui.Options{
		Ask: func(ctx context.Context, url string) error { return askServer(ctx, client, url) },
		Now: b.o.Now, File: file, Changed: b.serverChanged,
	})
	if err != nil {
		return err
	}
	set, err := b.comfySettings(ctx, cfg)
	if err != nil {
		return err
	}
	return b.comfy.Set(set)
}

// comfySettings maps the configuration to what the route may change while it
// runs.
func (b *Bridge) comfySettings(ctx context.Context, cfg *config.Config) (comfyui.Settings, error) {
	c := &cfg.ComfyUI
	if len(c.Servers) == 0 {
		return comfyui.Settings{}, nil
	}
	st, err := b.store.State(ctx)
	if err != nil {
		return comfyui.Settings{}, err
	}
	for _, t := range st.Teams {
		if t.Name == c.Team {
			return comfyui.Settings{
				TeamID: t.ID, Servers: c.Servers, Remember: c.Remember,
				Path: c.Health.Path, Interval: c.Health.Interval, Timeout: c.Health.Timeout,
			}, nil
		}
	}
	return comfyui.Settings{}, fmt.Errorf("comfyui.team: there is no team %q", c.Team)
}

// pickers are the routes that pick their upstream.
func (b *Bridge) pickers(cfg *config.Config) map[string]proxy.Picker {
	if len(cfg.ComfyUI.Servers) == 0 {
		return nil
	}
	return map[string]proxy.Picker{comfyui.Name: b.comfy}
}

// newServersGuard is the guard of connections to the ComfyUI servers: to be
// listed is the permission for exactly that host and port. Nothing else goes by
// it, so that nobody reaches them in another way than by the route.
func (b *Bridge) newServersGuard(cfg *config.Config) (*guard.Dialer, error) {
	o, err := b.guardOptions(cfg)
	if err != nil {
		return nil, err
	}
	for _, base := range cfg.ComfyUI.Servers {
		t, err := auth.ParseURL(base)
		if err != nil {
			return nil, fmt.Errorf("comfyui.servers: %w", err)
		}
		o.Permit = append(o.Permit, net.JoinHostPort(t.Host, strconv.Itoa(int(t.Port))))
	}
	return guard.New(o)
}

// maxHealth bounds what is read of a server's answer, so that its connection
// ends in good order.
const maxHealth = 1 << 20

// askServer is comfyui.Options.Ask.
func askServer(ctx context.Context, client *http.Client, url string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	r.Header.Set("User-Agent", "weighbridge")
	a, err := client.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = a.Body.Close() }()
	if a.StatusCode != http.StatusOK {
		return fmt.Errorf("it answers with status %d", a.StatusCode)
	}
	_, err = io.Copy(io.Discard, io.LimitReader(a.Body, maxHealth))
	return err
}

// serverChanged says in the log what became of a ComfyUI server.
func (b *Bridge) serverChanged(server string, available bool, err error) {
	if available {
		b.log.Info().Str("server", server).Msg("a ComfyUI server is available again")
		return
	}
	b.log.Warn().Str("server", server).Err(err).Msg("a ComfyUI server is not available")
}
