package portal

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/auth/audit"
	"github.com/weighbridge/weighbridge/auth/chain"
)

func denial(team string, at time.Time, host string) auth.Event {
	return auth.Event{Action: auth.ActionDenied, TeamID: team, Time: at, Actor: "key:gpu-1", KeyName: "gpu-1", Mode: "forward", Method: "GET",
		Host: host, Path: "/org/m.bin", Code: auth.CodeNoCredentialMatched, Reason: "no credential matches"}
}

// The record is read in pages from its newest event back, in plain words, and
// picked from.
func TestTheAuditPage(t *testing.T) {
	k := newKit(t, nil)
	b := k.owner()
	team, err := k.store.Team(t.Context(), auth.DefaultTeam)
	k.must(err)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for i := range 120 {
		k.record.Record(denial(team.ID, at.Add(time.Duration(i)*time.Second), fmt.Sprintf("h%03d.example", i)))
	}
	k.record.Record(denial("another", at, "theirs.example"))
	page := b.page("/t/default/audit?action=denied")
	if rows := strings.Count(page, "<li data-row="); rows != auditPage {
		t.Errorf("%d rows", rows)
	}
	if first, second := strings.Index(page, "h119.example"), strings.Index(page, "h118.example"); first < 0 || second < first || strings.Contains(page, "h019.example") || strings.Contains(page, "theirs.example") {
		t.Errorf("the newest do not come first: %d %d", first, second)
	}
	for _, want := range []string{
		"gpu-1 was refused h119.example/org/m.bin: no credential matches", ">refused</span>",
		"/t/default/test?key=gpu-1&amp;url=https%3A%2F%2Fh119.example%2Forg%2Fm.bin",
		`href="/t/default/audit?outcome=denied,failed"`, `href="/t/default/audit?action=denied&amp;live=1"`, `href="/t/default/audit/export" download`, "An export has every event of the time",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q", want)
		}
	}
	older := between(t, page, `href="`, `" rel="next"`)
	page = b.page(strings.ReplaceAll(older, "&amp;", "&"))
	if !strings.Contains(page, "h019.example") || strings.Contains(page, "h020.example") || strings.Contains(page, `rel="next"`) {
		t.Errorf("the page before: %s", page)
	}
	for query, want := range map[string]int{
		"host=h007.example": 1, "key=gpu-1&outcome=denied&outcome=failed&since=2026-01-02T03:05": 65, "code=not_linked": 0, "credential=none": 0,
		"who=key:gpu-1&until=2026-01-02T03:04:15": 10, "since=nonsense&host=h007.example": 1, "user=" + ownerEmail: 3, "action=session.*": 1,
	} {
		if got := strings.Count(b.page("/t/default/audit?"+query), `<time datetime="`); got != min(want, auditPage) {
			t.Errorf("%s: %d, not %d", query, got, want)
		}
	}
	page = b.page("/t/default/audit?since=2026-01-02")
	shows(t, "all of a time", page, true, `href="/t/default/audit/export?since=2026-01-02T00%3A00%3A00Z" download`)
	shows(t, "all of a time", page, false, "An export has every event of the time")
	if got := b.get("/t/default/audit?outcome=fine%3Cscript%3E"); got.status != 422 || strings.Contains(got.body, "<script>") {
		t.Errorf("%d", got.status)
	}
	b.page("/t/default/audit?action=own.*&live=1")
	viewer := k.user("eve@example.com", auth.DefaultTeam, auth.RoleViewer)
	if page := viewer.page("/t/default/audit"); strings.Contains(page, "verify/record") || !strings.Contains(page, "/audit/verify\"") {
		t.Error("a viewer is offered what only who runs weighbridge may do")
	}
}

// between is what stands before the first end, from the start that is next to it.
func between(t *testing.T, s, start, end string) string {
	t.Helper()
	before, _, ok := strings.Cut(s, end)
	if !ok {
		t.Fatalf("no %s", end)
	}
	return before[strings.LastIndex(before, start)+len(start):]
}

// T60: whatever stands in an event is text, also in a stream, where no carriage
// return begins a field; a stream is of one team, and ends with the session.
func TestT60_TheRecordIsFollowedAsTextByItsTeamAlone(t *testing.T) {
	k := newKit(t, nil)
	b := k.owner()
	other, second := k.second("second")
	team, err := k.store.Team(t.Context(), auth.DefaultTeam)
	k.must(err)
	page := b.page("/t/default/audit?live=1&action=denied")
	mine := b.follow(strings.ReplaceAll(between(t, page, `sse-connect="`, `" sse-swap="events"`), "&amp;", "&"))
	theirs := other.follow("/t/second/audit/follow")
	e := denial(team.ID, time.Now().Add(time.Minute), "mine.example")
	e.Path, e.Reason, e.KeyName, e.Actor = "/"+hostile, hostile+"\revent: x\rdata: injected", hostile, "key:"+hostile
	k.record.Record(e)
	k.record.Record(denial(second.ID, time.Now().Add(time.Minute), "theirs.example"))
	got := mine.until("mine.example")
	if strings.Contains(got, "<img src=x") || strings.Contains(got, "theirs.example") || strings.Contains(got, "\r") {
		t.Errorf("%q", got)
	}
	if got := theirs.until("theirs.example"); strings.Contains(got, "mine.example") {
		t.Errorf("%q", got)
	}
	if page := b.page("/t/default/audit"); strings.Contains(page, "<img src=x") {
		t.Error("the page holds it as markup")
	}
	b.does("/sign-out", nil)
	mine.ends()
}

// A stream goes on where its page ends, and a browser that comes again is told
// what it has not had, and no row twice: also where what came last is not the
// newest.
func TestAFollowedRecordGoesOnWhereItStopped(t *testing.T) {
	k := newKit(t, nil)
	b := k.owner()
	team, err := k.store.Team(t.Context(), auth.DefaultTeam)
	k.must(err)
	at := time.Now().Add(time.Minute)
	record := func(after time.Duration, host string) { k.record.Record(denial(team.ID, at.Add(after), host)) }
	record(0, "shown.example")
	path := strings.ReplaceAll(between(t, b.page("/t/default/audit?live=1&action=denied"), `sse-connect="`, `" sse-swap="events"`), "&amp;", "&")
	first := b.follow(path)
	record(2*time.Second, "newest.example")
	record(time.Second, "late.example")
	if got := first.until("late.example"); strings.Contains(got, "shown.example") {
		t.Errorf("the stream tells what the page shows: %s", got)
	}
	last := first.last.Load().(string)
	record(3*time.Second, "next.example")
	again := strings.Replace(path, "from=", "from="+url.QueryEscape(last)+"&was=", 1)
	for name, f := range map[string]*followed{"the browser": b.followFrom(path, last), "the page": b.follow(again)} {
		if got := f.until("next.example"); strings.Contains(got, "newest.example") || strings.Contains(got, "late.example") || strings.Contains(got, "shown.example") {
			t.Errorf("%s comes again and is told twice: %s", name, got)
		}
	}
}

// A page that gets more than anybody reads gets the newest.
func TestABurstIsCutShort(t *testing.T) {
	k := newKit(t, nil)
	b := k.owner()
	team, err := k.store.Team(t.Context(), auth.DefaultTeam)
	k.must(err)
	for i := range 500 {
		k.record.Record(denial(team.ID, time.Now().Add(time.Minute), fmt.Sprintf("h%03d.example", i)))
	}
	got := b.follow("/t/default/audit/follow?from=" + time.Now().UTC().Format(time.RFC3339)).until("h499.example")
	if strings.Count(got, "<time") > 500 {
		t.Errorf("%d", strings.Count(got, "<time"))
	}
}

// What a page exports verifies, and what was changed in it is found, with its
// line.
func TestAnExportVerifies(t *testing.T) {
	k := newKit(t, func(o *admin.Options) {
		f, err := audit.OpenFile(filepath.Join(t.TempDir(), "audit"), audit.FileOptions{Keys: o.Store.AuditKeys()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		o.Record = f
		for range 3 {
			if err := f.Record(denial(o.TeamID, time.Now(), "h.example")).Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	})
	b := k.owner()
	_, err := k.local.CreateKey(t.Context(), admin.NewKey{Name: "gpu-1"})
	k.must(err)
	got := b.get("/t/default/audit/export")
	if d := got.header.Get("Content-Disposition"); got.status != 200 || !strings.HasPrefix(d, "attachment; filename=weighbridge-audit-default-") || got.header.Get("Content-Type") != "application/x-ndjson" {
		t.Fatalf("%d %v %s", got.status, got.header, got.body)
	}
	if page := b.upload("/t/default/audit/verify/file", "mine.ndjson", got.body); page.status != 200 || !strings.Contains(page.body, "The seal of mine.ndjson holds") {
		t.Errorf("%d %s", page.status, page.body)
	}
	broken := strings.Replace(got.body, "gpu-1", "gpu-9", 1)
	page := b.upload("/t/default/audit/verify/file", hostile, broken)
	if page.status != 200 || !strings.Contains(page.body, "#broken-seal") || strings.Contains(page.body, "<img src=x") || !strings.Contains(page.body, "the line is not what was written") {
		t.Errorf("%d %s", page.status, page.body)
	}
	line := 1 + strings.Count(got.body[:strings.Index(got.body, "gpu-1")], "\n")
	if !strings.Contains(page.body, "line "+strconv.Itoa(line)+":") {
		t.Errorf("not line %d: %s", line, page.body)
	}
	for _, body := range []string{"", "no record at all"} {
		if page := b.upload("/t/default/audit/verify/file", "x", body); body == "" && page.status != 400 || page.status == 200 && !strings.Contains(page.body, "nothing in it that weighbridge signed") {
			t.Errorf("%q: %d %s", body, page.status, page.body)
		}
	}
	if page := b.post("/t/default/audit/verify/file", nil); page.status != 422 {
		t.Errorf("without a file: %d", page.status)
	}
	if page := b.post("/t/default/audit/verify/record", nil); page.status != 200 || !strings.Contains(page.body, "The seal holds") {
		t.Errorf("%d %s", page.status, page.body)
	}
	viewer := k.user("eve@example.com", auth.DefaultTeam, auth.RoleViewer)
	if page := viewer.post("/t/default/audit/verify/record", nil); page.status != 403 {
		t.Errorf("a viewer verifies the record of all: %d", page.status)
	}
	if page := viewer.upload("/t/default/audit/verify/file", "f", got.body); page.status != 200 {
		t.Errorf("a viewer verifies an export: %d", page.status)
	}
}

// upload sends a file as a form does.
func (b *browser) upload(path, name, content string) answer {
	b.t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	part, err := w.CreateFormFile("file", name)
	b.must(err)
	_, err = io.WriteString(part, content)
	b.must(err)
	b.must(w.Close())
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.url+path, &body)
	b.must(err)
	r.Header.Set("Content-Type", w.FormDataContentType())
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	resp, err := b.http.Do(r)
	b.must(err)
	defer func() { _ = resp.Body.Close() }()
	all, err := io.ReadAll(resp.Body)
	b.must(err)
	return answer{resp.StatusCode, string(all), resp.Header.Get("Location"), resp.Header}
}

// Every action that goes on record has a sentence, and every break of a chain.
func TestEveryActionIsSaidInWords(t *testing.T) {
	said := newText()
	actions := []string{audit.ActionResumed, audit.ActionLost, chain.ActionPruned, chain.ActionClock}
	f, err := parser.ParseFile(token.NewFileSet(), "../../auth/event.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(spec.Names[0].Name, "Action") {
			action, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			actions = append(actions, action)
		}
		return true
	})
	if len(actions) < 40 {
		t.Fatalf("%d actions", len(actions))
	}
	p := &Portal{o: Options{Now: time.Now}}
	all := newPages(newAssets(), time.Now)
	p.pages = func() *pages { return all }
	v := &visit{p: p}
	for _, action := range actions {
		if said.optional("event."+action) == "" {
			t.Errorf("no sentence for %s", action)
		}
		e := auth.Event{Action: action, Actor: "user:ada@example.com", KeyName: "key", CredentialName: "credential", Host: "h.example", Path: "/p", UserName: "user", TokenName: "token", Reason: "why"}
		if line := v.tell([]auth.Event{e})[0].Line; strings.Contains(line, "%!") || strings.Contains(line, "⟦") {
			t.Errorf("%s: %s", action, line)
		}
	}
	for _, kind := range []string{chain.BreakChanged, chain.BreakMissing, chain.BreakReordered, chain.BreakInserted, chain.BreakHead} {
		if said.optional("seal.break."+kind) == "" {
			t.Errorf("no sentence for the break %s", kind)
		}
	}
}
