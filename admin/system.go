package admin

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/netip"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weighbridge/weighbridge/auth"
)

// Root is a published interception root.
type Root struct {
	Subject     string    `json:"subject"`
	Fingerprint string    `json:"fingerprint" doc:"SHA-256 of the certificate, hexadecimal."`
	NotBefore   time.Time `json:"not_before"`
	NotAfter    time.Time `json:"not_after"`
	Signing     bool      `json:"signing" doc:"Whether new certificates are signed by it."`
	PEM         string    `json:"pem"`
}

// Roots are all that are published, the signing one first.
type Roots struct {
	Roots []Root `json:"roots"`
}

type rootsOutput struct{ Body Roots }

type bundleOutput struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

func (a *API) system() {
	huma.Register(a.doc, huma.Operation{
		OperationID: "get-system", Method: http.MethodGet, Path: "/api/v1/system",
		Summary: "What is running here", Tags: []string{"system"},
	}, func(ctx context.Context, _ *struct{}) (*struct{ Body System }, error) {
		s, c := a.o.System(), callerOf(ctx)
		s.Team, s.TeamID = c.Team.Name, c.Team.ID
		if err := a.o.Ready(); err != nil {
			s.NotReady = auth.AsError(err).Reason
		} else {
			s.Ready = true
		}
		if !c.Operator { // where things lie on the machine is for who runs it
			s.DataDir, s.CABundle, s.AdminURL = "", "", ""
		}
		return &struct{ Body System }{s}, nil
	})
	huma.Register(a.doc, huma.Operation{
		OperationID: "list-providers", Method: http.MethodGet, Path: "/api/v1/providers",
		Summary: "The providers and their fields", Tags: []string{"system"},
	}, func(context.Context, *struct{}) (*providersOutput, error) {
		out := &providersOutput{}
		for _, p := range a.o.Providers {
			out.Body.Providers = append(out.Body.Providers, p.Schema())
		}
		return out, nil
	})
	huma.Register(a.doc, huma.Operation{
		OperationID: "list-roots", Method: http.MethodGet, Path: "/api/v1/ca",
		Summary: "The interception roots", Tags: []string{"ca"},
	}, func(context.Context, *struct{}) (*rootsOutput, error) { return a.roots(), nil })
	huma.Register(a.doc, gives("application/x-pem-file", huma.Operation{
		OperationID: "get-bundle", Method: http.MethodGet, Path: "/api/v1/ca/bundle",
		Summary: "Public roots and our roots, PEM", Tags: []string{"ca"},
	}), func(context.Context, *struct{}) (*bundleOutput, error) {
		b, err := a.o.Bundle()
		if err != nil {
			return nil, a.public(err)
		}
		return &bundleOutput{ContentType: "application/x-pem-file", Body: b}, nil
	})
	huma.Register(a.doc, huma.Operation{
		OperationID: "rotate-root", Method: http.MethodPost, Path: "/api/v1/ca/rotate",
		Summary: "Make a new signing root; old and new are published together", Tags: []string{"ca"},
	}, func(ctx context.Context, _ *struct{}) (*rootsOutput, error) {
		if !a.o.System().Intercept {
			return nil, problem(http.StatusConflict, "no_authority", "this weighbridge has no root of its own to rotate", "Replace ca.cert_file and ca.key_file and restart.")
		}
		// On record first: no root is made that nobody knows of.
		if err := a.o.Store.Record(ctx, a.event(ctx, auth.ActionCARotate)); err != nil {
			return nil, a.public(err)
		}
		if err := a.o.Authority.Rotate(ctx); err != nil {
			failed := a.event(ctx, auth.ActionCARotate)
			failed.Outcome, failed.Reason = auth.OutcomeFailed, "no new root was made"
			return nil, errors.Join(a.public(err), a.o.Store.Record(ctx, failed))
		}
		return a.roots(), nil
	})
	a.health(a.mux)
}

// Providers are all that there are.
type Providers struct {
	Providers []auth.Schema `json:"providers"`
}

type providersOutput struct{ Body Providers }

func (a *API) roots() *rootsOutput {
	out := &rootsOutput{}
	out.Body.Roots = []Root{}
	if a.o.Authority == nil {
		return out
	}
	for i, c := range a.o.Authority.Roots() {
		sum := sha256.Sum256(c.Raw)
		out.Body.Roots = append(out.Body.Roots, Root{
			Subject: c.Subject.String(), Fingerprint: hex.EncodeToString(sum[:]),
			NotBefore: c.NotBefore, NotAfter: c.NotAfter, Signing: i == 0,
			PEM: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})),
		})
	}
	return out
}

// health puts liveness, readiness and metrics on mux.
func (a *API) health(mux *http.ServeMux) {
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := a.o.Ready(); err != nil {
			e := auth.AsError(err)
			writeJSON(w, http.StatusServiceUnavailable, map[string]string{"status": "not ready", "code": string(e.Code), "reason": e.Reason})
			return
		}
		writeJSON(w, http.StatusOK, map[string]string{"status": "ready"})
	})
	if a.o.Metrics != nil {
		mux.HandleFunc("GET /metrics", a.metrics)
	}
}

// metrics are about all teams: for this machine, and, from elsewhere, for who
// shows the token that is declared for them, or an access token of the default
// team that no route restricts.
func (a *API) metrics(w http.ResponseWriter, r *http.Request) {
	local, _ := r.Context().Value(localKey{}).(bool)
	if from, err := netip.ParseAddrPort(r.RemoteAddr); !local && (err != nil || !from.Addr().Unmap().IsLoopback()) && !a.measures(r.Header.Get("Authorization")) {
		c := &Caller{Address: peer(r.RemoteAddr)}
		if err := a.mayMeasure(r, c); err != nil {
			a.denyPlain(w, r, "GET /metrics", c, err)
			return
		}
	}
	a.o.Metrics.ServeHTTP(w, r)
}

// measures reports whether field shows the token that is declared for metrics.
func (a *API) measures(field string) bool {
	if a.o.MetricsToken == nil {
		return false
	}
	want := a.o.MetricsToken()
	shown, ok := auth.HashMetricsToken(bearerOf(field))
	return ok && !want.IsZero() && subtle.ConstantTimeCompare(shown[:], want[:]) == 1
}

// mayMeasure finds out who asks for the metrics, and why that caller may not.
func (a *API) mayMeasure(r *http.Request, c *Caller) error {
	if p := ofWorker(r.Header.Get); p != nil {
		return p
	}
	if err := a.identify(r.Context(), r.Header.Get("Authorization"), c); err != nil {
		return err
	}
	if c.Kind != KindToken || c.Token.TeamID != a.o.TeamID || c.Token.Route != "" {
		return forbidden("metrics are for an access token of the default team that no route restricts", "Make one: `weighbridge token create --scope read`.")
	}
	return a.enter(r.Context(), c, needViewer, "")
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func writeProblem(w http.ResponseWriter, p *Problem) {
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p)
}
