package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// remoteKEK is a key service over a local key: it may be down, and counts.
type remoteKEK struct {
	KEK
	down  atomic.Bool
	after atomic.Int64 // so many unwraps until it goes down; 0 is never
	asked atomic.Int64
	delay time.Duration
}

type downError struct{ error }

func (downError) OutOfReach() bool { return true }
func (downError) Transient() bool  { return true }

var errDown = downError{errors.New("key service: it cannot be reached")}

func (k *remoteKEK) Unwrap(ctx context.Context, wrapped, aad []byte) ([]byte, error) {
	n := k.asked.Add(1)
	if k.delay > 0 {
		time.Sleep(k.delay)
	}
	if after := k.after.Load(); k.down.Load() || after > 0 && n > after {
		return nil, errDown
	}
	return k.KEK.Unwrap(ctx, wrapped, aad)
}

// wantTokens checks that every credential opens to its token.
func wantTokens(t *testing.T, s Store, n int) {
	t.Helper()
	st, err := s.State(t.Context())
	check(t, err)
	equal(t, "number of credentials", len(st.Credentials), n)
	for _, c := range st.Credentials {
		f, err := s.OpenFields(t.Context(), c.ID, c.Version, "token")
		check(t, err)
		equal(t, "token", f["token"].Reveal(), "secret of "+c.Name)
	}
}

// TestR8_RotationUnderLoad: every DEK is wrapped anew while credentials are
// opened, made, changed and deleted, and nothing fails; afterwards the old KEK
// opens nothing.
func TestR8_RotationUnderLoad(t *testing.T) {
	t.Parallel()
	old, fresh := newKEK(t), newKEK(t)
	c, path, team := newBolt(t, old)
	n := scaled(200, 10_000)
	for i := range n {
		create(t, c, team, fmt.Sprintf("c%d", i), fmt.Sprintf("secret of c%d", i))
	}
	check(t, c.PutSealed(t.Context(), "ca.key", []byte("pem")))
	key, err := c.CreateS3Key(t.Context(), auth.Key{TeamID: team, Name: "s3", Scope: auth.ScopeRead, S3: &auth.S3Access{AccessKeyID: auth.NewS3AccessKeyID(), Buckets: []string{"bucket"}}}, auth.NewSecret("s3 secret"), nil, auth.Event{Actor: "cli"})
	check(t, err)
	ctx, stop := context.WithCancel(t.Context())
	var load sync.WaitGroup
	var opened atomic.Int64
	for w := range 4 {
		load.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				st, err := c.State(context.Background())
				if err != nil {
					t.Error(err)
					return
				}
				cred := st.Credentials[rand.IntN(len(st.Credentials))]
				if f, err := c.OpenFields(context.Background(), cred.ID, cred.Version); err == nil && strings.HasPrefix(f["token"].Reveal(), "secret of ") {
					opened.Add(1)
				} else if !errors.Is(err, ErrNotFound) {
					t.Errorf("%s: %v", cred.Name, err)
					return
				}
				name := fmt.Sprintf("w%d-%d", w, i/3)
				switch i % 3 {
				case 0:
					_, err = c.CreateCredential(context.Background(), sampleCredential(team, name), auth.Fields{"token": auth.NewSecret("secret of " + name)}, nil, auth.Event{Actor: "cli"})
				case 1:
					_, err = c.UpdateCredential(context.Background(), team, name, nil, auth.Fields{"token": auth.NewSecret("secret of " + name)}, auth.Event{Actor: "cli"})
				default:
					err = c.DeleteCredential(context.Background(), team, name, auth.Event{Actor: "cli"})
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	last := 0
	err = c.RotateKEK(t.Context(), fresh, "env:NEW", auth.Event{Actor: "cli"}, func(done, total int) {
		if done > total {
			t.Errorf("%d of %d are done", done, total)
		}
		last = done
	})
	stop()
	load.Wait()
	check(t, err)
	if last < n || opened.Load() == 0 {
		t.Fatalf("it said that %d are done, and %d were opened meanwhile", last, opened.Load())
	}
	s, err := c.KEKs(t.Context())
	check(t, err)
	if len(s.Uses) != 1 || s.Uses[0].KEK != fresh.ID() || !s.Uses[0].RowKey || s.Rotation != nil || s.KEK != fresh.ID() || s.URI != "env:NEW" {
		t.Fatalf("status is %+v", s)
	}
	secret, err := c.S3Secret(t.Context(), key.ID, 1)
	check(t, err)
	equal(t, "S3 secret", secret.Reveal(), "s3 secret")
	var acts []string
	check(t, c.Events(t.Context(), "", time.Time{}, func(ev auth.Event) bool {
		if strings.HasPrefix(ev.Action, "kek.") {
			acts = append(acts, ev.Action+" "+ev.Reason)
		}
		return true
	}))
	if len(acts) != 2 || !strings.HasPrefix(acts[0], "kek.rotate from "+old.ID()) || !strings.HasPrefix(acts[1], "kek.rotated from "+old.ID()) {
		t.Fatalf("the record says %q", acts)
	}
	// Once more is nothing to do.
	check(t, c.RotateKEK(t.Context(), fresh, "env:NEW", auth.Event{Actor: "cli"}, nil))
	st, err := c.State(t.Context())
	check(t, err)
	check(t, c.Close())

	if text := wantOpenError(t, path, old, ErrWrongKEK); !strings.Contains(text, "rotated it to "+fresh.ID()) {
		t.Fatalf("error is %q", text)
	}
	b, err := os.ReadFile(path)
	check(t, err)
	if bytes.Contains(b, []byte("secret of")) {
		t.Fatal("a secret is in the file")
	}
	c = reopen(t, path, fresh)
	for _, cred := range st.Credentials {
		_, err := c.OpenFields(t.Context(), cred.ID, cred.Version)
		check(t, err)
	}
	pem, err := c.Sealed(t.Context(), "ca.key")
	check(t, err)
	equal(t, "sealed value", string(pem), "pem")
}

// TestR8_ARotationThatStopsGoesOn: the key service goes away half way; what is
// done is done, both KEKs open the store, and it goes on from there, also after
// a restart with either KEK configured; or back.
func TestR8_ARotationThatStopsGoesOn(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name              string
		configured, to    int
		wantFirst, wantTo int
	}{
		{"the old one is configured", 0, 1, 1, 1},
		{"the new one is configured", 1, 1, 1, 1},
		{"back to the old one", 0, 0, 1, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			keks := []KEK{&remoteKEK{KEK: newKEK(t)}, &remoteKEK{KEK: newKEK(t)}}
			uris := []string{"env:OLD", "env:NEW"}
			o := Options{KEK: keks[0], KEKURI: uris[0], OpenKEK: func(_ context.Context, uri string) (KEK, error) {
				for i := range uris {
					if uris[i] == uri {
						return keks[i], nil
					}
				}
				return nil, errors.New("no such KEK")
			}}
			path := filepath.Join(t.TempDir(), "weighbridge.db")
			c, err := openBolt(t.Context(), path, o, nil)
			check(t, err)
			team, err := c.EnsureTeam(t.Context(), auth.DefaultTeam)
			check(t, err)
			const n = 3*rotateBatch + 5
			for i := range n {
				create(t, c, team.ID, fmt.Sprintf("c%d", i), fmt.Sprintf("secret of c%d", i))
			}
			old := keks[0].(*remoteKEK)
			old.after.Store(old.asked.Load() + rotateBatch + 10)
			err = c.RotateKEK(t.Context(), keks[1], uris[1], auth.Event{Actor: "cli"}, nil)
			if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "can go on from there") {
				t.Fatalf("error is %v", err)
			}
			oneLine(t, err)
			old.after.Store(0)
			s, err := c.KEKs(t.Context())
			check(t, err)
			if s.Rotation == nil || s.Rotation.Done < rotateBatch || s.Rotation.Done >= n || len(s.Uses) != 2 || !s.Uses[0].RowKey || !s.Uses[1].RowKey {
				t.Fatalf("status is %+v", s)
			}
			wantTokens(t, c, n)
			other := newKEK(t)
			if err := c.RotateKEK(t.Context(), other, "env:THIRD", auth.Event{Actor: "cli"}, nil); !errors.Is(err, ErrConflict) {
				t.Fatalf("error is %v, want ErrConflict", err)
			}
			check(t, c.Close())

			o.KEK, o.KEKURI = keks[test.configured], uris[test.configured]
			broken := o
			broken.OpenKEK = func(context.Context, string) (KEK, error) { return other, nil }
			if _, err := openBolt(t.Context(), path, broken, nil); err == nil || !strings.Contains(err.Error(), "both are needed") {
				t.Fatalf("error is %v", err)
			}
			check(t, VerifyBolt(t.Context(), path, o))
			c, err = openBolt(t.Context(), path, o, nil)
			check(t, err)
			s, err = c.KEKs(t.Context())
			check(t, err)
			equal(t, "KEK", s.URI, uris[1])
			wantTokens(t, c, n)
			create(t, c, team.ID, "more", "secret of more")
			check(t, c.RotateKEK(t.Context(), keks[test.to], uris[test.to], auth.Event{Actor: "cli"}, nil))
			wantTokens(t, c, n+1)
			check(t, c.Close())
			wantOpenError(t, path, keks[1-test.to], ErrWrongKEK)
			wantTokens(t, reopen(t, path, keks[test.to]), n+1)
		})
	}
}

// TestR8_KilledDuringRotation: kill -9 at random moments of one rotation after
// the other, beside a load; every credential opens after each start.
func TestR8_KilledDuringRotation(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const n = 150
	check(t, rotationYard(dir, n))
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	dice := rand.New(rand.NewPCG(seed, 8))
	cut := 0
	for range scaled(12, 60) {
		cmd, out := startChild(t, "rotate", dir, "")
		if out.Scan() { // it is about to begin
			time.Sleep(time.Duration(dice.IntN(25_000)) * time.Microsecond)
		}
		_ = cmd.Process.Kill()
		for out.Scan() {
		}
		_ = cmd.Wait()
		c, err := rotationStart(dir)
		check(t, err)
		s, err := c.KEKs(t.Context())
		check(t, err)
		if s.Rotation != nil {
			cut++
		}
		wantTokens(t, c, n)
		check(t, c.Close())
	}
	t.Logf("%d rotations were cut short", cut)
	// The last one goes to its end, and what it left opens nothing.
	c, err := rotationStart(dir)
	check(t, err)
	check(t, rotateOn(c, dir))
	wantTokens(t, c, n)
	s, err := c.KEKs(t.Context())
	check(t, err)
	check(t, c.Close())
	for i := range 2 {
		k, err := OpenKEK(fmt.Sprintf("file:kek%d", i), dir)
		check(t, err)
		if k.ID() != s.KEK {
			wantOpenError(t, filepath.Join(dir, "weighbridge.db"), k, ErrWrongKEK)
		}
	}
}

// rotationYard makes two KEKs and a store with n credentials under the first.
func rotationYard(dir string, n int) error {
	for i := range 2 {
		if _, err := CreateFileKEK(filepath.Join(dir, fmt.Sprintf("kek%d", i))); err != nil {
			return err
		}
	}
	c, err := rotationStart(dir)
	if err != nil {
		return err
	}
	team, err := c.EnsureTeam(background, auth.DefaultTeam)
	if err != nil {
		return err
	}
	for i := range n {
		name := fmt.Sprintf("c%d", i)
		if _, err := c.CreateCredential(background, sampleCredential(team.ID, name), auth.Fields{"token": auth.NewSecret("secret of " + name)}, nil, auth.Event{Actor: "cli"}); err != nil {
			return err
		}
	}
	return c.Close()
}

// rotationStart opens the store with the KEK that opens it, as an operator who
// follows what the errors say.
func rotationStart(dir string) (*core, error) {
	var errs []error
	for i := range 2 {
		uri := fmt.Sprintf("file:kek%d", i)
		k, err := OpenKEK(uri, dir)
		if err != nil {
			return nil, err
		}
		c, err := openBolt(background, filepath.Join(dir, "weighbridge.db"), Options{KEK: k, KEKURI: uri,
			OpenKEK: func(_ context.Context, uri string) (KEK, error) { return OpenKEK(uri, dir) }}, nil)
		if err == nil {
			return c, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// rotateOn goes on with the rotation that is on its way, or begins one to the
// other KEK.
func rotateOn(c *core, dir string) error {
	s, err := c.KEKs(background)
	if err != nil {
		return err
	}
	uri := map[string]string{"file:kek0": "file:kek1", "file:kek1": "file:kek0"}[s.URI]
	if s.Rotation != nil {
		uri = s.Rotation.ToURI
	}
	to, err := OpenKEK(uri, dir)
	if err != nil {
		return err
	}
	return c.RotateKEK(background, to, uri, auth.Event{Actor: "cli"}, nil)
}

// childRotate rotates to and fro for ever.
func childRotate(dir string) error {
	c, err := rotationStart(dir)
	if err != nil {
		return err
	}
	fmt.Println("begin")
	for {
		if err := rotateOn(c, dir); err != nil {
			return err
		}
	}
}
