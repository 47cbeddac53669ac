package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/workerenv"
	"github.com/weighbridge/weighbridge/signer"
)

func (a *app) envCommand() *cobra.Command {
	var key, mode, shell, proxyURL, bundle string
	var pod podFlags
	c := &cobra.Command{
		Use: "env --key @FILE|env:VAR|- | --no-key", Short: "Everything a worker must export", Args: noArgs,
		Long: "Prints the variables that send a worker's clients through weighbridge, and writes the\n" +
			"merged CA bundle (public roots and ours) that they name. The output holds the API key:\n" +
			"it is meant for eval, an env file or a secret. What no variable can do is said on\n" +
			"standard error.\n\n" +
			"With --no-key the listener implies the key (default_key), as a sidecar's does. With\n" +
			"--ca-file no running weighbridge is asked: the bundle is made of this machine's public\n" +
			"roots and the roots of that file, as the init step of a pod needs it.",
		Example: "  eval \"$(weighbridge env --key @worker.key)\"\n  weighbridge env --key env:WEIGHBRIDGE_KEY --mode reverse --shell docker > worker.env\n" +
			"  weighbridge env --no-key --ca-file /ca/tls.crt --proxy-url http://127.0.0.1:8080 --bundle /weighbridge/ca-bundle.pem --out /weighbridge/env.sh",
		RunE: func(c *cobra.Command, _ []string) error {
			if pod.caFile != "" {
				return a.podEnv(pod, workerenv.Options{Mode: workerenv.Mode(mode), ProxyURL: proxyURL, Bundle: bundle}, key, shell)
			}
			v, literal, err := a.envKey(key, pod.noKey)
			if err != nil {
				return err
			}
			if literal {
				return usage("--key: env needs the key itself, of which only a hash is kept here, and takes neither its name nor, because it would show in `ps`, a literal key\n  Use --key @FILE, --key env:VAR or --key -")
			}
			sys, err := a.client().GetSystem(c.Context())
			if err != nil {
				return err
			}
			if proxyURL == "" {
				proxyURL = sys.ProxyURL
			}
			if strings.HasPrefix(proxyURL, "unix:") {
				return usage("the proxy listens on a unix socket (%s), which no variable names\n  Use --proxy-url to say how the worker reaches it", proxyURL)
			}
			o := workerenv.Options{Mode: workerenv.Mode(mode), ProxyURL: proxyURL, Key: auth.NewSecret(v), NoKey: pod.noKey, Direct: pod.direct, Placeholder: signer.PlaceholderToken}
			if sys.Intercept {
				if o.Bundle, err = a.writeBundle(c, bundle, sys.CABundle); err != nil {
					return err
				}
			}
			vars, err := workerenv.Variables(o)
			if err != nil {
				return usage("%w", err)
			}
			said := workerenv.Warnings(o)
			if why := listenerProblem(c.Context(), sys.ProxyURL, proxyURL, o.Bundle); why != "" {
				said = append([]string{why}, said...)
			}
			if why := a.keyProblem(c, v); why != "" && !pod.noKey {
				said = append(said, why)
			}
			for _, one := range said {
				_, _ = fmt.Fprintln(a.stderr, "weighbridge: "+one)
			}
			return a.writeEnv(pod.out, shell, vars)
		},
	}
	c.Flags().StringVar(&key, "key", "", "the worker's API key, or its ServiceAccount's token: @FILE, env:VAR or - (standard input)")
	c.Flags().StringVar(&mode, "mode", string(workerenv.Forward), "forward (HTTPS_PROXY and a CA bundle) or reverse (HF_ENDPOINT)")
	c.Flags().StringVar(&shell, "shell", "sh", strings.Join(workerenv.Shells(), ", "))
	c.Flags().StringVar(&proxyURL, "proxy-url", "", "scheme://host:port of the proxy as the worker reaches it (the listener where not given)")
	c.Flags().StringVar(&bundle, "bundle", "", "where to write the CA bundle, which is also the path the worker is told (the data directory where not given)")
	pod.register(c)
	c.MarkFlagsOneRequired("key", "no-key")
	c.MarkFlagsMutuallyExclusive("key", "no-key")
	must(c.RegisterFlagCompletionFunc("mode", cobra.FixedCompletions([]string{"forward", "reverse"}, cobra.ShellCompDirectiveNoFileComp)))
	must(c.RegisterFlagCompletionFunc("shell", cobra.FixedCompletions(workerenv.Shells(), cobra.ShellCompDirectiveNoFileComp)))
	return c
}

// keyProblem says why a worker with this key would be refused, or get nothing:
// "" where it would not, and where that cannot be told, as of a ServiceAccount's
// token. Of a key that is not known only its preview tells.
func (a *app) keyProblem(c *cobra.Command, key string) string {
	if auth.IsJWT(key) {
		return ""
	}
	keys, err := a.client().ListKeys(c.Context())
	if err != nil {
		return ""
	}
	body := strings.TrimPrefix(strings.TrimPrefix(key, auth.KeyPrefix), auth.KeyAliasPrefix)
	for i := range keys {
		k := &keys[i]
		if k.Preview != auth.NewSecret(auth.KeyPrefix+body).Preview() && k.Preview != auth.NewSecret(auth.KeyAliasPrefix+body).Preview() {
			continue
		}
		switch {
		case k.Status != "active":
			return fmt.Sprintf("the API key %q is %s: make another with `weighbridge key create` or `weighbridge key regenerate`", k.Name, k.Status)
		case len(k.Credentials) == 0:
			return fmt.Sprintf("the API key %q is linked to no credential yet: `weighbridge credential create … --key %s`, or `weighbridge link CREDENTIAL %s`", k.Name, k.Name, k.Name)
		}
		return ""
	}
	return "no API key of this weighbridge begins and ends like this one (`weighbridge key list`): it has a typing error, was replaced, or is another weighbridge's"
}

// writeBundle writes the bundle where the operator wants it, or says where
// `serve` keeps it, and writes it there again where somebody removed it.
func (a *app) writeBundle(c *cobra.Command, path, kept string) (string, error) {
	if path == "" {
		if path = kept; path == "" {
			path = "weighbridge-ca-bundle.pem"
		} else if _, err := os.Stat(kept); err == nil {
			return kept, nil
		}
	}
	pem, err := a.bundle(c.Context())
	if err != nil {
		return "", err
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(abs, pem, 0o644); err != nil { //nolint:gosec // certificates are public
		return "", fmt.Errorf("--bundle: %w", err)
	}
	return abs, nil
}
