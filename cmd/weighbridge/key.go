package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weighbridge/weighbridge/admin"
)

func (a *app) keyCommand() *cobra.Command {
	c := &cobra.Command{Use: "key", Aliases: []string{"keys"}, Short: "API keys: the identities of workers", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	keys := a.apiKeys()
	c.AddCommand(a.keyCreate(), a.keyList(), keys.show(), a.keyUpdate(), keys.revoke("Revoke an API key, for good", revokeKey), a.keyRegenerate(), keys.remove("its links", ""))
	return c
}

func (a *app) apiKeys() resource[admin.Key] {
	return resource[admin.Key]{
		a: a, all: (*admin.Client).ListKeys, get: (*admin.Client).GetKey, delete: (*admin.Client).DeleteKey, member: "keys", article: "an", noun: "API key", complete: a.completeKeys, text: a.keyText,
	}
}

func (a *app) keyCreate() *cobra.Command {
	var in admin.NewKey
	var bounds newFlags
	c := &cobra.Command{
		Use: "create --name N", Short: "Create an API key; it is shown once", Args: noArgs,
		Example: "  weighbridge key create --name trainer --expires 90d --credential hub --transfers 8 --bandwidth 100MiB --source 10.20.0.0/16",
		RunE: func(c *cobra.Command, _ []string) error {
			var err error
			if in.ExpiresAt, in.Limits, in.Sources, err = bounds.fresh(a); err != nil {
				return err
			}
			return a.apiKeys().shown(a.client().CreateKey(c.Context(), in))
		},
	}
	c.Flags().StringVar(&in.Name, "name", "", "name, unique among API keys")
	c.Flags().StringVar(&in.Scope, "scope", "read", "read, or write where something must be uploaded")
	bounds.register(c.Flags())
	c.Flags().StringArrayVar(&in.Routes, "route", nil, "URL pattern that the key is restricted to (repeatable)")
	c.Flags().StringVar(&in.Unmatched, "unmatched", "", "pass or deny URLs that no credential matches; can only be stricter than the listener")
	c.Flags().StringVar(&in.Xet, "xet", "", "pass or hide xet; can only be stricter than the credential")
	c.Flags().BoolVar(&in.URLKey, "url-key", false, "also make a URL key, for clients that can only be given a URL")
	c.Flags().StringArrayVar(&in.Credentials, "credential", nil, "credential to link it to, by id or name (repeatable)")
	must(c.MarkFlagRequired("name"), c.RegisterFlagCompletionFunc("credential", a.completeCredentialFlag))
	return c
}

func (a *app) keyList() *cobra.Command {
	return a.apiKeys().list("", []string{"NAME", "STATUS", "SCOPE", "KEY", "CREDENTIALS", "EXPIRES", "LAST USED", "ID"}, func(k *admin.Key) []string {
		return []string{k.Name, k.Status, k.Scope, k.Preview, refs(k.Credentials), a.ending(k.ExpiresAt), a.used(k.LastUsedAt, k.LastUsedFrom), k.ID}
	})
}

func (a *app) keyUpdate() *cobra.Command {
	var scope, unmatched, xet string
	var routes []string
	var urlKey bool
	var change changeFlags
	c := &cobra.Command{
		Use: "update ID|NAME", Short: "Change an API key", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeKeys,
		RunE: func(c *cobra.Command, args []string) error {
			var in admin.KeyPatch
			var err error
			f := c.Flags()
			if in.Name, in.ExpiresAt, in.Limits, in.Sources, err = change.patch(a, f); err != nil {
				return err
			}
			if f.Changed("scope") {
				in.Scope = &scope
			}
			if f.Changed("unmatched") {
				in.Unmatched = &unmatched
			}
			if f.Changed("xet") {
				in.Xet = &xet
			}
			if f.Changed("url-key") {
				in.URLKey = &urlKey
			}
			if f.Changed("route") {
				in.Routes = oneEmpty(routes)
			}
			if in == (admin.KeyPatch{}) {
				return usage("nothing to change: give --name, --scope, --expires, --route, --rate, --burst, --transfers, --bandwidth, --source, --unmatched, --xet or --url-key")
			}
			return a.apiKeys().shown(a.client().UpdateKey(c.Context(), args[0], in))
		},
	}
	change.register(c.Flags())
	c.Flags().StringVar(&scope, "scope", "", "read or write")
	c.Flags().StringArrayVar(&routes, "route", nil, "replaces all routes (repeatable); one empty value lifts the restriction")
	c.Flags().StringVar(&unmatched, "unmatched", "", "pass, deny, or empty for the listener's policy")
	c.Flags().StringVar(&xet, "xet", "", "pass, hide, or empty for the credential's policy")
	c.Flags().BoolVar(&urlKey, "url-key", false, "make a new URL key, or end it with --url-key=false")
	return c
}

func revokeKey(c *admin.Client, ctx context.Context, ref string, now bool) (admin.Key, error) {
	return c.RevokeKey(ctx, ref, admin.RevokeKeyQuery{Now: now})
}

func (a *app) keyRegenerate() *cobra.Command {
	var overlap time.Duration
	c := a.apiKeys().act("regenerate", "Make a new secret and end the old one in a single step", "Regenerate API key %q? The old secret ends at once.",
		func(c *admin.Client, ctx context.Context, ref string) (admin.Key, error) {
			var q admin.RegenerateKeyQuery
			if overlap > 0 {
				q.Overlap = overlap.String()
			}
			return c.RegenerateKey(ctx, ref, q)
		},
		func(question string) string {
			if overlap > 0 {
				return strings.Replace(question, "ends at once", "ends in "+overlap.String(), 1)
			}
			return question
		})
	c.Flags().DurationVar(&overlap, "overlap", 0, "how long the old secret goes on beside the new one, such as 1h (at most 168h)")
	return c
}

func (a *app) keyText(w io.Writer, k *admin.Key) {
	kv := []string{"name", k.Name, "id", k.ID, "status", k.Status, "scope", k.Scope}
	if k.Key == "" {
		kv = append(kv, "key", k.Preview)
	}
	kv = append(kv, "credentials", refs(k.Credentials), "routes", list(k.Routes), "unmatched", k.Unmatched, "xet", k.Xet)
	kv = append(kv, limitsText(k.Limits, k.Sources)...)
	if k.HasURLKey && k.URLKey == "" {
		kv = append(kv, "url key", "yes")
	}
	kv = append(kv, "last used", a.used(k.LastUsedAt, k.LastUsedFrom))
	if k.ExpiresAt != nil {
		kv = append(kv, "expires", a.when(*k.ExpiresAt))
	}
	if k.OldUntil != nil {
		kv = append(kv, "old secret until", a.when(*k.OldUntil))
	}
	if k.RevokedAt != nil {
		kv = append(kv, "revoked", a.when(*k.RevokedAt))
	}
	if k.Declarative {
		kv = append(kv, "origin", "configuration (read-only)")
	}
	pairs(w, kv...)
	if k.Key != "" {
		_, _ = fmt.Fprintf(w, "\nThe API key, shown this once:\n\n  %s\n", k.Key)
	}
	if k.URLKey != "" {
		_, _ = fmt.Fprintf(w, "\nThe URL key, shown this once (http://PROXY/.weighbridge/k/URL-KEY/HOST/PATH):\n\n  %s\n", k.URLKey)
	}
}
