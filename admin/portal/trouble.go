package portal

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
)

const (
	// mostTrouble is of how many events, the newest, errors are told apart.
	mostTrouble = 1000
	// troubleTime is for how long a page waits for them.
	troubleTime = 2 * time.Second
)

// trouble is what went wrong today, sorted by what it was.
type trouble struct {
	Kinds []mishap
	// Partly says that there is more than was read.
	Partly bool
}

// mishap is what went wrong in one way.
type mishap struct {
	// Code is of the registry of errors; where it is empty, Status is what the
	// upstream said.
	Code          string
	Status        int
	Count         int64
	Meaning, Next string
	// Last is the newest of them.
	Last auth.Event
}

// trouble reads what was refused and what failed since day.
func (v *visit) trouble(ctx context.Context, day time.Time) (out trouble, err error) {
	ctx, stop := context.WithTimeout(ctx, troubleTime)
	defer stop()
	events, next, err := v.api.ListEventsPage(ctx, admin.ListEventsQuery{
		Since: day, Action: []string{auth.ActionDenied, auth.ActionFinished}, Outcome: []string{auth.OutcomeDenied, auth.OutcomeFailed},
	}, admin.Page{Limit: mostTrouble})
	if err != nil {
		if ctx.Err() != nil && v.ctx().Err() == nil {
			return trouble{Partly: true}, nil
		}
		return out, err
	}
	kinds := map[string]*mishap{}
	for i := range events {
		e := &events[i]
		status := e.Status
		if e.Code != "" {
			status = 0
		}
		id := string(e.Code) + " " + strconv.Itoa(status)
		k := kinds[id]
		if k == nil {
			k = &mishap{Code: string(e.Code), Status: status}
			k.Meaning, k.Next = v.meaning(e)
			kinds[id] = k
		}
		k.Count += max(e.Count, 1)
		k.Last = *e
	}
	for _, k := range kinds {
		out.Kinds = append(out.Kinds, *k)
	}
	slices.SortFunc(out.Kinds, func(a, b mishap) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Code, b.Code), cmp.Compare(a.Status, b.Status))
	})
	out.Partly = next != ""
	return out, nil
}

// meaning is what an event's code means and what helps, in the words of
// docs/errors.md; of a failure without a code, what the upstream's status means.
func (v *visit) meaning(e *auth.Event) (meaning, next string) {
	if e.Code != "" {
		return codeMeaning(string(e.Code))
	}
	key := "upstream." + strconv.Itoa(e.Status)
	said := v.p.pages().text
	switch {
	case e.Reason != "" && e.Status < 400 || e.Status == 0:
		key = "upstream.broken"
	case said.optional(key) != "":
	case e.Status >= 500:
		key = "upstream.5xx"
	default:
		key = "upstream.4xx"
	}
	return said.say(key), said.optional(key + ".next")
}

// codeMeaning is the row of a code in docs/errors.md; empty where it has none.
func codeMeaning(code string) (meaning, next string) {
	for _, c := range auth.Codes() {
		if string(c.Code) == code {
			return c.Meaning, c.Next
		}
	}
	for _, c := range admin.Codes() {
		if c.Code == code {
			return c.Meaning, ""
		}
	}
	return "", ""
}

// Testable reports whether a refusal is one about which *Test a URL* says more.
func (m *mishap) Testable() bool { return testable(&m.Last) }
