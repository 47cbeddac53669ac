package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/weighbridge/weighbridge/admin"
)

// kekPoll is how often kek rotate asks how far it is.
const kekPoll = 200 * time.Millisecond

func (a *app) kekStatus() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Show which key encryption key wraps what", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return shown(a, kekText)(a.client().GetKEK(c.Context()))
		},
	}
}

const kekRotateLong = `Wraps every data key by the key encryption key that --to names, while requests and changes go
on. Without --to it goes on with a rotation that stopped; a restart goes on by itself. Until it
is done both keys are needed, and afterwards the old one opens nothing here. Name the new key
in the setting kek before the next start. The old key may be destroyed once no backup from
before the rotation is needed any more.`

func (a *app) kekRotate() *cobra.Command {
	var to string
	c := &cobra.Command{
		Use: "rotate", Short: "Wrap every data key by another key encryption key, while all else goes on", Args: noArgs, Long: kekRotateLong,
		Example: "  weighbridge kek generate --out /etc/weighbridge/kek2\n  weighbridge kek rotate --to file:/etc/weighbridge/kek2\n  weighbridge kek rotate --to 'awskms://alias/weighbridge?region=eu-west-1'",
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := a.client().RotateKEK(c.Context(), admin.KEKRotate{To: to})
			if err != nil {
				return err
			}
			s, err = a.followRotation(c.Context(), s)
			if err != nil {
				return err
			}
			return a.print(s, func(w io.Writer) { kekText(w, &s) })
		},
	}
	c.Flags().StringVar(&to, "to", "", "URI of the key to rotate to, as in the setting kek")
	return c
}

// followRotation says how far a rotation is, until it has ended or stopped.
// Where ctx ends it goes on without being watched.
func (a *app) followRotation(ctx context.Context, s admin.KEKStatus) (admin.KEKStatus, error) {
	said := -1
	for s.Rotation != nil {
		if r := s.Rotation; r.Done != said {
			said = r.Done
			_, _ = fmt.Fprintf(a.stderr, "%d of %d data keys are wrapped by %s.\n", r.Done, r.Total, r.ToURI)
		}
		if !s.Rotation.Running {
			if s.Rotation.Error == "" {
				return s, errors.New("the rotation stopped; run weighbridge kek rotate to go on")
			}
			return s, errors.New(s.Rotation.Error)
		}
		select {
		case <-ctx.Done():
			return s, ctx.Err()
		case <-time.After(kekPoll):
		}
		next, err := a.client().GetKEK(ctx)
		if err != nil {
			return s, err
		}
		s = next
	}
	return s, nil
}

func kekText(w io.Writer, s *admin.KEKStatus) {
	var rows [][]string
	for _, u := range s.Uses {
		opens := ""
		if u.RowKey {
			opens = "yes"
		}
		rows = append(rows, []string{u.KEK, u.URI, strconv.Itoa(u.DEKs), opens})
	}
	table(w, []string{"KEY", "URI", "DATA KEYS", "OPENS THE STORE"}, rows)
	if r := s.Rotation; r != nil {
		_, _ = fmt.Fprintf(w, "A rotation from %s to %s is on its way: %d of %d. Both keys are needed until it is done.\n", r.FromURI, r.ToURI, r.Done, r.Total)
		if r.Error != "" {
			_, _ = fmt.Fprintln(w, "It stopped: "+r.Error)
		}
	}
	if s.ChangeConfig {
		_, _ = fmt.Fprintf(w, "Before the next start, change the setting kek to %s: the configuration still names %s, which opens this store no longer. "+
			"Destroy the old key once no backup from before the rotation is needed.\n", s.URI, s.Configured)
	}
}
