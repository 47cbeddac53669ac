package store

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/weighbridge/weighbridge/auth"
)

// canary is a secret that looks different in every encoding.
const canary = "wb-canary/+?=&%é\"7f1c9a"

// forms are the shapes in which a secret may lie about.
func forms(secret string) map[string]string {
	quoted, _ := json.Marshal(secret)
	out := map[string]string{
		"raw":     secret,
		"inside":  secret[4:20],
		"JSON":    strings.Trim(string(quoted), `"`),
		"hex":     hex.EncodeToString([]byte(secret)),
		"HEX":     strings.ToUpper(hex.EncodeToString([]byte(secret))),
		"percent": url.PathEscape(secret),
		"query":   url.QueryEscape(secret),
	}
	// Base64 of a text that holds the secret has one of three alignments; the
	// last group depends on what follows.
	for i := range 3 {
		whole := secret[i : i+(len(secret)-i)/3*3]
		out["base64 "+strconv.Itoa(i)] = base64.StdEncoding.EncodeToString([]byte(whole))
		out["base64url "+strconv.Itoa(i)] = base64.URLEncoding.EncodeToString([]byte(whole))
	}
	return out
}

func TestT56_NoSecretIsInTheFile(t *testing.T) {
	c, path, team := newBolt(t, newKEK(t))
	k, err := c.CreateKey(t.Context(), sampleKey(team, "worker"), nil, auth.Event{Actor: "cli"})
	check(t, err)
	create(t, c, team, "hf", canary, k.ID)
	for _, at := range []string{"now and gone", "updated", "deleted"} {
		switch at {
		case "updated":
			_, err = c.UpdateCredential(t.Context(), team, "hf", nil, auth.Fields{"token": auth.NewSecret(canary), "password": auth.NewSecret("x" + canary)}, auth.Event{})
			check(t, err)
		case "deleted":
			check(t, c.DeleteCredential(t.Context(), team, "hf", auth.Event{}))
		}
		check(t, c.PutSealed(t.Context(), "ca.key", []byte(canary)))
		check(t, c.SyncDeclarative(t.Context(), team, []DeclaredCredential{{Credential: sampleCredential("", "cfg"), Secrets: auth.Fields{"token": auth.NewSecret(canary)}}}, nil, auth.Event{}))
		files, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*"))
		check(t, err)
		equal(t, "number of files", len(files), 1)
		content, err := os.ReadFile(path)
		check(t, err)
		for form, text := range forms(canary) {
			if bytes.Contains(content, []byte(text)) {
				t.Fatalf("%s: the file holds the secret in its form %s", at, form)
			}
		}
		if !bytes.Contains(content, []byte(`"name":"worker"`)) {
			t.Fatal("the search finds nothing at all")
		}
	}
}

func TestT56_WrongKEKDoesNotOpenTheStore(t *testing.T) {
	right, wrong := newKEK(t), newKEK(t)
	c, path, team := newBolt(t, right)
	cred := create(t, c, team, "hf", "t")
	check(t, c.Close())
	before, err := os.ReadFile(path)
	check(t, err)
	text := wantOpenError(t, path, wrong, ErrWrongKEK)
	equal(t, "error", text, "the KEK "+wrong.ID()+" does not open this store: it was sealed with "+right.ID()+"; give it the KEK that it was made with (setting kek)")
	after, err := os.ReadFile(path)
	check(t, err)
	equal(t, "the file is as it was", bytes.Equal(before, after), true)
	f, err := reopen(t, path, right).OpenFields(t.Context(), cred.ID, 1)
	check(t, err)
	equal(t, "token", f["token"].Reveal(), "t")
	if _, err := OpenBolt(path, Options{}); !errors.Is(err, ErrInvalid) {
		t.Fatalf("without a KEK: %v", err)
	}
}

func filepathCopy(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	check(t, err)
	to := filepath.Join(t.TempDir(), "copy.db")
	check(t, os.WriteFile(to, b, 0o600))
	return to
}

// Whoever can write the file and does not hold the KEK changes nothing unseen:
// every row carries a tag over its bucket, key and value.
func TestT56_ChangedRowsAreRefused(t *testing.T) {
	kek := newKEK(t)
	c, path, team := newBolt(t, kek)
	a, b := create(t, c, team, "a", "t"), create(t, c, team, "b", "t")
	k, err := c.CreateKey(t.Context(), sampleKey(team, "k"), []string{"a"}, auth.Event{})
	check(t, err)
	check(t, c.Close())
	get := func(tx *bbolt.Tx, bucket, key string) []byte {
		return bytes.Clone(tx.Bucket([]byte(bucket)).Get([]byte(key)))
	}
	put := func(tx *bbolt.Tx, bucket, key string, v []byte) error {
		return tx.Bucket([]byte(bucket)).Put([]byte(key), v)
	}
	swap := func(tx *bbolt.Tx, bucket, x, y string) error {
		vx, vy := get(tx, bucket, x), get(tx, bucket, y)
		return errors.Join(put(tx, bucket, x, vy), put(tx, bucket, y, vx))
	}
	for name, change := range map[string]func(tx *bbolt.Tx) error{
		"a pattern": func(tx *bbolt.Tx) error {
			return put(tx, bucketCredentials, a.ID, bytes.Replace(get(tx, bucketCredentials, a.ID), []byte("models.example"), []byte("attack.example"), 1))
		},
		"a scope": func(tx *bbolt.Tx) error {
			return put(tx, bucketKeys, k.ID, bytes.Replace(get(tx, bucketKeys, k.ID), []byte(`"read"`), []byte(`"write"`), 1))
		},
		"credentials exchanged":   func(tx *bbolt.Tx) error { return swap(tx, bucketCredentials, a.ID, b.ID) },
		"sealed fields exchanged": func(tx *bbolt.Tx) error { return swap(tx, bucketSealed, a.ID, b.ID) },
		"DEKs exchanged":          func(tx *bbolt.Tx) error { return swap(tx, bucketDEKs, a.ID, b.ID) },
		"a row in another table": func(tx *bbolt.Tx) error {
			return put(tx, bucketSealed, a.ID, get(tx, bucketDEKs, a.ID))
		},
		"a link made": func(tx *bbolt.Tx) error {
			return put(tx, bucketLinks, b.ID+"/"+k.ID, get(tx, bucketLinks, a.ID+"/"+k.ID))
		},
		"a link removed":       func(tx *bbolt.Tx) error { return tx.Bucket([]byte(bucketLinks)).Delete([]byte(a.ID + "/" + k.ID)) },
		"a credential removed": func(tx *bbolt.Tx) error { return tx.Bucket([]byte(bucketCredentials)).Delete([]byte(b.ID)) },
		"a DEK removed":        func(tx *bbolt.Tx) error { return tx.Bucket([]byte(bucketDEKs)).Delete([]byte(b.ID)) },
		"the head removed":     func(tx *bbolt.Tx) error { return tx.Bucket([]byte(bucketMeta)).Delete([]byte(metaHead)) },
		"the KEK row removed":  func(tx *bbolt.Tx) error { return tx.Bucket([]byte(bucketMeta)).Delete([]byte(metaKEK)) },
		"the schema removed":   func(tx *bbolt.Tx) error { return tx.Bucket([]byte(bucketMeta)).Delete([]byte(metaSchema)) },
		"a table removed":      func(tx *bbolt.Tx) error { return tx.DeleteBucket([]byte(bucketLinks)) },
		"an empty row":         func(tx *bbolt.Tx) error { return put(tx, bucketKeys, k.ID, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			changed := filepathCopy(t, path)
			raw(t, changed, change)
			wantOpenError(t, changed, kek, ErrDamaged)
		})
	}
	check(t, reopen(t, path, kek).Close())
}

// An older row put back is refused although its tag is good, and so is a row
// that is gone or was put back after it was deleted: the head knows all of
// them. A revoked key stays revoked.
func TestT56_RolledBackRowsAreRefused(t *testing.T) {
	kek := newKEK(t)
	c, path, team := newBolt(t, kek)
	cred := create(t, c, team, "hf", "first")
	spare := create(t, c, team, "spare", "t")
	k, err := c.CreateKey(t.Context(), sampleKey(team, "k"), []string{"hf"}, auth.Event{})
	check(t, err)
	gone, err := c.CreateKey(t.Context(), sampleKey(team, "gone"), nil, auth.Event{})
	check(t, err)
	place := map[string]string{
		bucketSealed: cred.ID, bucketDEKs: cred.ID, bucketCredentials: cred.ID, bucketKeys: k.ID, bucketLinks: cred.ID + "/" + k.ID,
	}
	old := map[string][]byte{}
	var goneRow []byte
	check(t, c.drv.(*boltDriver).db.View(func(tx *bbolt.Tx) error {
		for b, key := range place {
			old[b] = bytes.Clone(tx.Bucket([]byte(b)).Get([]byte(key)))
		}
		goneRow = bytes.Clone(tx.Bucket([]byte(bucketKeys)).Get([]byte(gone.ID)))
		return nil
	}))
	_, err = c.UpdateCredential(t.Context(), team, "hf", nil, auth.Fields{"token": auth.NewSecret("second")}, auth.Event{})
	check(t, err)
	_, err = c.UpdateKey(t.Context(), team, "k", func(k *auth.Key) error { k.RevokedAt = time.Now(); return nil }, auth.Event{})
	check(t, err)
	_, err = c.Unlink(t.Context(), team, "hf", "k", auth.Event{})
	check(t, err)
	check(t, c.DeleteKey(t.Context(), team, "gone", auth.Event{}))
	check(t, c.Close())

	for _, back := range [][]string{
		{bucketSealed}, {bucketDEKs}, {bucketCredentials}, {bucketKeys}, {bucketLinks},
		{bucketSealed, bucketDEKs}, {bucketSealed, bucketDEKs, bucketCredentials},
	} {
		t.Run(strings.Join(back, " and "), func(t *testing.T) {
			changed := filepathCopy(t, path)
			raw(t, changed, func(tx *bbolt.Tx) (err error) {
				for _, b := range back {
					err = errors.Join(err, tx.Bucket([]byte(b)).Put([]byte(place[b]), old[b]))
				}
				return err
			})
			wantOpenError(t, changed, kek, ErrDamaged)
		})
	}
	t.Run("a deleted key for another row", func(t *testing.T) {
		changed := filepathCopy(t, path)
		raw(t, changed, func(tx *bbolt.Tx) error {
			// The counts stay as they were.
			return errors.Join(tx.Bucket([]byte(bucketKeys)).Put([]byte(gone.ID), goneRow),
				tx.Bucket([]byte(bucketKeys)).Delete([]byte(k.ID)))
		})
		wantOpenError(t, changed, kek, ErrDamaged)
	})
	again := reopen(t, path, kek)
	f, err := again.OpenFields(t.Context(), cred.ID, 2)
	check(t, err)
	equal(t, "token", f["token"].Reveal(), "second")
	_, err = again.OpenFields(t.Context(), spare.ID, 1)
	check(t, err)
}

func TestDeletedCredentialLeavesNoRow(t *testing.T) {
	c, _, team := newBolt(t, newKEK(t))
	k, err := c.CreateKey(t.Context(), sampleKey(team, "k"), nil, auth.Event{})
	check(t, err)
	cred := create(t, c, team, "hf", "t", k.ID)
	check(t, c.DeleteCredential(t.Context(), team, "hf", auth.Event{}))
	check(t, c.drv.(*boltDriver).db.View(func(tx *bbolt.Tx) error {
		for _, b := range tables() {
			return tx.Bucket([]byte(b)).ForEach(func(key, _ []byte) error {
				if strings.Contains(string(key), cred.ID) {
					t.Errorf("%s still has %s", b, key)
				}
				return nil
			})
		}
		return nil
	}))
}

func TestBoltFileIsPrivateAndLocked(t *testing.T) {
	kek := newKEK(t)
	c, path, _ := newBolt(t, kek)
	info, err := os.Stat(path)
	check(t, err)
	if runtime.GOOS != "windows" {
		equal(t, "mode", info.Mode(), fs.FileMode(0o600))
	}
	text := wantOpenError(t, path, kek, ErrInUse)
	if !strings.Contains(text, "in use by another process") {
		t.Fatalf("error is %q", text)
	}
	check(t, c.Close())
	check(t, reopen(t, path, kek).Close())
}

func TestBoltNewerSchemaIsRefused(t *testing.T) {
	kek := newKEK(t)
	c, path, _ := newBolt(t, kek)
	check(t, c.Close())
	raw(t, path, func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte(bucketMeta)).Put([]byte(metaSchema), []byte("4"))
	})
	text := wantOpenError(t, path, kek, ErrNewer)
	if !strings.Contains(text, "its schema is 4, and this weighbridge knows 3 at most") {
		t.Fatalf("error is %q", text)
	}
}

func TestBoltRefusesWhatIsNotAStore(t *testing.T) {
	kek := newKEK(t)
	dir := t.TempDir()
	for name, content := range map[string]string{"empty": "", "short": "hello", "text": strings.Repeat("not a database\n", 10_000)} {
		path := filepath.Join(dir, name)
		check(t, os.WriteFile(path, []byte(content), 0o600))
		wantOpenError(t, path, kek, ErrDamaged)
		after, err := os.ReadFile(path)
		check(t, err)
		equal(t, "the file is as it was", string(after) == content, true)
	}
	wantOpenError(t, dir, kek, ErrDamaged)
	other := filepath.Join(dir, "other.db")
	raw(t, other, func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("jobs")); return err })
	wantOpenError(t, other, kek, ErrDamaged)
	s, err := OpenBolt(filepath.Join(dir, "none", "weighbridge.db"), Options{KEK: kek})
	if err == nil {
		_ = s.Close()
		t.Fatal("a store was made in a directory that does not exist")
	}
	oneLine(t, err)
}

// Many processes may start at once on a new directory: one makes the file, no
// acknowledged row is lost.
func TestR4_ManyFirstStartsAtOnce(t *testing.T) {
	kek := newKEK(t)
	path := filepath.Join(t.TempDir(), "weighbridge.db")
	var group sync.WaitGroup
	for i := range 6 {
		group.Go(func() {
			s, err := OpenBolt(path, Options{KEK: kek, LockTimeout: time.Minute})
			if err != nil {
				t.Error(err)
				return
			}
			team, err := s.EnsureTeam(t.Context(), auth.DefaultTeam)
			if err != nil {
				t.Error(err)
			} else {
				create(t, s, team.ID, string(rune('a'+i)), "t")
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	state, err := reopen(t, path, kek).State(t.Context())
	check(t, err)
	equal(t, "number of teams", len(state.Teams), 1)
	equal(t, "number of credentials", len(state.Credentials), 6)
	files, err := os.ReadDir(filepath.Dir(path))
	check(t, err)
	equal(t, "number of files", len(files), 1)
}

// A declared credential whose sealed fields are damaged is sealed afresh from
// its declaration.
func TestDeclarationRepairsSealedFields(t *testing.T) {
	kek := newKEK(t)
	c, path, team := newBolt(t, kek)
	creds := []DeclaredCredential{{Credential: sampleCredential("", "cfg"), Secrets: auth.Fields{"token": auth.NewSecret("t")}}}
	check(t, c.SyncDeclarative(t.Context(), team, creds, nil, auth.Event{}))
	cred, err := c.Credential(t.Context(), team, "cfg")
	check(t, err)
	// On disk such a row would be refused by its tag or by the digest; in
	// memory nothing has looked at it since.
	c.mu.Lock()
	c.m.sealed[cred.ID] = sealedRow{Version: 1, Fields: map[string][]byte{"token": []byte("nonsense")}}
	c.mu.Unlock()
	if _, err := c.OpenFields(t.Context(), cred.ID, 1); !errors.Is(err, ErrDamaged) {
		t.Fatalf("error is %v", err)
	}
	check(t, c.SyncDeclarative(t.Context(), team, creds, nil, auth.Event{}))
	f, err := c.OpenFields(t.Context(), cred.ID, 2)
	check(t, err)
	equal(t, "token", f["token"].Reveal(), "t")
	check(t, c.Close())
	f, err = reopen(t, path, kek).OpenFields(t.Context(), cred.ID, 2)
	check(t, err)
	equal(t, "token after a restart", f["token"].Reveal(), "t")
}

// Damage to an event is told to whoever reads the events; damage to the last
// one, where a file that was cut or put back would differ, to whoever opens.
func TestDamagedEvents(t *testing.T) {
	kek := newKEK(t)
	c, path, team := newBolt(t, kek)
	for _, name := range []string{"a", "b", "c"} {
		create(t, c, team, name, "t")
	}
	check(t, c.Close())
	damaged := filepathCopy(t, path)
	raw(t, damaged, func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(bucketEvents))
		cursor := b.Cursor()
		cursor.First()
		k, v := cursor.Next()
		return b.Put(slices.Clone(k), bytes.Replace(v, []byte("cli"), []byte("me!"), 1))
	})
	c = reopen(t, damaged, kek)
	n := 0
	err := c.Events(t.Context(), "", time.Time{}, func(auth.Event) bool { n++; return true })
	if !errors.Is(err, ErrDamaged) {
		t.Fatalf("error is %v", err)
	}
	oneLine(t, err)
	equal(t, "number of events before it", n, 1)
	for name, change := range map[string]func(b *bbolt.Bucket, last, value []byte) error{
		"changed": func(b *bbolt.Bucket, last, value []byte) error { return b.Put(last, value[1:]) },
		"gone":    func(b *bbolt.Bucket, last, value []byte) error { return b.Delete(last) },
		"another": func(b *bbolt.Bucket, last, value []byte) error { return b.Put(append(last, 0), value) },
	} {
		t.Run(name, func(t *testing.T) {
			damaged := filepathCopy(t, path)
			raw(t, damaged, func(tx *bbolt.Tx) error {
				b := tx.Bucket([]byte(bucketEvents))
				k, v := b.Cursor().Last()
				return change(b, slices.Clone(k), slices.Clone(v))
			})
			wantOpenError(t, damaged, kek, ErrDamaged)
		})
	}
}

// Verifying reads all of a store and leaves every byte of it as it is.
func TestVerifyBolt(t *testing.T) {
	kek := newKEK(t)
	c, path, team := newBolt(t, kek)
	create(t, c, team, "hf", canary)
	o := Options{KEK: kek, LockTimeout: 100 * time.Millisecond}
	if err := VerifyBolt(t.Context(), path, o); !errors.Is(err, ErrInUse) {
		t.Errorf("of one that is open: %v", err)
	}
	check(t, c.Close())
	before, err := os.ReadFile(path)
	check(t, err)
	check(t, VerifyBolt(t.Context(), path, o))
	if err := VerifyBolt(t.Context(), path, Options{KEK: newKEK(t)}); !errors.Is(err, ErrWrongKEK) {
		t.Errorf("with another KEK: %v", err)
	}
	if err := VerifyBolt(t.Context(), path, Options{}); !errors.Is(err, ErrInvalid) {
		t.Errorf("without a KEK: %v", err)
	}
	if err := VerifyBolt(t.Context(), path+".none", o); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of none: %v", err)
	}
	after, err := os.ReadFile(path)
	check(t, err)
	equal(t, "the file is untouched", bytes.Equal(before, after), true)
	check(t, os.WriteFile(path, after[:len(after)/2], 0o600))
	if err := VerifyBolt(t.Context(), path, o); !errors.Is(err, ErrDamaged) {
		t.Errorf("of half of one: %v", err)
	}
	names, err := os.ReadDir(filepath.Dir(path))
	check(t, err)
	equal(t, "number of files", len(names), 1)
}
