package portal

import (
	"cmp"
	"net/http"
	"strconv"
	"strings"

	"github.com/weighbridge/weighbridge/auth"
)

// told is an event of the record and what it says in one line of plain words.
type told struct {
	auth.Event
	Line string
	// Testable says that *Test a URL* tells more of it.
	Testable bool
	// Meaning and Next are of its code.
	Meaning, Next string
}

func (v *visit) tell(events []auth.Event) []told {
	out := make([]told, len(events))
	for i := range events {
		e := &events[i]
		if e.Outcome == "" {
			e.Outcome = auth.OutcomeOf(e)
		}
		out[i] = told{Event: *e, Line: v.line(e), Testable: testable(e)}
		if e.Outcome == auth.OutcomeDenied || e.Outcome == auth.OutcomeFailed {
			out[i].Meaning, out[i].Next = v.meaning(e)
		}
	}
	return out
}

// line says an event in words. Every sentence may take, by number: 1 who acted,
// 2 the key, 3 the credential, 4 what was asked for, 5 the user, 6 the token,
// 7 the bytes, 8 the status, 9 why, 10 how many.
func (v *visit) line(e *auth.Event) string {
	said := v.p.pages().text
	key := "event." + e.Action
	switch {
	case e.Action == auth.ActionFinished && e.Outcome == auth.OutcomeFailed && e.Status >= 400 && e.Code == "":
		key = "event.finished.upstream"
	case e.Action == auth.ActionFinished && e.Outcome == auth.OutcomeFailed:
		key = "event.finished.failed"
	case (e.Action == auth.ActionUsed || e.Action == auth.ActionFinished) && e.CredentialName == "":
		key += ".bare"
	case said.optional(key) == "":
		key = "event.other"
	}
	meaning, _ := codeMeaning(string(e.Code))
	actor := v.actor(e)
	line := said.say(key, actor, cmp.Or(e.KeyName, e.KeyID, v.say("event.unknown")), cmp.Or(e.CredentialName, e.CredentialID), askedFor(e),
		cmp.Or(e.UserName, e.UserID), cmp.Or(e.TokenName, e.TokenID), formatBytes(e.Bytes), statusLine(e.Status),
		strings.TrimSuffix(cmp.Or(e.Reason, meaning, string(e.Code)), "."), formatCount(max(e.Count, 1)), e.Action)
	// Words of ours begin a sentence as words do; names stay as they are.
	if rest, own := strings.CutPrefix(line, "the "); own && strings.HasPrefix(line, actor) {
		return "The " + rest
	}
	return line
}

// Who is who acted, in words.
func (w *view) Who(e auth.Event) string { return w.v.actor(&e) }

// actor is who acted, in words.
func (v *visit) actor(e *auth.Event) string {
	kind, name, named := strings.Cut(e.Actor, ":")
	switch {
	case named && kind == "token":
		return v.say("actor.token", name)
	case named:
		return name
	case e.Actor == "":
		return v.say("actor.nobody")
	default:
		return cmp.Or(v.p.pages().text.optional("actor."+e.Actor), e.Actor)
	}
}

// askedFor is what a request was for: the file and where it is.
func askedFor(e *auth.Event) string {
	switch {
	case e.Host == "" && e.Path == "":
		return ""
	case e.Host == "":
		return strings.TrimSpace(e.Method + " " + e.Path)
	default:
		return e.Place()
	}
}

func statusLine(status int) string {
	return strings.TrimSpace(strconv.Itoa(status) + " " + http.StatusText(status))
}
