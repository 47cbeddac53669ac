package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/weighbridge/weighbridge/store/backup"
)

const restoreLong = `Puts a backup into the data directory, which must be empty or not exist yet. The backup is read
whole and verified first: one that was cut or altered is refused before anything is written.
Then put the configuration and the key encryption key in their places, and start weighbridge.`

func (a *app) restoreCommand() *cobra.Command {
	var check bool
	c := &cobra.Command{
		Use: "restore FILE", Short: "Put a backup into an empty data directory", Args: cobra.ExactArgs(1), Long: restoreLong,
		Example: "  weighbridge restore /backups/weighbridge-2026-11-22.tar --data-dir /var/lib/weighbridge",
		RunE: func(c *cobra.Command, args []string) error {
			if check {
				return a.checkBackup(args[0])
			}
			r, err := backup.Restore(c.Context(), args[0], a.dataDir)
			if err != nil {
				return restoreError(err)
			}
			return a.print(r, func(w io.Writer) {
				_, _ = fmt.Fprintf(w, "The backup of %s is in %s.\n", a.when(r.Header.MadeAt), a.dataDir)
				for _, k := range r.KEKs {
					_, _ = fmt.Fprintf(w, "The key encryption key %s, which opens it, is in %s: the setting kek has to be %s.\n", k.ID, k.Path, k.URI)
				}
				for _, k := range missingKEKs(&r.Header, r.Files) {
					_, _ = fmt.Fprintf(w, "Before the start, put the key encryption key %s back in its place (it was kek: %s): nothing else opens this store.\n", k.ID, plain(k.URI))
				}
			})
		},
	}
	c.Flags().BoolVar(&check, "check", false, "verify the backup and list what is in it, and write nothing")
	return c
}

// checkBackup verifies a backup and lists it.
func (a *app) checkBackup(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return restoreError(err)
	}
	defer func() { _ = f.Close() }()
	h, files, err := backup.Verify(f)
	if err != nil {
		return restoreError(fmt.Errorf("%s: %w", path, err))
	}
	b := &backedUp{path, h, files}
	return a.print(b, func(w io.Writer) {
		filesText(w, files)
		_, _ = fmt.Fprintf(w, "\nThe backup of %s by weighbridge %s is whole.\n", a.when(h.MadeAt), plain(h.Version))
		for _, k := range missingKEKs(&h, files) {
			_, _ = fmt.Fprintf(w, "It opens with the key encryption key %s (%s), which is not in it.\n", k.ID, plain(k.URI))
		}
	})
}

// restoreError gives an error about a backup its exit code.
func restoreError(err error) error {
	switch {
	case errors.Is(err, fs.ErrExist):
		return &exitError{exitConflict, err}
	case errors.Is(err, backup.ErrNotBackup), errors.Is(err, backup.ErrDamaged):
		return &exitError{exitInvalid, err}
	case errors.Is(err, fs.ErrNotExist):
		return &exitError{exitNotFound, err}
	}
	return err
}
