package bridge

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth/audit"
	"github.com/weighbridge/weighbridge/store"
	"github.com/weighbridge/weighbridge/store/backup"
)

// copied is a backup on its way out: the store as it stood when it was begun,
// then the record as far as it has come. In that order nothing that the store
// knows of the record is missing from it.
type copied struct {
	header backup.Header
	store  *store.Snapshot
	record string // the directory; empty leaves it out
}

var _ admin.Backup = (*copied)(nil)

// backup begins a backup.
func (b *Bridge) backup(ctx context.Context, record bool) (admin.Backup, error) {
	c := &copied{header: backup.Header{MadeAt: b.o.Now().UTC(), Version: b.o.Version}}
	// Before and after: where a rotation begins or ends meanwhile, both are named.
	if err := b.nameKEKs(ctx, &c.header); err != nil {
		return nil, err
	}
	var err error
	if c.store, err = b.store.Snapshot(ctx); err != nil {
		return nil, err
	}
	if err := b.nameKEKs(ctx, &c.header); err != nil {
		return nil, errors.Join(err, c.store.Close())
	}
	if record && b.loaded.Load().Config.Store.Driver != "memory" {
		c.record = filepath.Join(b.dir, auditDir)
	}
	return c, nil
}

// nameKEKs puts every KEK that the store needs into h, once.
func (b *Bridge) nameKEKs(ctx context.Context, h *backup.Header) error {
	s, err := b.store.KEKs(ctx)
	if err != nil {
		return err
	}
	for _, u := range s.Uses {
		k := backup.KEK{ID: u.KEK, URI: u.URI}
		if (u.RowKey || u.DEKs > 0) && !slices.Contains(h.KEKs, k) {
			h.KEKs = append(h.KEKs, k)
		}
	}
	return nil
}

// WriteTo implements io.WriterTo.
func (c *copied) WriteTo(w io.Writer) (int64, error) {
	out, err := backup.NewWriter(w, c.header)
	if err != nil {
		return 0, err
	}
	if err := out.Add(backup.StoreName, c.store.Size(), c.store); err != nil {
		return 0, err
	}
	if c.record != "" {
		if err := addRecord(out, c.record); err != nil {
			return 0, err
		}
	}
	var n int64
	for _, f := range out.Files() {
		n += f.Size
	}
	return n, out.Close()
}

// Close implements io.Closer.
func (c *copied) Close() error { return c.store.Close() }

// addRecord adds the files of the record, oldest first, each up to the last
// line that is whole. They only grow; one that retention takes away meanwhile
// is left out.
func addRecord(out *backup.Writer, dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name, ok := backup.RecordName(e.Name())
		if !ok || !e.Type().IsRegular() {
			continue
		}
		if err := addFile(out, name, filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func addFile(out *backup.Writer, name, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	size := info.Size()
	if strings.HasSuffix(name, ".jsonl") {
		if size, err = audit.WholeLines(f, size); err != nil {
			return err
		}
	}
	return out.Add(name, size, f)
}
