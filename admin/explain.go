package admin

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weighbridge/weighbridge/auth"
)

// ExplainRequest asks which credential a URL would get.
type ExplainRequest struct {
	URL    string `json:"url" doc:"An absolute URL; https is implied where no scheme is given."`
	Key    string `json:"key" doc:"An API key or an S3 access key, by id or name."`
	Method string `json:"method,omitempty" doc:"GET unless stated."`
	Mode   string `json:"mode,omitempty" enum:"forward,reverse" doc:"Whose unmatched policy applies; forward unless stated."`
}

// Explained is the answer, with the question in its canonical form.
type Explained struct {
	URL    string `json:"url" doc:"The URL as it would be matched and sent, without its query."`
	Key    string `json:"key"`
	Method string `json:"method"`
	auth.Explanation
}

func (a *API) explain() {
	huma.Register(a.doc, huma.Operation{
		OperationID: "explain", Method: http.MethodPost, Path: "/api/v1/explain",
		Summary: "Which credential a URL would get, and why", Tags: []string{"explain"},
		Errors: []int{http.StatusNotFound},
	}, func(ctx context.Context, in *struct{ Body ExplainRequest }) (*struct{ Body Explained }, error) {
		out, _, err := a.explained(ctx, &in.Body)
		if err != nil {
			return nil, err
		}
		return &struct{ Body Explained }{out}, nil
	})
}

// explained is the answer to in, and the question that was decided.
func (a *API) explained(ctx context.Context, in *ExplainRequest) (out Explained, q auth.Question, err error) {
	target, err := auth.ParseTypedURL(in.URL)
	if err != nil {
		return out, q, a.public(err)
	}
	k, err := a.o.Store.Key(ctx, team(ctx), in.Key)
	if err != nil {
		return out, q, a.public(err)
	}
	snap, now := a.o.Snapshot(), a.o.Now()
	// The error of a key that has ended is a decision, and told as one.
	id, err := identified(snap, &k, now)
	if err != nil && id.KeyID == "" {
		return out, q, a.public(err)
	}
	method := in.Method
	if method == "" {
		method = http.MethodGet
	}
	unmatched, reverse := a.o.Unmatched()
	if in.Mode == "reverse" {
		unmatched = reverse
	}
	if k.S3 != nil {
		unmatched = auth.UnmatchedDeny // the S3 protocol has no other way
	}
	out = Explained{URL: target.Redacted(), Key: k.Name, Method: method}
	q = auth.Question{Identity: id, Method: method, Target: target, Unmatched: unmatched, Now: now}
	out.Explanation = snap.Explain(q)
	if k.S3 != nil && len(k.S3.Buckets)+len(k.S3.Prefixes) > 0 && out.Outcome != auth.Deny.String() {
		out.Reason += ", where it is an object that the S3 access key may touch"
	}
	if a.o.Passable != nil {
		a.wayOut(&out.Explanation, target, in.Mode == "reverse")
	}
	return out, q, nil
}

// identified is what a key of either kind is to the data plane, as if it had been
// shown there.
func identified(snap *auth.Snapshot, k *auth.Key, now time.Time) (auth.Identity, error) {
	if k.S3 == nil {
		return snap.IdentifyID(k.ID, now)
	}
	id, _, err := snap.IdentifyS3(k.S3.AccessKeyID, now)
	return id, err
}

// wayOut adds what the proxy refuses whatever was decided: a port that CONNECT
// may not name, an address that is never connected to.
func (a *API) wayOut(e *auth.Explanation, t auth.Target, reverse bool) {
	if e.Outcome == auth.Deny.String() {
		return
	}
	blind := !reverse && strings.HasPrefix(e.Connect, "tunnelled")
	err := a.o.Passable(t.Host, t.Port, blind)
	if err == nil {
		return
	}
	refusal := auth.AsError(err)
	e.Outcome, e.Code, e.Reason, e.Next = auth.Deny.String(), refusal.Code, refusal.Reason, refusal.NextStep()
	if t.Scheme == "https" {
		e.Connect = "refused (" + string(refusal.Code) + "): " + refusal.Reason
	}
}
