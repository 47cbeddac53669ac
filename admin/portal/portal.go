package portal

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path"
	"runtime/debug"
	"sync"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
)

// Options are what the portal stands on.
type Options struct {
	// API is what every page asks.
	API *admin.API
	// Placeholder is what a worker sends where a client wants a token of the
	// upstream and must not have one.
	Placeholder string
	// OIDC says whether there is an OpenID provider to sign in at. It may be nil.
	OIDC func() bool
	// Log is told of errors that a page says nothing of. It may be nil.
	Log func(error)
	// Now defaults to time.Now.
	Now func() time.Time
}

// Portal serves the pages, and hands everything else to the API. It is safe for
// concurrent use.
type Portal struct {
	o         Options
	api       http.Handler
	rest      http.Handler
	mux       *http.ServeMux
	assets    func() *assets
	pages     func() *pages
	refreshes refreshes
}

// New makes the portal.
func New(o Options) *Portal {
	if o.Now == nil {
		o.Now = time.Now
	}
	p := &Portal{o: o, api: o.API.Inside(), rest: o.API.Remote(), mux: http.NewServeMux()}
	// A house that nobody visits spends no memory on them.
	p.assets = sync.OnceValue(newAssets)
	p.pages = sync.OnceValue(func() *pages { return newPages(p.assets(), o.Now) })
	p.refreshes.recent = map[[32]byte]*refresh{}
	p.assetRoutes()
	p.signInPages()
	p.setupPages()
	p.overviewPages()
	p.auditPages()
	p.testPages()
	p.credentialPages()
	p.keyPages()
	p.s3KeyPages()
	p.tokenPages()
	p.guidePages()
	p.teamPages()
	p.cloudProviderPages()
	p.settingsPages()
	p.accountPages()
	p.noPage()
	return p
}

// ServeHTTP implements http.Handler.
func (p *Portal) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if p.finishesOIDC(r) {
		p.finishOIDC(w, r)
		return
	}
	_, pattern := p.mux.Handler(r)
	switch {
	case pattern == "" && r.Method == http.MethodGet && r.Header.Get("Sec-Fetch-Mode") == "navigate" && !p.o.API.Serves(r):
		p.nowhere(w, r)
		return
	case pattern == "":
		p.rest.ServeHTTP(w, r)
		return
	}
	secure(w.Header())
	admin.Arrive(w, r)
	if !p.o.API.AdmitPage(w, r, pattern) {
		return
	}
	defer p.recovered(w, r)
	p.mux.ServeHTTP(w, r)
}

// recovered answers for a page that panicked. Where its answer has begun, it is
// broken off, and does not end as if it were whole.
func (p *Portal) recovered(w http.ResponseWriter, r *http.Request) {
	found := recover()
	if found == nil {
		return
	}
	if found == http.ErrAbortHandler || w.Header().Get("Content-Type") != "" {
		panic(found)
	}
	v := &visit{p: p, w: w, r: r}
	v.end(fmt.Errorf("a page panicked: %v\n%s", found, debug.Stack()))
}

// policy lets a page load what is served here, send forms here, and nothing
// else: no script, style or handler within a page runs.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// secure sets what every page and asset carries. The policy for the referrer is
// not no-referrer, with which a browser sends forms with the Origin null (Fetch,
// section 3.2).
func secure(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	h.Set("Cache-Control", "no-store")
}

// open registers a page for whoever asks.
func (p *Portal) open(pattern string, page func(*visit) error) {
	p.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		v := &visit{p: p, w: w, r: r}
		v.end(page(v))
	})
}

// page registers a page about a team, for who is signed in: pattern is METHOD
// and a path below /t/{team}.
func (p *Portal) page(method, path string, page func(*visit) error) {
	p.open(method+" /t/{team}"+path, func(v *visit) error {
		if err := v.enter(); err != nil {
			return err
		}
		return page(v)
	})
}

// nowhere tells a person of a path at which there is nothing at all; a program
// hears it from the API.
func (p *Portal) nowhere(w http.ResponseWriter, r *http.Request) {
	secure(w.Header())
	v := &visit{p: p, w: w, r: r}
	v.end(v.noPage())
}

// noPage says that there is no page of this path.
func (v *visit) noPage() error {
	return v.problem(http.StatusNotFound, "not_found", "problem.no-page", "problem.no-page.next")
}

// noPage answers for what a team has no page for. What forms alone are sent to
// may have answered with a page that is gone back to: that leads to the page
// which it is about.
func (p *Portal) noPage() {
	p.page("GET", "/{rest...}", func(v *visit) error {
		sent := v.r.Clone(v.ctx())
		sent.Method = http.MethodPost
		if _, pattern := p.mux.Handler(sent); pattern != "" {
			return v.redirect(path.Dir(v.r.URL.EscapedPath()), "")
		}
		return v.noPage()
	})
	p.open("GET /no-team", func(v *visit) error { return v.render("no-team.html", nil) })
}

// log tells of an error that no page says anything of.
func (p *Portal) log(err error) {
	if p.o.Log != nil && !errors.Is(err, context.Canceled) {
		p.o.Log(err)
	}
}

// client is the API as the sender of r, signed in with token, about a team.
func (p *Portal) client(r *http.Request, team string, token auth.Secret) *admin.Client {
	return admin.NewInsideClient(p.api, r, team, token)
}
