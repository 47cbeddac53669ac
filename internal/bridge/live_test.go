package bridge

import (
	"errors"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/signer"
)

// TestR36_ASnapshotIsOfTheStateThatWasCheckedLast: two states may be of one
// revision, of which one was never committed. Nothing of that one stays, also
// where what was asked about after it does not compile.
func TestR36_ASnapshotIsOfTheStateThatWasCheckedLast(t *testing.T) {
	l := newLive(signer.Providers(), zerolog.Nop())
	hash, _ := auth.HashAPIKey(auth.NewAPIKey().Reveal())
	good := func(revision uint64) auth.State {
		return auth.State{Revision: revision, Teams: []auth.Team{{ID: "team_1", Name: "default"}},
			Keys: []auth.Key{{ID: "key_1", TeamID: "team_1", Name: "worker", Scope: auth.ScopeRead, Hash: hash}}}
	}
	revoked, wrong := good(11), good(11)
	revoked.Keys[0].RevokedAt = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	wrong.Credentials = []auth.Credential{{TeamID: "team_1", Name: "without an id"}}
	check(t, l.check(good(10)))
	l.update(good(10))
	check(t, l.check(good(11))) // and it is not committed
	if l.check(wrong) == nil {
		t.Fatal("a credential without an id compiles")
	}
	l.update(revoked)
	_, err := l.Snapshot().Identify(hash, time.Now())
	if e, ok := errors.AsType[*auth.Error](err); !ok || e.Code != auth.CodeKeyRevoked {
		t.Fatalf("the revoked key gets %v", err)
	}
}
