package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weighbridge/weighbridge/admin"
)

const s3KeysPath = "/api/v1/s3-keys"

func (a *app) s3KeyCommand() *cobra.Command {
	c := &cobra.Command{Use: "s3-key", Aliases: []string{"s3-keys"}, Short: "S3 access keys: the identities of workers that use an S3 client", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	keys := a.s3Keys()
	c.AddCommand(a.s3KeyCreate(), a.s3KeyList(), keys.show(),
		keys.revoke("Revoke an S3 access key, for good"),
		keys.act("regenerate", "Make a new secret and end the old one in a single step", "Regenerate S3 access key %q? The old secret ends at once.", "/regenerate", nil),
		keys.remove("its links", ""))
	return c
}

func (a *app) s3Keys() resource[admin.S3Key] {
	return resource[admin.S3Key]{a: a, path: s3KeysPath, member: "s3_keys", article: "an", noun: "S3 access key", complete: a.completeS3Keys, text: a.s3KeyText}
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
			for _, s := range aliases {
				name, to, ok := strings.Cut(s, "=")
				if !ok {
					return usage("--alias %q: give NAME=BUCKET or NAME=BUCKET/PREFIX/", s)
				}
				if in.Aliases == nil {
					in.Aliases = map[string]string{}
				}
				in.Aliases[name] = to
			}
			return a.s3Keys().call(c.Context(), http.MethodPost, s3KeysPath, in)
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
