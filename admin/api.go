package admin

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/weighbridge/weighbridge/admin/session"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/auth/audit"
	"github.com/weighbridge/weighbridge/auth/chain"
	"github.com/weighbridge/weighbridge/store"
)

// Record reads the record of use, oldest event first.
type Record interface {
	Events(ctx context.Context, since time.Time, yield func(auth.Event) bool) error
	// Follow goes on with new events until ctx ends or yield returns false.
	Follow(ctx context.Context, since time.Time, yield func(auth.Event) bool) error
	// Lines yields the lines of the chains as they are on file, from the file on
	// in which something at since may stand.
	Lines(ctx context.Context, since time.Time, yield func(file string, n int, line []byte) bool) error
	// Verify has v read all that Lines yields, and compares the end with where
	// the writer stands.
	Verify(ctx context.Context, v *chain.Verifier) error
}

// Authority is the interception root as the API shows it.
type Authority interface {
	// Roots are the published roots, the signing one first.
	Roots() []*x509.Certificate
	// Rotate makes a new signing root; the old ones stay published.
	Rotate(ctx context.Context) error
}

// Transfer is a download in progress.
type Transfer struct {
	TeamID     string    `json:"-"`
	ID         string    `json:"id" doc:"The request id."`
	Key        string    `json:"key" doc:"The name of the API key."`
	Worker     string    `json:"worker" doc:"The worker's address."`
	Mode       string    `json:"mode" doc:"forward or reverse."`
	Method     string    `json:"method"`
	URL        string    `json:"url" doc:"The URL without its query."`
	Credential string    `json:"credential,omitempty" doc:"The credential that was put on the request."`
	Signed     bool      `json:"signed,omitempty" doc:"Whether the URL carries a signature of its own, as those do that the Hub redirects to: nothing is put on beside it."`
	File       string    `json:"file,omitempty" doc:"What the upstream calls the file, where it says so."`
	Bytes      int64     `json:"bytes" doc:"Bytes sent to the worker so far."`
	Total      int64     `json:"total" doc:"Bytes of the whole body; -1 where unknown."`
	Started    time.Time `json:"started"`
}

// System is what the API tells about the running process.
type System struct {
	Version  string `json:"version"`
	Team     string `json:"team" doc:"The team's name."`
	TeamID   string `json:"team_id"`
	DataDir  string `json:"data_dir"`
	ProxyURL string `json:"proxy_url" doc:"The proxy listener, as a worker on this machine reaches it."`
	// ProxyEverywhere tells a worker on another machine that it may put a name of
	// this one in the place of the address in ProxyURL.
	ProxyEverywhere bool      `json:"proxy_everywhere,omitempty" doc:"Whether the proxy listens on every address of its machine: proxy_url then names one of many."`
	AdminURL        string    `json:"admin_url"`
	CABundle        string    `json:"ca_bundle" doc:"The path of the exported bundle: public roots and our root."`
	Intercept       bool      `json:"intercept" doc:"Whether forward mode can intercept TLS."`
	StartedAt       time.Time `json:"started_at"`
	Ready           bool      `json:"ready" doc:"Whether the data plane serves, as /readyz says."`
	NotReady        string    `json:"not_ready,omitempty" doc:"Why it does not."`
}

// Options are what the API stands on.
type Options struct {
	Store store.Store
	// TeamID is the default team: whom the socket acts for where no team is
	// named, and whose owners run weighbridge.
	TeamID string
	// Sessions knows who is signed in; nobody where it is nil.
	Sessions Sessions
	// SignIn signs users in. Where it is nil one is made over Store, without
	// an OpenID provider; where Sessions is nil it is that, too.
	SignIn    *session.Service
	Snapshot  func() *auth.Snapshot
	Providers []auth.Provider
	Record    Record
	// Usage is what came of each credential, key and host by day, from the day
	// of since on, and UsageHours the same by the hour and not by host. Where one
	// is nil nothing is counted.
	Usage, UsageHours func(ctx context.Context, since time.Time) ([]audit.UsageRow, error)

	Transfers func() []Transfer
	Authority Authority
	KEK       KEK
	// Backup copies the store as it stands, and on its way out the record of
	// use where that is wanted. What it returns is closed by the caller.
	Backup func(ctx context.Context, record bool) (Backup, error)
	Bundle func() ([]byte, error)
	System func() System
	// Unmatched are the listener's policies now, for forward and reverse mode.
	Unmatched func() (forward, reverse auth.UnmatchedPolicy)
	// Hosts are names, beside loopback ones, under which a TCP listener on
	// loopback may be called. It may be nil.
	Hosts func() []string
	// URL is by what browsers reach the TCP listener where something stands in
	// front of it, an origin such as https://weights.example.com; "" where each
	// request says it. It may be nil.
	URL func() string
	// Passable tells what the proxy refuses to connect to, whoever asks: an
	// *auth.Error, or nil. blind says that it would be a blind tunnel. It looks
	// up no name, and may be nil.
	Passable func(host string, port uint16, blind bool) error
	// Ready is nil when the data plane can serve.
	Ready func() error
	// Known says, as an *auth.Error, why it is not known any more who may do what:
	// a shared store that was out of reach for too long. Then only the socket is
	// answered, which needs no right that somebody may have lost meanwhile. It
	// may be nil.
	Known func() error
	// Validator asks upstreams; nil checks fields alone.
	Validator Validator
	// Asker asks upstreams for URLs; nil asks nobody.
	Asker Asker
	// Cut ends transfers in progress and says how many. It may be nil.
	Cut func(Cut) int
	// LastUsed is when, and from which address, a key, a credential or an access
	// token was used last, to within a minute. It may be nil.
	LastUsed func(id string) (at time.Time, address string, ok bool)
	// Seen is told of every request that was let in by an access token: its id,
	// and the address that it came from. It must be quick, and may be nil.
	Seen func(id, address string, at time.Time)
	// Metrics serves /metrics.
	Metrics http.Handler
	// MetricsToken is the hash of the one token that opens /metrics and nothing
	// else (auth.HashMetricsToken), zero where there is none. It may be nil.
	MetricsToken func() auth.KeyHash
	// Log is told of errors that an answer says nothing of. It may be nil.
	Log func(error)
	Now func() time.Time
}

// API serves the administrative side.
type API struct {
	o         Options
	providers map[string]auth.Provider
	// registered makes mux, doc and things, when they are first asked for.
	registered sync.Once
	mux        *http.ServeMux
	doc        huma.API
	// probes are what is asked of a house that nobody administers: health,
	// readiness and metrics.
	probes *http.ServeMux
	// denials are those of who shows who it is, strangers all others.
	denials, strangers *audit.Sparing
	// things are what has an ETag, by the path of one.
	things  map[string]showing
	replies replies
	// followers are the streams that each caller follows.
	followers places
}

// New makes the API.
func New(o Options) *API {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.SignIn == nil {
		o.SignIn = session.New(session.Options{Store: o.Store, Now: o.Now, Log: o.Log})
	}
	if o.Sessions == nil {
		o.Sessions = o.SignIn
	}
	a := &API{o: o, providers: map[string]auth.Provider{}, probes: http.NewServeMux(), denials: newDenials(o.Now), strangers: newDenials(o.Now), things: map[string]showing{}, replies: replies{running: map[string][]byte{}}}
	for _, p := range o.Providers {
		a.providers[p.Schema().Name] = p
	}
	a.health(a.probes)
	return a
}

// everything is the mux of everything that is served. It is made when it is
// first asked for: most of what lies in the memory of a house at rest would be
// the document of an API that nobody calls there.
func (a *API) everything() *http.ServeMux {
	a.registered.Do(a.register)
	return a.mux
}

// register makes the document and the mux.
func (a *API) register() {
	a.mux = http.NewServeMux()
	cfg := huma.DefaultConfig("weighbridge", a.o.System().Version)
	cfg.OpenAPIPath = "/openapi"
	cfg.DocsPath = "" // its page would load scripts from elsewhere: see docspage.go
	cfg.SchemasPath = "/api/v1/schemas"
	cfg.CreateHooks = nil // no $schema links in answers
	cfg.Transformers = append(cfg.Transformers, linkNext, tag)
	a.doc = humago.New(a.mux, cfg)
	a.doc.UseMiddleware(a.admit, a.following, a.once, a.conditional)
	a.me()
	a.signIn()
	a.oidc()
	a.users()
	a.teams()
	a.members()
	a.tokens()
	a.credentials()
	a.preview()
	a.validation()
	a.keys()
	a.s3Keys()
	a.cloudProviders()
	a.links()
	a.explain()
	a.probeURL()
	a.record()
	a.chains()
	a.usage()
	a.system()
	a.liveTransfers()
	a.kek()
	a.backup()
	a.docsPage()
	a.describe()
	a.describeConditions()
	a.describeIdempotency()
}

// at is what answers r, and its pattern, which is empty where nothing does.
func (a *API) at(r *http.Request) (h http.Handler, pattern string) {
	if h, pattern = a.probes.Handler(r); pattern != "" {
		return h, pattern
	}
	return a.everything().Handler(r)
}

// Serves reports whether there is anything for r, whoever asks.
func (a *API) Serves(r *http.Request) bool {
	_, pattern := a.at(r)
	return pattern != ""
}

// System tells what is running here.
func (a *API) System() System { return a.o.System() }

// OpenAPI is the document made from the operations that are served.
func (a *API) OpenAPI() *huma.OpenAPI {
	a.everything()
	return a.doc.OpenAPI()
}

// Local is the handler for admin.sock, whose file permission is its
// authorization: every operation, no login.
func (a *API) Local() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		Arrive(w, r)
		a.served().ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), localKey{}, true)))
	})
}

// Remote is the handler for the TCP listener: the API for who signed in or
// holds an access token, its document, health, readiness and metrics.
func (a *API) Remote() http.Handler { return secured(a.fromProgram(a.served())) }

// served is the mux, which answers for what it does not have in the shape of
// all errors.
func (a *API) served() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer a.recovered(w)
		if _, pattern := a.probes.Handler(r); pattern != "" {
			a.probes.ServeHTTP(w, r)
			return
		}
		mux := a.everything()
		h, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r) // which sets what the pattern names in the path
			return
		}
		unserved := statusOnly{header: http.Header{}}
		h.ServeHTTP(&unserved, r)
		p := problem(http.StatusNotFound, "not_found", "there is nothing here", "GET /openapi.json lists what there is.")
		if unserved.status == http.StatusMethodNotAllowed {
			w.Header().Set("Allow", unserved.header.Get("Allow")) // RFC 9110, section 15.5.6
			p = problem(unserved.status, "method_not_allowed", "the operation is not called by this method", "The field Allow lists those that are.")
		}
		writeProblem(w, p)
	})
}

// recovered answers for a handler that panicked. Where its answer has begun, it
// is broken off, and does not end as if it were whole.
func (a *API) recovered(w http.ResponseWriter) {
	v := recover()
	if v == nil {
		return
	}
	if v == http.ErrAbortHandler || w.Header().Get("Content-Type") != "" {
		panic(v)
	}
	if a.o.Log != nil {
		a.o.Log(fmt.Errorf("a handler of the API panicked: %v\n%s", v, debug.Stack()))
	}
	writeProblem(w, problem(http.StatusInternalServerError, "internal", "an internal error", "Look at the log of weighbridge."))
}

// statusOnly keeps what a handler says of itself, and no body.
type statusOnly struct {
	header http.Header
	status int
}

func (s *statusOnly) Header() http.Header         { return s.header }
func (s *statusOnly) WriteHeader(status int)      { s.status = status }
func (s *statusOnly) Write(b []byte) (int, error) { return len(b), nil }

// secured sets what every answer of the TCP listener carries, and bounds what it
// waits for.
func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		Arrive(w, r)
		next.ServeHTTP(w, r)
	})
}
