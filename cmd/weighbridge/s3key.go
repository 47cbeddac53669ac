package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weighbridge/weighbridge/admin"
)

func (a *app) s3KeyCommand() *cobra.Command {
	c := &cobra.Command{Use: "s3-key", Aliases: []string{"s3-keys"}, Short: "S3 access keys: the identities of workers that use an S3 client", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	keys := a.s3Keys()
	c.AddCommand(a.s3KeyCreate(), a.s3KeyList(), keys.show(), a.s3KeyUpdate(),
		keys.revoke("Revoke an S3 access key, for good", func(c *admin.Client, ctx context.Context, ref string, now bool) (admin.S3Key, error) {
			return c.RevokeS3Key(ctx, ref, admin.RevokeS3KeyQuery{Now: now})
		}),
		keys.act("regenerate", "Make a new secret and end the old one in a single step", "Regenerate S3 access key %q? The old secret ends at once.", (*admin.Client).RegenerateS3Key, nil),
		keys.remove("its links", ""))
	return c
}

func (a *app) s3Keys() resource[admin.S3Key] {
	return resource[admin.S3Key]{
		a: a, all: (*admin.Client).ListS3Keys, get: (*admin.Client).GetS3Key, delete: (*admin.Client).DeleteS3Key, member: "s3_keys", article: "an", noun: "S3 access key", complete: a.completeS3Keys, text: a.s3KeyText,
	}
}

func (a *app) s3KeyCreate() *cobra.Command {
	var in admin.NewS3Key
	var aliases []string
	var bounds newFlags
	c := &cobra.Command{
		Use: "create --name N --credential C", Short: "Create an S3 access key; its secret is shown once", Args: noArgs,
		Example: "  weighbridge s3-key create --name trainer --credential models --bucket acme-models --prefix sd/ --expires 90d",
		RunE: func(c *cobra.Command, _ []string) error {
			var err error
			if in.ExpiresAt, in.Limits, in.Sources, err = bounds.fresh(a); err != nil {
				return err
			}
			if in.Aliases, err = readAliases(aliases); err != nil {
				return err
			}
			return a.s3Keys().shown(a.client().CreateS3Key(c.Context(), in))
		},
	}
	c.Flags().StringVar(&in.Name, "name", "", "name, unique among API keys and S3 access keys")
	c.Flags().StringVar(&in.Permission, "permission", admin.PermissionRead, "read (GET, HEAD, List), or read-write (also PUT, DELETE, multipart, copy)")
	c.Flags().StringArrayVar(&in.Buckets, "bucket", nil, "bucket that it may touch (repeatable; all that its credentials cover where not given)")
	c.Flags().StringArrayVar(&in.Prefixes, "prefix", nil, "what the key of an object must begin with (repeatable)")
	c.Flags().StringArrayVar(&aliases, "alias", nil, "NAME=BUCKET or NAME=BUCKET/PREFIX/: what workers call it (repeatable)")
	bounds.register(c.Flags())
	c.Flags().StringArrayVar(&in.Credentials, "credential", nil, "credential to link it to, by id or name (repeatable)")
	must(c.MarkFlagRequired("name"), c.MarkFlagRequired("credential"), c.RegisterFlagCompletionFunc("credential", a.completeCredentialFlag))
	return c
}

// readAliases reads every --alias; nil where there is none.
func readAliases(given []string) (map[string]string, error) {
	var out map[string]string
	for _, s := range given {
		name, to, ok := strings.Cut(s, "=")
		if !ok {
			return nil, usage("--alias %q: give NAME=BUCKET or NAME=BUCKET/PREFIX/", s)
		}
		if out == nil {
			out = map[string]string{}
		}
		out[name] = to
	}
	return out, nil
}

func (a *app) s3KeyUpdate() *cobra.Command {
	var permission string
	var buckets, prefixes, aliases []string
	var change changeFlags
	c := &cobra.Command{
		Use: "update ID|NAME", Short: "Change an S3 access key; its id and its secret stay",
		Example: "  weighbridge s3-key update trainer --bucket acme-models --bucket acme-loras --rate 50",
	}
	c.Flags().StringVar(&permission, "permission", "", "read or read-write")
	c.Flags().StringArrayVar(&buckets, "bucket", nil, "replaces all buckets that it may touch (repeatable); one empty value lifts the restriction")
	c.Flags().StringArrayVar(&prefixes, "prefix", nil, "replaces all prefixes (repeatable); one empty value lifts the restriction")
	c.Flags().StringArrayVar(&aliases, "alias", nil, "replaces all aliases: NAME=BUCKET or NAME=BUCKET/PREFIX/ (repeatable); one empty value takes them away")
	change.register(c.Flags())
	return a.s3Keys().one(c, func(ctx context.Context, ref string) error {
		var in admin.S3KeyPatch
		var err error
		f := c.Flags()
		if in.Name, in.ExpiresAt, in.Limits, in.Sources, err = change.patch(a, f); err != nil {
			return err
		}
		if f.Changed("permission") {
			in.Permission = &permission
		}
		if f.Changed("bucket") {
			in.Buckets = oneEmpty(buckets)
		}
		if f.Changed("prefix") {
			in.Prefixes = oneEmpty(prefixes)
		}
		if f.Changed("alias") {
			named, err := readAliases(*oneEmpty(aliases))
			if err != nil {
				return err
			}
			if named == nil {
				named = map[string]string{} // none, which is not "as they are"
			}
			in.Aliases = &named
		}
		if in == (admin.S3KeyPatch{}) {
			return usage("nothing to change: give --name, --permission, --bucket, --prefix, --alias, --expires, --rate, --burst, --transfers, --bandwidth or --source")
		}
		return a.s3Keys().shown(a.client().UpdateS3Key(ctx, ref, in))
	})
}

func (a *app) s3KeyList() *cobra.Command {
	return a.s3Keys().list("", []string{"NAME", "STATUS", "PERMISSION", "ACCESS KEY ID", "BUCKETS", "CREDENTIALS", "EXPIRES", "LAST USED", "ID"}, func(k *admin.S3Key) []string {
		return []string{k.Name, k.Status, k.Permission, k.AccessKeyID, cmp.Or(list(k.Buckets), "all"), refs(k.Credentials), a.ending(k.ExpiresAt), a.used(k.LastUsedAt, k.LastUsedFrom), k.ID}
	})
}

func (a *app) s3KeyText(w io.Writer, k *admin.S3Key) {
	kv := []string{"name", k.Name, "id", k.ID, "status", k.Status, "permission", k.Permission, "access key id", k.AccessKeyID,
		"buckets", list(k.Buckets), "prefixes", list(k.Prefixes), "credentials", refs(k.Credentials)}
	kv = append(kv, limitsText(k.Limits, k.Sources)...)
	for _, name := range slices.Sorted(maps.Keys(k.Aliases)) {
		kv = append(kv, "alias", name+" → "+k.Aliases[name])
	}
	kv = append(kv, "last used", a.used(k.LastUsedAt, k.LastUsedFrom))
	if k.ExpiresAt != nil {
		kv = append(kv, "expires", a.when(*k.ExpiresAt))
	}
	if k.RevokedAt != nil {
		kv = append(kv, "revoked", a.when(*k.RevokedAt))
	}
	pairs(w, kv...)
	if k.SecretAccessKey != "" {
		_, _ = fmt.Fprintf(w, "\nShown this once; any region does:\n\n  AWS_ACCESS_KEY_ID=%s\n  AWS_SECRET_ACCESS_KEY=%s\n\nand weighbridge's address as the client's endpoint URL (AWS_ENDPOINT_URL_S3).\n", k.AccessKeyID, k.SecretAccessKey)
	}
}
