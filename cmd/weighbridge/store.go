package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/weighbridge/weighbridge/internal/bridge"
)

const storeCompactLong = `Writes the store anew, so that nothing is in its file of what was deleted or replaced: until
then its pages hold that, sealed, as long as nothing else needs them. No weighbridge may run in
the data directory. The old file is replaced once the new one is whole. (A backup holds nothing
of what was deleted, compacted or not.)`

func (a *app) storeCommand() *cobra.Command {
	c := &cobra.Command{Use: "store", Short: "Look after the store"}
	var f serveFlags
	compact := &cobra.Command{
		Use: "compact", Short: "Write the store anew, without what was deleted", Args: noArgs, Long: storeCompactLong,
		Example: "  weighbridge store compact --data-dir /var/lib/weighbridge",
		RunE: func(c *cobra.Command, _ []string) error {
			loaded, err := a.load(c, &f)
			if err != nil {
				return err
			}
			var out compacted
			if out.Before, out.After, err = bridge.CompactStore(c.Context(), &loaded.Config, a.environ); err != nil {
				return err
			}
			return a.print(out, func(w io.Writer) {
				_, _ = fmt.Fprintf(w, "The store has %s, and had %s. Nothing is in it of what was deleted.\n", size(out.After), size(out.Before))
			})
		},
	}
	f.registerConfig(compact)
	c.AddCommand(compact, a.storeMigrate())
	return c
}

const storeMigrateLong = `Copies the store, row by row as it is sealed, from a file into a PostgreSQL database or back,
and checks the copy whole before it is taken for one: every row, and the chains of the record
of acts. No weighbridge may have either open. Where the store goes there must be none. Both
are sealed with the same key encryption key, that of the configuration.

A place is bbolt (the file of the data directory), bbolt:PATH, postgres (the database of
store.dsn), postgres:env:NAME or postgres:file:PATH. The old store stays as it was: keep it
until the new one serves, and let nobody start on it again.`

func (a *app) storeMigrate() *cobra.Command {
	var f serveFlags
	var from, to string
	c := &cobra.Command{
		Use: "migrate", Short: "Move the store from a file into PostgreSQL, or back", Args: noArgs, Long: storeMigrateLong,
		Example: "  weighbridge store migrate --from bbolt --to postgres:file:/run/secrets/weighbridge-dsn\n  weighbridge store migrate --from postgres --to bbolt",
		RunE: func(c *cobra.Command, _ []string) error {
			loaded, err := a.load(c, &f)
			if err != nil {
				return err
			}
			m, err := bridge.MigrateStore(c.Context(), &loaded.Config, a.environ, from, to)
			if err != nil {
				return err
			}
			out := migrated{m.Rows, m.Events, m.Acts.Events}
			return a.print(out, func(w io.Writer) {
				_, _ = fmt.Fprintf(w, "%d rows and %d events were copied from %s to %s; %d events of the record of acts were verified there.\n", out.Rows, out.Events, from, to, out.Verified)
				_, _ = fmt.Fprintf(w, "Name it in the setting store, start, and remove the old store once that serves: nobody may go on with it.\n")
			})
		},
	}
	f.registerConfig(c)
	c.Flags().StringVar(&from, "from", "", "where the store is")
	c.Flags().StringVar(&to, "to", "", "where it goes")
	_ = c.MarkFlagRequired("from") // both were just defined
	_ = c.MarkFlagRequired("to")
	return c
}

// migrated is what store migrate prints with --json.
type migrated struct {
	Rows     int `json:"rows"`
	Events   int `json:"events"`
	Verified int `json:"verified_events"`
}

// compacted is what store compact prints with --json.
type compacted struct {
	Before int64 `json:"bytes_before"`
	After  int64 `json:"bytes_after"`
}
