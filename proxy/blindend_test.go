package proxy

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// blindly opens a blind tunnel to an origin that serves host, at hostPort, and
// asks for something through it.
func (r *rig) blindly(hostPort, host string) (w, in *worker) {
	r.t.Helper()
	r.route(hostPort, newOrigin(r.t, ok, host))
	w = r.worker()
	if a := w.connect(hostPort, r.proxyAuth()); a.status != 200 {
		r.t.Fatalf("%d %s", a.status, a.code())
	}
	in, err := w.inside(host)
	r.must(err)
	r.expect(in.get("/a", host), 200, "")
	return w, in
}

// TestT57_BlindTunnelsEndWithWhatOpenedThem: whatever it is by which the same
// CONNECT would be answered in another way by now, the tunnel of the one before
// is not a way round it.
func TestT57_BlindTunnelsEndWithWhatOpenedThem(t *testing.T) {
	t.Parallel()
	key := func(change func(*auth.Key)) func(*rig) {
		return func(r *rig) { r.change(func(s *auth.State) { change(&s.Keys[0]) }) }
	}
	policy := func(p Policy) func(*rig) { return func(r *rig) { r.must(r.proxy.SetPolicy(p)) } }
	deny := Policy{UnmatchedForward: auth.UnmatchedDeny}
	for name, c := range map[string]struct {
		policy   Policy
		hostPort string
		host     string
		end      func(r *rig)
	}{
		"the link that made it a companion": {deny, casHost + ":443", casHost, func(r *rig) {
			r.change(func(s *auth.State) { s.Links = nil })
		}},
		"the routes of the key":       {Policy{}, otherHost + ":443", otherHost, key(func(k *auth.Key) { k.Routes = []string{hubHost + "/*"} })},
		"what the key may unmatched":  {Policy{}, otherHost + ":443", otherHost, key(func(k *auth.Key) { k.Unmatched = auth.UnmatchedDeny })},
		"what the listener lets pass": {Policy{}, otherHost + ":443", otherHost, policy(deny)},
		"the port":                    {Policy{ConnectPorts: []uint16{443, 8443}}, otherHost + ":8443", otherHost, policy(Policy{})},
		"that nothing is known of the host": {Policy{}, otherHost + ":443", otherHost, func(r *rig) {
			r.change(func(s *auth.State) {
				more := s.Credentials[2]
				more.ID, more.Name, more.Patterns = "cred_other", "other", []string{otherHost + "/*"}
				s.Credentials = append(s.Credentials, more)
			})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, rigOptions{policy: c.policy})
			w, _ := r.blindly(c.hostPort, c.host)
			c.end(r)
			_ = w.c.SetReadDeadline(time.Now().Add(10 * time.Second))
			if _, err := io.Copy(io.Discard, w.c); !isReset(err) {
				t.Errorf("ended by %v", err)
			}
			e := r.recorder.eventually(auth.ActionFinished, 1)
			if len(e) != 1 || e[0].Host != strings.TrimSuffix(c.hostPort, ":443") || e[0].Code != auth.CodeTransferCut || e[0].Bytes == 0 {
				t.Errorf("finished: %+v", e)
			}
		})
	}
}

// TestBlindTunnelsStayWhileTheyWouldBeOpened: what else changes is no reason.
func TestBlindTunnelsStayWhileTheyWouldBeOpened(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{policy: Policy{UnmatchedForward: auth.UnmatchedDeny}})
	_, in := r.blindly(casHost+":443", casHost)
	r.change(func(s *auth.State) {
		s.Credentials[0].Status, s.Credentials[0].Version = auth.StatusInvalid, 2
		s.Keys[1].RevokedAt = r.clock.now()
	})
	r.must(r.proxy.SetPolicy(Policy{UnmatchedForward: auth.UnmatchedDeny, UnmatchedReverse: auth.UnmatchedPass, KeyTransfers: 1}))
	r.proxy.tunnels.check(r.proxy.stands)
	r.expect(in.get("/b", casHost), 200, "")
	if n := r.proxy.Tunnels(); n != 1 {
		t.Errorf("%d tunnels", n)
	}
}
