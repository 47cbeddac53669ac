package backup

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/store"
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// house is a store with a team in it, and its KEK in a file.
func house(t *testing.T) (db []byte, kek store.KEK, kekText []byte) {
	t.Helper()
	dir := t.TempDir()
	kek, err := store.CreateFileKEK(filepath.Join(dir, "kek"))
	check(t, err)
	s, err := store.OpenBolt(filepath.Join(dir, StoreName), store.Options{KEK: kek})
	check(t, err)
	_, err = s.EnsureTeam(t.Context(), auth.DefaultTeam)
	check(t, err)
	snap, err := s.Snapshot(t.Context())
	check(t, err)
	db, err = io.ReadAll(snap)
	check(t, err)
	check(t, errors.Join(snap.Close(), s.Close()))
	kekText, err = os.ReadFile(filepath.Join(dir, "kek"))
	check(t, err)
	return db, kek, kekText
}

// member is what a test puts into a backup.
type member struct {
	name    string
	content []byte
}

func made(t *testing.T, h Header, members ...member) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := NewWriter(&b, h)
	check(t, err)
	for _, m := range members {
		check(t, w.Add(m.name, int64(len(m.content)), bytes.NewReader(m.content)))
	}
	check(t, w.Close())
	return b.Bytes()
}

// restored restores content into a new directory.
func restored(t *testing.T, content []byte) (dir string, r *Restored, err error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "backup.tar")
	check(t, os.WriteFile(file, content, 0o600))
	dir = filepath.Join(t.TempDir(), "data")
	r, err = Restore(t.Context(), file, dir)
	return dir, r, err
}

func names(t *testing.T, dir string) (out []string) {
	t.Helper()
	check(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			out = append(out, rel)
			info, _ := d.Info()
			if info.Mode().Perm() != 0o600 {
				t.Errorf("%s has mode %o", rel, info.Mode().Perm())
			}
		}
		return err
	}))
	return out
}

func TestRestorePutsEverythingBack(t *testing.T) {
	t.Parallel()
	db, kek, text := house(t)
	h := Header{MadeAt: time.Now(), Version: "test", KEKs: []KEK{{ID: kek.ID(), URI: "file:/elsewhere/the-kek"}}}
	line := []byte(`{"action":"used"}` + "\n")
	content := made(t, h, member{StoreName, db}, member{"audit/audit-2026-11.jsonl", line}, member{KEKName(kek.ID()), text})
	dir, r, err := restored(t, content)
	check(t, err)
	if got := names(t, dir); !slices.Equal(got, []string{"audit/audit-2026-11.jsonl", "kek", StoreName}) {
		t.Errorf("restored %v", got)
	}
	if len(r.KEKs) != 1 || r.KEKs[0].URI != "file:kek" || r.KEKs[0].ID != kek.ID() {
		t.Errorf("the key: %+v", r.KEKs)
	}
	got, err := os.ReadFile(filepath.Join(dir, "audit", "audit-2026-11.jsonl"))
	check(t, err)
	if !bytes.Equal(got, line) {
		t.Errorf("the record: %q", got)
	}
	back, err := store.OpenFileKEK(filepath.Join(dir, "kek"))
	check(t, err)
	check(t, store.VerifyBolt(t.Context(), filepath.Join(dir, StoreName), store.Options{KEK: back}))

	// Once more is not into an empty directory; what is there stays.
	file := filepath.Join(t.TempDir(), "again.tar")
	check(t, os.WriteFile(file, content, 0o600))
	if _, err := Restore(t.Context(), file, dir); !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("into a directory that is in use: %v", err)
	}
	if got := names(t, dir); len(got) != 3 {
		t.Errorf("after the refusal: %v", got)
	}
}

// Of a backup that was cut at any place, or in which any byte was changed,
// nothing is restored.
func TestADamagedBackupRestoresNothing(t *testing.T) {
	t.Parallel()
	db, kek, _ := house(t)
	content := made(t, Header{KEKs: []KEK{{ID: kek.ID()}}}, member{StoreName, db[:8192]}, member{"audit/a.jsonl", []byte("{}\n")})
	refuse := func(what string, at int, b []byte) {
		t.Helper()
		if _, _, err := Verify(bytes.NewReader(b)); !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNotBackup) {
			t.Errorf("%s at byte %d of %d: %v", what, at, len(content), err)
		}
	}
	for at := 0; at < len(content); at += 97 {
		refuse("cut", at, content[:at])
	}
	for _, at := range []int{len(content) - 1, len(content) - 512, len(content) - 1024} {
		refuse("cut", at, content[:at])
	}
	refuse("longer", len(content), append(slices.Clone(content), 0))

	// Every byte that is of a member, or of its description.
	r := tar.NewReader(bytes.NewReader(content))
	for at := int64(0); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		check(t, err)
		for i := at; i < at+tarBlock+h.Size; i += 37 {
			b := slices.Clone(content)
			b[i] ^= 0x20
			refuse("changed", int(i), b)
		}
		at += tarBlock + (h.Size+tarBlock-1)/tarBlock*tarBlock
	}

	b := slices.Clone(content)
	b[len(b)/2] ^= 1
	dir, _, err := restored(t, b)
	if _, statErr := os.Stat(dir); !errors.Is(err, ErrDamaged) || !errors.Is(statErr, fs.ErrNotExist) {
		t.Errorf("%v, and the directory: %v", err, statErr)
	}
}

// What is well formed and not ours is refused as well.
func TestAForeignBackupRestoresNothing(t *testing.T) {
	t.Parallel()
	db, kek, text := house(t)
	h := Header{KEKs: []KEK{{ID: kek.ID()}}}
	_, _, otherText := house(t)
	for what, content := range map[string][]byte{
		"empty":                   nil,
		"text":                    []byte(strings.Repeat("no tar at all\n", 100)),
		"no store":                made(t, h, member{"audit/a.jsonl", nil}),
		"two stores":              made(t, h, member{StoreName, db}, member{StoreName, db}),
		"a key of another":        made(t, h, member{StoreName, db}, member{KEKName("kek_0000000000000000"), text}),
		"another key by its name": made(t, h, member{StoreName, db}, member{KEKName(kek.ID()), otherText}),
		"half a store":            made(t, h, member{StoreName, db[:9000]}, member{KEKName(kek.ID()), text}),
	} {
		dir, _, err := restored(t, content)
		if _, statErr := os.Stat(dir); err == nil || !errors.Is(statErr, fs.ErrNotExist) {
			t.Errorf("%s: %v, and the directory: %v", what, err, statErr)
		}
	}
	// Names that lead out of the directory, links, and other versions.
	for what, change := range map[string]func(*tar.Header){
		"out":     func(h *tar.Header) { h.Name = "audit/../../x" },
		"rooted":  func(h *tar.Header) { h.Name = "/etc/passwd" },
		"deep":    func(h *tar.Header) { h.Name = "audit/a/b" },
		"hidden":  func(h *tar.Header) { h.Name = "audit/.x" },
		"a link":  func(h *tar.Header) { h.Typeflag, h.Linkname, h.Size = tar.TypeSymlink, "/etc", 0 },
		"unknown": func(h *tar.Header) { h.Name = "admin.sock" },
	} {
		var b bytes.Buffer
		w, err := NewWriter(&b, h)
		check(t, err)
		head := &tar.Header{Typeflag: tar.TypeReg, Name: StoreName, Mode: 0o600}
		change(head)
		check(t, w.tar.WriteHeader(head))
		w.files = append(w.files, File{Name: head.Name, SHA256: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"})
		check(t, w.Close())
		if _, _, err := Verify(&b); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", what, err)
		}
	}
	later := bytes.Replace(made(t, h, member{StoreName, db}), []byte(Format), []byte("weighbridge backup 2"), 1)
	if _, _, err := Verify(bytes.NewReader(later)); !errors.Is(err, ErrNotBackup) {
		t.Errorf("a later version: %v", err)
	}
}

// A restore that was killed is begun again over what it left.
func TestRestoreOverAnInterruptedOne(t *testing.T) {
	t.Parallel()
	db, kek, _ := house(t)
	file := filepath.Join(t.TempDir(), "backup.tar")
	check(t, os.WriteFile(file, made(t, Header{KEKs: []KEK{{ID: kek.ID(), URI: "file:kek"}}}, member{StoreName, db}), 0o600))
	dir := t.TempDir()
	check(t, os.Chmod(dir, 0o700))
	check(t, os.MkdirAll(filepath.Join(dir, ".restore-123", "audit"), 0o700))
	check(t, os.Mkdir(filepath.Join(dir, "lost+found"), 0o700))
	_, err := Restore(t.Context(), file, dir)
	check(t, err)
	if got := names(t, dir); !slices.Equal(got, []string{StoreName}) {
		t.Errorf("restored %v", got)
	}
	check(t, os.Chmod(dir, 0o755))
	check(t, os.RemoveAll(filepath.Join(dir, StoreName)))
	check(t, os.RemoveAll(filepath.Join(dir, "audit")))
	if _, err := Restore(t.Context(), file, dir); err == nil || !strings.Contains(err.Error(), "chmod 700") {
		t.Errorf("into a directory that others may enter: %v", err)
	}
}

func FuzzVerify(f *testing.F) {
	var b bytes.Buffer
	w, err := NewWriter(&b, Header{})
	check(f, err)
	check(f, w.Add(StoreName, 3, strings.NewReader("abc")))
	check(f, w.Close())
	f.Add(b.Bytes())
	f.Add(b.Bytes()[:700])
	f.Add([]byte("x"))
	f.Fuzz(func(t *testing.T, content []byte) {
		h, files, err := Verify(bytes.NewReader(content))
		if err != nil {
			return
		}
		if h.Format != Format || !slices.ContainsFunc(files, func(f File) bool { return f.Name == StoreName }) {
			t.Errorf("taken: %+v, %v", h, files)
		}
	})
}
