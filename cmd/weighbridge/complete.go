package main

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
)

// completionPatience bounds how long a shell waits for names.
const completionPatience = 2 * time.Second

func (a *app) complete(c *cobra.Command, path, prefix string, out any, names func() []string) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(c.Context(), completionPatience)
	defer cancel()
	if err := a.client().Call(ctx, http.MethodGet, path, nil, out); err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var found []string
	for _, n := range names() {
		if strings.HasPrefix(n, prefix) {
			found = append(found, n)
		}
	}
	return found, cobra.ShellCompDirectiveNoFileComp
}

func (a *app) completeCredentials(c *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var out struct{ Credentials []admin.Credential }
	return a.complete(c, credentialsPath, prefix, &out, func() (names []string) {
		for _, c := range out.Credentials {
			names = append(names, c.Name)
		}
		return names
	})
}

func (a *app) completeKeys(c *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var out struct{ Keys []admin.Key }
	return a.complete(c, keysPath, prefix, &out, func() (names []string) {
		for _, k := range out.Keys {
			names = append(names, k.Name)
		}
		return names
	})
}

func (a *app) completeS3Keys(c *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var out struct {
		Keys []admin.S3Key `json:"s3_keys"`
	}
	return a.complete(c, s3KeysPath, prefix, &out, func() (names []string) {
		for _, k := range out.Keys {
			names = append(names, k.Name)
		}
		return names
	})
}

// completeKeyFlag and completeCredentialFlag complete the value of a flag,
// whatever arguments stand before it.
func (a *app) completeKeyFlag(c *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
	return a.completeKeys(c, nil, prefix)
}

func (a *app) completeCredentialFlag(c *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
	return a.completeCredentials(c, nil, prefix)
}

func (a *app) completeProviders(c *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
	var out struct{ Providers []auth.Schema }
	return a.complete(c, "/api/v1/providers", prefix, &out, func() (names []string) {
		for _, p := range out.Providers {
			names = append(names, p.Name)
		}
		return names
	})
}

// must panics on a mistake in the wiring of flags, which any run would show.
func must(errs ...error) {
	for _, err := range errs {
		if err != nil {
			panic(err)
		}
	}
}

// quoteArg quotes a name for a shell where it needs it.
func quoteArg(s string) string {
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-", r)
	}) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
