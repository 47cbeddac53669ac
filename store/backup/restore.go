package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/weighbridge/weighbridge/store"
)

// restoring is what the directory is called in which a restore unpacks.
const restoring = ".restore-*"

// Restored says what a restore has done.
type Restored struct {
	Header Header `json:"header"`
	Files  []File `json:"files"`
	// KEKs are the keys that came with it.
	KEKs []RestoredKEK `json:"keks,omitempty"`
}

// RestoredKEK is a key encryption key that was in the backup.
type RestoredKEK struct {
	ID   string `json:"id"`
	Path string `json:"path"`
	// URI is what the setting kek has to name.
	URI string `json:"uri"`
}

// Restore puts the backup in the file at from into dir, which must not exist
// or be empty. The backup is read whole and verified before anything is
// written, and again while it is unpacked. Where the KEK is in it, it is tried
// whether it opens the store. After an error dir is as it was.
func Restore(ctx context.Context, from, dir string) (*Restored, error) {
	f, err := os.Open(from)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	if _, _, err := Verify(f); err != nil {
		return nil, fmt.Errorf("%s: %w; nothing was written", from, err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	made, err := emptyDirectory(dir)
	if err != nil {
		return nil, err
	}
	r, err := restore(ctx, f, dir)
	if err != nil && made {
		_ = os.Remove(dir) // only where nothing is in it
	}
	return r, err
}

func restore(ctx context.Context, f io.Reader, dir string) (out *Restored, err error) {
	temp, err := os.MkdirTemp(dir, restoring) // mode 0700
	if err != nil {
		return nil, err
	}
	var placed []string
	defer func() {
		err = errors.Join(err, os.RemoveAll(temp))
		if err == nil {
			err = store.SyncDir(dir)
		}
		if err != nil {
			for _, name := range placed {
				_ = os.RemoveAll(filepath.Join(dir, name))
			}
			out = nil
		}
	}()
	r, err := NewReader(f)
	if err != nil {
		return nil, err
	}
	if err := unpack(ctx, r, temp); err != nil {
		return nil, err
	}
	out = &Restored{Header: r.Header, Files: r.Files()}
	if out.KEKs, err = keksIn(out, dir); err != nil {
		return nil, err
	}
	for _, k := range out.KEKs {
		if err := tryKEK(ctx, temp, k.ID); err != nil {
			return nil, err
		}
	}
	// The store last: what is there without it is no weighbridge.
	moves := [][2]string{{RecordDir, RecordDir}}
	for _, k := range out.KEKs {
		moves = append(moves, [2]string{KEKName(k.ID), filepath.Base(k.Path)})
	}
	for _, m := range append(moves, [2]string{StoreName, StoreName}) {
		if err := os.Rename(filepath.Join(temp, filepath.FromSlash(m[0])), filepath.Join(dir, m[1])); err != nil {
			return nil, err
		}
		placed = append(placed, m[1])
	}
	return out, nil
}

// emptyDirectory makes dir, or makes sure that nothing is in it but what an
// interrupted restore left behind, and what a file system of its own begins
// with.
func emptyDirectory(dir string) (made bool, err error) {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil { //nolint:gosec // the parent is the operator's
		return false, err
	}
	err = os.Mkdir(dir, 0o700)
	if err == nil {
		return true, nil
	}
	if !errors.Is(err, fs.ErrExist) {
		return false, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false, err
	}
	for _, e := range entries {
		left, _ := filepath.Match(restoring, e.Name()) // the only error is a bad pattern
		if !left && e.Name() != "lost+found" {
			return false, fmt.Errorf("the data directory %s is not empty (%s): a backup is restored into an empty one only; %w", dir, e.Name(), fs.ErrExist)
		}
	}
	info, err := os.Stat(dir)
	if err != nil {
		return false, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return false, fmt.Errorf("data directory %s: others may enter it (mode %04o); run chmod 700 %s", dir, info.Mode().Perm(), dir)
	}
	for _, e := range entries {
		if e.Name() != "lost+found" {
			_ = os.RemoveAll(filepath.Join(dir, e.Name()))
		}
	}
	return false, nil
}

// unpack writes every member below dir, durably.
func unpack(ctx context.Context, r *Reader, dir string) error {
	for _, sub := range []string{RecordDir, KEKDir} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
			return err
		}
	}
	for {
		m, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		f, err := os.OpenFile(filepath.Join(dir, filepath.FromSlash(m.Name)), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		_, err = io.Copy(f, r)
		if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
			return err
		}
	}
	return errors.Join(store.SyncDir(filepath.Join(dir, RecordDir)), store.SyncDir(filepath.Join(dir, KEKDir)), store.SyncDir(dir))
}

// keksIn says where the keys of a backup go: to the name that their URI has in
// the data directory, or else to kek, kek-2 and so on.
func keksIn(b *Restored, dir string) (out []RestoredKEK, err error) {
	taken := []string{StoreName, RecordDir}
	for _, f := range b.Files {
		id, ok := KEKOf(f.Name)
		if !ok {
			continue
		}
		i := slices.IndexFunc(b.Header.KEKs, func(k KEK) bool { return k.ID == id })
		if i < 0 {
			return nil, damaged("it holds a key that its store is not sealed with")
		}
		name := "kek"
		if at, ok := store.KEKFile(b.Header.KEKs[i].URI, dir); ok && filepath.Dir(at) == filepath.Clean(dir) && baseName.MatchString(filepath.Base(at)) {
			name = filepath.Base(at)
		}
		for n, first := 2, name; slices.Contains(taken, name); n++ {
			name = fmt.Sprintf("%s-%d", first, n)
		}
		taken = append(taken, name)
		out = append(out, RestoredKEK{ID: id, Path: filepath.Join(dir, name), URI: "file:" + name})
	}
	return out, nil
}

// tryKEK opens the unpacked store with a key that came with it.
func tryKEK(ctx context.Context, dir, id string) error {
	kek, err := store.OpenFileKEK(filepath.Join(dir, filepath.FromSlash(KEKName(id))))
	if err != nil {
		return err
	}
	if kek.ID() != id {
		return damaged(fmt.Sprintf("the key that it calls %s is %s", id, kek.ID()))
	}
	return store.VerifyBolt(ctx, filepath.Join(dir, StoreName), store.Options{KEK: kek})
}

// KEKFiles are the files of the keys that a backup's header names. A key that
// is not in a file is an error: it cannot come along.
func (h *Header) KEKFiles(dataDir string) (map[string]string, error) {
	files := map[string]string{}
	for _, k := range h.KEKs {
		at, ok := store.KEKFile(k.URI, dataDir)
		if !ok {
			scheme, _, _ := strings.Cut(k.URI, ":")
			return nil, fmt.Errorf("the key encryption key %s is not in a file (%s:): it cannot be put into a backup", k.ID, scheme)
		}
		files[k.ID] = at
	}
	return files, nil
}
