package admin

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weighbridge/weighbridge/auth"
)

const (
	// maxHops is how many answers of one probe are looked at: the Hub redirects
	// twice at most, and what goes in circles ends.
	maxHops = 6
	// probeTime bounds a probe as a whole.
	probeTime = 45 * time.Second
	// probesAtOnce bounds those that run, and probesOfTeam those of one team, which
	// would else keep all others waiting for upstreams that do not answer: they are
	// for people.
	probesAtOnce, probesOfTeam = 8, 2
)

// Asker asks upstreams for the first byte of a URL as was decided. *signer.Set
// is one.
type Asker interface {
	Ask(ctx context.Context, d auth.Decision, to auth.Target) auth.Answered
}

// ProbeRequest asks what a URL gets right now.
type ProbeRequest struct {
	URL  string `json:"url" doc:"An absolute URL; https is implied where no scheme is given. No answer shows its query."`
	Key  string `json:"key" doc:"An API key or an S3 access key, by id or name."`
	Mode string `json:"mode,omitempty" enum:"forward,reverse" doc:"Whose unmatched policy applies; forward unless stated."`
}

// Hop is one request of a probe and what came of it.
type Hop struct {
	URL         string `json:"url" doc:"What was asked for, without its query."`
	Outcome     string `json:"outcome" doc:"allow, allow bare, or deny: then nobody was asked."`
	Credential  string `json:"credential,omitempty" doc:"What was put on."`
	Code        string `json:"code,omitempty" doc:"Why it was refused here."`
	Reason      string `json:"reason" doc:"Why it was decided so."`
	Status      int    `json:"status,omitempty" doc:"What the upstream answered."`
	Words       string `json:"words,omitempty" doc:"The upstream's own words, where it refused; text of somebody else."`
	ContentType string `json:"content_type,omitempty"`
	Size        int64  `json:"size" doc:"Bytes of the whole, -1 where the answer does not tell."`
}

// Probed is what a URL gets right now.
type Probed struct {
	OK      bool   `json:"ok" doc:"Whether a worker with the key would get it."`
	Meaning string `json:"meaning" doc:"What the last answer means."`
	Next    string `json:"next,omitempty" doc:"What helps."`
	Hops    []Hop  `json:"hops" doc:"The request and those that redirects led to, each decided afresh."`
}

func (a *API) probeURL() {
	running := make(chan struct{}, probesAtOnce)
	var ofTeams sync.Map // of chan struct{}, by team
	huma.Register(a.doc, huma.Operation{
		OperationID: "probe", Method: http.MethodPost, Path: "/api/v1/explain/probe",
		Summary: "What a URL gets right now: its first byte is asked for, as with an API key", Tags: []string{"explain"},
		Errors: []int{http.StatusNotFound},
	}, func(ctx context.Context, in *struct{ Body ProbeRequest }) (*struct{ Body Probed }, error) {
		if a.o.Asker == nil {
			return nil, problem(http.StatusServiceUnavailable, "unavailable", "nobody here asks upstreams", "")
		}
		ctx, stop := context.WithTimeout(ctx, probeTime)
		defer stop()
		ours, _ := ofTeams.LoadOrStore(team(ctx), make(chan struct{}, probesOfTeam))
		for _, turns := range []chan struct{}{ours.(chan struct{}), running} {
			select {
			case turns <- struct{}{}:
				defer func() { <-turns }()
			case <-ctx.Done():
				return nil, problem(http.StatusServiceUnavailable, "unavailable", "too many URLs are tested at a time", "Try again.")
			}
		}
		out, err := a.probe(ctx, &in.Body)
		if err != nil {
			return nil, err
		}
		return &struct{ Body Probed }{out}, nil
	})
}

// probe asks for a URL and for what redirects lead to. Each is decided afresh,
// as the data plane does: no credential follows a redirect.
func (a *API) probe(ctx context.Context, in *ProbeRequest) (out Probed, err error) {
	_, q, err := a.explained(ctx, &ExplainRequest{URL: in.URL, Key: in.Key, Mode: in.Mode})
	if err != nil {
		return out, err
	}
	first := q.Target
	for {
		hop, to, err := a.hop(ctx, q, in.Mode)
		if err != nil {
			return out, err
		}
		out.Hops = append(out.Hops, hop)
		out.OK, out.Meaning, out.Next = means(&hop)
		if to == "" || len(out.Hops) == maxHops {
			return out, nil
		}
		next, err := auth.ParseURL(to)
		if err != nil {
			out.Meaning, out.Next = "it redirects to a URL that is refused: "+auth.AsError(err).Reason, ""
			return out, nil
		}
		q.Target, q.Now = next, a.o.Now()
		// In reverse mode a signed URL is sealed, and comes back so.
		if q.Boxed = in.Mode == "reverse" && next.Signed(); q.Boxed {
			q.Origin = first
		}
	}
}

// hop decides one request and makes it; to is where a redirect leads.
func (a *API) hop(ctx context.Context, q auth.Question, mode string) (hop Hop, to string, err error) {
	snap := a.o.Snapshot()
	if id, err := snap.IdentifyID(q.Identity.KeyID, q.Now); id.KeyID != "" || err == nil {
		q.Identity = id // as it stands by now
	}
	d := snap.Decide(q)
	hop = Hop{URL: q.Target.Redacted(), Outcome: d.Outcome.String(), Code: string(d.Code), Reason: d.Reason, Size: -1}
	if d.Outcome != auth.Deny && a.o.Passable != nil {
		if err := a.o.Passable(q.Target.Host, q.Target.Port, false); err != nil {
			refusal := auth.AsError(err)
			hop.Outcome, hop.Code, hop.Reason = auth.Deny.String(), string(refusal.Code), refusal.Reason
			return hop, "", nil
		}
	}
	if d.Outcome == auth.Deny {
		return hop, "", nil
	}
	ev := a.event(ctx, auth.ActionURLProbe)
	ev.KeyID, ev.KeyName, ev.Mode, ev.Method = q.Identity.KeyID, q.Identity.KeyName, mode, q.Method
	ev.Scheme, ev.Host, ev.Path = q.Target.Recorded()
	ev.Rule, ev.Reason = d.Rule, d.Reason
	if d.Outcome == auth.Inject {
		hop.Credential = d.CredentialName
		ev.CredentialID, ev.CredentialName, ev.Version = d.CredentialID, d.CredentialName, d.Version
	}
	// On record before anything is sent.
	if err := a.o.Store.Record(ctx, ev); err != nil {
		return hop, "", a.public(err)
	}
	got := a.o.Asker.Ask(ctx, d, q.Target)
	hop.Status, hop.Words, hop.ContentType, hop.Size = got.Status, got.Words, got.ContentType, got.Size
	if got.Status == 0 {
		hop.Words = got.Failure
	}
	return hop, got.Location, nil
}

// means says what an answer means for a worker.
func means(h *Hop) (ok bool, meaning, next string) {
	host := h.URL
	if t, err := auth.ParseURL(h.URL); err == nil {
		host = t.Authority()
	}
	bare := h.Credential == ""
	said := host + " answered " + strconv.Itoa(h.Status) + " " + http.StatusText(h.Status)
	switch s := h.Status; {
	case h.Outcome == auth.Deny.String():
		e := auth.NewError(auth.Code(h.Code), h.Reason, nil)
		return false, "weighbridge refuses it: " + h.Reason, e.NextStep()
	case s == 0:
		return false, "there was no answer: " + h.Words, "Look whether the machine of weighbridge reaches " + host + "."
	case s >= 200 && s < 300:
		return true, "a worker with this key gets the file from " + host, ""
	case s == http.StatusRequestedRangeNotSatisfiable && h.Size == 0:
		return true, "a worker with this key gets the file from " + host + "; it is empty", ""
	case s >= 300 && s < 400:
		return false, said + ", a redirect that leads no further", "Look whether the URL is right."
	case (s == http.StatusUnauthorized || s == http.StatusForbidden) && bare:
		return false, said + ": it wants a credential, and none was put on", "Create a credential for this URL, add a pattern, or link one to the key."
	case s == http.StatusUnauthorized:
		return false, said + ": it does not take the credential", "Validate the credential; rotate it if its secret has ended."
	case s == http.StatusForbidden:
		return false, said + ": the account of the credential may not have it", "For a gated repository, accept its terms with that account; for a bucket, look at its policy."
	case s == http.StatusNotFound && bare:
		return false, said + ": it is not there, or hidden from who shows no credential", "Check the URL; a private repository needs a credential that may see it."
	case s == http.StatusNotFound:
		return false, said + ": it is not there, or hidden from the account of the credential", "Check the URL, and whether the account may see it."
	case s == http.StatusTooManyRequests:
		return false, said + ": it wants fewer requests", "Wait, or use an account with a higher limit."
	default:
		return false, said, "Try again later."
	}
}
