package proxy

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// rotating is a signer that does something before each signature, which may
// keep it from signing.
type rotating struct {
	*fakeSigner
	versions []uint64
	before   func(n int) error
}

func (s *rotating) Sign(ctx context.Context, d auth.Decision, out *auth.Outgoing) (auth.Applied, error) {
	s.versions = append(s.versions, d.Version)
	if err := s.before(len(s.versions)); err != nil {
		return auth.Applied{}, err
	}
	return s.fakeSigner.Sign(ctx, d, out)
}

// gone is what the signer says of a version that is no more.
func gone() error {
	return auth.NewError(auth.CodeCredentialFailed, "it could not be opened", fmt.Errorf("version 1: %w", auth.ErrOutdated))
}

// TestR09_ADecisionThatARotationOvertookIsMadeAnew: once, before anything is
// sent, and each of the two is on record.
func TestR09_ADecisionThatARotationOvertookIsMadeAnew(t *testing.T) {
	rotate := func(r *rig) {
		r.change(func(s *auth.State) { s.Credentials[0].Version++ })
	}
	for name, c := range map[string]struct {
		// before the first signature; late is when the snapshot is a moment
		// behind what the signer knows.
		before func(r *rig)
		late   bool
		status int
		code   auth.Code
		signed []uint64
	}{
		"rotated":       {before: rotate, status: 200, signed: []uint64{1, 2}},
		"rotated, late": {before: rotate, late: true, status: 200, signed: []uint64{1, 2}},
		"deleted": {before: func(r *rig) {
			r.change(func(s *auth.State) { s.Credentials, s.Links = s.Credentials[1:], s.Links[1:2] })
		}, status: 403, code: auth.CodeNoCredentialMatched, signed: []uint64{1}},
		"revoked": {before: func(r *rig) {
			r.change(func(s *auth.State) { s.Credentials[0].Status = auth.StatusRevoked })
		}, status: 403, code: auth.CodeCredentialNotUsable, signed: []uint64{1}},
		"nothing new": {before: func(*rig) {}, status: 502, code: auth.CodeCredentialFailed, signed: []uint64{1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var r *rig
			s := &rotating{fakeSigner: &fakeSigner{}}
			r = newRig(t, rigOptions{options: func(o *Options) {
				o.Signer = s
				waited := 0
				o.Wait = func(context.Context, time.Duration) error {
					if waited++; c.late && waited == 3 {
						c.before(r)
					}
					return nil
				}
			}})
			s.before = func(n int) error {
				if n > 1 {
					return nil
				}
				if !c.late {
					c.before(r)
				}
				return gone()
			}
			hub := r.hub(ok)
			r.expect(r.reverse("/"+hubHost+"/a"), c.status, c.code)
			if fmt.Sprint(s.versions) != fmt.Sprint(c.signed) {
				t.Errorf("signed for %v, want %v", s.versions, c.signed)
			}
			used, finished := r.recorder.of(auth.ActionUsed), r.recorder.eventually(auth.ActionFinished, len(c.signed))
			if len(used) != len(c.signed) || len(finished) != len(c.signed) || finished[0].Code != auth.CodeCredentialFailed || finished[0].RequestID != used[0].RequestID {
				t.Errorf("on record: %+v, %+v", used, finished)
			}
			if c.status == 200 {
				if n := len(hub.requests()); n != 1 || used[1].Version != 2 || finished[1].Code != "" || finished[1].RequestID == finished[0].RequestID {
					t.Errorf("%d were sent; %+v, %+v", n, used, finished)
				}
				return
			}
			hub.none()
		})
	}
}

// TestR09_ADecisionIsMadeAnewOnce, however often the credential is replaced,
// and not for another failure.
func TestR09_ADecisionIsMadeAnewOnce(t *testing.T) {
	var r *rig
	s := &rotating{fakeSigner: &fakeSigner{}}
	r = newRig(t, rigOptions{options: func(o *Options) { o.Signer = s }})
	failure := gone
	s.before = func(int) error {
		r.change(func(s *auth.State) { s.Credentials[0].Version++ })
		return failure()
	}
	hub := r.hub(ok)
	r.expect(r.reverse("/"+hubHost+"/a"), 502, auth.CodeCredentialFailed)
	if len(s.versions) != 2 {
		t.Errorf("signed %d times", len(s.versions))
	}
	failure = func() error { return auth.NewError(auth.CodeCredentialFailed, "the key service is out of reach", nil) }
	s.versions = nil
	r.expect(r.reverse("/"+hubHost+"/a"), 502, auth.CodeCredentialFailed)
	if len(s.versions) != 1 {
		t.Errorf("signed %d times after another failure", len(s.versions))
	}
	hub.none()
}
