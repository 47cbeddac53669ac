package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/weighbridge/weighbridge/admin"
)

func (a *app) credentialValidate() *cobra.Command {
	var repo string
	c := &cobra.Command{
		Use: "validate ID|NAME", Short: "Ask the upstream whether a credential works", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeCredentials,
		Example: "  weighbridge credential validate hub --check-repo black-forest-labs/FLUX.1-dev",
		RunE: func(c *cobra.Command, args []string) error {
			out, err := a.client().ValidateCredential(c.Context(), args[0], admin.ValidateCredentialQuery{CheckRepo: repo})
			if err != nil {
				return err
			}
			err = a.print(out, func(w io.Writer) {
				_, _ = fmt.Fprintf(w, "Credential %q is %s.\n\n", out.Credential.Name, out.Credential.Status)
				a.reportText(w, &out.Report, out.Credential.AnsweredAt)
			})
			if err == nil && repo != "" && !out.Report.Reached {
				return fmt.Errorf("credential %q was not found to reach %s: see the warnings and the meaning above", out.Credential.Name, repo)
			}
			return errors.Join(err, unusable(&out.Credential))
		},
	}
	c.Flags().StringVar(&repo, "check-repo", "", "also ask whether it reaches this repository of the Hub: org/model, datasets/org/name or spaces/org/name")
	return c
}

func (a *app) credentialRotate() *cobra.Command {
	var f fieldFlags
	var in admin.Rotation
	var expires string
	c := &cobra.Command{
		Use: "rotate ID|NAME --set FIELD=@FILE|env:VAR|-", Short: "Replace a credential's secret: validated first, swapped in one step", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeCredentials,
		Long: "Replace a credential's secret. The upstream is asked about the new one first; where it\n" +
			"refuses it, or cannot be asked, nothing changes. Downloads in progress finish, the next\n" +
			"request takes the new secret, and the old one is destroyed.",
		Example: "  weighbridge credential rotate hub --set token=@new-token",
		RunE: func(c *cobra.Command, args []string) error {
			now, err := a.client().GetCredential(c.Context(), args[0])
			if err != nil {
				return err
			}
			if len(f.set) == 0 {
				return usage("give the new secret with --set FIELD=@FILE, FIELD=env:VAR or FIELD=-")
			}
			if in.Fields, err = a.fields(c.Context(), now.Provider, f); err != nil {
				return err
			}
			if in.ExpiresAt, err = a.end(expires); err != nil {
				return err
			}
			out, err := a.client().RotateCredential(c.Context(), args[0], in)
			if err != nil {
				return err
			}
			return a.print(out, func(w io.Writer) {
				_, _ = fmt.Fprintf(w, "Credential %q is rotated and %s.\n\n", out.Name, out.Status)
				a.credentialText(w, &out)
			})
		},
	}
	c.Flags().StringVar(&expires, "expires", "", "when the new secret ends: 90d, or a date")
	c.Flags().BoolVar(&in.NoValidate, "no-validate", false, "do not ask the upstream first: well-formed fields count as valid")
	f.register(c)
	return c
}

func (a *app) credentialRevoke() *cobra.Command {
	return a.allCredentials().revoke("Revoke a credential, for good, and destroy its secret", func(c *admin.Client, ctx context.Context, ref string, now bool) (admin.Credential, error) {
		return c.RevokeCredential(ctx, ref, admin.RevokeCredentialQuery{Now: now})
	})
}

// reportText says what a validation found.
func (a *app) reportText(w io.Writer, r *admin.Report, answered *time.Time) {
	kv := []string{"verdict", r.Verdict, "meaning", r.Meaning, "asked", r.Asked, "answer", r.Answer}
	for _, f := range r.Facts {
		kv = append(kv, factPair(f)...)
	}
	if r.ExpiresAt != nil {
		kv = append(kv, "ends", a.when(*r.ExpiresAt))
	}
	kv = append(kv, "validated", a.when(r.At))
	if answered != nil && r.Verdict != "valid" {
		kv = append(kv, "last good answer", a.when(*answered))
	}
	kv = append(kv, "next", r.Next)
	pairs(w, kv...)
	for _, text := range r.Warnings {
		_, _ = fmt.Fprintf(w, "warning: %s\n", plain(text))
	}
}

// unusable is the error of a command that leaves a credential which its
// upstream refused, or which has ended; nil for any other.
func unusable(c *admin.Credential) error {
	if c.Status != "invalid" && c.Status != "expired" {
		return nil
	}
	text := fmt.Sprintf("credential %q is %s and will not be used: %s", c.Name, c.Status, c.Reason)
	if c.Report != nil && c.Report.Next != "" {
		text += "\n  " + c.Report.Next
	}
	return &exitError{exitInvalid, errors.New(text)}
}

// warnPending says on standard error that a credential is not in use yet.
func (a *app) warnPending(c *admin.Credential) {
	if c.Status != "pending" {
		return
	}
	_, _ = fmt.Fprintf(a.stderr, "weighbridge: credential %q is pending and will not be used before its upstream has answered: %s\n"+
		"  It is asked again by itself. On a machine that does not reach it, create or update the credential with --no-validate.\n", c.Name, plain(c.Reason))
}
