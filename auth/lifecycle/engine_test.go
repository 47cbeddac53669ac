package lifecycle

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

func checked(at time.Time, status auth.Status) auth.Credential {
	return auth.Credential{Provider: "hub", Status: status, Report: &auth.Report{At: at, Verdict: auth.VerdictValid}}
}

func TestEngine_ValidatesWhatWasNeverValidated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newYard(t, auth.Credential{Provider: "hub", Status: auth.StatusPending}, auth.Credential{Provider: "hub", Status: auth.StatusValid, Declarative: true})
		y.start(Options{})
		time.Sleep(5 * time.Second)
		y.askedTimes(2)
		y.is(0, auth.StatusValid)
		y.is(1, auth.StatusValid)
	})
}

func TestEngine_ValidatesOnATimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newYard(t, checked(time.Now(), auth.StatusValid))
		y.start(Options{})
		time.Sleep(5*time.Hour + 59*time.Minute)
		y.askedTimes(0)
		time.Sleep(38 * time.Minute) // a tenth of jitter
		y.askedTimes(1)
		y.verdict(auth.VerdictInvalid)
		time.Sleep(7 * time.Hour)
		y.askedTimes(2)
		y.is(0, auth.StatusInvalid)
		y.verdict(auth.VerdictValid) // what was invalid may be mended upstream
		time.Sleep(7 * time.Hour)
		y.is(0, auth.StatusValid)
		y.mu.Lock()
		defer y.mu.Unlock()
		if len(y.events) != 2 || y.events[0].Actor != "system" || y.events[0].Reason != "valid>invalid" {
			t.Errorf("on record: %+v", y.events)
		}
	})
}

func TestEngine_AnUnreachableUpstreamChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		good := checked(time.Now(), auth.StatusValid)
		good.AnsweredAt = time.Now()
		y := newYard(t, good, auth.Credential{Provider: "b", Status: auth.StatusPending}, auth.Credential{Provider: "c", Status: auth.StatusPending, Declarative: true})
		y.verdict(auth.VerdictUnknown)
		start := time.Now()
		y.start(Options{})
		time.Sleep(7 * time.Hour)
		y.is(0, auth.StatusValid)
		y.is(1, auth.StatusPending)
		y.is(2, auth.StatusValid)
		if c := y.credential(0); !c.AnsweredAt.Equal(start) || c.Report.Verdict != auth.VerdictUnknown {
			t.Errorf("last good answer %v, report %+v", c.AnsweredAt, c.Report)
		}
		// Backoff: a pending one some 50 times, not 5,000.
		pending := 0
		for _, id := range y.asked {
			if id == "cred_0001" {
				pending++
			}
		}
		if pending < 10 || pending > 60 {
			t.Errorf("the pending one was asked about %d times in seven hours", pending)
		}
		y.verdict(auth.VerdictValid)
		time.Sleep(15 * time.Minute)
		y.is(1, auth.StatusValid)
	})
}

func TestEngine_ExpiresWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := checked(time.Now(), auth.StatusValid)
		c.ExpiresAt = time.Now().Add(3*time.Hour + 123*time.Millisecond)
		y := newYard(t, c)
		y.start(Options{})
		time.Sleep(3 * time.Hour)
		y.is(0, auth.StatusValid)
		// One an hour ahead, one ten minutes ahead.
		y.askedTimes(2)
		time.Sleep(1123 * time.Millisecond)
		y.is(0, auth.StatusExpired)
		time.Sleep(7 * time.Hour)
		y.askedTimes(2)
		y.mu.Lock()
		defer y.mu.Unlock()
		if len(y.warned) != 3 { // a day, which has begun; an hour; ten minutes
			t.Errorf("warned %v ahead", y.warned)
		}
	})
}

// TestR21_TheClockIsSet: an hour forward and back.
func TestR21_TheClockIsSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := checked(time.Now(), auth.StatusValid)
		c.ExpiresAt = time.Now().Add(30 * time.Minute)
		y := newYard(t, c)
		y.start(Options{})
		time.Sleep(time.Minute)
		y.setClock(time.Hour)
		time.Sleep(1100 * time.Millisecond)
		y.is(0, auth.StatusExpired)
		n := y.count()
		// Back again: its end is still to come, so the upstream is asked.
		y.setClock(0)
		time.Sleep(3 * time.Second)
		y.is(0, auth.StatusValid)
		y.askedTimes(n + 1)
		y.mu.Lock()
		if len(y.moved) != 1 || y.moved[0] < 59*time.Minute || y.moved[0] > time.Hour {
			t.Errorf("said of the clock: %v", y.moved)
		}
		y.mu.Unlock()
		time.Sleep(30 * time.Minute)
		y.is(0, auth.StatusExpired)
	})
}

func TestEngine_RefusalsOfWorkersScheduleAProbeAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newYard(t, checked(time.Now(), auth.StatusValid))
		y.start(Options{})
		time.Sleep(time.Second)
		for range 10 * 60 { // ten minutes of refusals
			for range 50 {
				y.engine.Refused("cred_0000", 1)
			}
			time.Sleep(time.Second)
		}
		if n := y.count(); n < 9 || n > 11 {
			t.Errorf("asked %d times in ten minutes", n)
		}
		y.engine.Refused("cred_0000", 0) // of a version before
		y.engine.Refused("nobody", 1)
		y.is(0, auth.StatusValid)
		y.verdict(auth.VerdictInvalid)
		y.engine.Refused("cred_0000", 1)
		time.Sleep(62 * time.Second)
		y.is(0, auth.StatusInvalid)
	})
}

// TestEngine_ARefusalRightAfterARotation is not missed, though the engine has
// not looked at the new version yet.
func TestEngine_ARefusalRightAfterARotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newYard(t, checked(time.Now(), auth.StatusValid))
		y.start(Options{})
		time.Sleep(tick + tick/2)
		y.verdict(auth.VerdictInvalid)
		y.mu.Lock()
		y.state.Credentials[0].Version++
		y.state.Revision++
		y.mu.Unlock()
		for range 20 {
			y.engine.Refused("cred_0000", 2)
		}
		synctest.Wait()
		y.askedTimes(1)
		y.is(0, auth.StatusInvalid)
	})
}

func TestEngine_StormsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var creds []auth.Credential
		for i := range 400 {
			creds = append(creds, auth.Credential{Provider: string(rune('a' + i%20)), Status: auth.StatusPending})
		}
		y := newYard(t, creds...)
		y.answers(func(auth.Inquiry) auth.Report {
			time.Sleep(2 * time.Second)
			return auth.Report{Verdict: auth.VerdictValid}
		})
		y.start(Options{})
		time.Sleep(10 * time.Minute)
		y.askedTimes(400)
		if y.most > 8 || y.most < 6 {
			t.Errorf("%d at a time", y.most)
		}
		last := map[string]time.Time{}
		for i, id := range y.asked {
			host := ""
			for _, c := range y.state.Credentials {
				if c.ID == id {
					host = c.Provider
				}
			}
			if gap := y.at[i].Sub(last[host]); gap < DefaultPace {
				t.Fatalf("%s was asked twice within %v", host, gap)
			}
			last[host] = y.at[i]
		}
	})
}

func TestEngine_HonoursRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newYard(t, auth.Credential{Provider: "hub", Status: auth.StatusPending}, auth.Credential{Provider: "hub", Status: auth.StatusPending})
		y.answers(func(auth.Inquiry) auth.Report { return auth.Report{Wait: 20 * time.Minute} })
		y.start(Options{})
		time.Sleep(19 * time.Minute)
		y.askedTimes(1)
		// Nor is anybody asked who wants it now; the answer says why.
		_, r, err := y.engine.Validate(t.Context(), "cred_0001", "", auth.Event{})
		if err != nil || r.Verdict != auth.VerdictUnknown || r.Wait == 0 {
			t.Errorf("%+v, %v", r, err)
		}
		y.askedTimes(1)
		y.verdict(auth.VerdictValid)
		time.Sleep(21 * time.Minute)
		y.is(0, auth.StatusValid)
		y.is(1, auth.StatusValid)
	})
}

func TestEngine_WhoWaitsIsAnsweredWithinTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newYard(t, checked(time.Now(), auth.StatusPending))
		y.state.Credentials[0].Report.At = time.Now()
		y.hold = make(chan struct{})
		y.start(Options{})
		began := time.Now()
		c, r, err := y.engine.Validate(t.Context(), "cred_0000", "", auth.Event{})
		if took := time.Since(began); err != nil || took > Patience || r.Verdict != auth.VerdictUnknown || c.Status != auth.StatusPending {
			t.Errorf("after %v: %s %+v %v", took, c.Status, r, err)
		}
		r = y.engine.Check(t.Context(), auth.Inquiry{Credential: auth.Credential{Provider: "other"}})
		if took := time.Since(began); took > 2*Patience || r.Verdict != auth.VerdictUnknown {
			t.Errorf("after %v: %+v", took, r)
		}
		close(y.hold) // finished in the background
		time.Sleep(time.Second)
		y.is(0, auth.StatusValid)
	})
}

func TestEngine_NeverResurrectsAndNeverJudgesAnotherVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newYard(t, checked(time.Now(), auth.StatusValid), checked(time.Now(), auth.StatusValid))
		y.start(Options{})
		time.Sleep(time.Second)
		y.hold = make(chan struct{})
		var wg sync.WaitGroup
		for _, id := range []string{"cred_0000", "cred_0001"} {
			wg.Go(func() { _, _, _ = y.engine.Validate(context.Background(), id, "", auth.Event{}) })
		}
		synctest.Wait()
		time.Sleep(time.Second)
		y.mu.Lock()
		y.state.Credentials[0].Status = auth.StatusRevoked
		y.state.Credentials[1].Version = 2
		y.state.Credentials[1].Status = auth.StatusInvalid
		y.state.Revision++
		y.mu.Unlock()
		close(y.hold)
		wg.Wait()
		y.is(0, auth.StatusRevoked)
		y.is(1, auth.StatusInvalid)
	})
}

func TestEngine_WithoutATimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newYard(t, checked(time.Now(), auth.StatusValid))
		y.start(Options{Every: -1})
		time.Sleep(8 * time.Hour)
		y.askedTimes(0)
		y.verdict(auth.VerdictUnknown)
		_, _, _ = y.engine.Validate(t.Context(), "cred_0000", "", auth.Event{})
		time.Sleep(8 * time.Hour)
		y.askedTimes(1)
	})
}
