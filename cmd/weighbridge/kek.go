package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/weighbridge/weighbridge/store"
)

func (a *app) kekCommand() *cobra.Command {
	c := &cobra.Command{Use: "kek", Short: "The key encryption key, under which every secret is sealed", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(a.kekGenerate(), a.kekStatus(), a.kekRotate())
	return c
}

// newKEK is what kek generate prints with --json.
type newKEK struct {
	ID   string `json:"id"`
	Key  string `json:"key,omitempty"`
	File string `json:"file,omitempty"`
}

const kekGenerateLong = "Makes a key encryption key for `kek: env:NAME`, and prints it, once, on standard output; or\n" +
	"writes it into a new file of mode 0600 for `kek: file:PATH`. Only the first start needs it:\n" +
	"a store that is there opens with the key that it was made with and with no other. Without\n" +
	"this, the first start makes the file `kek` in the data directory by itself."

func (a *app) kekGenerate() *cobra.Command {
	var out string
	c := &cobra.Command{
		Use: "generate", Short: "Make a key encryption key", Args: noArgs, Long: kekGenerateLong,
		Example: "  weighbridge kek generate | vault kv put -mount=secret weighbridge kek=-\n  weighbridge kek generate --out /etc/weighbridge/kek",
		RunE: func(*cobra.Command, []string) error {
			if out != "" {
				k, err := store.CreateFileKEK(out)
				if errors.Is(err, fs.ErrExist) {
					return &exitError{exitConflict, err}
				}
				if err != nil {
					return err
				}
				return a.print(newKEK{ID: k.ID(), File: out}, func(w io.Writer) {
					_, _ = fmt.Fprintf(w, "The key encryption key %s is in %s. Keep a copy apart from the store: without it nobody can open one secret.\n", k.ID(), out)
				})
			}
			text, id, err := store.NewKEKText()
			if err != nil {
				return err
			}
			_, _ = fmt.Fprintf(a.stderr, "The key encryption key %s is shown this once. Keep a copy apart from the store: without it nobody can open one secret.\n", id)
			return a.print(newKEK{ID: id, Key: text.Reveal()}, func(w io.Writer) { _, _ = fmt.Fprintln(w, text.Reveal()) })
		},
	}
	c.Flags().StringVar(&out, "out", "", "write it into this new file, of mode 0600, and print its path alone")
	must(c.MarkFlagFilename("out"))
	return c
}
