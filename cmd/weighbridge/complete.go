package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
)

// completionPatience bounds how long a shell waits for names.
const completionPatience = 2 * time.Second

// complete lists the names of things that begin with prefix.
func complete[T any](a *app, c *cobra.Command, prefix string, list func(*admin.Client, context.Context) ([]T, error), name func(*T) string) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(c.Context(), completionPatience)
	defer cancel()
	all, err := list(a.client(), ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var found []string
	for i := range all {
		if n := name(&all[i]); strings.HasPrefix(n, prefix) {
			found = append(found, n)
		}
	}
	return found, cobra.ShellCompDirectiveNoFileComp
}

func (a *app) completeCredentials(c *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	return completeFirst(a, c, args, prefix, a.allCredentials().all, func(c *admin.Credential) string { return c.Name })
}

func (a *app) completeKeys(c *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	return completeFirst(a, c, args, prefix, a.apiKeys().all, func(k *admin.Key) string { return k.Name })
}

func (a *app) completeS3Keys(c *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	return completeFirst(a, c, args, prefix, a.s3Keys().all, func(k *admin.S3Key) string { return k.Name })
}

// completeFirst completes the first argument, and no other.
func completeFirst[T any](a *app, c *cobra.Command, args []string, prefix string, list func(*admin.Client, context.Context) ([]T, error), name func(*T) string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return complete(a, c, prefix, list, name)
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
	return complete(a, c, prefix, func(c *admin.Client, ctx context.Context) ([]auth.Schema, error) {
		out, err := c.ListProviders(ctx)
		return out.Providers, err
	}, func(s *auth.Schema) string { return s.Name })
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
