package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/auth"
)

// ways are the ways in which the hub, or the plain host, is asked for /a.
func (r *rig) ways() map[string]func(extra ...string) *workerReply {
	return map[string]func(extra ...string) *workerReply{
		"tunnel":  func(extra ...string) *workerReply { return r.tunnel(hubHost).get("/a", hubHost, extra...) },
		"reverse": func(extra ...string) *workerReply { return r.reverse("/"+hubHost+"/a", extra...) },
		"plain": func(extra ...string) *workerReply {
			return r.worker().get("http://"+plainHost+"/a", plainHost, append(extra, r.proxyAuth())...)
		},
	}
}

// TestT71_AnAnswerThatBreaksOffIsCompleted in every way in, however it breaks
// off and whatever part was asked for: by a request of its own.
func TestT71_AnAnswerThatBreaksOffIsCompleted(t *testing.T) {
	const size = 1 << 20
	hold := make(chan struct{})
	defer close(hold)
	for _, how := range []string{"reset", "short", "stall"} {
		for _, ranged := range []bool{false, true} {
			t.Run(fmt.Sprint(how, ranged), func(t *testing.T) {
				t.Parallel()
				for way := range (&rig{}).ways() {
					r, _ := resumeRig(t, rigOptions{})
					s := newShelf(size, first(turn{after: 300_000, how: how, hold: hold}))
					o := newOrigin(t, s.answer, hubHost)
					if way == "plain" {
						o = newOrigin(t, s.answer)
						r.route(plainHost+":80", o)
					}
					r.route(hubHost+":443", o)
					from, to, extra, code := 0, size-1, []string{"If-None-Match: \"old\"", "X-Kept: yes"}, 200
					if ranged {
						from, to, code = 1000, size-50_000, 206
						extra = append(extra, fmt.Sprintf("Range: bytes=%d-%d", from, to), `If-Range: "v1"`)
					}
					a := r.ways()[way](extra...)
					if a.status != code || a.err != nil || !bytes.Equal(a.body, s.content[from:to+1]) {
						t.Fatalf("%s: %d, %d bytes, %v", way, a.status, len(a.body), a.err)
					}
					got := o.requests()
					if len(got) != 2 {
						t.Fatalf("%s: %d requests", way, len(got))
					}
					q, at := got[1], from+300_000
					if how == "reset" { // of which a part may have been lost
						_, _ = fmt.Sscanf(q.fields.Get("Range"), "bytes=%d-", &at)
					}
					if q.fields.Get("Range") != fmt.Sprintf("bytes=%d-%d", at, to) || q.fields.Get("If-Range") != `"v1"` || q.fields.has("If-None-Match") ||
						q.fields.Get("X-Kept") != "yes" || q.target != got[0].target || q.fields.Get("Authorization") != "Bearer "+canary {
						t.Errorf("%s: %s", way, q.head)
					}
					r.resumedOnce(way, int64(at-from), int64(to-from+1))
				}
			})
		}
	}
}

// resumedOnce checks the record, the log and the metrics of an answer of total
// bytes that was resumed at one byte.
func (r *rig) resumedOnce(way string, at, total int64) {
	r.t.Helper()
	finished := r.recorder.eventually(auth.ActionFinished, 2)
	used := r.recorder.of(auth.ActionUsed)
	if len(used) != 2 || len(finished) != 2 {
		r.t.Fatalf("%s: %+v", way, r.recorder.all())
	}
	if used[0].RequestID == used[1].RequestID || finished[0].RequestID != used[0].RequestID || finished[1].RequestID != used[1].RequestID {
		r.t.Errorf("%s: ids %+v %+v", way, used, finished)
	}
	if want := fmt.Sprintf("resumes %s at byte %d: ", used[0].RequestID, at); !strings.HasPrefix(used[1].Reason, want) || used[1].CredentialID == "" {
		r.t.Errorf("%s: used %+v", way, used[1])
	}
	if f := finished[0]; f.Bytes != at || f.Code != auth.CodeUpstreamUnreachable && f.Code != auth.CodeUpstreamTimeout || f.Reason == "" {
		r.t.Errorf("%s: the broken one %+v", way, f)
	}
	if f := finished[1]; f.Bytes != total-at || f.Code != "" || f.Status != 206 {
		r.t.Errorf("%s: the rest %+v", way, f)
	}
	all := r.metrics.all()
	if s := all[len(all)-1]; s.Resumed != 1 || s.Bytes != total || s.Code != "" {
		r.t.Errorf("%s: %+v", way, s)
	}
	told := r.metrics.traces()
	if t := told[len(told)-1]; t.Failed || len(t.Legs) != 2 || len(t.Decisions) != 2 || !t.Legs[0].Failed || t.Legs[0].RequestID != used[0].RequestID ||
		t.Legs[1].Failed || t.Legs[1].RequestID != used[1].RequestID || t.Legs[1].Status != 206 || t.Legs[1].Started.Before(t.Legs[0].Ended) {
		r.t.Errorf("%s: told %+v", way, t)
	}
	if log := r.log.String(); !strings.Contains(log, `"resumed":1`) || !strings.Contains(log, `"first_request_id":"`+used[0].RequestID) || !strings.Contains(log, "is resumed") {
		r.t.Errorf("%s: log %s", way, log)
	}
}

// TestT71_OnlyTheSameVersionGoesOn: whatever is not certainly the rest of the
// same file breaks the worker's connection, and not a byte of it gets there.
func TestT71_OnlyTheSameVersionGoesOn(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		second turn
		line   string // in place of second
		code   auth.Code
	}{
		"another tag":      {second: turn{head: []string{`ETag: "v2"`}}, code: auth.CodeUpstreamProtocol},
		"a weak tag":       {second: turn{head: []string{`ETag: W/"v1"`}}, code: auth.CodeUpstreamProtocol},
		"no tag":           {second: turn{head: []string{"X-None: x"}}, code: auth.CodeUpstreamProtocol},
		"two tags":         {second: turn{head: []string{strongTag, `ETag: "v2"`}}, code: auth.CodeUpstreamProtocol},
		"the whole":        {second: turn{whole: true}, code: auth.CodeUpstreamProtocol},
		"another total":    {second: turn{total: 5 << 20}, code: auth.CodeUpstreamProtocol},
		"another start":    {second: turn{span: func(a, b int) (int, int) { return a - 1, b }}, code: auth.CodeUpstreamProtocol},
		"a later start":    {second: turn{span: func(a, b int) (int, int) { return a + 1, b }}, code: auth.CodeUpstreamProtocol},
		"coded":            {second: turn{head: []string{strongTag, "Content-Encoding: gzip"}}, code: auth.CodeUpstreamProtocol},
		"two Ranges":       {second: turn{head: []string{strongTag, "Content-Range: bytes 0-1/2"}}, code: auth.CodeUpstreamProtocol},
		"gone":             {line: "404 Not Found", code: auth.CodeUpstreamUnreachable},
		"refused":          {line: "403 Forbidden", code: auth.CodeUpstreamUnreachable},
		"shorter by now":   {line: "416 Range Not Satisfiable", code: auth.CodeUpstreamUnreachable},
		"elsewhere by now": {line: "302 Found\r\nLocation: https://" + hubHost + "/b", code: auth.CodeUpstreamUnreachable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, _ := resumeRig(t, rigOptions{})
			s := newShelf(1<<20, nil)
			s.turn = func(n int, q *request) (turn, bool) {
				switch {
				case n == 0:
					return turn{after: 200_000, how: "short"}, false
				case c.line != "":
					return status(q, c.line)
				}
				return c.second, false
			}
			o := r.route(hubHost+":443", newOrigin(t, s.answer, hubHost))
			a := r.reverse("/" + hubHost + "/a")
			if !isReset(a.err) || !bytes.HasPrefix(s.content[:200_000], a.body) {
				t.Errorf("%d bytes, %v", len(a.body), a.err)
			}
			if n := len(o.requests()); n != 2 {
				t.Errorf("%d requests", n)
			}
			f := r.recorder.eventually(auth.ActionFinished, 2)
			if len(f) != 2 || f[1].Code != c.code || f[1].Bytes != 0 {
				t.Errorf("%+v", f)
			}
		})
	}
}

// TestT71_WithoutAStrongValidatorNothingIsAsked, nor where the length is not
// known, the body coded, or in several parts.
func TestT71_WithoutAStrongValidatorNothingIsAsked(t *testing.T) {
	t.Parallel()
	old, later, now := "Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:50:36 GMT", "Sun, 06 Nov 1994 08:50:37 GMT"
	for name, c := range map[string]struct {
		head    []string
		resumed bool
	}{
		"none":                {head: []string{"X: y"}},
		"weak":                {head: []string{`ETag: W/"v1"`}},
		"no tag at all":       {head: []string{"ETag: v1"}},
		"empty tag":           {head: []string{`ETag: ""`}},
		"a date too near":     {head: []string{"Last-Modified: " + old, "Date: " + later}},
		"a date without Date": {head: []string{"Last-Modified: " + old}},
		"weak and a date":     {head: []string{`ETag: W/"v1"`, "Last-Modified: " + old, "Date: " + now}},
		"coded":               {head: []string{strongTag, "Content-Encoding: gzip"}},
		"an old date":         {head: []string{"Last-Modified: " + old, "Date: " + now}, resumed: true},
		"identity":            {head: []string{strongTag, "Content-Encoding: identity"}, resumed: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, _ := resumeRig(t, rigOptions{})
			s := newShelf(1<<20, first(turn{after: 200_000, how: "short"}))
			s.head = c.head
			o := r.route(hubHost+":443", newOrigin(t, s.answer, hubHost))
			a := r.tunnel(hubHost).get("/a", hubHost, "Accept-Encoding: gzip")
			switch n := len(o.requests()); {
			case c.resumed && (n != 2 || a.err != nil || !bytes.Equal(a.body, s.content)):
				t.Errorf("%d requests, %d bytes, %v", n, len(a.body), a.err)
			case !c.resumed && (n != 1 || a.err == nil):
				t.Errorf("%d requests, %d bytes, %v", n, len(a.body), a.err)
			}
		})
	}
}

// TestT71_TheRestIsDecidedAfresh: whose key, link or record has ended by then
// gets nothing more.
func TestT71_TheRestIsDecidedAfresh(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		during func(r *rig)
		code   auth.Code
	}{
		"revoked":        {(*rig).revoke, auth.CodeKeyRevoked},
		"unlinked":       {func(r *rig) { r.change(func(s *auth.State) { s.Links = nil }) }, auth.CodeNotLinked},
		"credential bad": {func(r *rig) { r.change(func(s *auth.State) { s.Credentials[0].Status = auth.StatusInvalid }) }, auth.CodeCredentialNotUsable},
		"signer fails": {func(r *rig) {
			err := errors.New("sealed")
			r.signer.fail.Store(&err)
		}, auth.CodeCredentialFailed},
		"no record": {func(r *rig) {
			r.recorder.set(func(m *memory) { m.down = errors.New("full") })
		}, auth.CodeAuditUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, w := resumeRig(t, rigOptions{})
			w.during = func() { c.during(r) }
			s := newShelf(1<<20, first(turn{after: 200_000, how: "short"}))
			o := r.route(hubHost+":443", newOrigin(t, s.answer, hubHost))
			a := r.reverse("/" + hubHost + "/a")
			if !isReset(a.err) || !bytes.HasPrefix(s.content[:200_000], a.body) {
				t.Errorf("%d bytes, %v", len(a.body), a.err)
			}
			if n := len(o.requests()); n != 1 {
				t.Errorf("%d requests", n)
			}
			all := r.metrics.all()
			if len(all) != 1 || all[0].Code != c.code {
				t.Errorf("%+v", all)
			}
			denied := r.recorder.of(auth.ActionDenied)
			switch name {
			case "signer fails", "no record":
			default:
				if len(denied) != 1 || denied[0].Code != c.code || !strings.Contains(denied[0].Reason, "resumes 0") {
					t.Errorf("%+v", denied)
				}
			}
		})
	}
}

// TestT71_ACredentialMayBeReplacedMeanwhile: signing is done afresh with what the
// key has by then.
func TestT71_ACredentialMayBeReplacedMeanwhile(t *testing.T) {
	t.Parallel()
	r, w := resumeRig(t, rigOptions{})
	w.during = func() {
		r.change(func(s *auth.State) { s.Credentials[0].Version = 2 })
	}
	s := newShelf(1<<20, first(turn{after: 200_000, how: "short"}))
	r.route(hubHost+":443", newOrigin(t, s.answer, hubHost))
	if a := r.reverse("/" + hubHost + "/a"); a.err != nil || !bytes.Equal(a.body, s.content) {
		t.Fatalf("%d bytes, %v", len(a.body), a.err)
	}
	if u := r.recorder.of(auth.ActionUsed); len(u) != 2 || u[0].Version != 1 || u[1].Version != 2 {
		t.Errorf("%+v", u)
	}
}
