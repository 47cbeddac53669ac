package cases

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/house"
)

// A writer does the same acts over and over, each time with a credential and a
// key of its own, so that how many were acknowledged says what there has to be.
const actsOfARound = 6

// thing is the credential or key of a writer's round.
func thing(kind string, w, round int) string { return fmt.Sprintf("%s%d-%d", kind, w, round) }

// tokenOf is the secret of a version of a writer's credential. What stands
// behind it tells the upstream, and nobody else, which it is.
func tokenOf(name string, version int) string {
	return fmt.Sprintf("tok_of_%s_version_%d_0123456789", name, version)
}

// writer is one who acts; keys are what it was shown.
type writer struct {
	w, done int
	keys    map[string]string
}

// act does the act n.
func (a *writer) act(t *testing.T, api *admin.Client, n int) error {
	round := n / actsOfARound
	cred, key := thing("c", a.w, round), thing("k", a.w, round)
	post := func(path string, in, out any) error {
		return api.Call(t.Context(), http.MethodPost, "/api/v1/"+path, in, out)
	}
	switch n % actsOfARound {
	case 0:
		return post("credentials", admin.NewCredential{Name: cred, Provider: "http_bearer", Fields: map[string]string{"token": tokenOf(cred, 1)},
			Patterns: []string{guarded + "/" + cred + "/*"}, Keys: []string{"w"}, NoValidate: true}, nil)
	case 1:
		var k admin.Key
		err := post("keys", admin.NewKey{Name: key, Credentials: []string{cred}}, &k)
		if err == nil {
			a.keys[key] = k.Key
		}
		return err
	case 2:
		return post("credentials/"+cred+"/rotate", admin.Rotation{Fields: map[string]string{"token": tokenOf(cred, 2)}, NoValidate: true}, nil)
	case 3:
		return post("keys/"+key+"/revoke", nil, nil)
	case 4:
		return api.Call(t.Context(), http.MethodDelete, "/api/v1/links/"+cred+"/"+key, nil, nil)
	default:
		if round%2 == 0 {
			return nil // this one is used on
		}
		return post("credentials/"+cred+"/revoke", nil, nil)
	}
}

// world is what there has to be of a writer once it has done n acts.
func world(w, n int) map[string]string {
	out := map[string]string{}
	for i := range n {
		round := i / actsOfARound
		cred, key := thing("c", w, round), thing("k", w, round)
		switch i % actsOfARound {
		case 0:
			out[cred] = "valid 1 w"
		case 1:
			out[cred], out[key] = "valid 1 "+key+" w", "active"
		case 2:
			out[cred] = "valid 2 " + key + " w"
		case 3:
			out[key] = "revoked"
		case 4:
			out[cred] = "valid 2 w"
		case 5:
			if round%2 == 1 {
				out[cred] = "revoked 3 w"
			}
		}
	}
	return out
}

// worldOf is what there is of a writer.
func worldOf(t *testing.T, api *admin.Client, w int) map[string]string {
	t.Helper()
	creds, err := api.ListCredentials(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	keys, err := api.ListKeys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, c := range creds {
		if strings.HasPrefix(c.Name, fmt.Sprintf("c%d-", w)) {
			out[c.Name] = fmt.Sprintf("%s %d", c.Status, c.Version)
			for _, k := range c.Keys {
				out[c.Name] += " " + k.Name
			}
		}
	}
	for _, k := range keys {
		if strings.HasPrefix(k.Name, fmt.Sprintf("k%d-", w)) {
			out[k.Name] = k.Status
		}
	}
	return out
}

// labelled answers which version of which credential arrived.
func labelled(w http.ResponseWriter, r *http.Request) {
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	name, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	for version := 1; version <= 2; version++ {
		if token == tokenOf(name, version) {
			_, _ = fmt.Fprintf(w, "%s %d", name, version)
			return
		}
	}
	w.WriteHeader(http.StatusUnauthorized)
}

// startOnEither starts with the KEK that opens the store: a rotation may have
// ended before the kill, and then the old one is refused with the reason.
func startOnEither(t *testing.T, dir string, env []string, file string) *process {
	t.Helper()
	for _, kek := range []string{"file:kek", "file:kek2"} {
		p := start(t, dir, append([]string{"WEIGHBRIDGE_KEK=" + kek}, env...), "--config", file)
		p.until("it serves or says why not", func() bool { return p.ended() || servingLine.MatchString(p.out.String()) })
		if !p.ended() {
			return p
		}
		if out := p.out.String(); !strings.Contains(out, "opens this store no longer") {
			t.Fatalf("it does not start on %s: %s", kek, out)
		}
	}
	t.Fatal("neither KEK opens the store")
	return nil
}

// TestR03_KilledDuringEverything: kill -9 at random moments of creating,
// rotating, revoking, linking, downloading and rotating the KEK. What was
// acknowledged is there after the next start, what was not is there whole or
// not at all, no credential is between two versions, no revoked key works, and
// the record is whole.
func TestR03_KilledDuringEverything(t *testing.T) {
	t.Parallel()
	chance := house.Random(t)
	x := provision(t, map[string]http.Handler{guarded: http.HandlerFunc(labelled)}, "")
	dir := shortDir(t)
	writers := []*writer{{w: 0, keys: map[string]string{}}, {w: 1, keys: map[string]string{}}, {w: 2, keys: map[string]string{}}}
	rounds := max(6, 2*soak(1))
	for round := range rounds {
		p := startOnEither(t, dir, x.env, x.file)
		proxy, _ := p.serving()
		api := admin.NewLocalClient(dir)
		if round == 0 {
			must(t, dir, "kek", "generate", "--out", filepath.Join(dir, "kek2"))
		}
		checkWriters(t, x, proxy, api, writers)
		if t.Failed() {
			t.Fatalf("after kill %d:\n%s", round, p.log())
		}
		if round == rounds-1 {
			verifyRecord(t, dir)
			p.kill()
			break
		}

		var killed atomic.Bool
		var group sync.WaitGroup
		failed := func(what string, err error) {
			if !killed.Load() {
				t.Errorf("%s: %v", what, err)
			}
		}
		for _, a := range writers {
			group.Go(func() {
				for !killed.Load() {
					if err := a.act(t, api, a.done); err != nil {
						failed(fmt.Sprintf("act %d of writer %d", a.done, a.w), err)
						return
					}
					a.done++
				}
			})
		}
		group.Go(func() {
			for !killed.Load() {
				var s admin.KEKStatus
				if err := api.Call(t.Context(), http.MethodGet, "/api/v1/kek", nil, &s); err != nil {
					failed("status", err)
					return
				}
				to := map[string]string{"file:kek": "file:kek2", "file:kek2": "file:kek"}[s.URI]
				if s.Rotation == nil {
					if err := api.Call(t.Context(), http.MethodPost, "/api/v1/kek/rotate", map[string]string{"to": to}, nil); err != nil {
						if p, ok := errors.AsType[*admin.Problem](err); ok && p.Code == "conflict" {
							continue // the last one is about to say that it is done
						}
						failed("rotation", err)
						return
					}
				}
				time.Sleep(time.Millisecond)
			}
		})
		group.Go(func() {
			for i := 0; !killed.Load(); i++ {
				_ = web(t, proxy+"/"+guarded+"/"+thing("c", i%len(writers), 0)+"/x", x.key)
			}
		})
		time.Sleep(time.Duration(20+chance.IntN(500)) * time.Millisecond)
		killed.Store(true)
		p.kill()
		group.Wait()
	}
	t.Logf("%d, %d and %d acts", writers[0].done, writers[1].done, writers[2].done)
}

// checkWriters compares what there is with what was acknowledged, and uses it.
func checkWriters(t *testing.T, x *provisioned, proxy string, api *admin.Client, writers []*writer) {
	t.Helper()
	for _, a := range writers {
		got := worldOf(t, api, a.w)
		switch {
		case maps.Equal(got, world(a.w, a.done)):
		case maps.Equal(got, world(a.w, a.done+1)):
			a.done++ // it was done and not acknowledged
		default:
			want := world(a.w, a.done)
			maps.DeleteFunc(got, func(name, is string) bool { return want[name] == is })
			t.Fatalf("after %d acts of writer %d these are otherwise: %v", a.done, a.w, got)
		}
		last := a.done / actsOfARound
		want := world(a.w, a.done)
		for round := max(0, last-3); round <= last; round++ {
			cred, key := thing("c", a.w, round), thing("k", a.w, round)
			state := strings.Fields(want[cred])
			if len(state) == 0 {
				continue
			}
			r := tried(t, proxy+"/"+guarded+"/"+cred+"/x", x.key)
			if state[0] == "revoked" && r.code() != "credential_not_usable" {
				t.Errorf("%s is revoked: %s", cred, r)
			}
			if state[0] == "valid" && string(r.body) != cred+" "+state[1] {
				t.Errorf("%s is at version %s: %s", cred, state[1], r)
			}
			if secret := a.keys[key]; secret != "" && want[key] == "revoked" {
				if r := tried(t, proxy+"/"+guarded+"/"+cred+"/x", secret); r.code() != "key_revoked" {
					t.Errorf("%s is revoked: %s", key, r)
				}
			}
		}
	}
}

// tried is web, again for as long as a busy disk lets nothing go on record.
func tried(t *testing.T, url, key string) reply {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		if r := web(t, url, key); r.code() != auth.CodeAuditUnavailable || time.Now().After(end) {
			return r
		}
	}
}
