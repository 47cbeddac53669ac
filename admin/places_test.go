package admin_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
)

// One caller follows so many streams and no more; another is not kept from its
// own, and an end makes room.
func TestACallerFollowsSoMuchAtATime(t *testing.T) {
	p := newPeople(t)
	server := httptest.NewServer(p.remote)
	t.Cleanup(server.Close) // after what follows has ended
	follow := func(who, team string) (status int, end func()) {
		ctx, stop := context.WithCancel(t.Context())
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/api/v1/audit/follow", nil)
		must(t, err)
		r.Header.Set("Authorization", "Bearer jwt-"+who)
		r.Header.Set("X-Team-ID", p.teams[team].ID)
		resp, err := http.DefaultClient.Do(r)
		must(t, err)
		end = func() { stop(); _ = resp.Body.Close() }
		t.Cleanup(end)
		return resp.StatusCode, end
	}
	var ends []func()
	for {
		status, end := follow("viewer", "red")
		if status == http.StatusTooManyRequests {
			break
		}
		if ends = append(ends, end); status != http.StatusOK || len(ends) > 100 {
			t.Fatalf("the stream %d: %d", len(ends), status)
		}
	}
	if len(ends) < 8 {
		t.Errorf("%d streams are not enough for a person", len(ends))
	}
	if status, _ := follow("stranger", "blue"); status != http.StatusOK {
		t.Errorf("another user: %d", status)
	}
	ends[0]()
	for until := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if status, _ := follow("viewer", "red"); status == http.StatusOK {
			break
		}
		if time.Now().After(until) {
			t.Fatal("one that ended makes no room")
		}
	}
}

// stuck is an upstream that answers some hosts, and others never.
type stuck struct{ asked chan struct{} }

func (s *stuck) Ask(ctx context.Context, _ auth.Decision, to auth.Target) auth.Answered {
	if to.Host == "stuck.example.com" {
		s.asked <- struct{}{}
		<-ctx.Done()
	}
	return auth.Answered{Status: http.StatusPartialContent, Size: 1}
}

// A team that tests URLs which nobody answers keeps no other from testing one.
func TestATeamsProbesHoldUpNoOther(t *testing.T) {
	p := newPeople(t)
	up := &stuck{make(chan struct{}, 64)}
	p.o.Asker = up
	p.api = admin.New(p.o)
	client := func(who, team string) *admin.Client {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		return admin.NewInsideClient(p.api.Inside(), r, p.teams[team].ID, auth.NewSecret("jwt-"+who))
	}
	for who, team := range map[string]string{"member": "red", "stranger": "blue"} {
		_, err := client(who, team).CreateKey(t.Context(), admin.NewKey{Name: "worker"})
		must(t, err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	const many = 20
	done := make(chan struct{}, many)
	for range many {
		go func() {
			_, _ = client("member", "red").Probe(ctx, admin.ProbeRequest{URL: "https://stuck.example.com/x", Key: "worker"})
			done <- struct{}{}
		}()
	}
	<-up.asked
	if got, err := client("stranger", "blue").Probe(t.Context(), admin.ProbeRequest{URL: "https://quick.example.com/x", Key: "worker"}); err != nil || !got.OK {
		t.Errorf("%v %+v", err, got)
	}
	stop()
	for range many {
		<-done
	}
}
