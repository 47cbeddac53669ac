package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/doctor"
	"github.com/weighbridge/weighbridge/internal/preflight"
	"github.com/weighbridge/weighbridge/internal/trial"
	"github.com/weighbridge/weighbridge/internal/workerenv"
	"github.com/weighbridge/weighbridge/proxy/ca"
	"github.com/weighbridge/weighbridge/signer"
)

// maxSource bounds a workflow or a list.
const maxSource = 64 << 20

const preflightLong = `Says for each file that a job is going to download whether it would come now: with which
credential, whether the terms of a gated repository are accepted, and how long it is. It asks for
one byte of each by the way that the environment leads the job's own clients, and by nothing else.

What is looked at: URLs, hf://[datasets/|spaces/]OWNER/NAME[@REVISION][/FILE], and files (- is standard
input) with a workflow of ComfyUI as it is saved or exported for the API, a list of models as
ComfyUI-Manager keeps it, or one URL on each line.

Exit code 0 where every file would download, 7 where one would not, 8 where none is refused and one
cannot be told of now (a rate limit, a failure): come again.`

func (a *app) preflightCommand() *cobra.Command {
	var w workerFlags
	var parallel int
	c := &cobra.Command{
		Use: "preflight FILE|URL…", Short: "Say before a job starts whether its files would download", Args: cobra.MinimumNArgs(1), Long: preflightLong,
		Example: "  weighbridge preflight workflow.json\n  weighbridge preflight hf://black-forest-labs/FLUX.1-dev/ae.safetensors\n  weighbridge preflight --json - < urls.txt",
		RunE: func(c *cobra.Command, args []string) error {
			sources, err := a.sources(args)
			if err != nil {
				return err
			}
			caller, err := a.caller(&w)
			if err != nil {
				return err
			}
			defer caller.Close()
			r, err := preflight.Run(c.Context(), caller, sources, parallel)
			if err != nil {
				return usage("%w", err)
			}
			if err := a.print(r, func(out io.Writer) { preflightText(out, &r) }); err != nil {
				return err
			}
			return verdict(&r)
		},
	}
	w.register(c)
	c.Flags().IntVar(&parallel, "parallel", 8, "how many files are asked for at a time")
	return c
}

// sources are what the arguments name.
func (a *app) sources(args []string) ([]string, error) {
	var out []string
	for _, arg := range args {
		if strings.Contains(arg, "://") {
			out = append(out, arg)
			continue
		}
		in, name := a.stdin, "standard input"
		if arg != "-" {
			f, err := os.Open(arg)
			if err != nil {
				return nil, usage("%w", err)
			}
			defer func() { _ = f.Close() }()
			in, name = f, arg
		}
		text, err := io.ReadAll(io.LimitReader(in, maxSource+1))
		if err == nil && len(text) > maxSource {
			err = fmt.Errorf("more than %d MiB", maxSource>>20)
		}
		var found []string
		if err == nil {
			found, err = preflight.Sources(text)
		}
		if err != nil {
			return nil, usage("%s: %w", name, err)
		}
		out = append(out, found...)
	}
	return out, nil
}

// caller asks by the way that the environment leads to weighbridge, trusting
// what SSL_CERT_FILE names as the job's clients do.
func (a *app) caller(w *workerFlags) (*trial.Caller, error) {
	key, err := w.apiKey(a)
	if err != nil {
		return nil, err
	}
	way, err := doctor.Lead(doctor.Options{Environ: a.environ, Proxy: w.proxyURL, Key: key, Placeholder: signer.PlaceholderToken})
	if err != nil {
		return nil, usage("%w", err)
	}
	way.Now, way.Patience = a.now, w.timeout
	if way.Mode == workerenv.Reverse && way.Proxy.Scheme == "http" {
		return trial.New(way), nil // nobody shows a certificate, and many images have no roots
	}
	roots := x509.NewCertPool()
	if text, _, err := ca.SystemRootsPEM(ca.SystemOptions{CertFile: a.env("SSL_CERT_FILE")}); err != nil {
		return nil, err
	} else if !roots.AppendCertsFromPEM(text) {
		return nil, errors.New("the system's roots cannot be read")
	}
	way.Roots = roots
	return trial.New(way), nil
}

// verdict is the exit code.
func verdict(r *preflight.Report) error {
	code := exitOK
	for i := range r.Files {
		switch f := &r.Files[i]; {
		case f.Ready:
		case f.Code == trial.ProxyUnreachable || auth.Code(f.Code) == auth.CodeDraining:
			return &exitError{exitUnreachable, errPrinted}
		case !f.Later:
			code = exitDenied
		case code == exitOK:
			code = exitLater
		}
	}
	if code != exitOK {
		return &exitError{code, errPrinted}
	}
	return nil
}

func preflightText(w io.Writer, r *preflight.Report) {
	var rows [][]string
	ready := 0
	for i := range r.Files {
		f := &r.Files[i]
		state := f.Code
		if f.Ready {
			state = "ready"
			ready++
		}
		credential := f.Credential
		if credential == "" {
			credential = "-"
		}
		rows = append(rows, []string{state, size(f.Size), credential, strings.ReplaceAll(f.Licence, "_", " "), f.URL})
	}
	table(w, []string{"STATE", "SIZE", "CREDENTIAL", "LICENCE", "URL"}, rows)
	said := map[string]bool{}
	for i := range r.Files {
		f := &r.Files[i]
		if f.Ready || said[f.Detail] {
			continue
		}
		said[f.Detail] = true
		_, _ = fmt.Fprintf(w, "\n%s: %s\n", plain(f.URL), plain(f.Detail))
		if f.Next != "" {
			_, _ = fmt.Fprintf(w, "  %s\n", plain(f.Next))
		}
	}
	more := ""
	if r.Unknown > 0 {
		more = fmt.Sprintf(", and %d of unknown length", r.Unknown)
	}
	_, _ = fmt.Fprintf(w, "\n%d of %d files would download now; %s in all%s.\n", ready, len(r.Files), size(r.Bytes), more)
}
