package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/store"
	"github.com/weighbridge/weighbridge/store/backup"
)

const backupLong = `Writes a backup of a running weighbridge into a new file of mode 0600: the store as it stands at
one moment, sealed as it is, and the record of use. Requests and changes go on. What is in it is
of no use without the key encryption key, which is not in it unless --with-kek says so; the
configuration file is not in it either. "weighbridge restore FILE" puts it back.`

// backedUp is what backup prints with --json.
type backedUp struct {
	File   string        `json:"file"`
	Header backup.Header `json:"header"`
	Files  []backup.File `json:"files"`
}

func (a *app) backupCommand() *cobra.Command {
	var o admin.BackupOptions
	c := &cobra.Command{
		Use: "backup FILE", Short: "Write a backup, still sealed, while everything goes on", Args: cobra.ExactArgs(1), Long: backupLong,
		Example: "  weighbridge backup /backups/weighbridge-$(date +%F).tar",
		RunE: func(c *cobra.Command, args []string) error {
			out, err := a.backup(c.Context(), args[0], o)
			if errors.Is(err, fs.ErrExist) {
				return &exitError{exitConflict, fmt.Errorf("%s is there already and was not touched: name a new file", args[0])}
			}
			if err != nil {
				return err
			}
			return a.print(out, func(w io.Writer) { backupText(w, out) })
		},
	}
	c.Flags().BoolVar(&o.WithoutAudit, "without-audit", false, "leave out the record of use")
	c.Flags().BoolVar(&o.WithKEK, "with-kek", false, "also put the key encryption key in, where it is a file: whoever reads the backup then has every secret")
	return c
}

// backup asks for a backup and checks it while it comes. The file gets its name
// once it is whole.
func (a *app) backup(ctx context.Context, path string, o admin.BackupOptions) (*backedUp, error) {
	f, err := store.CreateNewFile(path)
	if err != nil {
		return nil, err
	}
	defer f.Discard()
	body, err := a.client().Backup(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { _ = body.Close() }()
	in, err := backup.NewReader(body)
	if err != nil {
		return nil, brokenBackup(err)
	}
	out, err := backup.NewWriter(f, in.Header)
	if err != nil {
		return nil, err
	}
	for {
		m, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, brokenBackup(err)
		}
		if err := out.Add(m.Name, m.Size, in); err != nil {
			return nil, err
		}
	}
	if o.WithKEK {
		if err := a.addKEKs(out, &in.Header); err != nil {
			return nil, err
		}
	}
	files := slices.Clone(out.Files())
	if err := out.Close(); err != nil {
		return nil, err
	}
	if err := f.Publish(); err != nil {
		return nil, err
	}
	if o.WithKEK {
		_, _ = fmt.Fprintf(a.stderr, "weighbridge: %s holds the key encryption key and what is sealed with it: whoever reads it has every secret.\n"+
			"  Keep it as you would keep the secrets themselves, and never beside other backups.\n", path)
	}
	return &backedUp{path, in.Header, files}, nil
}

func brokenBackup(err error) error {
	return fmt.Errorf("no backup was made, what came was not whole: %w\n  Look at the log of weighbridge", err)
}

// addKEKs puts the files of the keys in. They are read here, with the rights of
// whoever asks: the API hands out no key.
func (a *app) addKEKs(out *backup.Writer, h *backup.Header) error {
	files, err := h.KEKFiles(a.dataDir)
	if err != nil {
		return err
	}
	for id, at := range files {
		kek, err := store.OpenFileKEK(at)
		if err != nil {
			return err
		}
		if kek.ID() != id {
			return fmt.Errorf("%s holds the key encryption key %s, and the store is sealed with %s", at, kek.ID(), id)
		}
		text, err := os.ReadFile(at)
		if err == nil {
			err = out.Add(backup.KEKName(id), int64(len(text)), bytes.NewReader(text))
		}
		clear(text)
		if err != nil {
			return err
		}
	}
	return nil
}

func backupText(w io.Writer, b *backedUp) {
	filesText(w, b.Files)
	_, _ = fmt.Fprintf(w, "\n%s is whole and on disk.\n", b.File)
	for _, k := range missingKEKs(&b.Header, b.Files) {
		_, _ = fmt.Fprintf(w, "It opens with the key encryption key %s (%s), which is not in it: keep a copy of that elsewhere.\n", k.ID, plain(k.URI))
	}
}

func filesText(w io.Writer, files []backup.File) {
	rows := make([][]string, len(files))
	for i, f := range files {
		rows[i] = []string{f.Name, size(f.Size), f.SHA256}
	}
	table(w, []string{"FILE", "SIZE", "SHA-256"}, rows)
}

// missingKEKs are the keys that a backup needs and does not hold.
func missingKEKs(h *backup.Header, files []backup.File) []backup.KEK {
	return slices.DeleteFunc(slices.Clone(h.KEKs), func(k backup.KEK) bool {
		return slices.ContainsFunc(files, func(f backup.File) bool { return f.Name == backup.KEKName(k.ID) })
	})
}
