package cases

import (
	"crypto/tls"
	"net/http"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/house/hub"
	"github.com/weighbridge/weighbridge/internal/house/origin"
	"github.com/weighbridge/weighbridge/internal/workerenv"
)

// handshake opens a tunnel for a worker whose clock is off by so much.
func handshake(t *testing.T, h *house.House, key string, now func() time.Time) (*tls.Conn, error) {
	t.Helper()
	c := dial(t, h)
	if r := c.connect(key, guarded+":443"); r.status != 200 {
		t.Fatal(r)
	}
	s := tls.Client(c.Conn, &tls.Config{ServerName: guarded, RootCAs: h.Roots(), MinVersion: tls.VersionTLS12, Time: now})
	return s, s.HandshakeContext(t.Context())
}

// TestR21_WorkersWithClocksThatAreOff: a leaf is believed by a worker whose
// clock is four minutes behind, and by one that is hours ahead.
func TestR21_WorkersWithClocksThatAreOff(t *testing.T) {
	t.Parallel()
	h := house.New(t, house.Options{Empty: true, Mount: mount(t, map[string]http.Handler{guarded: files(origin.Text("weights"))})})
	bearer(h, "c", guarded+"/*")
	key := h.AddKey(admin.NewKey{Name: "w", Credentials: []string{"c"}}).Key
	for off, believed := range map[time.Duration]bool{
		-4 * time.Minute: true, 0: true, 4 * time.Minute: true, 12 * time.Hour: true,
		-2 * time.Hour: false, 48 * time.Hour: false,
	} {
		_, err := handshake(t, h, key, func() time.Time { return time.Now().Add(off) })
		if (err == nil) != believed {
			t.Errorf("off by %v: %v", off, err)
		}
	}
}

// TestR21_AClockThatJumpsLosesNothing: ahead by hours, months and years, and
// back: certificates are made anew, what ends by the clock ends, and the
// record goes on.
func TestR21_AClockThatJumpsLosesNothing(t *testing.T) {
	t.Parallel()
	var now clock
	h := house.New(t, house.Options{Now: now.now, Mount: mount(t, map[string]http.Handler{guarded: files(origin.Text("weights"))})})
	key := h.HubWorker("hub").Key
	bearer(h, "c", guarded+"/*")
	h.Link("c", "hub")
	year := h.AddKey(admin.NewKey{Name: "year", Credentials: []string{"c"}, ExpiresAt: ptr(now.now().Add(365 * 24 * time.Hour))}).Key
	w := newWorker(t, h, workerenv.Reverse, key)
	uses := func() (n int) {
		for _, e := range h.AuditEvents() {
			if e.Action == auth.ActionUsed {
				n++
			}
		}
		return n
	}
	ahead := time.Duration(0)
	for _, jump := range []time.Duration{0, 25 * time.Hour, 40 * 24 * time.Hour, 400 * 24 * time.Hour, -425 * 24 * time.Hour, -time.Hour, 2 * time.Hour} {
		now.jump(jump)
		ahead += jump
		before := uses()
		s, err := handshake(t, h, key, now.now)
		if err != nil {
			t.Errorf("after %v: %v", jump, err)
			continue
		}
		leaf := s.ConnectionState().PeerCertificates[0]
		if life := leaf.NotAfter.Sub(now.now()); life <= 0 || life > 24*time.Hour+time.Minute && ahead >= 0 && jump >= 0 {
			t.Errorf("after %v: a leaf that lasts %v", jump, life)
		}
		if r := w.get("https://" + guarded + "/x"); r.status != 200 {
			t.Errorf("after %v: %s", jump, r)
		}
		if r := w.follow(fileURL(hub.SampleGated, hub.SamplePlus)); r.status != 200 || len(r.body) != 300_001 {
			t.Errorf("after %v: a signed download: %s", jump, r)
		}
		want := auth.Code("")
		if ahead > 365*24*time.Hour {
			want = auth.CodeKeyExpired
		}
		if r := newWorker(t, h, workerenv.Reverse, year).get("https://" + guarded + "/x"); r.code() != want {
			t.Errorf("after %v: a key for a year: %s", jump, r)
		}
		if n := uses() - before; n < 2 {
			t.Errorf("after %v: %d uses on record", jump, n)
		}
	}
	if err := h.Bridge.Proxy().Ready(); err != nil {
		t.Errorf("after all of it: %v", err)
	}
}
