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
	c := &cobra.Command{Use: "store", Short: "Look after the file of the store"}
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
	c.AddCommand(compact)
	return c
}

// compacted is what store compact prints with --json.
type compacted struct {
	Before int64 `json:"bytes_before"`
	After  int64 `json:"bytes_after"`
}
