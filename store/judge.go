package store

import (
	"context"
	"fmt"

	"github.com/weighbridge/weighbridge/auth"
)

// JudgeCredential implements Store.
func (c *core) JudgeCredential(ctx context.Context, credentialID string, version uint64, judge func(*auth.Credential), ev auth.Event) (out auth.Credential, err error) {
	err = c.change(ctx, func(t *tx) error {
		old := t.m.credential(credentialID)
		if old == nil {
			return notFound(whatCredential, credentialID)
		}
		if old.Version != version {
			return &Error{Kind: KindNotFound, What: whatCredential, Ref: credentialID,
				Detail: fmt.Sprintf("its version %d is gone; it is at %d", version, old.Version)}
		}
		out = cloneCredential(*old)
		if old.Status != auth.StatusRevoked {
			judged := cloneCredential(*old)
			judge(&judged)
			judged = normalCredential(judged)
			// The rest of the record is not a finding.
			out.Status, out.Reason, out.Report, out.AnsweredAt = judged.Status, judged.Reason, judged.Report, judged.AnsweredAt
			out.ExpiresAt = judged.ExpiresAt
			if out.Status == auth.StatusRevoked {
				return invalid(whatCredential, old.Name, "a finding does not revoke it")
			}
		}
		if !sameRow(old, &out) {
			t.b.creds[out.ID] = out
			t.b.findings = sameFor(old, &out)
		}
		if ev.Action != "" {
			t.record(aboutCredential(ev, ev.Action, &out))
		}
		if out.Status != old.Status {
			status := derived(ev)
			status.Action = auth.ActionCredentialStatus
			status.Reason = fmt.Sprintf("%s, was %s: %s", out.Status, old.Status, out.Reason)
			t.record(aboutCredential(status, status.Action, &out))
		}
		return nil
	})
	if err != nil {
		return auth.Credential{}, err
	}
	return cloneCredential(out), nil
}

// sameFor reports whether every decision is the same by a as by b: what differs
// is told to people alone. There are many validations, and compiling all rules
// for each would be dear.
func sameFor(a, b *auth.Credential) bool {
	x, y := *a, *b
	x.Report, y.Report, x.AnsweredAt, y.AnsweredAt = nil, nil, b.AnsweredAt, b.AnsweredAt
	return sameRow(&x, &y)
}
