package cases

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/house/origin"
	"github.com/weighbridge/weighbridge/internal/workerenv"
)

func TestMain(m *testing.M) {
	flag.Parse()
	// Most of these tests wait most of the time: for disks, clocks, timeouts.
	if n, err := strconv.Atoi(flag.Lookup("test.parallel").Value.String()); err == nil && n < sideBySide {
		_ = flag.Set("test.parallel", strconv.Itoa(sideBySide))
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		removeProgram()
		os.Exit(code)
	}))
}

const sideBySide = 6

// patience bounds every wait of these tests. What is waited for comes by
// itself and soon: reaching the bound is a failure.
const patience = time.Minute

var modes = []workerenv.Mode{workerenv.Forward, workerenv.Reverse}

// soak is rounds, or a hundred times as many for each WEIGHBRIDGE_SOAK.
func soak(rounds int) int {
	if n := house.Soaks(); n > 0 {
		return rounds * 100 * n
	}
	return rounds
}

// reply is an answer, read to its end. err is what reading met.
type reply struct {
	status          int
	header, trailer http.Header
	body            []byte
	err             error
	url             string
}

// String is short enough to be read.
func (r reply) String() string {
	return fmt.Sprintf("%d %s %.200q (%d bytes), error: %v", r.status, r.code(), r.body, len(r.body), r.err)
}

// code is the code of a refusal of ours.
func (r reply) code() auth.Code { return auth.Code(r.header.Get("X-Weighbridge-Error")) }

// worker is a client of one mode with a key. Everything it receives is
// searched for secrets.
type worker struct {
	t      testing.TB
	house  *house.House
	mode   workerenv.Mode
	client *http.Client
}

func newWorker(t testing.TB, h *house.House, mode workerenv.Mode, key string) worker {
	return worker{t, h, mode, h.HTTPClient(mode, key)}
}

// ask sends one request; header comes in pairs.
func (w worker) ask(method, rawURL string, body []byte, header ...string) reply {
	return w.askContext(w.t.Context(), method, rawURL, body, header...)
}

func (w worker) askContext(ctx context.Context, method, rawURL string, body []byte, header ...string) reply {
	var from io.Reader
	if body != nil {
		from = bytes.NewReader(body)
	}
	r, err := http.NewRequestWithContext(ctx, method, rawURL, from)
	if err != nil {
		return reply{err: err}
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return do(w.client, r)
}

func do(client *http.Client, r *http.Request) reply {
	answer, err := client.Do(r)
	if err != nil {
		return reply{err: err}
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	return reply{answer.StatusCode, answer.Header, answer.Trailer, body, err, answer.Request.URL.String()}
}

// get is ask for what must arrive, whatever its status.
func (w worker) get(rawURL string, header ...string) reply {
	w.t.Helper()
	r := w.ask(http.MethodGet, rawURL, nil, header...)
	if r.err != nil {
		w.t.Fatalf("%s: %v", rawURL, r.err)
	}
	return r
}

// follow is get through redirects, with the same header on every hop, as
// urllib and other careless clients send it.
func (w worker) follow(rawURL string, header ...string) reply {
	w.t.Helper()
	for range 10 {
		r := w.ask(http.MethodGet, rawURL, nil, header...)
		location := r.header.Get("Location")
		if r.err != nil || r.status/100 != 3 || location == "" {
			return r
		}
		here, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, r.url, nil)
		if err != nil {
			return reply{err: err}
		}
		next, err := here.URL.Parse(location)
		if err != nil {
			return reply{err: err}
		}
		rawURL = next.String()
	}
	return reply{err: errors.New("too many redirects")}
}

// clock is a clock that a test sets ahead.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time       { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) jump(d time.Duration) { c.ahead.Add(int64(d)) }

// mount puts handlers on the origin by host name.
func mount(t testing.TB, hosts map[string]http.Handler) func(*origin.Server) {
	return func(s *origin.Server) {
		for host, h := range hosts {
			if err := s.Handle(host, h); err != nil {
				t.Error(err)
			}
		}
	}
}

// bearer makes a credential of provider http_bearer with a new secret.
func bearer(h *house.House, name string, patterns ...string) *house.Canary {
	secret := h.Secret("tok_")
	h.AddCredential(admin.NewCredential{
		Name: name, Provider: "http_bearer", Fields: map[string]string{"token": secret.Value()}, Patterns: patterns,
	})
	return secret
}

// files serves content under every path.
func files(c origin.Content) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		origin.Serve(w, r, c, "strong", "application/octet-stream")
	})
}

// secretIn reports whether a request that arrived shows the secret, and where.
func secretIn(r *origin.Request, secrets ...*house.Canary) string {
	for _, c := range secrets {
		if len(c.Search("", []byte(r.Path+"?"+r.Query))) > 0 {
			return "the URL"
		}
		for name, values := range r.Header {
			for _, v := range values {
				if len(c.Search("", []byte(v))) > 0 {
					return name
				}
			}
		}
	}
	return ""
}
