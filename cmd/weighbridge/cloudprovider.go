package main

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/weighbridge/weighbridge/admin"
)

func (a *app) cloudProviderCommand() *cobra.Command {
	c := &cobra.Command{Use: "cloud-provider", Aliases: []string{"cloud-providers"}, Short: "The team's keys for clouds to fall back to", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	all := a.cloudProviders()
	show, remove := all.show(), all.remove("destroy it", " Its links go with it.")
	show.Use, show.Short, remove.Use = "show comfy-cloud", "Show the team's key for a cloud provider, never the key itself", "delete comfy-cloud"
	c.AddCommand(a.cloudProviderSet(all), show, remove)
	return c
}

func (a *app) cloudProviders() resource[admin.CloudProvider] {
	return resource[admin.CloudProvider]{
		a: a, get: getComfyCloud, delete: deleteComfyCloud, article: "a", noun: "cloud provider", text: a.cloudProviderText,
		complete: cobra.FixedCompletions([]string{admin.ComfyCloud}, cobra.ShellCompDirectiveNoFileComp),
	}
}

func (a *app) cloudProviderSet(all resource[admin.CloudProvider]) *cobra.Command {
	var key string
	var fallback bool
	c := &cobra.Command{
		Use: "set comfy-cloud", Short: "Set the key, or whether requests fall back to the cloud",
		Long: "Set the team's API key for Comfy Cloud, and whether requests of the route comfyui\n" +
			"fall back to it where no server of the team is available (docs/comfyui.md). The\n" +
			"key is the credential comfy-cloud: link it to the API keys that may fall back.\n" +
			"Without --api-key the key stays and only the switch changes.",
		Example: "  weighbridge cloud-provider set comfy-cloud --api-key env:COMFY_CLOUD_API_KEY --fallback\n  weighbridge link comfy-cloud artist",
	}
	c = all.one(c, func(ctx context.Context, ref string) error {
		switch {
		case key != "":
			return a.setCloudProvider(ctx, all, ref, key, fallback)
		case c.Flags().Changed("fallback") && ref == admin.ComfyCloud:
			// Both are one credential, of which this is a field.
			in := admin.CredentialPatch{Fields: map[string]string{"cloud_fallback": strconv.FormatBool(fallback)}}
			if _, err := a.client().UpdateCredential(ctx, admin.ComfyCloud, in); err != nil {
				return err
			}
			return all.shown(all.get(a.client(), ctx, ref))
		default:
			return usage("nothing to set: give --api-key @FILE, --api-key env:VAR or --api-key - (standard input), or --fallback")
		}
	})
	c.Flags().StringVar(&key, "api-key", "", "the provider's API key: @FILE, env:VAR or - (standard input)")
	c.Flags().BoolVar(&fallback, "fallback", false, "fall back to the cloud where no server of the team is available; --fallback=false does not")
	return c
}

// setCloudProvider sets a key, and says what the provider had to say of it.
func (a *app) setCloudProvider(ctx context.Context, all resource[admin.CloudProvider], ref, source string, fallback bool) error {
	key, literal, err := a.value("--api-key", source)
	if err == nil && literal {
		err = usage("--api-key: use --api-key @FILE, --api-key env:VAR or --api-key -, because a literal key would show in `ps`")
	}
	if err != nil {
		return err
	}
	if err := known(ref); err != nil {
		return err
	}
	if err := all.shown(a.client().SetComfyCloud(ctx, admin.NewCloudProvider{APIKey: key, CloudFallback: fallback})); err != nil {
		return err
	}
	c, err := a.client().GetCredential(ctx, admin.ComfyCloud)
	if err != nil {
		return err
	}
	a.warnPending(&c)
	return unusable(&c)
}

func (a *app) cloudProviderText(w io.Writer, p *admin.CloudProvider) {
	on := "off"
	if p.CloudFallback {
		on = "on"
	}
	pairs(w, "provider", p.ProviderName, "status", p.CredentialStatus, "fallback", on, "key", p.KeyPreview,
		"created", a.when(p.CreatedAt), "updated", a.when(p.UpdatedAt))
}

// known refuses a provider that there is not: there is one.
func known(ref string) error {
	if ref != admin.ComfyCloud {
		return &exitError{exitNotFound, fmt.Errorf("there is no cloud provider %q: %s is the one there is", ref, admin.ComfyCloud)}
	}
	return nil
}

func getComfyCloud(c *admin.Client, ctx context.Context, ref string) (admin.CloudProvider, error) {
	if err := known(ref); err != nil {
		return admin.CloudProvider{}, err
	}
	return c.GetComfyCloud(ctx)
}

func deleteComfyCloud(c *admin.Client, ctx context.Context, ref string) error {
	if err := known(ref); err != nil {
		return err
	}
	return c.DeleteComfyCloud(ctx)
}
