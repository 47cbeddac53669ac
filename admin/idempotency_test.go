package admin_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/admin/session"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/store"
)

const once = "Idempotency-Key"

// onDisk is a fixture whose store outlives it, and what opens it again.
func onDisk(t *testing.T) (f *fixture, path string, again func() *fixture) {
	t.Helper()
	kek, err := store.NewMemoryKEK()
	must(t, err)
	path = filepath.Join(t.TempDir(), "weighbridge.db")
	open := func(o store.Options) (store.Store, error) { return store.OpenBolt(path, o) }
	f = newFixtureOn(t, kek, open)
	now := f
	return f, path, func() *fixture {
		must(t, now.st.Close())
		now = newFixtureOn(t, kek, open)
		return now
	}
}

// Sent again, a request has happened once, also over a restart; its answer
// comes again without the secret, which is in no file.
func TestARequestThatIsSentAgainHappensOnce(t *testing.T) {
	f, path, again := onDisk(t)
	const body = `{"name":"k","url_key":true}`
	first := f.with("POST", "/api/v1/keys", body, once, "7f3a")
	if first.Code != 201 || first.Header().Get("Idempotency-Replayed") != "" || first.Header().Get("ETag") == "" {
		t.Fatalf("%d %v %s", first.Code, first.Header(), first.Body)
	}
	secret := first.Body.String()[strings.Index(first.Body.String(), "wbk_"):][:40]
	for _, key := range []string{"7f3a", `"7f3a"`} {
		f = again()
		w := f.with("POST", "/api/v1/keys", body, once, key)
		if w.Code != 201 || w.Header().Get("Idempotency-Replayed") != "true" || w.Header().Get("Idempotency-Withheld") != "key, url_key" ||
			w.Header().Get("ETag") != first.Header().Get("ETag") || strings.Contains(w.Body.String(), secret) || !strings.Contains(w.Body.String(), `"name":"k"`) || strings.Contains(w.Body.String(), "wbu_") {
			t.Errorf("again: %d %v %s", w.Code, w.Header(), w.Body)
		}
	}
	if n := len(f.must(200, "GET", "/api/v1/keys", "")["keys"].([]any)); n != 1 {
		t.Errorf("%d keys", n)
	}
	// A refusal is an answer, too; and what was seen then need not hold now.
	seen := f.with("GET", "/api/v1/keys/k", "").Header().Get("ETag")
	for _, want := range []string{"", "true"} {
		if w := f.with("POST", "/api/v1/keys/k/regenerate", "", once, "r", "If-Match", seen); w.Code != 200 || w.Header().Get("Idempotency-Replayed") != want {
			t.Errorf("regenerate: %d %v %s", w.Code, w.Header(), w.Body)
		}
		if w := f.with("POST", "/api/v1/keys", body, once, "taken"); w.Code != 409 || w.Header().Get("Idempotency-Replayed") != want || w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("refused: %d %v %s", w.Code, w.Header(), w.Body)
		}
	}
	for _, want := range []string{"", "true"} {
		if w := f.with("DELETE", "/api/v1/keys/k", "", once, "d"); w.Code != 204 || w.Header().Get("Idempotency-Replayed") != want || w.Body.Len() > 0 {
			t.Errorf("delete: %d %v %s", w.Code, w.Header(), w.Body)
		}
	}
	must(t, f.st.Close())
	file, err := os.ReadFile(path)
	must(t, err)
	for _, hidden := range []string{secret, "7f3a", body} {
		if bytes.Contains(file, []byte(hidden)) {
			t.Errorf("the store holds %q", hidden)
		}
	}
}

// A key is of one request of one caller, about one team, for one operation.
func TestAnIdempotencyKeyIsOfOneRequest(t *testing.T) {
	f := newFixture(t)
	f.must(201, "POST", "/api/v1/credentials", `{"name":"c","provider":"http_bearer","fields":{"token":"`+canary+`"},"patterns":["models.example.com/*"]}`)
	other := f.must(201, "POST", "/api/v1/teams", `{"name":"other"}`)["id"].(string)
	if w := f.with("POST", "/api/v1/keys", `{"name":"a"}`, once, "x"); w.Code != 201 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	for _, w := range []*httptest.ResponseRecorder{
		f.with("POST", "/api/v1/keys", `{"name":"b"}`, once, "x"),
		f.with("POST", "/api/v1/keys?x=1", `{"name":"a"}`, once, "x"),
	} {
		if w.Code != 422 || !strings.Contains(w.Body.String(), "idempotency_mismatch") {
			t.Errorf("another request: %d %s", w.Code, w.Body)
		}
	}
	for what, w := range map[string]*httptest.ResponseRecorder{
		"another operation": f.with("POST", "/api/v1/s3-keys", `{"name":"a3"}`, once, "x"),
		"another team":      f.with("POST", "/api/v1/keys", `{"name":"a"}`, once, "x", "X-Team-ID", other),
	} {
		if w.Code != 201 || w.Header().Get("Idempotency-Replayed") != "" {
			t.Errorf("%s: %d %s", what, w.Code, w.Body)
		}
	}
	for _, bad := range []string{`""`, "a b", "a,b", strings.Repeat("x", 256), "ü"} {
		if w := f.with("POST", "/api/v1/keys", `{"name":"z"}`, once, bad); w.Code != 422 || !strings.Contains(w.Body.String(), `"invalid"`) {
			t.Errorf("%q: %d %s", bad, w.Code, w.Body)
		}
	}
	if w := f.with("POST", "/api/v1/keys", `{"name":"z"}`, once, "a", once, "b"); w.Code != 422 {
		t.Errorf("two keys: %d", w.Code)
	}
	if w := f.with("POST", "/api/v1/keys", `{"name":"`+strings.Repeat("x", 1<<20)+`"}`, once, "long"); w.Code != 413 {
		t.Errorf("a long body: %d", w.Code)
	}
	f.clean()
}

// Another caller's key is another key.
func TestAnIdempotencyKeyIsOfOneCaller(t *testing.T) {
	p := newPeople(t)
	handler := admin.New(p.o).Remote()
	for i, bearer := range []string{"jwt-owner", p.token("owner", "red", nil), p.token("owner", "red", nil), "jwt-member"} {
		r := httptest.NewRequest("POST", "http://127.0.0.1:8081/api/v1/keys", strings.NewReader(fmt.Sprintf(`{"name":"k%d"}`, i)))
		r.Header.Set("Authorization", "Bearer "+bearer)
		r.Header.Set("X-Team-ID", p.teams["red"].ID)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set(once, "same")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != 201 {
			t.Errorf("%d: %d %s", i, w.Code, w.Body)
		}
	}
}

// While the first try is under way, and where it was cut off, a further one is
// told so and does nothing.
func TestTriesThatOverlapOrWereCutOff(t *testing.T) {
	f, _, again := onDisk(t)
	begun, goOn := make(chan struct{}), make(chan struct{})
	f.o.Validator = &slowValidator{begun: begun, goOn: goOn}
	f.api = admin.New(f.o)
	const body = `{"name":"c","provider":"http_bearer","fields":{"token":"` + canary + `"},"patterns":["models.example.com/*"]}`
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan *httptest.ResponseRecorder)
	go func() {
		r := httptest.NewRequestWithContext(ctx, "POST", "/api/v1/credentials", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set(once, "x")
		w := httptest.NewRecorder()
		f.api.Local().ServeHTTP(w, r)
		done <- w
	}()
	<-begun
	cancel() // whoever asked has gone: it is seen through
	w := f.with("POST", "/api/v1/credentials", body, once, "x")
	if w.Code != 409 || !strings.Contains(w.Body.String(), "idempotency_running") {
		t.Errorf("under way: %d %s", w.Code, w.Body)
	}
	if w := f.with("POST", "/api/v1/credentials", `{}`, once, "x"); w.Code != 422 || !strings.Contains(w.Body.String(), "idempotency_mismatch") {
		t.Errorf("another request while it is under way: %d %s", w.Code, w.Body)
	}
	close(goOn)
	if w := <-done; w.Code != 201 {
		t.Errorf("the first: %d %s", w.Code, w.Body)
	}
	if w := f.with("POST", "/api/v1/credentials", body, once, "x"); w.Code != 201 || w.Header().Get("Idempotency-Replayed") != "true" {
		t.Errorf("afterwards: %d %s", w.Code, w.Body)
	}
	f.clean()

	f.o.System = func() admin.System { return admin.System{Intercept: true} }
	authority := &rotating{err: errors.New("the disk burns")}
	f.o.Authority = authority
	f.api = admin.New(f.o)
	if w := f.with("POST", "/api/v1/ca/rotate", "", once, "y"); w.Code != 500 {
		t.Errorf("failed: %d", w.Code)
	}
	if authority.err = nil; f.with("POST", "/api/v1/ca/rotate", "", once, "y").Code != 200 {
		t.Error("a try after one that failed")
	}
	authority.err = fmt.Errorf("the line broke: %w", store.ErrUnknown)
	if w := f.with("POST", "/api/v1/ca/rotate", "", once, "u"); w.Code != 503 || !strings.Contains(w.Body.String(), "outcome_unknown") || strings.Contains(w.Body.String(), "Nothing was changed") {
		t.Errorf("of unknown outcome: %d %s", w.Code, w.Body)
	}
	authority.err = nil
	if w := f.with("POST", "/api/v1/ca/rotate", "", once, "u"); w.Code != 409 || !strings.Contains(w.Body.String(), "idempotency_unknown") {
		t.Errorf("a try after one of unknown outcome: %d %s", w.Code, w.Body)
	}
	f.o.Authority = &dying{}
	f.api = admin.New(f.o)
	func() {
		defer func() { _ = recover() }()
		f.with("POST", "/api/v1/ca/rotate", "", once, "z")
	}()
	f = again()
	if w := f.with("POST", "/api/v1/ca/rotate", "", once, "z"); w.Code != 409 || !strings.Contains(w.Body.String(), "idempotency_unknown") {
		t.Errorf("cut off: %d %s", w.Code, w.Body)
	}
}

// slowValidator says when it is asked, and answers when it may.
type slowValidator struct{ begun, goOn chan struct{} }

func (v *slowValidator) Check(ctx context.Context, _ auth.Inquiry) auth.Report {
	close(v.begun)
	<-v.goOn
	if ctx.Err() != nil {
		return auth.Report{Verdict: auth.VerdictUnknown, Meaning: "gone"}
	}
	return auth.Report{At: time.Now(), Verdict: auth.VerdictValid, Meaning: "fine"}
}

func (v *slowValidator) Validate(context.Context, string, string, auth.Event) (auth.Credential, auth.Report, error) {
	return auth.Credential{}, auth.Report{}, store.ErrUnavailable
}

func (v *slowValidator) Judge(c *auth.Credential, r auth.Report) {
	c.Status, c.Reason = auth.StatusValid, r.Meaning
}

// dying is an authority in which the program ends.
type dying struct{ rotating }

func (*dying) Rotate(context.Context) error { panic("the end") }

// Whatever an answer shows once is withheld when it is given again: what the
// document says is shown once is in the table.
func TestEverySecretOfAnAnswerIsWithheld(t *testing.T) {
	f := newFixture(t)
	doc := f.api.OpenAPI()
	found := 0
	for _, item := range doc.Paths {
		for _, op := range []*huma.Operation{item.Post, item.Put, item.Patch, item.Delete} {
			if op == nil {
				continue
			}
			for status, resp := range op.Responses {
				media := resp.Content["application/json"]
				if status[0] != '2' || media == nil || media.Schema == nil {
					continue
				}
				s := media.Schema
				if s.Ref != "" {
					s = doc.Components.Schemas.SchemaFromRef(s.Ref)
				}
				for name, p := range s.Properties {
					once := strings.Contains(strings.ToLower(p.Description), "shown once") || strings.HasSuffix(name, "_token") || strings.HasPrefix(name, "secret")
					if once && !slices.Contains(admin.ShownOnce(op), name) {
						t.Errorf("%s shows %s, which is kept", op.OperationID, name)
					}
					if once {
						found++
					}
				}
			}
		}
	}
	if found < 10 {
		t.Errorf("found %d", found)
	}
}

// What was refused for coming too soon happens when it is sent again in time.
func TestTooSoonIsNotTheAnswerForADay(t *testing.T) {
	f := newFixture(t)
	now := time.Now() // and stays: a pause does not end while a password is hashed
	f.o.SignIn = session.New(session.Options{Store: f.st, Now: func() time.Time { return now }})
	f.api = admin.New(f.o)
	p := &people{fixture: f, remote: f.api.Remote(), teams: map[string]auth.Team{}, users: map[string]auth.User{}}
	p.must(201, "POST", "/api/v1/users", `{"email":"ada@example.com","password":"`+password+`"}`)
	jwt := p.in("ada@example.com")
	change := func(present, key string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("POST", "http://127.0.0.1:8081/api/v1/auth/password", strings.NewReader(`{"current_password":"`+present+`","new_password":"`+newPassword+`"}`))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+jwt)
		r.Header.Set(once, key)
		w := httptest.NewRecorder()
		p.remote.ServeHTTP(w, r)
		return w
	}
	for i := range 5 {
		if w := change(canary, fmt.Sprint("wrong", i)); w.Code != 403 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	for range 2 {
		w := change(password, "right")
		if w.Code != 429 || w.Header().Get("Retry-After") == "" || w.Header().Get("Idempotency-Replayed") != "" {
			t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
		}
	}
}

// A key is of one condition: under another one it is another request.
func TestAConditionBelongsToTheRequest(t *testing.T) {
	f := newFixture(t)
	f.must(201, "POST", "/api/v1/keys", `{"name":"k"}`)
	if w := f.with("POST", "/api/v1/keys/k/regenerate", "", once, "r", "If-Match", `"old"`); w.Code != 412 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	seen := f.with("GET", "/api/v1/keys/k", "").Header().Get("ETag")
	if w := f.with("POST", "/api/v1/keys/k/regenerate", "", once, "r", "If-Match", seen); w.Code != 422 || !strings.Contains(w.Body.String(), "idempotency_mismatch") {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
}
