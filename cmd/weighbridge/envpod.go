package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/workerenv"
	"github.com/weighbridge/weighbridge/proxy/ca"
	"github.com/weighbridge/weighbridge/signer"
)

// podFlags are the flags of env for workers beside their own weighbridge.
type podFlags struct {
	noKey       bool
	caFile, out string
	direct      []string
}

func (p *podFlags) register(c *cobra.Command) {
	c.Flags().BoolVar(&p.noKey, "no-key", false, "the listener implies the key (default_key): print none")
	c.Flags().StringVar(&p.caFile, "ca-file", "", "our roots (PEM), where no running weighbridge is to be asked for them")
	c.Flags().StringVar(&p.out, "out", "", "write the lines into this file, of mode 0600 where they hold the key, instead of printing them")
	c.Flags().StringSliceVar(&p.direct, "direct", nil, "host that is never sent through the proxy, beside the worker's own (repeatable)")
	must(c.MarkFlagFilename("ca-file"))
	must(c.MarkFlagFilename("out"))
}

// envKey is the value of --key, nothing where none is wanted.
func (a *app) envKey(key string, none bool) (v string, literal bool, err error) {
	if none {
		return "", false, nil
	}
	return a.value("--key", key)
}

// podEnv writes the bundle and the lines from files alone: in a pod nothing
// serves yet when its first container runs.
func (a *app) podEnv(p podFlags, o workerenv.Options, key, shell string) error {
	if o.ProxyURL == "" || o.Bundle == "" {
		return usage("--ca-file: no running weighbridge is asked, so say --proxy-url and --bundle too")
	}
	v, err := keyValue(a.envKey(key, p.noKey))
	if err != nil {
		return err
	}
	o.Key, o.NoKey, o.Direct, o.Placeholder = auth.NewSecret(v), p.noKey, p.direct, signer.PlaceholderToken
	vars, err := workerenv.Variables(o)
	if err != nil {
		return usage("%w", err)
	}
	ours, err := os.ReadFile(p.caFile)
	if err != nil {
		return usage("--ca-file: %w", err)
	}
	if len(ca.Merge(ours)) == 0 {
		return usage("--ca-file: %s holds no certificate", p.caFile)
	}
	public, _, err := ca.SystemRootsPEM(ca.SystemOptions{CertFile: a.env("SSL_CERT_FILE")})
	if err != nil {
		return err
	}
	if err := os.WriteFile(o.Bundle, ca.Merge(public, ours), 0o644); err != nil { //nolint:gosec // certificates are public
		return fmt.Errorf("--bundle: %w", err)
	}
	for _, one := range workerenv.Warnings(o) {
		_, _ = fmt.Fprintln(a.stderr, "weighbridge: "+one)
	}
	return a.writeEnv(p.out, shell, vars)
}

// writeEnv prints variables, or writes them into a file.
func (a *app) writeEnv(file, shell string, vars []workerenv.Var) error {
	if a.json && file == "" {
		out := map[string]string{}
		for _, v := range vars {
			out[v.Name] = v.Value
		}
		return a.print(out, nil)
	}
	var b bytes.Buffer
	if err := workerenv.Render(&b, shell, vars); err != nil {
		return usage("%w", err)
	}
	if file == "" {
		_, err := a.stdout.Write(b.Bytes())
		return err
	}
	mode := os.FileMode(0o644)
	for _, v := range vars {
		if v.Secret {
			mode = 0o600
		}
	}
	if err := writeAs(file, b.Bytes(), mode); err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	return nil
}

// writeAs writes a file that nobody may read whom mode does not let: also where
// it is there already, and others may read what it held.
func writeAs(file string, text []byte, mode os.FileMode) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&^mode != 0 {
		if err := f.Chmod(mode); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}
