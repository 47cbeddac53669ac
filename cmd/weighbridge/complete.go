package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weighbridge/weighbridge/admin"
)

// completionPatience bounds how long a shell waits for names.
const completionPatience = 2 * time.Second

func (a *app) complete(c *cobra.Command, path, member, prefix string) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(c.Context(), completionPatience)
	defer cancel()
	all, err := admin.List[struct{ Name string }](ctx, a.client(), path, member)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var found []string
	for _, one := range all {
		if strings.HasPrefix(one.Name, prefix) {
			found = append(found, one.Name)
		}
	}
	return found, cobra.ShellCompDirectiveNoFileComp
}

func (a *app) completeCredentials(c *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	return a.completeFirst(c, args, credentialsPath, "credentials", prefix)
}

func (a *app) completeKeys(c *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	return a.completeFirst(c, args, keysPath, "keys", prefix)
}

func (a *app) completeS3Keys(c *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	return a.completeFirst(c, args, s3KeysPath, "s3_keys", prefix)
}

// completeFirst completes the first argument, and no other.
func (a *app) completeFirst(c *cobra.Command, args []string, path, member, prefix string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.complete(c, path, member, prefix)
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
	return a.complete(c, "/api/v1/providers", "providers", prefix)
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
