package cases

import (
	"bytes"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/house/hub"
	"github.com/weighbridge/weighbridge/internal/house/origin"
	"github.com/weighbridge/weighbridge/internal/workerenv"
)

const gatedURL = "https://" + hub.Host + "/" + hub.SampleGated + "/resolve/main/" + hub.SampleConfig

func credential(h *house.House, ref string) admin.Credential {
	var out admin.Credential
	h.Call(http.MethodGet, "/api/v1/credentials/"+ref, nil, &out)
	return out
}

func validate(h *house.House, ref string) admin.Validation {
	var out admin.Validation
	h.Call(http.MethodPost, "/api/v1/credentials/"+ref+"/validate", nil, &out)
	return out
}

// validations counts what weighbridge itself asks the Hub.
func validations(h *house.House) *atomic.Int64 {
	var n atomic.Int64
	h.Server.Record.Observe(func(r origin.Request) {
		if house.Validation(&r) {
			n.Add(1)
		}
	})
	return &n
}

// notUsable asserts that a worker is told of a credential that is not used.
func notUsable(t *testing.T, r reply, words ...string) {
	t.Helper()
	if r.status != 403 || r.code() != auth.CodeCredentialNotUsable {
		t.Errorf("%s", r)
	}
	for _, w := range words {
		if !strings.Contains(string(r.body), w) {
			t.Errorf("%q is not said: %s", w, r.body)
		}
	}
}

// TestLife_AnEndThatIsMovedIsValidatedAtOnce: who moves the end of what has
// expired is answered with what came of it.
func TestLife_AnEndThatIsMovedIsValidatedAtOnce(t *testing.T) {
	t.Parallel()
	var now clock
	h := house.New(t, house.Options{Empty: true, Now: now.now})
	bearer(h, "c", guarded+"/*")
	move := func(by time.Duration) (c admin.Credential) {
		h.Call(http.MethodPatch, "/api/v1/credentials/c", admin.CredentialPatch{ExpiresAt: ptr(now.now().Add(by))}, &c)
		return c
	}
	move(time.Hour)
	now.jump(2 * time.Hour)
	h.Eventually("its end is stored", func() bool {
		c, err := h.Bridge.Store().Credential(t.Context(), h.Bridge.Team().ID, "c")
		return err == nil && c.Status == auth.StatusExpired
	})
	if c := move(1000 * time.Hour); c.Status != string(auth.StatusValid) || c.Report == nil {
		t.Errorf("%s: %s, %+v", c.Status, c.Reason, c.Report)
	}
}

// TestLife_OnlyWhatIsValidIsUsed: refuted when it is created, confirmed by a
// rotation, refused by the Hub later on.
func TestLife_OnlyWhatIsValidIsUsed(t *testing.T) {
	t.Parallel()
	h := house.New(t, house.Options{})
	wrong := h.Secret("hf_")
	c := h.AddCredential(admin.NewCredential{Name: "hub", Provider: "huggingface", Fields: map[string]string{"token": wrong.Value()}})
	if c.Status != "invalid" || c.Report == nil || c.Report.Verdict != "invalid" || !strings.Contains(c.Report.Answer, "401") || c.Report.Next == "" {
		t.Fatalf("%+v, %+v", c, c.Report)
	}
	key := h.AddKey(admin.NewKey{Name: "w", Credentials: []string{"hub"}})
	w := newWorker(t, h, workerenv.Reverse, key.Key)
	notUsable(t, w.get(gatedURL), `"hub`, "invalid", "the Hub does not know the token", "credential update")

	// What the Hub refuses is not rotated in.
	if err := h.API().Call(t.Context(), http.MethodPost, "/api/v1/credentials/hub/rotate", admin.Rotation{Fields: map[string]string{"token": h.Secret("hf_").Value()}}, nil); err == nil || !strings.Contains(err.Error(), "not rotated") {
		t.Errorf("rotated to a wrong token: %v", err)
	}
	h.Call(http.MethodPost, "/api/v1/credentials/hub/rotate", admin.Rotation{Fields: map[string]string{"token": h.Token.Value()}}, &c)
	if c.Status != "valid" || c.Version != 2 || c.AnsweredAt == nil {
		t.Fatalf("%+v", c)
	}
	if r := w.follow(gatedURL); r.status != 200 {
		t.Fatalf("%s", r)
	}

	// A refusal by the Hub schedules a probe, and one alone.
	asked := validations(h)
	h.Hub.RevokeToken(h.Token.Value())
	for range 20 {
		w.get(gatedURL)
	}
	h.Eventually("the probe refutes it", func() bool { return credential(h, "hub").Status == "invalid" })
	notUsable(t, w.get(gatedURL), "invalid")
	if n := asked.Load(); n != 1 {
		t.Errorf("%d probes for 20 refusals", n)
	}
	h.Hub.AddToken(hub.SampleToken(h.Token.Value()))
	if v := validate(h, "hub"); v.Credential.Status != "valid" || v.Report.Verdict != "valid" {
		t.Errorf("%+v", v)
	}
	if r := w.follow(gatedURL); r.status != 200 {
		t.Errorf("%s", r)
	}
	var statuses []string
	for _, e := range h.AuditEvents() {
		if e.Action == auth.ActionCredentialStatus {
			statuses = append(statuses, strings.SplitN(e.Reason, ":", 2)[0])
		}
	}
	if got := strings.Join(statuses, "; "); got != "invalid, was valid; valid, was invalid" {
		t.Errorf("on record: %s", got)
	}
}

// TestLife_TheHubOutOfReachChangesNothing: and says since when.
func TestLife_TheHubOutOfReachChangesNothing(t *testing.T) {
	t.Parallel()
	h := house.New(t, house.Options{})
	h.HubWorker("hub")
	if err := h.Hub.Close(); err != nil {
		t.Fatal(err)
	}
	v := validate(h, "hub")
	if v.Credential.Status != "valid" || v.Report.Verdict != "unknown" || v.Credential.AnsweredAt == nil || v.Report.Next == "" {
		t.Errorf("%+v", v)
	}
	c := h.AddCredential(admin.NewCredential{Name: "late", Provider: "huggingface", Fields: map[string]string{"token": h.Secret("hf_").Value()}})
	if c.Status != "pending" || c.Report.Verdict != "unknown" {
		t.Errorf("%+v", c)
	}
	c = h.AddCredential(admin.NewCredential{Name: "offline", Provider: "huggingface", Fields: map[string]string{"token": h.Secret("hf_").Value()}, NoValidate: true})
	if c.Status != "valid" || c.Report.Verdict != "unasked" || !strings.Contains(c.Report.Meaning, "not asked") {
		t.Errorf("%+v", c)
	}
}

// TestLife_ExpiresOnTime: by the clock, without a restart.
func TestLife_ExpiresOnTime(t *testing.T) {
	t.Parallel()
	var now clock
	h := house.New(t, house.Options{Now: now.now, Empty: true, Mount: mount(t, map[string]http.Handler{guarded: files(origin.Random(3, 100))})})
	key := h.AddKey(admin.NewKey{Name: "w"})
	h.AddCredential(admin.NewCredential{Name: "c", Provider: "http_bearer", Keys: []string{"w"}, ExpiresAt: ptr(now.now().Add(time.Hour)),
		Fields: map[string]string{"token": h.Secret("tok_").Value()}, Patterns: []string{guarded + "/*"}})
	w := newWorker(t, h, workerenv.Reverse, key.Key)
	if r := w.get("https://" + guarded + "/x"); r.status != 200 {
		t.Fatalf("%s", r)
	}
	now.jump(55 * time.Minute)
	h.Eventually("it is said ahead", func() bool { return strings.Contains(h.Log.String(), "expires soon") })
	now.jump(6 * time.Minute)
	notUsable(t, w.get("https://"+guarded+"/x"), "expired")
	h.Eventually("it is stored", func() bool {
		for _, e := range h.AuditEvents() {
			if e.Action == auth.ActionCredentialStatus && strings.HasPrefix(e.Reason, "expired, was valid") && e.Actor == "system" {
				return true
			}
		}
		return false
	})
}

// linkedWorker is a worker with key w, to which credential c is linked.
func linkedWorker(t *testing.T, h *house.House, mode workerenv.Mode) worker {
	t.Helper()
	key := h.AddKey(admin.NewKey{Name: "w"})
	bearer(h, "c", guarded+"/*")
	h.Link("c", "w")
	return newWorker(t, h, mode, key.Key)
}

// halfway begins a download and returns when g has sent half of it.
func halfway(w worker, g *gate, rawURL string) <-chan reply {
	done := make(chan reply, 1)
	go func() { done <- w.ask(http.MethodGet, rawURL, nil) }()
	<-g.half
	return done
}

// TestT57_RevokingACredential: the next request is refused, also on a
// connection that is open, what is being downloaded arrives whole, and --now
// cuts it.
func TestT57_RevokingACredential(t *testing.T) {
	t.Parallel()
	for _, now := range []bool{false, true} {
		g := newGate(400_000)
		h := house.New(t, house.Options{Empty: true, Mount: mount(t, map[string]http.Handler{guarded: g})})
		key := h.AddKey(admin.NewKey{Name: "w"})
		secret := bearer(h, "c", guarded+"/*")
		h.Link("c", "w")
		for _, mode := range modes {
			if now && mode == workerenv.Reverse {
				continue // revoked by now
			}
			w := newWorker(t, h, mode, key.Key)
			done := halfway(w, g, "https://"+guarded+"/x")
			path := "/api/v1/credentials/c/revoke"
			if now {
				path += "?now=true"
			}
			var c admin.Credential
			h.Call(http.MethodPost, path, nil, &c)
			if c.Status != "revoked" {
				t.Fatalf("%+v", c)
			}
			notUsable(t, w.get("https://"+guarded+"/y"), "revoked")
			if !now {
				close(g.open)
			}
			r := <-done
			if now && r.err == nil {
				t.Errorf("%s: a cut download ended cleanly: %s", mode, r)
			}
			if want := contentOf(g.content); !now && (r.err != nil || !bytes.Equal(r.body, want)) {
				t.Errorf("%s: %s", mode, r)
			}
			break
		}
		// Its secret is gone, not merely unused.
		st, err := h.Bridge.Store().State(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range st.Credentials {
			if f, err := h.Bridge.Store().OpenFields(t.Context(), c.ID, c.Version); err != nil || !f["token"].IsZero() {
				t.Errorf("the secret is still there (%v)", err)
			}
		}
		_ = secret
	}
}

// TestT57_RotatingLetsDownloadsFinish: the old secret until the end of what
// runs, the new one for the next request, and the old one is destroyed.
func TestT57_RotatingLetsDownloadsFinish(t *testing.T) {
	t.Parallel()
	g := newGate(400_000)
	var seen atomic.Value
	h := house.New(t, house.Options{Empty: true, Mount: mount(t, map[string]http.Handler{guarded: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen.Store(r.Header.Get("Authorization"))
		if r.URL.Path == "/big" {
			g.ServeHTTP(w, r)
		}
	})})})
	w := linkedWorker(t, h, workerenv.Forward)
	done := halfway(w, g, "https://"+guarded+"/big")
	next := h.Secret("tok_")
	old := credential(h, "c")
	var c admin.Credential
	h.Call(http.MethodPost, "/api/v1/credentials/c/rotate", admin.Rotation{Fields: map[string]string{"token": next.Value()}}, &c)
	if c.Version != old.Version+1 || c.Status != "valid" {
		t.Errorf("%+v", c)
	}
	if r := w.get("https://" + guarded + "/small"); r.status != 200 || seen.Load() != "Bearer "+next.Value() {
		t.Errorf("%s", r)
	}
	close(g.open)
	if r := <-done; r.err != nil || !bytes.Equal(r.body, contentOf(g.content)) {
		t.Errorf("%s", r)
	}
	if _, err := h.Bridge.Store().OpenFields(t.Context(), c.ID, old.Version); err == nil {
		t.Error("the old fields are still there")
	}
}

// TestT57_RevokingAKeyCutsWhatItDownloads where that is wanted.
func TestT57_RevokingAKeyCutsWhatItDownloads(t *testing.T) {
	t.Parallel()
	g := newGate(400_000)
	h := house.New(t, house.Options{Empty: true, Mount: mount(t, map[string]http.Handler{guarded: g})})
	w := linkedWorker(t, h, workerenv.Reverse)
	done := halfway(w, g, "https://"+guarded+"/x")
	h.Call(http.MethodPost, "/api/v1/keys/w/revoke?now=true", nil, nil)
	if r := <-done; r.err == nil {
		t.Errorf("a clean end: %s", r)
	}
	if r := w.get("https://" + guarded + "/y"); r.code() != auth.CodeKeyRevoked {
		t.Errorf("%s", r)
	}
}

// contentOf is all of c.
func contentOf(c origin.Content) []byte {
	b := make([]byte, c.Size())
	_, _ = c.ReadAt(b, 0)
	return b
}
