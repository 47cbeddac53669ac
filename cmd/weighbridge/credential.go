package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/signer"
)

func (a *app) credentialCommand() *cobra.Command {
	c := &cobra.Command{Use: "credential", Aliases: []string{"credentials", "cred"}, Short: "Upstream secrets, sealed, and the URLs they are for", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	all := a.allCredentials()
	c.AddCommand(a.credentialCreate(), a.credentialImport(), a.credentialList(), all.show(), a.credentialUpdate(),
		a.credentialValidate(), a.credentialRotate(), a.credentialRevoke(),
		all.remove("destroy its sealed fields", " Downloads in progress finish; its secret is destroyed."))
	return c
}

func (a *app) allCredentials() resource[admin.Credential] {
	return resource[admin.Credential]{
		a: a, all: (*admin.Client).ListCredentials, get: (*admin.Client).GetCredential, delete: (*admin.Client).DeleteCredential, member: "credentials", article: "a", noun: "credential", complete: a.completeCredentials, text: a.credentialText,
	}
}

// fieldFlags are --set and --insecure-literal.
type fieldFlags struct {
	set     []string
	literal bool
}

func (f *fieldFlags) register(c *cobra.Command) {
	c.Flags().StringArrayVar(&f.set, "set", nil, "a provider field: FIELD=@FILE, FIELD=env:VAR or FIELD=- (standard input)")
	c.Flags().BoolVar(&f.literal, "insecure-literal", false, "accept a secret given literally, where it shows in ps and in the shell's history")
}

// fields reads every --set. Literal values are for fields that are not secret.
func (a *app) fields(ctx context.Context, provider string, f fieldFlags) (map[string]string, error) {
	schema, err := a.schema(ctx, provider)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	stdin := ""
	for _, s := range f.set {
		name, source, ok := strings.Cut(s, "=")
		if !ok || name == "" {
			// What was written may be a bare secret: it is not repeated.
			return nil, usage("--set takes FIELD=@FILE, FIELD=env:VAR or FIELD=-")
		}
		if _, twice := out[name]; twice {
			return nil, usage("--set %s is given twice", name)
		}
		if source == "-" {
			if stdin != "" {
				return nil, usage("--set %s=-: standard input is already read for %s", name, stdin)
			}
			stdin = name
		}
		v, literal, err := a.value(name, source)
		if err != nil {
			return nil, err
		}
		if literal && !f.literal {
			if err := knownField(schema, name); err != nil {
				return nil, err
			}
		}
		if literal && !f.literal && secretField(schema, name) {
			return nil, usage("--set %s=…: a literal secret would show in `ps` and in the shell's history\n  Use --set %s=@FILE, --set %s=env:VAR or --set %s=- (or --insecure-literal)", name, name, name, name)
		}
		out[name] = v
	}
	return out, nil
}

// secretField reports whether a field of s is a secret.
func secretField(s *auth.Schema, name string) bool {
	return slices.ContainsFunc(s.Fields, func(f auth.Field) bool { return f.Name == name && f.Secret })
}

// longestName is what is repeated of an unknown field's name, where it consists
// of letters: the beginning of a secret with "=" in it may stand there.
const longestName = 24

// knownField says which fields there are where name is none: whoever misspells
// one is not to read of secrets first.
func knownField(s *auth.Schema, name string) error {
	known := make([]string, len(s.Fields))
	for i := range s.Fields {
		known[i] = s.Fields[i].Name
	}
	if slices.Contains(known, name) {
		return nil
	}
	said, meant := "--set", ""
	if len(name) <= longestName && !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '_' && r != '-'
	}) {
		said = "--set " + name
	}
	if near := signer.NearestField(s, name); near != "" {
		meant = "; did you mean " + near + "?"
	}
	return usage("%s: %s has no such field%s\n  Its fields are %s", said, s.Name, meant, list(known))
}

func (a *app) schema(ctx context.Context, provider string) (*auth.Schema, error) {
	out, err := a.client().ListProviders(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for i := range out.Providers {
		if out.Providers[i].Name == provider {
			return &out.Providers[i], nil
		}
		names = append(names, out.Providers[i].Name)
	}
	return nil, usage("--provider %q: there is no such provider\n  Choose one of: %s", provider, list(names))
}

func (a *app) credentialCreate() *cobra.Command {
	var in admin.NewCredential
	var f fieldFlags
	var expires string
	c := &cobra.Command{
		Use: "create --provider P --name N --set FIELD=@FILE|env:VAR|-", Short: "Create a credential", Args: noArgs,
		Example: "  weighbridge credential create --provider huggingface --name hub --set token=env:HF_TOKEN --key worker",
		RunE: func(c *cobra.Command, _ []string) error {
			var err error
			if in.Fields, err = a.fields(c.Context(), in.Provider, f); err != nil {
				return err
			}
			if in.ExpiresAt, err = a.end(expires); err != nil {
				return err
			}
			out, err := a.client().CreateCredential(c.Context(), in)
			if err != nil {
				return err
			}
			a.warnPending(&out)
			err = a.print(out, func(w io.Writer) {
				_, _ = fmt.Fprintf(w, "Credential %q is %s.\n\n", out.Name, out.Status)
				a.credentialText(w, &out)
				if len(out.Keys) == 0 {
					_, _ = fmt.Fprintf(w, "\nNo API key may use it yet: weighbridge link %s KEY\n", quoteArg(out.Name))
				}
			})
			return errors.Join(err, unusable(&out))
		},
	}
	c.Flags().StringVar(&in.Provider, "provider", "", "kind of upstream, such as huggingface or http_bearer")
	c.Flags().StringVar(&in.Name, "name", "", "name, unique among credentials")
	c.Flags().StringArrayVar(&in.Patterns, "pattern", nil, "URL pattern that it applies to (repeatable; the provider's defaults where none is given)")
	c.Flags().StringArrayVar(&in.Keys, "key", nil, "API key to link it to, by id or name (repeatable)")
	c.Flags().StringVar(&expires, "expires", "", "when the secret ends: 90d, or a date")
	c.Flags().BoolVar(&in.NoValidate, "no-validate", false, "do not ask the upstream: well-formed fields count as valid")
	f.register(c)
	must(c.MarkFlagRequired("provider"), c.MarkFlagRequired("name"))
	must(c.RegisterFlagCompletionFunc("provider", a.completeProviders), c.RegisterFlagCompletionFunc("key", a.completeKeyFlag))
	return c
}

func (a *app) credentialList() *cobra.Command {
	return a.allCredentials().list("There are no credentials yet: weighbridge credential create --help",
		[]string{"NAME", "PROVIDER", "STATUS", "VALIDATED", "PATTERNS", "KEYS", "ID"}, func(c *admin.Credential) []string {
			return []string{c.Name, c.Provider, c.Status, a.checked(c), list(c.Patterns), refs(c.Keys), c.ID}
		})
}

func (a *app) credentialUpdate() *cobra.Command {
	var f fieldFlags
	var name, expires string
	var patterns []string
	var noValidate bool
	c := &cobra.Command{
		Use: "update ID|NAME", Short: "Change a credential's name, patterns, expiry or secret", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeCredentials,
		RunE: func(c *cobra.Command, args []string) error {
			in := admin.CredentialPatch{Patterns: patterns}
			if name != "" {
				in.Name = &name
			}
			if expires != "" {
				var err error
				if in.ExpiresAt, err = a.newEnd(expires); err != nil {
					return err
				}
			}
			if len(f.set) > 0 {
				now, err := a.client().GetCredential(c.Context(), args[0])
				if err != nil {
					return err
				}
				if in.Fields, err = a.fields(c.Context(), now.Provider, f); err != nil {
					return err
				}
			}
			if in.Name == nil && in.Patterns == nil && in.ExpiresAt == nil && in.Fields == nil {
				return usage("nothing to change: give --name, --pattern, --expires or --set")
			}
			in.NoValidate = noValidate
			out, err := a.client().UpdateCredential(c.Context(), args[0], in)
			if err != nil {
				return err
			}
			a.warnPending(&out)
			err = a.print(out, func(w io.Writer) { a.credentialText(w, &out) })
			if in.Fields == nil {
				return err
			}
			return errors.Join(err, unusable(&out))
		},
	}
	c.Flags().StringVar(&name, "name", "", "new name")
	c.Flags().StringArrayVar(&patterns, "pattern", nil, "replaces all patterns (repeatable)")
	c.Flags().StringVar(&expires, "expires", "", "when the secret ends: 90d, a date, or never")
	c.Flags().BoolVar(&noValidate, "no-validate", false, "do not ask the upstream about a new secret: well-formed fields count as valid")
	f.register(c)
	return c
}

func (a *app) credentialText(w io.Writer, c *admin.Credential) {
	kv := []string{"name", c.Name, "id", c.ID, "provider", c.Provider, "status", c.Status, "reason", c.Reason}
	names := make([]string, 0, len(c.Fields))
	for n := range c.Fields {
		names = append(names, n)
	}
	sort.Strings(names)
	for _, n := range names {
		kv = append(kv, n, c.Fields[n])
	}
	for _, f := range c.Facts {
		kv = append(kv, factPair(f)...)
	}
	kv = append(kv, "patterns", list(c.Patterns), "keys", refs(c.Keys), "last used", a.used(c.LastUsedAt, c.LastUsedFrom))
	if c.ExpiresAt != nil {
		kv = append(kv, "expires", a.when(*c.ExpiresAt))
	}
	kv = append(kv, "updated", a.when(c.UpdatedAt))
	if c.Declarative {
		kv = append(kv, "origin", "configuration (read-only)")
	}
	if r := c.Report; r != nil {
		kv = append(kv, "validated", a.when(r.At)+", "+r.Verdict, "asked", r.Asked, "answer", r.Answer)
		if r.Meaning != c.Reason {
			kv = append(kv, "meaning", r.Meaning)
		}
		for _, f := range r.Facts {
			kv = append(kv, factPair(f)...)
		}
		if c.AnsweredAt != nil && r.Verdict != "valid" {
			kv = append(kv, "last good answer", a.when(*c.AnsweredAt))
		}
		kv = append(kv, "next", r.Next)
	}
	pairs(w, kv...)
	for _, text := range c.Warnings {
		_, _ = fmt.Fprintf(w, "warning: %s\n", text)
	}
}

// factPair parts a fact such as "role: read".
func factPair(f string) []string {
	what, value, _ := strings.Cut(f, ": ")
	return []string{what, value}
}

// checked says in a word or two how the last validation went.
func (a *app) checked(c *admin.Credential) string {
	switch {
	case c.Report == nil:
		return "never"
	case c.AnsweredAt == nil:
		return c.Report.Verdict + " " + span(a.now().Sub(c.Report.At)) + " ago"
	case c.Report.Verdict == "valid":
		return span(a.now().Sub(*c.AnsweredAt)) + " ago"
	default:
		return c.Report.Verdict + ", last good answer " + span(a.now().Sub(*c.AnsweredAt)) + " ago"
	}
}

func refs(rs []admin.Ref) string {
	names := make([]string, len(rs))
	for i, r := range rs {
		names[i] = r.Name
	}
	return list(names)
}
