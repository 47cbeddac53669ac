package portal

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
)

// house stands for what the settings are about: a root, a key encryption key
// and backups.
type house struct {
	t     *testing.T
	mu    sync.Mutex
	roots []*x509.Certificate
	kek   admin.KEKStatus
	// breaks is after how many bytes a backup breaks off.
	breaks int64
}

func newHouse(t *testing.T) (*kit, *house) {
	h := &house{t: t, kek: admin.KEKStatus{KEK: "kek-1", URI: "file:kek", Configured: "file:kek", Uses: []admin.KEKUse{{KEK: "kek-1", URI: "file:kek", DEKs: 7, RowKey: true}}}}
	if err := h.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return newKit(t, func(o *admin.Options) {
		o.Authority, o.KEK = h, keks{h}
		o.Bundle = func() ([]byte, error) { return []byte("the bundle"), nil }
		o.Backup = func(_ context.Context, record bool) (admin.Backup, error) { return &copyOf{h, record}, nil }
		o.System = func() admin.System {
			return admin.System{Version: "test", ProxyURL: "http://127.0.0.1:8080", DataDir: "/var/lib/secret-place", Intercept: true, StartedAt: time.Now().Add(-3 * time.Hour)}
		}
	}), h
}

// Roots implements admin.Authority.
func (h *house) Roots() []*x509.Certificate {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.roots
}

// Rotate implements admin.Authority.
func (h *house) Rotate(context.Context) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	now := time.Now()
	c := &x509.Certificate{SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "weighbridge <root>"}, NotBefore: now, NotAfter: now.AddDate(10, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		return err
	}
	if c, err = x509.ParseCertificate(der); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.roots = append([]*x509.Certificate{c}, h.roots...)
	return nil
}

// keks implements admin.KEK.
type keks struct{ *house }

func (k keks) Status(context.Context) (admin.KEKStatus, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.kek, nil
}

func (k keks) Rotate(_ context.Context, uri string, _ auth.Event) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if uri == "file:nowhere" {
		return &auth.Error{Code: auth.CodeBadRequest, Status: http.StatusConflict, Reason: "there is no key", Next: "Make one."}
	}
	k.kek.Rotation = &admin.KEKRotation{From: "kek-1", FromURI: "file:kek", To: "kek-2", ToURI: "file:kek2", Done: 3, Total: 7, Running: true}
	return nil
}

// copyOf is a backup of three MiB that come a little at a time.
type copyOf struct {
	*house
	record bool
}

func (c *copyOf) WriteTo(w io.Writer) (int64, error) {
	var n int64
	for chunk := []byte(strings.Repeat("b", 1<<16)); n < 3<<20; n += int64(len(chunk)) {
		if c.breaks > 0 && n >= c.breaks {
			return n, errors.New("the disk is gone")
		}
		if _, err := w.Write(chunk); err != nil {
			return n, err
		}
	}
	if c.record {
		_, _ = io.WriteString(w, "and the record")
	}
	return n, nil
}

func (c *copyOf) Close() error { return nil }

// What is about weighbridge as a whole is for who runs it; the rest everybody
// may have.
func TestSettingsAreForWhoRunsWeighbridge(t *testing.T) {
	k, h := newHouse(t)
	_, member, owner, b := k.everybody()
	for name, one := range map[string]*browser{"member": member, "owner": owner} {
		page := one.page("/t/research/settings")
		shows(t, name, page, true, "http://127.0.0.1:8080", "3 hours ago", "CN=weighbridge", "&lt;root", "/openapi.json")
		shows(t, name, page, true, "http://weighbridge:wbk_KEY@127.0.0.1:8080", "A worker on this machine is all", "HF_ENDPOINT", "docker run --env-file worker.env", "/.weighbridge/ca.pem")
		there := one.page("/t/research/settings?proxy=http%3A%2F%2Fgpu.example.com%3A8080&bundle=%2Fsrv%2Fca.pem")
		shows(t, name, there, true, "http://weighbridge:wbk_KEY@gpu.example.com:8080", "SSL_CERT_FILE=/srv/ca.pem")
		shows(t, name, there, false, "A worker on this machine is all", "00000000")
		if got := one.get("/t/research/settings?proxy=gpu"); got.status != http.StatusUnprocessableEntity || !strings.Contains(got.body, `role="alert"`) || strings.Contains(got.body, "wbk_KEY@gpu") {
			t.Errorf("%s: a proxy that is no URL: %d", name, got.status)
		}
		shows(t, name, page, false, "secret-place", "Rotate", "kek-1", "Make a backup")
		for _, path := range []string{"/kek", "/kek/rotate", "/backup", "/ca/rotate"} {
			if got := one.get("/t/research/settings" + path); got.status != http.StatusForbidden {
				t.Errorf("%s: %s: %d", name, path, got.status)
			}
		}
		one.refuses("/t/research/settings/ca/rotate", url.Values{"name": {"new root"}}, http.StatusForbidden, "forbidden")
		one.refuses("/t/research/settings/kek/rotate", url.Values{"name": {"kek-1"}, "to": {"file:x"}}, http.StatusForbidden, "forbidden")
		one.refuses("/t/research/settings/kek/resume", url.Values{}, http.StatusForbidden, "forbidden")
		one.refuses("/t/research/settings/backup", url.Values{"audit": {"true"}}, http.StatusForbidden, "forbidden")
		if got := one.get("/t/research/settings/ca/bundle"); got.body != "the bundle" || !strings.Contains(got.header.Get("Content-Disposition"), `filename="weighbridge-bundle.pem"`) {
			t.Errorf("%s: the bundle: %d %q %v", name, got.status, got.body, got.header)
		}
	}
	shows(t, "operator", b.page("/t/default/settings"), true, "secret-place", "Rotate the root", "kek-1", "7 data keys", "Make a backup")
	b.refuses("/t/default/settings/ca/rotate", url.Values{"name": {"root"}}, http.StatusUnprocessableEntity, "not_confirmed")
	b.does("/t/default/settings/ca/rotate", url.Values{"name": {"new root"}})
	all := h.Roots()
	if len(all) != 2 {
		t.Fatalf("%d roots", len(all))
	}
	roots, err := k.local.ListRoots(t.Context())
	k.must(err)
	for _, r := range roots.Roots {
		if got := owner.get("/t/research/settings/ca/roots/" + r.Fingerprint); got.body != r.PEM || !strings.Contains(got.header.Get("Content-Disposition"), "attachment") {
			t.Errorf("a root: %d %q", got.status, got.body)
		}
	}
	if got := owner.get("/t/research/settings/ca/roots/00"); got.status != http.StatusNotFound {
		t.Errorf("a root that is not there: %d", got.status)
	}
}

// A rotation of the key encryption key shows how far it is, and the part that
// does asks again as long as it goes on.
func TestTheKeyRotationIsWatched(t *testing.T) {
	k, h := newHouse(t)
	b := k.owner()
	const at = "/t/default/settings/kek/rotate"
	b.page(at)
	got := b.refuses(at, url.Values{"to": {`file:"><b>`}, "name": {"kek"}}, http.StatusUnprocessableEntity, "not_confirmed")
	shows(t, "what was typed", got.body, true, "file:&#34;&gt;&lt;b&gt;")
	b.refuses(at, url.Values{"name": {"kek-1"}}, http.StatusUnprocessableEntity, "invalid")
	got = b.refuses(at, url.Values{"to": {"file:nowhere"}, "name": {"kek-1"}}, http.StatusConflict, "bad_request")
	shows(t, "no such key", got.body, true, "there is no key", "Make one.")
	b.does(at, url.Values{"to": {"file:kek2"}, "name": {"kek-1"}})
	part := func() string {
		got := b.send("GET", "/t/default/settings/kek", nil, func(h http.Header) {
			h.Set("Sec-Fetch-Site", "same-origin")
			h.Set("HX-Request", "true")
		})
		if got.status != http.StatusOK || strings.Contains(got.body, "<html") {
			t.Fatalf("the part: %d %s", got.status, got.body)
		}
		return got.body
	}
	shows(t, "running", part(), true, `hx-get="/t/default/settings/kek" hx-trigger="every 1s"`, `data-beside="kek-problem"`, `<progress max="7" value="3"`, "3 of 7")
	h.mu.Lock()
	h.kek.Rotation.Running, h.kek.Rotation.Error = false, "the service is <away>"
	h.mu.Unlock()
	shows(t, "stopped", part(), true, "the service is &lt;away&gt;", "/settings/kek/resume")
	shows(t, "stopped", part(), false, "hx-get")
	b.does("/t/default/settings/kek/resume", url.Values{})
	shows(t, "resumed", part(), true, "hx-get")
	h.mu.Lock()
	h.kek = admin.KEKStatus{KEK: "kek-2", URI: "file:kek2", Configured: "file:kek", ChangeConfig: true, Former: []string{"kek-1"}}
	h.mu.Unlock()
	shows(t, "done", part(), true, "Change the setting kek to file:kek2", "kek-1")
	shows(t, "done", b.page("/t/default/settings"), false, "hx-get")
}

// A backup streams through the session; one that breaks off is no short file.
func TestABackupStreams(t *testing.T) {
	k, h := newHouse(t)
	b := k.owner()
	shows(t, "what is in it", b.page("/t/default/settings/backup"), true, "The key encryption key")
	got := b.post("/t/default/settings/backup", url.Values{"audit": {"true"}})
	if got.status != http.StatusOK || len(got.body) != 3<<20+len("and the record") || !strings.Contains(got.header.Get("Content-Disposition"), `.tar"`) || got.header.Get("Content-Length") != "" {
		t.Errorf("%d, %d bytes, %v", got.status, len(got.body), got.header)
	}
	if got := b.post("/t/default/settings/backup", url.Values{}); len(got.body) != 3<<20 {
		t.Errorf("without the record: %d bytes", len(got.body))
	}
	h.breaks = 1 << 20
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.url+"/t/default/settings/backup", strings.NewReader(""))
	k.must(err)
	r.Header.Set("Origin", b.url)
	resp, err := b.http.Do(r)
	k.must(err)
	defer func() { _ = resp.Body.Close() }()
	if n, err := io.Copy(io.Discard, resp.Body); err == nil {
		t.Errorf("a backup that broke off ended like a whole one, after %d bytes", n)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.log) == 0 {
		t.Error("nothing is logged of it")
	}
	k.log = nil
}
