package main

import (
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/spf13/cobra"

	"github.com/weighbridge/weighbridge/admin"
)

func (a *app) caCommand() *cobra.Command {
	c := &cobra.Command{Use: "ca", Short: "The root that signs interception certificates", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(a.caShow(), a.caExport(), a.caRotate())
	return c
}

const caPath = "/api/v1/ca"

type roots struct {
	Roots []admin.Root `json:"roots"`
}

func (a *app) caShow() *cobra.Command {
	return &cobra.Command{
		Use: "show", Short: "Show the published roots", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return answered(c.Context(), a, http.MethodGet, caPath, nil, a.rootsText)
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
				if err := a.client().Call(c.Context(), http.MethodGet, caPath+"/bundle", nil, &pem); err != nil {
					return err
				}
			} else {
				var r roots
				if err := a.client().Call(c.Context(), http.MethodGet, caPath, nil, &r); err != nil {
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
			return answered(c.Context(), a, http.MethodPost, caPath+"/rotate", nil, a.rootsText)
		},
	}
}

func (a *app) rootsText(w io.Writer, r *roots) {
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
