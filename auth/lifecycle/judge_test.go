package lifecycle

import (
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// TestJudge_Table is the table of the status machine, every cell of it.
func TestJudge_Table(t *testing.T) {
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	soon, past := now.Add(time.Hour), now.Add(-time.Hour)
	type row struct {
		status      auth.Status
		declarative bool
		ends        time.Time
		// by verdict: valid, invalid, unasked, unknown
		want [4]auth.Status
	}
	const (
		P, V, I, E, R = auth.StatusPending, auth.StatusValid, auth.StatusInvalid, auth.StatusExpired, auth.StatusRevoked
	)
	for _, r := range []row{
		{"", false, time.Time{}, [4]auth.Status{V, I, V, P}},
		{P, false, time.Time{}, [4]auth.Status{V, I, V, P}},
		{P, true, time.Time{}, [4]auth.Status{V, I, V, V}},
		{V, false, time.Time{}, [4]auth.Status{V, I, V, V}},
		{V, true, time.Time{}, [4]auth.Status{V, I, V, V}},
		{I, false, time.Time{}, [4]auth.Status{V, I, I, I}},
		{E, false, soon, [4]auth.Status{V, I, V, E}},
		{R, false, time.Time{}, [4]auth.Status{R, R, R, R}},
		{P, false, past, [4]auth.Status{E, I, E, E}},
		{P, true, past, [4]auth.Status{E, I, E, E}},
		{V, false, past, [4]auth.Status{E, I, E, E}},
		{E, false, past, [4]auth.Status{E, I, E, E}},
		{I, false, past, [4]auth.Status{E, I, I, I}},
		{R, false, past, [4]auth.Status{R, R, R, R}},
	} {
		for i, v := range []auth.Verdict{auth.VerdictValid, auth.VerdictInvalid, auth.VerdictUnasked, auth.VerdictUnknown} {
			c := auth.Credential{Status: r.status, Declarative: r.declarative, ExpiresAt: r.ends}
			Judge(&c, auth.Report{At: now, Verdict: v, Meaning: "because"}, now)
			if c.Status != r.want[i] {
				t.Errorf("%q (declarative %v, ends %v) and %s: %s, not %s", r.status, r.declarative, r.ends, v, c.Status, r.want[i])
			}
			if r.status == R {
				if c.Report != nil {
					t.Errorf("a revoked credential has a report")
				}
				continue
			}
			if c.Report == nil || c.Report.Verdict != v {
				t.Errorf("%s %s: report %+v", r.status, v, c.Report)
			}
			if c.AnsweredAt.Equal(now) != (v == auth.VerdictValid) {
				t.Errorf("%s %s: last good answer %v", r.status, v, c.AnsweredAt)
			}
		}
	}
}

func TestJudge_AnUpstreamCanOnlyShortenALife(t *testing.T) {
	now := time.Now()
	c := auth.Credential{Status: auth.StatusValid, ExpiresAt: now.Add(time.Hour)}
	Judge(&c, auth.Report{Verdict: auth.VerdictValid, ExpiresAt: now.Add(2 * time.Hour)}, now)
	if !c.ExpiresAt.Equal(now.Add(time.Hour)) {
		t.Errorf("longer: %v", c.ExpiresAt)
	}
	Judge(&c, auth.Report{Verdict: auth.VerdictValid, ExpiresAt: now.Add(time.Minute)}, now)
	if !c.ExpiresAt.Equal(now.Add(time.Minute)) {
		t.Errorf("shorter: %v", c.ExpiresAt)
	}
}

func TestJudge_AReportIsBounded(t *testing.T) {
	c := auth.Credential{Status: auth.StatusPending}
	long := strings.Repeat("é\x1b[31m", 10_000)
	many := make([]string, 1000)
	for i := range many {
		many[i] = long
	}
	Judge(&c, auth.Report{Verdict: auth.VerdictInvalid, Asked: long, Answer: long, Meaning: long, Next: long, Facts: many, Warnings: many}, time.Now())
	n := len(c.Report.Asked) + len(c.Report.Answer) + len(c.Report.Meaning) + len(c.Report.Next) + len(c.Reason)
	for _, l := range append(c.Report.Facts, c.Report.Warnings...) {
		n += len(l)
		if strings.ContainsRune(l, 0x1b) {
			t.Error("a control character is kept")
		}
	}
	if n > 64<<10 || len(c.Report.Facts) > 16 {
		t.Errorf("a report takes %d bytes", n)
	}
}
