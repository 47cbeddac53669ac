package session

import (
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// guess fails n times, waiting as it is told, and returns for how long that was.
func (d *desk) guess(n int, email string, from From) (waited time.Duration) {
	d.t.Helper()
	for range n {
		for {
			_, err := d.signIn(email, wrongPassword, from)
			if e, ok := err.(*auth.Error); ok && e.Code == CodeSignInFailed {
				break
			}
			w := waits(d.t, err)
			d.clock.add(w)
			waited += w
		}
	}
	return waited
}

func TestGuessingGetsSlow(t *testing.T) {
	d := newDesk(t)
	d.user("ada@example.com")
	if w := d.guess(5, "ada@example.com", from("192.0.2.1")); w != 0 {
		t.Errorf("the first five took %v", w)
	}
	if w := d.guess(15, "ada@example.com", from("192.0.2.1")); w < 90*time.Minute || w > 3*time.Hour {
		t.Errorf("fifteen more took %v", w)
	}
	// The right one counts as any, once its time has come.
	_, err := d.signIn("ada@example.com", rightPassword, from("192.0.2.1"))
	wait := waits(t, err)
	d.clock.add(wait)
	d.in("ada@example.com", from("192.0.2.1"))
	if w := d.guess(5, "ada@example.com", from("192.0.2.1")); w != 0 {
		t.Errorf("after a success the first five took %v", w)
	}
	// An unknown account is slowed down as any.
	if w := d.guess(8, "nobody@example.com", from("192.0.2.9")); w != 7*time.Second {
		t.Errorf("at nobody: %v", w)
	}
}

// An attacker who fails on purpose does not keep the owner out: not from the
// attacker's own address, where the owner's device is known, and not from
// anywhere else.
func TestAnAttackerLocksNobodyOut(t *testing.T) {
	d := newDesk(t)
	d.user("ada@example.com")
	known := d.in("ada@example.com", from("192.0.2.1"))
	d.guess(9, "ada@example.com", from("192.0.2.1"))
	_, err := d.signIn("ada@example.com", rightPassword, from("192.0.2.1"))
	waits(t, err)
	at := from("192.0.2.1")
	at.Device = known.Device
	d.in("ada@example.com", at)
	d.in("ada@example.com", from("192.0.2.2"))
	d.in("ada@example.com", from("2001:db8::1"))

	// A thousand machines at once: each has its try, and so has the owner.
	tries := 0
	for i := range 1000 {
		a := From{Address: netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})}
		for {
			_, err := d.signIn("ada@example.com", wrongPassword, a)
			if e, ok := err.(*auth.Error); !ok || e.Code != CodeSignInFailed {
				break
			}
			tries++
		}
	}
	if tries < 1000 || tries > 1000+20*4 {
		t.Errorf("a thousand machines had %d tries", tries)
	}
	d.in("ada@example.com", from("198.51.100.7"))
	at = from("10.0.0.1")
	at.Device = known.Device
	d.in("ada@example.com", at)
}

// A device token is its user's alone, and a stolen one buys no more guesses
// than an address does.
func TestADeviceTokenIsNoPassKey(t *testing.T) {
	d := newDesk(t)
	d.user("ada@example.com")
	d.user("bob@example.com")
	ada, bob := d.in("ada@example.com", from("192.0.2.1")), d.in("bob@example.com", from("192.0.2.1"))
	if _, _, err := d.Authenticate(t.Context(), ada.Device.Reveal()); err == nil {
		t.Error("it opens the API")
	}
	thief := from("198.51.100.1")
	thief.Device = ada.Device
	if w := d.guess(8, "ada@example.com", thief); w != 7*time.Second {
		t.Errorf("with a stolen device: %v", w)
	}
	for what, device := range map[string]auth.Secret{
		"another's": bob.Device, "nonsense": auth.NewSecret("eyJ.x.y"), "a session": ada.Access,
	} {
		stranger := from("203.0.113.1")
		stranger.Device = device
		d.guess(2, "ada@example.com", stranger)
		if n := len(d.slow.entries); n == 0 {
			t.Errorf("%s", what)
		}
	}
	if e := d.slow.entries[throttleKey{byPair, "ada@example.com", "203.0.113.1"}]; e == nil || e.Value.(*strikes).n != 6 {
		t.Error("what is no device of hers is counted by its address")
	}
	d.clock.add(DeviceLife)
	thief.Device = ada.Device
	k, err := d.ring.get(t.Context())
	check(t, err)
	if d.device(k, &ada.User, ada.Device) != "" {
		t.Error("a device is known for ever")
	}
}

// One leaked list is not tried from one place, and an account of one's own
// buys no more tries at others.
func TestManyAccountsFromOnePlaceGetSlow(t *testing.T) {
	d := newDesk(t)
	d.user("eve@example.com")
	var waited time.Duration
	for i := range 60 {
		waited += d.guess(1, fmt.Sprintf("user%d@example.com", i), from("192.0.2.1"))
		if i%3 == 0 {
			for {
				_, err := d.signIn("eve@example.com", rightPassword, from("192.0.2.1"))
				if err == nil {
					break
				}
				w := waits(t, err)
				d.clock.add(w)
				waited += w
			}
		}
	}
	if waited < time.Hour {
		t.Errorf("sixty accounts took %v", waited)
	}
	if d.guess(1, "user1@example.com", from("192.0.2.2")) != 0 {
		t.Error("another address waits with it")
	}
}

// Attempts at once are counted before they are evaluated.
func TestGuessesAtOnceAreCounted(t *testing.T) {
	d := newDesk(t)
	d.user("ada@example.com")
	var wg sync.WaitGroup
	var mu sync.Mutex
	evaluated := 0
	for range 50 {
		wg.Go(func() {
			_, err := d.signIn("ada@example.com", wrongPassword, from("192.0.2.1"))
			mu.Lock()
			defer mu.Unlock()
			if e, ok := err.(*auth.Error); ok && e.Code == CodeSignInFailed {
				evaluated++
			}
		})
	}
	wg.Wait()
	if evaluated != 5 {
		t.Errorf("%d of 50 at once were evaluated", evaluated)
	}
}

func TestTheThrottleIsBounded(t *testing.T) {
	d := newDesk(t)
	d.slow.most = 100
	for i := range 1000 {
		d.slow.begin("ada@example.com", netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), "")
	}
	if len(d.slow.entries) > 100 || d.slow.order.Len() != len(d.slow.entries) {
		t.Errorf("%d counts, %d in order", len(d.slow.entries), d.slow.order.Len())
	}
	for a, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1", "2001:db8:1:2ff::1": "2001:db8:1:200::/56", "fe80::1%eth0": "fe80::/56",
	} {
		if got := networkOf(netip.MustParseAddr(a)); got != want {
			t.Errorf("%s is of %s", a, got)
		}
	}
	if networkOf(netip.Addr{}) == "" {
		t.Error("who says no address is counted as none")
	}
}

// Refusals fill no disk: beyond a burst one event stands for many, and none is
// lost.
func TestRefusalsAreCountedOnRecord(t *testing.T) {
	d := newDesk(t)
	total := int64(0)
	for i := range 300 {
		_, err := d.signIn("ada@example.com", wrongPassword, From{Address: netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})})
		refused(t, err, CodeSignInFailed)
		total++
	}
	if n := len(d.events(auth.ActionSessionDenied)); n != denialBurst {
		t.Errorf("%d events", n)
	}
	d.clock.add(time.Minute)
	_, err := d.signIn("ada@example.com", wrongPassword, from("192.0.2.1"))
	refused(t, err, CodeSignInFailed)
	total++
	var stands int64
	for _, ev := range d.events(auth.ActionSessionDenied) {
		stands += max(1, ev.Count)
	}
	if stands != total {
		t.Errorf("%d were refused, and the record says %d", total, stands)
	}
}

// Who has to wait cannot make the counts forget anybody by asking on, under as
// many names as there are places.
func TestWaitingPushesNobodyOut(t *testing.T) {
	d := newDesk(t)
	d.user("ada@example.com")
	d.slow.most = 100
	guesser, helper := from("192.0.2.1"), from("192.0.2.2")
	d.guess(9, "ada@example.com", guesser)
	for i := range 500 {
		_, _ = d.signIn(fmt.Sprintf("nobody%d@example.com", i), wrongPassword, helper)
	}
	_, err := d.signIn("ada@example.com", wrongPassword, guesser)
	waits(t, err)
}

// A sign-in that found no turn took no try: however often a flood turns the
// owner away, the right password counts as soon as it is over. What was failed
// before still counts.
func TestAFloodTakesNoTriesAway(t *testing.T) {
	d := newDesk(t)
	d.user("ada@example.com")
	home := from("192.0.2.1")
	d.guess(4, "ada@example.com", home)
	full := lane{slots: make(chan struct{}), line: make(chan struct{})}
	free := d.hasher.strangers
	d.hasher.strangers = full
	for range 20 {
		_, err := d.signIn("ada@example.com", rightPassword, home)
		refused(t, err, auth.CodeOverloaded)
	}
	d.hasher.strangers = free
	if w := d.guess(2, "ada@example.com", home); w != time.Second {
		t.Errorf("the fifth and the sixth failure took %v", w)
	}
	d.clock.add(2 * time.Second)
	d.in("ada@example.com", home)
}
