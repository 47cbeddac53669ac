package proxy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// fakeProvider is a provider with one of everything.
type fakeProvider struct{}

var (
	_ auth.Provider       = fakeProvider{}
	_ auth.BodyClassifier = fakeProvider{}
	_ auth.Placeholderer  = fakeProvider{}
	_ auth.Refuser        = fakeProvider{}
	_ auth.Rewriter       = fakeProvider{}
)

func (fakeProvider) Schema() auth.Schema {
	return auth.Schema{Name: "fake", Title: "Fake", Hosts: []string{hubHost}, Fields: []auth.Field{{Name: "token", Secret: true, Required: true}}}
}

func (fakeProvider) Check(auth.Fields) error { return nil }

func (fakeProvider) Expand(p auth.Pattern) ([]auth.Rule, error) {
	return []auth.Rule{{Pattern: p}}, nil
}

func (fakeProvider) Companions() []auth.Companion {
	return []auth.Companion{{Host: ".cdn.hub.example", Signed: true}, {Host: casHost}}
}

func (fakeProvider) Classify(method string, t auth.Target) auth.Class {
	switch {
	case strings.HasPrefix(t.Path, "/whoami"):
		return auth.ClassForbidden
	case method == "GET" || method == "HEAD" || method == "OPTIONS":
		return auth.ClassRead
	case method == "POST" && t.Path == "/telemetry":
		return auth.ClassRead
	case method == "POST" && strings.HasSuffix(t.Path, "/batch"):
		return auth.ClassBody
	}
	return auth.ClassWrite
}

func (fakeProvider) ClassifyBody(_ string, _ auth.Target, coding string, body []byte) auth.Class {
	switch {
	case coding != "":
		return auth.ClassForbidden
	case bytes.Contains(body, []byte(`"download"`)):
		return auth.ClassRead
	}
	return auth.ClassWrite
}

func (fakeProvider) IsPlaceholder(v string) bool { return v == "Bearer placeholder" }

func (fakeProvider) RefusalFields(e *auth.Error) []auth.HeaderField {
	return []auth.HeaderField{{Name: "X-Error-Code", Value: "Weighbridge"}, {Name: "X-Error-Message", Value: e.Reason}}
}

func (fakeProvider) Explain(h auth.Header, what string) { h.Add("X-Explained", what) }

func (fakeProvider) Prepare(q auth.Asked, h auth.Header) auth.Wants {
	switch {
	case q.Reverse && strings.HasPrefix(q.Target.Path, "/rewrite"):
		return auth.WantsWhole
	case q.Reverse && strings.HasPrefix(q.Target.Path, "/part"):
		h.Del("X-Unwanted")
		return auth.WantsPlain
	}
	return auth.WantsNothing
}

func (p fakeProvider) Rewrite(a *auth.Answer) (auth.BodyRewrite, error) {
	if base := a.Header.Get("X-Base"); base != "" {
		a.Header.Set("X-Base", a.ReturnPrefix(base, a.Header.Get("X-Write") != ""))
	}
	if p.Prepare(a.Request, &fields{}) == auth.WantsNothing {
		return nil, nil
	}
	a.Header.Del("X-Hidden")
	if strings.HasPrefix(a.Request.Target.Path, "/rewrite/fails") {
		return func(dst io.Writer, src io.Reader) error {
			_, _ = io.CopyN(dst, src, 3)
			return errors.New("cannot rewrite")
		}, nil
	}
	return func(dst io.Writer, src io.Reader) error {
		b, err := io.ReadAll(src)
		if err != nil {
			return err
		}
		_, err = dst.Write(bytes.ReplaceAll(b, []byte("URL"), []byte(a.Return("https://"+cdnHost+"/f"))))
		return err
	}, nil
}

// fakeSigner sets a Bearer of the canary, or fails.
type fakeSigner struct {
	fail  atomic.Pointer[error]
	calls atomic.Int64
	// spoil changes what it must not change.
	spoil atomic.Bool
	// broken puts a line break into the value.
	broken atomic.Bool
	// query puts one into the query.
	query atomic.Bool
}

func (s *fakeSigner) Sign(_ context.Context, d auth.Decision, out *auth.Outgoing) (auth.Applied, error) {
	s.calls.Add(1)
	if err := s.fail.Load(); err != nil {
		return auth.Applied{}, *err
	}
	if s.spoil.Load() {
		out.Target.Host = evilHost
	}
	v := "Bearer " + canary
	if s.query.Load() {
		out.Target.RawQuery, out.Target.HasQuery = "a\r\nX-Evil: 1", true
	}
	if s.broken.Load() {
		v += "\r\nX-Injected: yes"
	}
	if d.CredentialID == "" || d.Version == 0 {
		return auth.Applied{}, errors.New("a decision without a credential")
	}
	out.Header.Set("Authorization", v)
	return auth.Applied{Mask: []auth.Secret{auth.NewSecret(canary), auth.NewSecret(v)}}, nil
}

// memory is a Recorder in memory, with faults.
type memory struct {
	mu     sync.Mutex
	events []auth.Event
	down   error
	// fail makes tickets fail, hold makes them wait.
	fail error
	hold chan struct{}
	// forget keeps nothing, for benchmarks.
	forget bool
}

func (m *memory) Record(e auth.Event) auth.Ticket {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail == nil && !m.forget {
		m.events = append(m.events, e)
	}
	return &ticket{m.fail, m.hold}
}

func (m *memory) Err() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.down
}

func (m *memory) set(f func(*memory)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f(m)
}

func (m *memory) all() []auth.Event {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.events)
}

// of returns the events of an action.
func (m *memory) of(action string) (out []auth.Event) {
	for _, e := range m.all() {
		if e.Action == action {
			out = append(out, e)
		}
	}
	return out
}

// eventually waits for n events of an action.
func (m *memory) eventually(action string, n int) []auth.Event {
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if got := m.of(action); len(got) >= n {
			return got
		}
	}
	return m.of(action)
}

type ticket struct {
	err  error
	hold chan struct{}
}

func (t *ticket) Wait(ctx context.Context) error {
	if t.hold != nil {
		select {
		case <-t.hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return t.err
}
