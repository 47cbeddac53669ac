package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weighbridge/weighbridge/admin"
)

const keysPath = "/api/v1/keys"

func (a *app) keyCommand() *cobra.Command {
	c := &cobra.Command{Use: "key", Aliases: []string{"keys"}, Short: "API keys: the identities of workers", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(a.keyCreate(), a.keyList(), a.keyShow(), a.keyUpdate(),
		a.keyAct("revoke", "Revoke an API key, for good", "Revoke API key %q? Every new request is refused at once; transfers in progress finish.", "/revoke"),
		a.keyAct("regenerate", "Make a new secret and end the old one in a single step", "Regenerate API key %q? The old secret ends at once.", "/regenerate"),
		a.keyDelete())
	return c
}

func (a *app) keyCreate() *cobra.Command {
	var in admin.NewKey
	var expires string
	c := &cobra.Command{
		Use: "create --name N", Short: "Create an API key; it is shown once", Args: noArgs,
		Example: "  weighbridge key create --name trainer --expires 90d --credential hub",
		RunE: func(c *cobra.Command, _ []string) error {
			if expires != "" {
				t, err := a.expiry(expires)
				if err != nil {
					return err
				}
				in.ExpiresAt = &t
			}
			var out admin.Key
			if err := a.client().Call(c.Context(), http.MethodPost, keysPath, in, &out); err != nil {
				return err
			}
			return a.print(out, func(w io.Writer) { a.keyText(w, &out) })
		},
	}
	c.Flags().StringVar(&in.Name, "name", "", "name, unique among API keys")
	c.Flags().StringVar(&in.Scope, "scope", "read", "read, or write where something must be uploaded")
	c.Flags().StringVar(&expires, "expires", "", "when it ends: 90d, or a date (never where not given)")
	c.Flags().StringArrayVar(&in.Routes, "route", nil, "URL pattern that the key is restricted to (repeatable)")
	c.Flags().StringVar(&in.Unmatched, "unmatched", "", "pass or deny URLs that no credential matches; can only be stricter than the listener")
	c.Flags().StringVar(&in.Xet, "xet", "", "pass or hide xet; can only be stricter than the credential")
	c.Flags().BoolVar(&in.URLKey, "url-key", false, "also make a URL key, for clients that can only be given a URL")
	c.Flags().StringArrayVar(&in.Credentials, "credential", nil, "credential to link it to, by id or name (repeatable)")
	must(c.MarkFlagRequired("name"), c.RegisterFlagCompletionFunc("credential", a.completeCredentialFlag))
	return c
}

func (a *app) keyList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the API keys", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var out struct {
				Keys []admin.Key `json:"keys"`
			}
			if err := a.client().Call(c.Context(), http.MethodGet, keysPath, nil, &out); err != nil {
				return err
			}
			return a.print(out, func(w io.Writer) {
				var rows [][]string
				for _, k := range out.Keys {
					expires := "never"
					if k.ExpiresAt != nil {
						expires = a.when(*k.ExpiresAt)
					}
					rows = append(rows, []string{k.Name, k.Status, k.Scope, k.Preview, refs(k.Credentials), expires, k.ID})
				}
				table(w, []string{"NAME", "STATUS", "SCOPE", "KEY", "CREDENTIALS", "EXPIRES", "ID"}, rows)
			})
		},
	}
}

func (a *app) keyShow() *cobra.Command {
	return &cobra.Command{
		Use: "show ID|NAME", Short: "Show an API key, never its secret", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeKeys,
		RunE: func(c *cobra.Command, args []string) error {
			var out admin.Key
			if err := a.client().Call(c.Context(), http.MethodGet, keysPath+"/"+admin.Segment(args[0]), nil, &out); err != nil {
				return err
			}
			return a.print(out, func(w io.Writer) { a.keyText(w, &out) })
		},
	}
}

func (a *app) keyUpdate() *cobra.Command {
	var name, scope, expires, unmatched, xet string
	var routes []string
	var urlKey bool
	c := &cobra.Command{
		Use: "update ID|NAME", Short: "Change an API key", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeKeys,
		RunE: func(c *cobra.Command, args []string) error {
			var in admin.KeyPatch
			f := c.Flags()
			if f.Changed("name") {
				in.Name = &name
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
				if len(routes) == 1 && routes[0] == "" {
					routes = []string{}
				}
				in.Routes = &routes
			}
			if f.Changed("expires") {
				var t time.Time
				if expires != "never" {
					var err error
					if t, err = a.expiry(expires); err != nil {
						return err
					}
				}
				in.ExpiresAt = &t
			}
			if in == (admin.KeyPatch{}) {
				return usage("nothing to change: give --name, --scope, --expires, --route, --unmatched, --xet or --url-key")
			}
			var out admin.Key
			if err := a.client().Call(c.Context(), http.MethodPatch, keysPath+"/"+admin.Segment(args[0]), in, &out); err != nil {
				return err
			}
			return a.print(out, func(w io.Writer) { a.keyText(w, &out) })
		},
	}
	c.Flags().StringVar(&name, "name", "", "new name")
	c.Flags().StringVar(&scope, "scope", "", "read or write")
	c.Flags().StringVar(&expires, "expires", "", "90d, a date, or never")
	c.Flags().StringArrayVar(&routes, "route", nil, "replaces all routes (repeatable); one empty value lifts the restriction")
	c.Flags().StringVar(&unmatched, "unmatched", "", "pass, deny, or empty for the listener's policy")
	c.Flags().StringVar(&xet, "xet", "", "pass, hide, or empty for the credential's policy")
	c.Flags().BoolVar(&urlKey, "url-key", false, "make a new URL key, or end it with --url-key=false")
	return c
}

// keyAct is a command that posts to a path below the key.
func (a *app) keyAct(verb, short, question, suffix string) *cobra.Command {
	var now bool
	var overlap time.Duration
	c := &cobra.Command{
		Use: verb + " ID|NAME", Short: short, Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeKeys,
		RunE: func(c *cobra.Command, args []string) error {
			question, suffix := question, suffix
			if now {
				question, suffix = strings.Replace(question, "transfers in progress finish", "transfers in progress are cut", 1), suffix+"?now=true"
			}
			if overlap > 0 {
				question, suffix = strings.Replace(question, "ends at once", "ends in "+overlap.String(), 1), suffix+"?overlap="+overlap.String()
			}
			if err := a.confirm(fmt.Sprintf(question, args[0])); err != nil {
				return err
			}
			var out admin.Key
			if err := a.client().Call(c.Context(), http.MethodPost, keysPath+"/"+admin.Segment(args[0])+suffix, nil, &out); err != nil {
				return err
			}
			return a.print(out, func(w io.Writer) { a.keyText(w, &out) })
		},
	}
	if verb == "regenerate" {
		c.Flags().DurationVar(&overlap, "overlap", 0, "how long the old secret goes on beside the new one, such as 1h (at most 168h)")
	}
	if verb == "revoke" {
		c.Flags().BoolVar(&now, "now", false, "also cut the transfers in progress")
	}
	return c
}

func (a *app) keyDelete() *cobra.Command {
	return &cobra.Command{
		Use: "delete ID|NAME", Aliases: []string{"rm"}, Short: "Delete an API key and its links", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeKeys,
		RunE: func(c *cobra.Command, args []string) error {
			if err := a.confirm(fmt.Sprintf("Delete API key %q?", args[0])); err != nil {
				return err
			}
			if err := a.client().Call(c.Context(), http.MethodDelete, keysPath+"/"+admin.Segment(args[0]), nil, nil); err != nil {
				return err
			}
			return a.print(map[string]any{"deleted": args[0]}, func(w io.Writer) {
				_, _ = fmt.Fprintf(w, "API key %q is deleted.\n", args[0])
			})
		},
	}
}

func (a *app) keyText(w io.Writer, k *admin.Key) {
	kv := []string{"name", k.Name, "id", k.ID, "status", k.Status, "scope", k.Scope}
	if k.Key == "" {
		kv = append(kv, "key", k.Preview)
	}
	kv = append(kv, "credentials", refs(k.Credentials), "routes", list(k.Routes), "unmatched", k.Unmatched, "xet", k.Xet)
	if k.HasURLKey && k.URLKey == "" {
		kv = append(kv, "url key", "yes")
	}
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
