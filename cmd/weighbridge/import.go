package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/importer"
)

const credentialImportLong = `Reads files in which secrets stand already and makes credentials of them: environment files, Secrets of
Kubernetes, the token of huggingface_hub, the credentials of AWS's tools, and .netrc. Without a file it
looks where these clients keep them. It shows what it would make, with previews alone, and asks; where
nobody can be asked it takes --yes. Nothing of the files is changed: remove the secrets from them once
workers go through weighbridge.`

func (a *app) credentialImport() *cobra.Command {
	var in imported
	c := &cobra.Command{
		Use: "import [FILE]...", Short: "Make credentials of the secrets in files that other tools read", Long: credentialImportLong,
		Example: "  weighbridge credential import\n  weighbridge credential import .env secret.yaml --key worker\n" +
			"  kubectl get secret models -o yaml | weighbridge credential import - --pattern s3=s3://acme-models/* --yes",
		RunE: func(c *cobra.Command, args []string) error { return a.importAll(c.Context(), args, &in) },
	}
	f := c.Flags()
	f.StringVar(&in.format, "format", "", "what the files are: "+strings.Join(importer.Formats(), ", ")+" (by name and content where not given)")
	f.BoolVar(&in.environment, "environment", false, "look at the variables of this process too")
	f.StringArrayVar(&in.patterns, "pattern", nil, "NAME=PATTERN: where the credential of that name goes (repeatable; the provider's defaults where none is given)")
	f.StringArrayVar(&in.keys, "key", nil, "API key to link all of them to, by id or name (repeatable)")
	f.BoolVar(&in.noValidate, "no-validate", false, "do not ask the upstreams: well-formed fields count as valid")
	must(c.RegisterFlagCompletionFunc("key", a.completeKeyFlag),
		c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(importer.Formats(), cobra.ShellCompDirectiveNoFileComp)))
	return c
}

// imported is what an import takes.
type imported struct {
	format                  string
	environment, noValidate bool
	patterns, keys          []string
}

func (a *app) importAll(ctx context.Context, files []string, in *imported) error {
	found, looked, err := a.findSecrets(files, in)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return &exitError{exitNotFound, fmt.Errorf("no secret of a known kind is in %s\n  Name the file, and --format where it cannot be guessed", list(looked))}
	}
	if err := in.place(found); err != nil {
		return err
	}
	left, err := a.plan(ctx, found)
	if err != nil {
		return err
	}
	todo := slices.DeleteFunc(slices.Clone(found), func(f importer.Found) bool { return f.Obstacle != "" })
	if len(todo) == 0 {
		return left
	}
	if err := a.confirm(fmt.Sprintf("Create %d credentials?", len(todo))); err != nil {
		return err
	}
	made := []admin.Credential{}
	errs := []error{left}
	for _, f := range todo {
		out, err := a.importOne(ctx, f, in)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", f.Name, err))
			continue
		}
		a.warnPending(&out)
		made, errs = append(made, out), append(errs, unusable(&out))
	}
	errs = append(errs, a.print(map[string]any{"credentials": made}, func(w io.Writer) {
		for i := range made {
			_, _ = fmt.Fprintf(w, "Credential %q is %s.\n", made[i].Name, made[i].Status)
		}
		if len(made) > 0 && len(in.keys) == 0 {
			_, _ = fmt.Fprintln(w, "\nNo API key may use them yet: weighbridge link CREDENTIAL KEY")
		}
	}))
	return errors.Join(errs...)
}

func (a *app) importOne(ctx context.Context, f importer.Found, in *imported) (out admin.Credential, err error) {
	fields := map[string]string{}
	for name, v := range f.Fields {
		fields[name] = v.Reveal()
	}
	return a.client().CreateCredential(ctx, admin.NewCredential{
		Name: f.Name, Provider: f.Provider, Fields: fields, Patterns: f.Patterns, Keys: in.keys, NoValidate: in.noValidate,
	})
}

// findSecrets reads the files, or those that clients keep where there are none.
func (a *app) findSecrets(files []string, in *imported) (found []importer.Found, looked []string, err error) {
	usual := len(files) == 0
	if usual {
		files = a.usualFiles()
	}
	for _, file := range files {
		text, err := a.importFile(file)
		if usual && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, nil, usage("%w", err)
		}
		some, err := importer.Read(cmp.Or(in.format, importer.FormatOf(file, text)), file, text)
		if err != nil {
			return nil, nil, usage("%w", err)
		}
		found = append(found, some...)
	}
	if in.environment {
		found, files = append(found, importer.Environ(a.environ)...), append(files, "the environment")
	}
	return importer.Distinct(found), files, nil
}

// importFile reads a file, or standard input for "-". One that is too long is
// refused by its reader.
func (a *app) importFile(file string) ([]byte, error) {
	if file == "-" {
		return io.ReadAll(io.LimitReader(a.stdin, importer.MaxText+1))
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return io.ReadAll(io.LimitReader(f, importer.MaxText+1))
}

// usualFiles are where clients keep secrets, by the variables that they read.
func (a *app) usualFiles() []string {
	home := a.env("HOME")
	in := func(parts ...string) string { return filepath.Join(append([]string{home}, parts...)...) }
	hf := cmp.Or(a.env("HF_HOME"), in(".cache", "huggingface"))
	return []string{
		cmp.Or(a.env("HF_TOKEN_PATH"), filepath.Join(hf, "token")),
		cmp.Or(a.env("AWS_SHARED_CREDENTIALS_FILE"), in(".aws", "credentials")),
		cmp.Or(a.env("NETRC"), in(".netrc")),
	}
}

// place gives what was found the patterns of --pattern.
func (in *imported) place(found []importer.Found) error {
	given := map[string][]string{}
	for _, s := range in.patterns {
		name, pattern, ok := strings.Cut(s, "=")
		if !ok || pattern == "" {
			return usage("--pattern %q: give NAME=PATTERN", s)
		}
		given[name] = append(given[name], pattern)
	}
	for i := range found {
		if p := given[found[i].Name]; p != nil {
			found[i].Patterns = p
			delete(given, found[i].Name)
		}
	}
	for name := range given {
		return usage("--pattern %s=…: nothing of that name was found", name)
	}
	return nil
}

// plan completes what hinders each, and says on standard error what is to be
// made. left is the error that something else than a name that exists keeps
// some from being made.
func (a *app) plan(ctx context.Context, found []importer.Found) (left, err error) {
	providers, err := a.client().ListProviders(ctx)
	if err != nil {
		return nil, err
	}
	schemas := map[string]*auth.Schema{}
	for i := range providers.Providers {
		schemas[providers.Providers[i].Name] = &providers.Providers[i]
	}
	var rows [][]string
	hindered := 0
	for i := range found {
		f := &found[i]
		s := schemas[f.Provider]
		taken := false
		switch {
		case f.Obstacle != "":
		case s == nil:
			f.Obstacle = "this weighbridge has no provider " + f.Provider
		case len(f.Patterns)+len(s.DefaultPatterns) == 0:
			f.Obstacle = "where it goes is not known: say --pattern '" + f.Name + "=PATTERN'"
		default:
			if taken, err = a.exists(ctx, f.Name); err != nil {
				return nil, err
			}
			if taken {
				f.Obstacle = "there is a credential of that name"
			}
		}
		if f.Obstacle != "" && !taken {
			hindered++
		}
		if f.Obstacle == "" {
			rows = append(rows, []string{f.Name, f.Provider, secretsText(s, f.Fields), cmp.Or(list(f.Patterns), list(s.DefaultPatterns)), f.From})
		}
	}
	if len(rows) > 0 {
		_, _ = fmt.Fprintln(a.stderr, "To be created:")
		table(a.stderr, []string{"NAME", "PROVIDER", "SECRET", "PATTERNS", "FROM"}, rows)
	}
	for _, f := range found {
		if f.Obstacle != "" {
			_, _ = fmt.Fprintf(a.stderr, "left out: %s (%s): %s\n", plain(f.Name), plain(f.From), f.Obstacle)
		}
	}
	if hindered > 0 {
		left = &exitError{exitInvalid, fmt.Errorf("%d of what was found was left out", hindered)}
	}
	return left, nil
}

func (a *app) exists(ctx context.Context, name string) (bool, error) {
	_, err := a.client().GetCredential(ctx, name)
	if p, ok := errors.AsType[*admin.Problem](err); ok && p.Status == http.StatusNotFound {
		return false, nil
	}
	return err == nil, err
}

// secretsText shows the previews of fields, as far as there are any.
func secretsText(s *auth.Schema, fields auth.Fields) string {
	var out []string
	for _, f := range s.Fields {
		v, ok := fields[f.Name]
		switch {
		case !ok:
		case !f.Secret:
			out = append(out, f.Name+"="+v.Reveal())
		default:
			out = append(out, cmp.Or(f.PreviewOf(v), f.Name+" (not shown)"))
		}
	}
	return strings.Join(out, ", ")
}
