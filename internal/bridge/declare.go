package bridge

import (
	"context"
	"crypto/sha256"
	"fmt"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/config"
	"github.com/weighbridge/weighbridge/store"
)

// declare makes the declarative rows of the store exactly what the
// configuration says. Where it fails the store stands as it was.
func (b *Bridge) declare(ctx context.Context, loaded *config.Loaded) error {
	return b.declareBy(ctx, loaded, b.store.SyncDeclarative)
}

// redeclare takes what files hold by now. The configuration was not read anew: of
// a store that others share it may say what is not so any more, and then the
// values alone are taken.
func (b *Bridge) redeclare(ctx context.Context) error {
	loaded := b.loaded.Load()
	if loaded.Config.Store.Driver == driverPostgres {
		return b.declareBy(ctx, loaded, b.store.RenewDeclared)
	}
	return b.declare(ctx, loaded)
}

func (b *Bridge) declareBy(ctx context.Context, loaded *config.Loaded,
	put func(context.Context, string, []store.DeclaredCredential, []store.DeclaredKey, auth.Event) error,
) error {
	creds := make([]store.DeclaredCredential, 0, len(loaded.Config.Credentials))
	for i := range loaded.Config.Credentials {
		d, err := b.declaredCredential(loaded, &loaded.Config.Credentials[i])
		if err != nil {
			return err
		}
		creds = append(creds, d)
	}
	keys := make([]store.DeclaredKey, 0, len(loaded.Config.Keys))
	for i := range loaded.Config.Keys {
		d, err := declaredKey(loaded, &loaded.Config.Keys[i])
		if err != nil {
			return err
		}
		keys = append(keys, d)
	}
	return put(ctx, b.team.ID, creds, keys, auth.Event{
		Time: b.o.Now().UTC(), Action: auth.ActionConfigReload, TeamID: b.team.ID, Actor: "config",
	})
}

func (b *Bridge) declaredCredential(loaded *config.Loaded, c *config.Credential) (store.DeclaredCredential, error) {
	var d store.DeclaredCredential
	p, ok := b.provider(c.Provider)
	if !ok {
		return d, fmt.Errorf("credential %q: there is no provider %q", c.Name, c.Provider)
	}
	fields, err := loaded.Fields(c)
	if err != nil {
		return d, err
	}
	fields = auth.Mend(p, fields)
	if err := p.Check(fields); err != nil {
		return d, fmt.Errorf("credential %q: %w", c.Name, err)
	}
	patterns := c.Patterns
	if len(patterns) == 0 {
		patterns = p.Schema().DefaultPatterns
	}
	d.Credential = auth.Credential{
		Name: c.Name, Provider: c.Provider, Status: auth.StatusValid, Reason: "declared in the configuration; the upstream was not asked yet",
		Patterns: make([]string, 0, len(patterns)), Params: map[string]string{}, Previews: map[string]string{},
	}
	d.Secrets = auth.Fields{}
	for _, f := range p.Schema().Fields {
		v, ok := fields[f.Name]
		switch {
		case !ok || v.IsZero():
		case !f.Secret:
			d.Credential.Params[f.Name] = v.Reveal()
		default:
			d.Secrets[f.Name] = v
			d.Credential.Previews[f.Name] = f.PreviewOf(v)
		}
	}
	for _, text := range patterns {
		pat, err := auth.ParsePattern(text)
		if err == nil {
			_, err = auth.ExpandFor(p, pat, d.Credential.Params)
		}
		if err != nil {
			return d, fmt.Errorf("credential %q: pattern %q: %w", c.Name, text, err)
		}
		d.Credential.Patterns = append(d.Credential.Patterns, pat.String())
	}
	if err := auth.CheckPlaces(p, d.Credential.Params, d.Credential.Patterns); err != nil {
		return d, fmt.Errorf("credential %q: %s", c.Name, auth.AsError(err).Reason)
	}
	d.Credential.Reading = auth.Read(p, fields, nil, b.o.Now())
	d.Credential.ExpiresAt = d.Credential.Reading.ExpiresAt
	for _, w := range auth.Read(p, fields, d.Credential.Patterns, b.o.Now()).Warnings {
		b.log.Warn().Str("credential", c.Name).Msg(w)
	}
	d.Keys = c.Keys
	return d, nil
}

func declaredKey(loaded *config.Loaded, k *config.Key) (store.DeclaredKey, error) {
	var d store.DeclaredKey
	value, hash, err := keyValue(loaded, k)
	if err != nil {
		return d, fmt.Errorf("key %q: %w", k.Name, err)
	}
	ok := true
	d.Key = auth.Key{
		Name: k.Name, Scope: k.Scope, Preview: value.Preview(), Hash: hash,
		Unmatched: k.Unmatched, Xet: k.Xet, ExpiresAt: k.Expires, Limits: k.Limits.Limits(), Sources: k.Sources,
	}
	if !k.URLKey.IsZero() {
		urlKey, err := loaded.Value(k.URLKey)
		if err != nil {
			return d, fmt.Errorf("key %q: url_key: %w", k.Name, err)
		}
		if d.Key.URLKeyHash, ok = auth.HashURLKey(urlKey.Reveal()); !ok {
			return d, fmt.Errorf("key %q: url_key is not a URL key: %s and at least 40 alphanumerics", k.Name, auth.URLKeyPrefix)
		}
	}
	for _, text := range k.Routes {
		p, err := auth.ParsePattern(text)
		if err != nil {
			return d, fmt.Errorf("key %q: route %q: %w", k.Name, text, err)
		}
		d.Key.Routes = append(d.Key.Routes, p.String())
	}
	d.Credentials = k.Credentials
	return d, nil
}

// keyValue is the value of a declared key, and its hash. One that has none, and
// stands for ServiceAccounts alone, has a hash that no key can have: keys are
// hashed in their form, and this has not that form.
func keyValue(loaded *config.Loaded, k *config.Key) (auth.Secret, auth.KeyHash, error) {
	if k.Value.IsZero() && len(k.ServiceAccounts) > 0 {
		return auth.Secret{}, sha256.Sum256([]byte("no value: the key " + k.Name)), nil
	}
	value, err := loaded.Value(k.Value)
	if err != nil {
		return value, auth.KeyHash{}, err
	}
	hash, ok := auth.HashAPIKey(value.Reveal())
	if !ok {
		return value, hash, fmt.Errorf("the value is not an API key: %s and at least 40 alphanumerics", auth.KeyPrefix)
	}
	return value, hash, nil
}
