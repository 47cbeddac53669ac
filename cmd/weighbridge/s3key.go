package main

import (
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
	c.AddCommand(a.s3KeyCreate(), a.s3KeyList(), a.s3KeyShow(),
		a.s3KeyAct("revoke", "Revoke an S3 access key, for good", "Revoke S3 access key %q? Every new request is refused at once; transfers in progress finish.", "/revoke"),
		a.s3KeyAct("regenerate", "Make a new secret and end the old one in a single step", "Regenerate S3 access key %q? The old secret ends at once.", "/regenerate"),
		a.s3KeyDelete())
	return c
}

func (a *app) s3KeyCreate() *cobra.Command {
	var in admin.NewS3Key
	var expires string
	var aliases []string
	c := &cobra.Command{
		Use: "create --name N --credential C", Short: "Create an S3 access key; its secret is shown once", Args: noArgs,
		Example: "  weighbridge s3-key create --name trainer --credential models --bucket acme-models --prefix sd/ --expires 90d",
		RunE: func(c *cobra.Command, _ []string) error {
			if expires != "" {
				t, err := a.expiry(expires)
				if err != nil {
					return err
				}
				in.ExpiresAt = &t
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
			var out admin.S3Key
			if err := a.client().Call(c.Context(), http.MethodPost, s3KeysPath, in, &out); err != nil {
				return err
			}
			return a.print(out, func(w io.Writer) { a.s3KeyText(w, &out) })
		},
	}
	c.Flags().StringVar(&in.Name, "name", "", "name, unique among API keys and S3 access keys")
	c.Flags().StringVar(&in.Permission, "permission", admin.PermissionRead, "read (GET, HEAD, List), or read-write (also PUT, DELETE, multipart, copy)")
	c.Flags().StringArrayVar(&in.Buckets, "bucket", nil, "bucket that it may touch (repeatable; all that its credentials cover where not given)")
	c.Flags().StringArrayVar(&in.Prefixes, "prefix", nil, "what the key of an object must begin with (repeatable)")
	c.Flags().StringArrayVar(&aliases, "alias", nil, "NAME=BUCKET or NAME=BUCKET/PREFIX/: what workers call it (repeatable)")
	c.Flags().StringVar(&expires, "expires", "", "when it ends: 90d, or a date (never where not given)")
	c.Flags().StringArrayVar(&in.Credentials, "credential", nil, "credential to link it to, by id or name (repeatable)")
	must(c.MarkFlagRequired("name"), c.MarkFlagRequired("credential"), c.RegisterFlagCompletionFunc("credential", a.completeCredentialFlag))
	return c
}

func (a *app) s3KeyList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the S3 access keys", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var out struct {
				Keys []admin.S3Key `json:"s3_keys"`
			}
			if err := a.client().Call(c.Context(), http.MethodGet, s3KeysPath, nil, &out); err != nil {
				return err
			}
			return a.print(out, func(w io.Writer) {
				var rows [][]string
				for _, k := range out.Keys {
					expires := "never"
					if k.ExpiresAt != nil {
						expires = a.when(*k.ExpiresAt)
					}
					buckets := list(k.Buckets)
					if buckets == "" {
						buckets = "all"
					}
					rows = append(rows, []string{k.Name, k.Status, k.Permission, k.AccessKeyID, buckets, refs(k.Credentials), expires, k.ID})
				}
				table(w, []string{"NAME", "STATUS", "PERMISSION", "ACCESS KEY ID", "BUCKETS", "CREDENTIALS", "EXPIRES", "ID"}, rows)
			})
		},
	}
}

func (a *app) s3KeyShow() *cobra.Command {
	return &cobra.Command{
		Use: "show ID|NAME", Short: "Show an S3 access key, never its secret", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeS3Keys,
		RunE: func(c *cobra.Command, args []string) error {
			return a.s3KeyCall(c, http.MethodGet, args[0], "")
		},
	}
}

// s3KeyAct is a command that posts to a path below the key.
func (a *app) s3KeyAct(verb, short, question, suffix string) *cobra.Command {
	return &cobra.Command{
		Use: verb + " ID|NAME", Short: short, Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeS3Keys,
		RunE: func(c *cobra.Command, args []string) error {
			if err := a.confirm(fmt.Sprintf(question, args[0])); err != nil {
				return err
			}
			return a.s3KeyCall(c, http.MethodPost, args[0], suffix)
		},
	}
}

func (a *app) s3KeyCall(c *cobra.Command, method, ref, suffix string) error {
	var out admin.S3Key
	if err := a.client().Call(c.Context(), method, s3KeysPath+"/"+admin.Segment(ref)+suffix, nil, &out); err != nil {
		return err
	}
	return a.print(out, func(w io.Writer) { a.s3KeyText(w, &out) })
}

func (a *app) s3KeyDelete() *cobra.Command {
	return &cobra.Command{
		Use: "delete ID|NAME", Aliases: []string{"rm"}, Short: "Delete an S3 access key and its links", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeS3Keys,
		RunE: func(c *cobra.Command, args []string) error {
			if err := a.confirm(fmt.Sprintf("Delete S3 access key %q?", args[0])); err != nil {
				return err
			}
			if err := a.client().Call(c.Context(), http.MethodDelete, s3KeysPath+"/"+admin.Segment(args[0]), nil, nil); err != nil {
				return err
			}
			return a.print(map[string]any{"deleted": args[0]}, func(w io.Writer) {
				_, _ = fmt.Fprintf(w, "S3 access key %q is deleted.\n", args[0])
			})
		},
	}
}

func (a *app) s3KeyText(w io.Writer, k *admin.S3Key) {
	kv := []string{"name", k.Name, "id", k.ID, "status", k.Status, "permission", k.Permission, "access key id", k.AccessKeyID,
		"buckets", list(k.Buckets), "prefixes", list(k.Prefixes), "credentials", refs(k.Credentials)}
	for _, name := range slices.Sorted(maps.Keys(k.Aliases)) {
		kv = append(kv, "alias", name+" → "+k.Aliases[name])
	}
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
