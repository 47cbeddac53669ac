package signer

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

var _ prober = huggingFace{}

// hubWhoami tells whose a token is and what it may ("Hub API Endpoints", GET
// /api/whoami-v2). It is strictly limited, and asked by validations alone.
const hubWhoami = "https://" + hubHost + "/api/whoami-v2"

// asks asks the Hub itself, and nobody else: a token that is meant for another
// host is not sent there.
func (p huggingFace) asks(q *auth.Inquiry) (string, string) {
	if injectsAt(p, &q.Credential, hubHost) || injectsAt(p, &q.Credential, hubShortHost) {
		return hubWhoami, ""
	}
	return "", "the fields are well formed; no pattern puts the token on at " + hubHost + ", so the Hub is not asked"
}

// whoami is what is read of the answer.
type whoami struct {
	Name string `json:"name"`
	Type string `json:"type"`
	Auth struct {
		Type        string    `json:"type"`
		ExpiresAt   time.Time `json:"expiresAt"`
		AccessToken struct {
			DisplayName string `json:"displayName"`
			Role        string `json:"role"`
			FineGrained *struct {
				CanReadGatedRepos *bool    `json:"canReadGatedRepos"`
				Global            []string `json:"global"`
				Scoped            []struct {
					Entity struct {
						Type string `json:"type"`
						Name string `json:"name"`
					} `json:"entity"`
					Permissions []string `json:"permissions"`
				} `json:"scoped"`
			} `json:"fineGrained"`
		} `json:"accessToken"`
	} `json:"auth"`
}

func (p huggingFace) probe(ctx context.Context, c *probing) auth.Report {
	put := func(out *auth.Outgoing) (auth.Applied, error) { return putBearer(out, c.Fields["token"]) }
	a, failed := c.get(ctx, hubWhoami, put)
	switch {
	case failed != nil:
		return *failed
	case a.status == http.StatusUnauthorized:
		return c.invalid(a, "the Hub does not know the token: it is wrong, or was deleted", "Make a new token at https://huggingface.co/settings/tokens and rotate it in.")
	case a.status != http.StatusOK:
		return c.undecided(a, hubHost)
	}
	var w whoami
	if err := json.Unmarshal(a.body, &w); err != nil || w.Name == "" {
		return auth.Report{Verdict: auth.VerdictUnknown, Answer: statusText(a.status), Meaning: "the Hub's answer could not be read", Next: "It is asked again by itself."}
	}
	r := c.valid(a, "the Hub takes the token")
	r.ExpiresAt = w.Auth.ExpiresAt
	w.tell(&r)
	if c.Resource != "" {
		p.probeRepo(ctx, c, put, &r)
	}
	return r
}

// tell puts what the Hub says of the token into the report.
func (w *whoami) tell(r *auth.Report) {
	t := &w.Auth.AccessToken
	r.Facts = append(r.Facts, tell("account", w.Name)...)
	r.Facts = append(r.Facts, tell("token", t.DisplayName)...)
	r.Facts = append(r.Facts, tell("role", t.Role)...)
	if w.Auth.Type != "" && w.Auth.Type != "access_token" {
		r.Facts = append(r.Facts, tell("kind", w.Auth.Type)...)
	}
	writes := t.Role == "write" || t.Role == "admin" || t.Role == "contributor"
	if g := t.FineGrained; g != nil {
		r.Facts = append(r.Facts, tell("global permissions", strings.Join(g.Global, ", "))...)
		reads := func(permission string) bool { return strings.HasSuffix(permission, ".read") }
		writes = writes || slices.ContainsFunc(g.Global, func(s string) bool { return !reads(s) })
		for _, s := range g.Scoped {
			r.Facts = append(r.Facts, tell("scope", fmt.Sprintf("%s %s: %s", s.Entity.Type, s.Entity.Name, strings.Join(s.Permissions, ", ")))...)
			writes = writes || slices.ContainsFunc(s.Permissions, func(s string) bool { return !reads(s) })
		}
		if g.CanReadGatedRepos != nil && !*g.CanReadGatedRepos {
			r.Warnings = append(r.Warnings, "the token may not read gated repositories: tick \"Read access to contents of all public gated repos you can access\" in its settings, or their files are refused")
		}
	}
	if writes {
		r.Warnings = append(r.Warnings, "the token may write: a download needs a token of role read, or a fine-grained one that only reads")
	}
}

// hubRepo is the name of a repository, with its kind before it where it is no
// model.
var hubRepo = regexp.MustCompile(`^(?:(models|datasets|spaces)/)?([A-Za-z0-9][A-Za-z0-9._-]{0,95}(?:/[A-Za-z0-9][A-Za-z0-9._-]{0,95})?)$`)

// probeRepo asks whether files of a repository may be had. What it finds is
// told, and changes no status: the token works.
func (huggingFace) probeRepo(ctx context.Context, c *probing, put func(*auth.Outgoing) (auth.Applied, error), r *auth.Report) {
	m := hubRepo.FindStringSubmatch(c.Resource)
	if m == nil {
		r.Warnings = append(r.Warnings, "the repository is not named as org/model, datasets/org/name or spaces/org/name: nobody was asked about it")
		return
	}
	kind, id := m[1], m[2]
	page := "https://" + hubHost + "/" + id
	if kind == "" || kind == "models" {
		kind = "models"
	} else {
		page = "https://" + hubHost + "/" + kind + "/" + id
	}
	a, failed := c.get(ctx, "https://"+hubHost+"/api/"+kind+"/"+id+"/auth-check", put)
	switch {
	case failed != nil:
		r.Warnings = append(r.Warnings, "whether it reaches "+c.Resource+" is not known: "+failed.Meaning)
	case a.status == http.StatusOK:
		r.Reached = true
		r.Facts = append(r.Facts, "repository: "+c.Resource+" may be read")
	case a.status == http.StatusForbidden && strings.EqualFold(a.header.Get("X-Error-Code"), "GatedRepo"):
		r.Warnings = append(r.Warnings, c.Resource+" is gated and its licence is not accepted by this account (or the token may not read gated repositories)")
		r.Next = "Accept the licence at " + page + " with the account of the token."
	case a.status == http.StatusNotFound, a.status == http.StatusUnauthorized:
		r.Warnings = append(r.Warnings, "there is no repository "+c.Resource+", or it is private and the token does not reach it")
		r.Next = "Compare the name with " + page + "."
	case a.status >= 300 && a.status < 400:
		r.Warnings = append(r.Warnings, c.Resource+" has another name by now: look at "+page)
	default:
		r.Warnings = append(r.Warnings, "whether it reaches "+c.Resource+" is not known: "+c.said(a))
	}
}
