package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/weighbridge/weighbridge/config"
	"github.com/weighbridge/weighbridge/internal/bridge"
)

const checkLong = `Reports every mistake in the configuration at once, with its place, and changes nothing. It
reads the files that the configuration names, and tries the key encryption key: whether it can
be read, and whether it opens the store, where there is one that no weighbridge is using.`

func (a *app) checkCommand() *cobra.Command {
	var f serveFlags
	c := &cobra.Command{
		Use: "check", Short: "Report every mistake in the configuration at once, with its place", Args: noArgs, Long: checkLong,
		RunE: func(c *cobra.Command, _ []string) error {
			loaded, err := a.load(c, &f)
			var warnings config.Problems
			if err == nil {
				warnings, err = verifyKEK(c.Context(), loaded, a.environ)
			}
			var problems config.Problems
			if errors.As(err, &problems) && a.json {
				return errors.Join(&exitError{exitInvalid, errPrinted}, a.print(checked{Problems: problems, Warnings: config.Problems{}}, nil))
			}
			if err != nil {
				return err
			}
			out := checked{OK: true, Problems: config.Problems{}, Warnings: append(append(config.Problems{}, loaded.Warnings...), warnings...)}
			return a.print(out, func(w io.Writer) {
				for _, one := range out.Warnings {
					_, _ = fmt.Fprintln(w, "warning: "+one.Error())
				}
				_, _ = fmt.Fprintln(w, "The configuration is valid.")
			})
		},
	}
	f.registerConfig(c)
	return c
}

// checked is what check prints with --json.
type checked struct {
	OK       bool            `json:"ok"`
	Problems config.Problems `json:"problems"`
	Warnings config.Problems `json:"warnings"`
}

// verifyKEK tries the key encryption key. Its mistake is one of the
// configuration, and a store that is in use a warning.
func verifyKEK(ctx context.Context, loaded *config.Loaded, environ []string) (config.Problems, error) {
	switch err := bridge.Verify(ctx, &loaded.Config, environ); {
	case err == nil:
		return nil, nil
	case errors.Is(err, bridge.ErrStoreBusy):
		return config.Problems{loaded.Problem("kek", err.Error(), "")}, nil
	default:
		return nil, config.Problems{loaded.Problem("kek", err.Error(), "")}
	}
}
