package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/doctor"
	"github.com/weighbridge/weighbridge/signer"
)

const doctorLong = `Run on a worker, with the environment of the client that fails. Looks at the proxy variables,
NO_PROXY and the form of the key; asks the listener whether it serves and what time it has; looks
for each family of clients whether it trusts weighbridge's certificates; and asks for the first
byte of each URL, in forward and in reverse mode, where the environment has them. Each finding
has the line that mends it. It asks no admin API, and prints no key and no query.

Exit code 7 where there is a fault; warnings, which are about clients of one kind, leave it at 0.`

func (a *app) doctorCommand() *cobra.Command {
	var w workerFlags
	var python string
	c := &cobra.Command{
		Use: "doctor [URL…]", Short: "Find out on a worker why a download fails", Args: cobra.ArbitraryArgs, Long: doctorLong,
		Example: "  weighbridge doctor\n  weighbridge doctor https://huggingface.co/ORG/MODEL/resolve/main/model.safetensors\n  weighbridge doctor --python /opt/ComfyUI/venv/bin/python --json",
		RunE: func(c *cobra.Command, args []string) error {
			key, err := w.apiKey(a)
			if err != nil {
				return err
			}
			r := doctor.Examine(c.Context(), doctor.Options{
				Environ: a.environ, URLs: args, Proxy: w.proxyURL, Key: key, Placeholder: signer.PlaceholderToken,
				Python: python, Now: a.now, Patience: w.timeout,
			})
			if err := a.print(r, func(out io.Writer) { doctorText(out, &r) }); err != nil {
				return err
			}
			if !r.OK {
				return &exitError{exitDenied, errPrinted}
			}
			return nil
		},
	}
	w.register(c)
	c.Flags().StringVar(&python, "python", "", "the interpreter whose certifi counts, such as ComfyUI's own (python3 where not given)")
	return c
}

// workerFlags are the flags of commands that ask as a worker does.
type workerFlags struct {
	proxyURL, key string
	timeout       time.Duration
}

func (w *workerFlags) register(c *cobra.Command) {
	c.Flags().StringVar(&w.proxyURL, "proxy-url", "", "scheme://host:port of the proxy (the environment where not given)")
	c.Flags().StringVar(&w.key, "key", "", "the worker's API key, or its ServiceAccount's token: @FILE, env:VAR or - (the environment where not given)")
	c.Flags().DurationVar(&w.timeout, "timeout", 30*time.Second, "how long to wait for each answer")
}

func (w *workerFlags) apiKey(a *app) (auth.Secret, error) {
	if w.key == "" {
		return auth.Secret{}, nil
	}
	v, err := keyValue(a.value("--key", w.key))
	return auth.NewSecret(v), err
}

func doctorText(w io.Writer, r *doctor.Report) {
	n := map[doctor.Severity]int{}
	for _, s := range []doctor.Severity{doctor.Fault, doctor.Warning, doctor.Fine} {
		for _, f := range r.Findings {
			if f.Severity != s {
				continue
			}
			n[s]++
			about := ""
			if f.About != "" {
				about = " " + f.About
			}
			_, _ = fmt.Fprintf(w, "%-8s%s%s: %s\n", s, f.Check, plain(about), plain(f.Detail))
			if f.Fix != "" {
				_, _ = fmt.Fprintf(w, "        %s\n", plain(f.Fix))
			}
		}
	}
	_, _ = fmt.Fprintf(w, "\n%s, %s, %d as they should be.\n", counted(n[doctor.Fault], "fault"), counted(n[doctor.Warning], "warning"), n[doctor.Fine])
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
