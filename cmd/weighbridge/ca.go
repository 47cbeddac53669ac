package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/weighbridge/weighbridge/admin"
)

func (a *app) caCommand() *cobra.Command {
	c := &cobra.Command{Use: "ca", Short: "The root that signs interception certificates", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(a.caShow(), a.caExport(), a.caInstall(), a.caUninstall(), a.caRotate())
	return c
}

func (a *app) caShow() *cobra.Command {
	return &cobra.Command{
		Use: "show", Short: "Show the published roots", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return shown(a, a.rootsText)(a.client().ListRoots(c.Context()))
		},
	}
}

func (a *app) caExport() *cobra.Command {
	var out string
	var bundle bool
	c := &cobra.Command{
		Use: "export", Short: "Write our roots, or the bundle of public roots and ours, as PEM", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var pem []byte
			if bundle {
				var err error
				if pem, err = a.bundle(c.Context()); err != nil {
					return err
				}
			} else {
				r, err := a.client().ListRoots(c.Context())
				if err != nil {
					return err
				}
				for _, root := range r.Roots {
					pem = append(pem, root.PEM...)
				}
			}
			if out == "" || out == "-" {
				_, err := a.stdout.Write(pem)
				return err
			}
			return os.WriteFile(out, pem, 0o644) //nolint:gosec // certificates are public
		},
	}
	c.Flags().StringVarP(&out, "out", "o", "-", "file to write; - is standard output")
	c.Flags().BoolVar(&bundle, "bundle", false, "public roots and ours: what SSL_CERT_FILE and its like need, because they replace the trust store")
	return c
}

func (a *app) caRotate() *cobra.Command {
	return &cobra.Command{
		Use: "rotate", Short: "Make a new signing root; old and new are published together", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := a.confirm("Make a new signing root? Workers must get the new bundle before the old root ends."); err != nil {
				return err
			}
			return shown(a, a.rootsText)(a.client().RotateRoot(c.Context()))
		},
	}
}

func (a *app) rootsText(w io.Writer, r *admin.Roots) {
	if len(r.Roots) == 0 {
		_, _ = fmt.Fprintln(w, "There is no root: interception is off.")
		return
	}
	var rows [][]string
	for _, root := range r.Roots {
		role := "published"
		if root.Signing {
			role = "signing"
		}
		rows = append(rows, []string{role, root.Subject, a.when(root.NotAfter), root.Fingerprint})
	}
	table(w, []string{"ROLE", "SUBJECT", "ENDS", "SHA-256"}, rows)
}

// bundle is the PEM of public roots and ours.
func (a *app) bundle(ctx context.Context) ([]byte, error) {
	body, err := a.client().GetBundle(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = body.Close() }()
	return io.ReadAll(io.LimitReader(body, maxBundle))
}

// maxBundle is far above all public roots, which have about 250 KiB.
const maxBundle = 16 << 20
