package portal

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/crypto/argon2"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/auth/audit"
	"github.com/weighbridge/weighbridge/signer"
	"github.com/weighbridge/weighbridge/store"
)

const (
	ownerEmail = "ada@example.com"
	password   = "correct horse battery"
)

// here is the directory of the package.
var here = os.DirFS(".")

// kitPlaceholder is what a worker is given in place of a token of the Hub.
const kitPlaceholder = signer.PlaceholderToken

// kit is a portal over an API and a store that are real, on a server of its own.
type kit struct {
	t      *testing.T
	store  store.Store
	record *audit.Memory
	local  *admin.Client // over what stands for admin.sock
	portal *Portal
	socket http.Handler
	url    string

	mu  sync.Mutex
	log []error
}

// newKit serves a portal in which nobody has signed in; change may say what its
// API stands on.
func newKit(t *testing.T, change func(*admin.Options)) *kit {
	t.Helper()
	k := &kit{t: t, record: audit.NewMemory(nil)}
	var snap atomic.Pointer[auth.Snapshot]
	kek, err := store.NewMemoryKEK()
	k.must(err)
	k.store, err = store.OpenMemory(store.Options{KEK: kek, OnChange: func(st auth.State) {
		if s, err := auth.Compile(st, auth.Options{Providers: signer.Providers()}); err == nil {
			snap.Store(s)
		}
	}})
	k.must(err)
	t.Cleanup(func() { _ = k.store.Close() })
	team, err := k.store.EnsureTeam(t.Context(), auth.DefaultTeam)
	k.must(err)
	o := admin.Options{
		Store: k.store, TeamID: team.ID, Snapshot: snap.Load, Providers: signer.Providers(), Record: k.record,
		Transfers: func() []admin.Transfer { return nil },
		System:    func() admin.System { return admin.System{Version: "test", ProxyURL: "http://127.0.0.1:8080"} },
		Unmatched: func() (auth.UnmatchedPolicy, auth.UnmatchedPolicy) { return auth.UnmatchedPass, auth.UnmatchedDeny },
		Ready:     func() error { return nil },
		Bundle:    func() ([]byte, error) { return nil, errors.New("none") },
		Log:       k.logged,
	}
	if change != nil {
		change(&o)
	}
	t.Cleanup(func() { // once the server has ended
		for _, err := range k.log {
			t.Errorf("logged: %v", err)
		}
	})
	api := admin.New(o)
	k.portal = New(Options{API: api, Placeholder: kitPlaceholder, Log: k.logged, Now: o.Now, OIDC: func() bool { return o.SignIn != nil }})
	server := httptest.NewServer(k.portal)
	t.Cleanup(server.Close)
	k.url = server.URL
	k.socket = api.Local()
	k.local = k.as("")
	return k
}

// as is what stands for admin.sock, about a team.
func (k *kit) as(team string) *admin.Client {
	r := httptest.NewRequestWithContext(context.WithoutCancel(k.t.Context()), http.MethodGet, "/", nil)
	return admin.NewInsideClient(k.socket, r, team, auth.Secret{})
}

func (k *kit) logged(err error) {
	if errors.Is(err, context.Canceled) {
		return // whoever asked is gone, as at the end of a test
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.log = append(k.log, err)
}

func (k *kit) must(err error) {
	k.t.Helper()
	if err != nil {
		k.t.Fatal(err)
	}
}

// browser is a person with a browser that runs no scripts.
type browser struct {
	*kit
	http *http.Client
}

// stranger is a browser in which nobody is signed in.
func (k *kit) stranger() *browser {
	jar, err := cookiejar.New(nil)
	k.must(err)
	return &browser{k, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// owner makes an owner of the default team, and signs in.
func (k *kit) owner() *browser { return k.user(ownerEmail, "", auth.RoleOwner) }

// user makes a user of a team, the default one where it is "", and signs in.
func (k *kit) user(email, team string, role auth.Role) *browser {
	k.t.Helper()
	if team == "" {
		team = auth.DefaultTeam
	}
	_, err := k.store.CreateUser(k.t.Context(), auth.User{Email: email, Password: cheap(password)}, []store.Place{{Team: team, Role: role}},
		auth.Event{Action: auth.ActionUserCreate, Actor: "test"})
	k.must(err)
	b := k.stranger()
	if got := b.post("/sign-in", url.Values{"email": {email}, "password": {password}}); got.status != http.StatusSeeOther {
		k.t.Fatalf("signing in: %d %s", got.status, got.body)
	}
	return b
}

// cheap is what is stored of a password, at the least cost that argon2id has
// (RFC 9106, section 3.1): whoever signs in pays what is stored.
func cheap(password string) auth.PasswordHash {
	salt, b64 := []byte("of a test alone!"), base64.RawStdEncoding.EncodeToString
	return auth.NewPasswordHash(fmt.Sprintf("$argon2id$v=%d$m=8,t=1,p=1$%s$%s", argon2.Version, b64(salt), b64(argon2.IDKey([]byte(password), salt, 1, 8, 1, 32))))
}

// answer is what came.
type answer struct {
	status   int
	body     string
	location string
	header   http.Header
}

// get asks for a page.
func (b *browser) get(path string) answer {
	b.t.Helper()
	return b.send(http.MethodGet, path, nil, func(h http.Header) { h.Set("Sec-Fetch-Site", "same-origin") })
}

// page is get of what has to be there.
func (b *browser) page(path string) string {
	b.t.Helper()
	got := b.get(path)
	if got.status != http.StatusOK {
		b.t.Fatalf("%s: %d %s %s", path, got.status, got.location, got.body)
	}
	if strings.Contains(got.body, "⟦") {
		b.t.Errorf("%s: a sentence is missing: %s", path, got.body[strings.Index(got.body, "⟦"):][:60])
	}
	if strings.Contains(got.body, "`") {
		b.t.Errorf("%s: a backtick is shown: %s", path, got.body[strings.Index(got.body, "`"):][:40])
	}
	return got.body
}

// post sends a form, as a page of the portal does.
func (b *browser) post(path string, form url.Values) answer {
	b.t.Helper()
	return b.send(http.MethodPost, path, form, func(h http.Header) {
		h.Set("Sec-Fetch-Site", "same-origin")
		h.Set("Origin", b.url)
	})
}

// does posts what has to succeed, and returns the path that it leads to.
func (b *browser) does(path string, form url.Values) string {
	b.t.Helper()
	got := b.post(path, form)
	if got.status != http.StatusSeeOther {
		b.t.Fatalf("%s: %d %s", path, got.status, got.body)
	}
	return got.location
}

func (b *browser) send(method, path string, form url.Values, change func(http.Header)) answer {
	b.t.Helper()
	body := io.Reader(nil)
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.url+path, body)
	b.must(err)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	change(r.Header)
	resp, err := b.http.Do(r)
	b.must(err)
	defer func() { _ = resp.Body.Close() }()
	all, err := io.ReadAll(resp.Body)
	b.must(err)
	return answer{resp.StatusCode, string(all), resp.Header.Get("Location"), resp.Header}
}
