package signer

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/weighbridge/weighbridge/auth"
)

var (
	_ prober = civitai{}
	_ prober = comfyCloud{}
)

// asks asks for the token's own user (Civitai, "Site API", GET /api/v1/me) at
// the domain that a pattern names.
func (p civitai) asks(q *auth.Inquiry) (string, string) {
	for _, host := range []string{"civitai.com", "civitai.red"} {
		if injectsAt(p, &q.Credential, host) {
			return "https://" + host + "/api/v1/me", ""
		}
	}
	return "", "the fields are well formed; no pattern puts the key on at a host of Civitai, so Civitai is not asked"
}

func (p civitai) probe(ctx context.Context, c *probing) auth.Report {
	to, _ := p.asks(c.Inquiry)
	a, failed := c.get(ctx, to, func(out *auth.Outgoing) (auth.Applied, error) { return putBearer(out, c.Fields["token"]) })
	switch {
	case failed != nil:
		return *failed
	case a.status == http.StatusUnauthorized:
		return c.invalid(a, "Civitai does not know the key", "Make a new one at https://civitai.com/user/account, section API Keys, and rotate it in.")
	case a.status != http.StatusOK:
		return c.undecided(a, "Civitai")
	}
	var me struct{ Username, Tier, Status string }
	if err := json.Unmarshal(a.body, &me); err != nil {
		return auth.Report{Verdict: auth.VerdictUnknown, Answer: statusText(a.status), Meaning: "Civitai's answer could not be read", Next: "It is asked again by itself."}
	}
	r := c.valid(a, "Civitai takes the key")
	r.Facts = append(append(tell("account", me.Username), tell("tier", me.Tier)...), tell("account status", me.Status)...)
	if me.Status == "banned" || me.Status == "muted" {
		r.Warnings = append(r.Warnings, "the account is "+me.Status+": downloads may be refused")
	}
	return r
}

// comfyUser is the cheapest question that needs a key (Comfy Cloud API, "Get
// current user information").
const comfyUser = "https://cloud.comfy.org/api/user"

func (p comfyCloud) asks(q *auth.Inquiry) (string, string) {
	if injectsAt(p, &q.Credential, "cloud.comfy.org") {
		return comfyUser, ""
	}
	return "", "the fields are well formed; no pattern puts the key on at cloud.comfy.org, so nobody is asked"
}

func (comfyCloud) probe(ctx context.Context, c *probing) auth.Report {
	a, failed := c.get(ctx, comfyUser, func(out *auth.Outgoing) (auth.Applied, error) {
		return putHeader(out, "X-API-Key", c.Fields["api_key"])
	})
	switch {
	case failed != nil:
		return *failed
	case a.status == http.StatusUnauthorized:
		return c.invalid(a, "Comfy Cloud does not know the key", "Make a new one at https://platform.comfy.org and rotate it in.")
	case a.status != http.StatusOK:
		return c.undecided(a, "Comfy Cloud")
	}
	var user struct{ Status string }
	_ = json.Unmarshal(a.body, &user) // what it says is an extra
	r := c.valid(a, "Comfy Cloud takes the key")
	r.Facts = tell("account status", user.Status)
	return r
}
