//go:build realclients

package realstores

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// waiting are the connections whose commit waits for a standby.
const waiting = "FROM pg_stat_activity WHERE wait_event = 'SyncRep'"

// With synchronous replication an act is acknowledged once the standby has it,
// and not before, whatever ends the wait: what the database shows everybody
// meanwhile is not known to last. Nor is what a standby shows known to be all.
func TestR36_OnlyWhatAStandbyHasIsAcknowledged(t *testing.T) {
	t.Parallel()
	primary, err := newServer()
	check(t, err)
	t.Cleanup(primary.remove)
	standby := primary.standby(t)
	primary.synchronous(t)
	l := newLink(t, primary)
	f := newFleet(t, l.through(primary.schema(t)), 1, nil)
	h := f.houses[0]
	key := f.worker(0, "worker-1")

	l.lead(standby)
	contact := func() bool { return h.Bridge.Store().Contact().IsZero() }
	h.Eventually("contact is lost", func() bool { return !contact() })
	for began := time.Now(); time.Since(began) < time.Second; time.Sleep(20 * time.Millisecond) { // longer than a look takes
		if contact() {
			t.Fatal("a standby counts as contact")
		}
	}
	l.lead(primary)
	h.Eventually("contact is back", contact)

	revoked := make(chan error, 1)
	revoke := func() {
		revoked <- h.API().Call(t.Context(), http.MethodPost, "/api/v1/keys/"+key.Name+"/revoke", nil, nil)
	}
	standby.stop()
	go revoke()
	primary.until(t, "the act waits for the standby", "SELECT EXISTS (SELECT "+waiting+")")
	primary.exec(t, "SELECT pg_cancel_backend(pid) "+waiting)
	if err := <-revoked; err == nil || !strings.Contains(err.Error(), "not known whether") {
		t.Fatalf("what no standby has is answered with %v", err)
	}
	go revoke() // there is nothing to do, as far as one can see
	primary.until(t, "the act waits for the standby again", "SELECT EXISTS (SELECT "+waiting+")")
	select {
	case err := <-revoked:
		t.Fatalf("it did not wait: %v", err)
	default:
	}
	check(t, standby.start())
	check(t, <-revoked)
	h.Eventually("it is revoked", func() bool { status, _ := f.download(0, key.Key); return status == http.StatusForbidden })
}
