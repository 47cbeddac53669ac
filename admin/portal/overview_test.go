package portal

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/auth/audit"
)

// hostile is what no page may show as anything but text.
const hostile = `<img src=x onerror=alert(1)>"'&`

// transfers is what is being downloaded.
type transfers struct {
	mu  sync.Mutex
	all []admin.Transfer
}

func (m *transfers) now() []admin.Transfer {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.all
}

func (m *transfers) set(all ...admin.Transfer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all = all
}

func TestTheOverviewOfATeamWithoutAnything(t *testing.T) {
	b := newKit(t, nil).owner()
	page := b.page("/t/default")
	if !strings.Contains(page, `href="/t/default/guide"`) || strings.Contains(page, "sse-connect") {
		t.Errorf("%s", page)
	}
}

// The overview says what came of today, what went wrong and what it means, and
// draws what was downloaded, by credential and by key.
func TestTheOverviewOfATeam(t *testing.T) {
	now := time.Date(2026, 11, 22, 15, 4, 5, 0, time.UTC)
	team := ""
	k := newKit(t, func(o *admin.Options) {
		team = o.TeamID
		o.Usage = func(_ context.Context, since time.Time) ([]audit.UsageRow, error) {
			if since.Format(time.DateOnly) > "2026-11-22" {
				t.Errorf("usage since %s", since)
			}
			row := func(day, credential, key string, bytes int64) audit.UsageRow {
				return audit.UsageRow{Day: day, TeamID: team, CredentialID: "id" + credential, CredentialName: credential, KeyID: "id" + key, KeyName: key, Requests: 3, Bytes: bytes, Errors: 1, Denied: 2}
			}
			return []audit.UsageRow{row("2026-11-20", "hub", "gpu-1", 5<<30), row("2026-11-22", "hub", "gpu-1", 3<<30), row("2026-11-22", hostile, "gpu-2", 1<<30)}, nil
		}
		o.UsageHours = func(_ context.Context, since time.Time) ([]audit.UsageRow, error) {
			if want := time.Date(2026, 11, 21, 16, 0, 0, 0, time.UTC); !since.Equal(want) {
				t.Errorf("hours since %s", since)
			}
			return []audit.UsageRow{{Day: "2026-11-22", Hour: "2026-11-22T15:00:00Z", TeamID: team, KeyID: "idgpu-1", KeyName: "gpu-1", Requests: 2, Bytes: 7 << 30}}, nil
		}
		o.Now = func() time.Time { return now }
	})
	b := k.owner()
	_, err := k.local.CreateKey(t.Context(), admin.NewKey{Name: "gpu-1"})
	k.must(err)
	denied := auth.Event{Action: auth.ActionDenied, TeamID: team, Time: now.Add(-time.Hour), KeyName: "gpu-1", Mode: "reverse", Host: "huggingface.co", Path: "/a/" + hostile, Code: auth.CodeNoCredentialMatched}
	k.record.Record(denied)
	denied.Count = 4
	k.record.Record(denied)
	k.record.Record(auth.Event{Action: auth.ActionFinished, TeamID: team, Time: now.Add(-time.Hour), KeyName: "gpu-1", Host: "civitai.com", Path: "/x", Status: 404})
	k.record.Record(auth.Event{Action: auth.ActionFinished, TeamID: team, Time: now.Add(-30 * time.Hour), KeyName: "gpu-1", Host: "yesterday.example", Path: "/x", Status: 404})
	k.record.Record(auth.Event{Action: auth.ActionDenied, TeamID: "another", Time: now.Add(-time.Hour), KeyName: "theirs", Host: "theirs.example", Path: "/x", Code: auth.CodeNotLinked})
	meaning, next := codeMeaning("no_credential_matched")
	page := b.page("/t/default")
	for _, want := range []string{
		"4.0 GiB</b>", "6</b>", "2</b>", "4</b>", // tiles
		meaning, "<code>no_credential_matched</code>", string(words(next)), ">5 ×<", "The upstream has nothing at this URL",
		"/t/default/test?key=gpu-1&amp;mode=reverse&amp;url=https%3A%2F%2Fhuggingface.co%2Fa%2F%3Cimg",
		`role="img"`, "2026-11-20: hub, 5.0 GiB", `<rect class="s2"`, `href="/t/default?by=key&amp;days=14&amp;show=bytes#over-time"`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the overview is without %q", want)
		}
	}
	for _, not := range []string{"<img src=x", "yesterday.example", "theirs.example", "sse-connect=\"http", " style="} {
		if strings.Contains(page, not) {
			t.Errorf("the overview holds %q", not)
		}
	}
	page = b.page("/t/default?by=key&show=requests&days=30")
	for _, want := range []string{"2026-11-20: gpu-1, 3", "by API key, the last 30 days", `aria-current="true">Requests`} {
		if !strings.Contains(page, want) {
			t.Errorf("by key: no %q", want)
		}
	}
	page = b.page("/t/default?by=key&days=1")
	for _, want := range []string{"2026-11-22 15:00: gpu-1, 7.0 GiB", "an hour by API key, the last 24 hours", `aria-current="true">24 hours`, `<th scope="row">2026-11-21 16:00</th>`, "4.0 GiB</b>"} {
		if !strings.Contains(page, want) {
			t.Errorf("by the hour: no %q", want)
		}
	}
	// What it asks for again is the numbers, and what else has changed.
	known := strings.ReplaceAll(between(t, page, `hx-get="`, `" hx-trigger="every 15s"`), "&amp;", "&")
	for path, changed := range map[string]bool{known: false, strings.Replace(known, "wrong=6", "wrong=5", 1): true} {
		part := b.page(path)
		shows(t, path, part, true, "4.0 GiB</b>", `hx-swap="outerHTML"`)
		shows(t, path, part, false, "<html", `id="needs"`)
		shows(t, path, part, changed, `<div id="wrong" hx-swap-oob="true">`, meaning)
	}
	_, err = k.local.CreateCredential(t.Context(), admin.NewCredential{Name: "ends", Provider: "http_bearer", NoValidate: true, ExpiresAt: new(now.Add(24 * time.Hour)),
		Fields: map[string]string{"token": "tok-123456789"}, Patterns: []string{"ends.example.com/*"}})
	k.must(err)
	shows(t, "what needs somebody", b.page(known), true, `<div id="needs" hx-swap-oob="true">`, "It ends in 24 hours")
}

// T60: a stream of transfers shows those of its team alone, as text, and ends
// with the session.
func TestT60_LiveTransfersAreOfOneTeamAndOneSession(t *testing.T) {
	var moves transfers
	k := newKit(t, func(o *admin.Options) { o.Transfers = moves.now })
	b := k.owner()
	other, second := k.second("second")
	mine, err := k.store.Team(t.Context(), auth.DefaultTeam)
	k.must(err)
	started := time.Now().Add(-time.Second)
	one := admin.Transfer{TeamID: mine.ID, ID: "1", Key: "gpu-1", Worker: "192.0.2.1", Method: "GET", Started: started, Total: 1 << 30, Bytes: 1 << 20,
		URL: "https://huggingface.co/org/" + hostile + "/model.safetensors", Credential: "hub" + hostile}
	theirs := one
	theirs.TeamID, theirs.ID, theirs.Key, theirs.Credential = second.ID, "2", "their-key", "their-credential"
	moves.set(one, theirs)
	live, elsewhere := b.follow("/t/default/live/transfers"), other.follow("/t/second/live/transfers")
	first := live.until("model.safetensors")
	one.Bytes = 600 << 20
	moves.set(one, theirs)
	if first += live.until("600 MiB of 1.0 GiB"); strings.Contains(first, "their-") || strings.Contains(first, "<img src=x") {
		t.Errorf("%s", first)
	}
	if got := elsewhere.until("their-key"); strings.Contains(got, "gpu-1") {
		t.Errorf("%s", got)
	}
	b.does("/sign-out", nil)
	live.ends()
	if after := b.follow("/t/default/live/transfers"); after.status != 204 {
		t.Errorf("signed out: %d", after.status)
	}
	_ = other
}

// A rate is of what came since the last look, and an average at the first.
func TestRates(t *testing.T) {
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	var p pace
	tr := admin.Transfer{ID: "1", URL: "https://h.example/a/b%20c.bin", Started: at.Add(-10 * time.Second), Bytes: 1000, Total: 3000}
	got := p.of(admin.TransfersNow{Time: at, Transfers: []admin.Transfer{tr}})
	if got[0].Rate != 100 || got[0].Left != 20*time.Second || got[0].Name != "b c.bin" {
		t.Errorf("%+v", got)
	}
	tr.Bytes = 2000
	young := admin.Transfer{ID: "2", URL: "https://h.example/", Started: at.Add(2 * time.Second), Total: -1}
	got = p.of(admin.TransfersNow{Time: at.Add(2 * time.Second), Transfers: []admin.Transfer{tr, young}})
	if got[0].Rate != 500 || got[0].Left != 2*time.Second || got[1].Rate != -1 || got[1].Name != "h.example" {
		t.Errorf("%+v", got)
	}
	got = p.of(admin.TransfersNow{Time: at.Add(2 * time.Second), Transfers: []admin.Transfer{tr}})
	if got[0].Rate != -1 {
		t.Errorf("in no time: %+v", got)
	}
}

func TestTheChartsScaleIsRound(t *testing.T) {
	for _, c := range []struct {
		n, want int64
		bytes   bool
	}{{1, 2, false}, {2, 2, false}, {3, 4, false}, {5, 10, false}, {99, 100, false}, {1 << 62, 4e18 * 2 / 2, false}, {5 << 30, 10 << 30, true}, {999, 1000, true}, {1023, 2000, true}, {3 << 20, 4 << 20, true}} {
		got := roundUp(c.n, c.bytes)
		if c.n < 1<<60 && got != c.want || c.n <= 1<<60 && got < c.n || got <= 0 {
			t.Errorf("%d: %d, not %d", c.n, got, c.want)
		}
	}
}

func TestWhatNeedsAttention(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	p := &Portal{o: Options{Now: func() time.Time { return now }}}
	p.pages = sync.OnceValue(func() *pages { return newPages(newAssets(), p.o.Now) })
	v := &visit{p: p}
	in := func(d time.Duration) *time.Time { at := now.Add(d); return &at }
	got := v.attention([]admin.Credential{
		{Name: "fine", Status: "valid"}, {Name: "far", Status: "valid", ExpiresAt: in(15 * 24 * time.Hour)}, {Name: "revoked", Status: "revoked", Warnings: []string{"w"}},
		{Name: "wide", Status: "valid", Warnings: []string{"the token may write"}}, {Name: "near", Status: "valid", ExpiresAt: in(13 * 24 * time.Hour), Warnings: []string{"it ends soon: 2026-12-05T12:00:00Z"}},
		{Name: "over", Status: "valid", ExpiresAt: in(-time.Second)}, {Name: "bad", Status: "invalid", Reason: "401"},
	})
	var names []string
	for _, a := range got {
		names = append(names, a.Name)
	}
	if strings.Join(names, " ") != "over bad wide near" || got[0].Status != "expired" || got[2].Why[0] != "the token may write" || !strings.Contains(got[3].Why[0], "in 13 days") || len(got[3].Why) != 1 {
		t.Errorf("%+v", got)
	}
}
