package storetest

import (
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/store"
)

// judging stores findings: of one version, with their events, and nothing but
// findings.
func judging(t *testing.T, open Opener) {
	h := newHouse(t, open)
	c := h.credential("hf", "t")
	n, revision := len(h.recorded()), h.state().Revision
	report := auth.Report{At: start, Verdict: auth.VerdictInvalid, Asked: "GET https://hub/", Meaning: "refused", Warnings: []string{"w"}}
	refute := func(c *auth.Credential) {
		c.Status, c.Reason, c.Report = auth.StatusInvalid, "refused", &report
		c.Name, c.Patterns, c.Version, c.TeamID = "other", nil, 99, "elsewhere"
	}
	got, err := h.JudgeCredential(h.ctx, c.ID, c.Version, refute, auth.Event{Actor: "system"})
	check(t, err)
	want := c
	want.Status, want.Reason, want.Report = auth.StatusInvalid, "refused", &report
	equal(t, "judged", asJSON(got), asJSON(want))
	equal(t, "events", len(h.recorded()), n+1)
	equal(t, "event", h.recorded()[n], "credential.status hf")
	equal(t, "revision", h.state().Revision, revision+1)
	equal(t, "token", h.fields(got)["token"].Reveal(), "t")

	// A finding that changes no decision is stored, and no snapshot is made of it.
	_, err = h.JudgeCredential(h.ctx, c.ID, c.Version, func(c *auth.Credential) {
		c.Report = &auth.Report{At: start.Add(time.Hour), Verdict: auth.VerdictUnknown}
		c.AnsweredAt = start
	}, auth.Event{Actor: "system"})
	check(t, err)
	equal(t, "revision", h.state().Revision, revision+1)
	equal(t, "events", len(h.recorded()), n+1)
	equal(t, "report", h.state().Credentials[0].Report.Verdict, auth.VerdictUnknown)

	// What somebody asked for is on record whatever it found.
	_, err = h.JudgeCredential(h.ctx, c.ID, c.Version, func(c *auth.Credential) { c.Status = auth.StatusValid }, auth.Event{Action: auth.ActionCredentialValidate, Actor: "cli"})
	check(t, err)
	equal(t, "events", len(h.recorded()), n+3)
	equal(t, "event", h.recorded()[n+1], "credential.validate hf")
	equal(t, "event", h.recorded()[n+2], "credential.status hf")

	// Another version, and what was revoked, are not judged.
	_, err = h.JudgeCredential(h.ctx, c.ID, c.Version+1, refute, auth.Event{})
	wantErr(t, err, store.ErrNotFound, c.ID)
	_, err = h.JudgeCredential(h.ctx, c.ID, c.Version, func(c *auth.Credential) { c.Status = auth.StatusRevoked }, auth.Event{})
	wantErr(t, err, store.ErrInvalid, "hf")
	_, err = h.UpdateCredential(h.ctx, h.team, "hf", func(c *auth.Credential) error { c.Status = auth.StatusRevoked; return nil }, auth.Fields{}, actor())
	check(t, err)
	now := h.state().Credentials[0]
	got, err = h.JudgeCredential(h.ctx, c.ID, now.Version, func(c *auth.Credential) { c.Status = auth.StatusValid }, auth.Event{})
	check(t, err)
	equal(t, "status", got.Status, auth.StatusRevoked)
	equal(t, "secrets of a revoked one", len(h.fields(now)), 0)
}

// declaredFindings: declaring the same fields again does not undo what was
// found out about them, and declaring others does.
func declaredFindings(t *testing.T, open Opener) {
	h := newHouse(t, open)
	h.declare([]store.DeclaredCredential{declared("hf", "t")})
	c := h.state().Credentials[0]
	_, err := h.JudgeCredential(h.ctx, c.ID, c.Version, func(c *auth.Credential) {
		c.Status, c.Reason = auth.StatusInvalid, "refused"
		c.Report = &auth.Report{At: start, Verdict: auth.VerdictInvalid}
	}, auth.Event{Actor: "system"})
	check(t, err)
	n := len(h.recorded())
	h.declare([]store.DeclaredCredential{declared("hf", "t")})
	equal(t, "status", h.state().Credentials[0].Status, auth.StatusInvalid)
	equal(t, "events", len(h.recorded()), n)
	h.declare([]store.DeclaredCredential{declared("hf", "t2")})
	equal(t, "status", h.state().Credentials[0].Status, auth.StatusValid)
	if h.state().Credentials[0].Report != nil {
		t.Error("the report of other fields is kept")
	}
}
