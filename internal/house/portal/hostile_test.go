//go:build realclients

package portal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/house/hub"
	"github.com/weighbridge/weighbridge/internal/house/origin"
	"github.com/weighbridge/weighbridge/internal/workerenv"
)

// hostile are texts that would do something in a page which takes them for
// anything but text: every one of them sets pwned, or leads astray.
var hostile = []string{
	`<script>pwned="element"</script>`,
	`"><img src=x onerror="pwned='image'">`,
	`'><svg/onload=pwned='svg'>`,
	`javascript:pwned='address'//`,
	`" autofocus onfocus="pwned='handler'" x="`,
	`" hx-get="/t/default" hx-trigger="load" hx-on:htmx:load="pwned='htmx'" x="`,
	`</textarea></title></style><iframe srcdoc="<script>parent.pwned=1</script>">`,
	`{{.Me}}${pwned=1}<%=pwned%>[[pwned=1]]`,
	`<a href="javascript:pwned=1" sse-connect="//evil.example">x</a>`,
	`...`, `new`, `%2e%2e%2f`, `?done=x#y`,
}

// worst is what is put where there is one place only.
const worst = `"'></title></textarea><script>pwned=1</script><img src=x onerror=pwned=2 hx-get=/ hx-trigger=load>`

// Nothing that a person, a worker or an upstream can fill is more than text in
// any page.
func TestHostileTextIsText(t *testing.T) {
	t.Parallel()
	s := newSite(t, house.Options{})
	email := `"<svg/onload=pwned=3>"@example.com`
	s.user(owner, "", auth.RoleOwner)
	s.vandalise(email)

	b := s.tab()
	b.everywhere = true
	// Sessions show what a browser calls itself.
	b.do("another name", emulation.SetUserAgentOverride(worst))
	for _, next := range []string{"javascript:pwned=1", "//evil.example/" + worst, "/t/default"} {
		b.open("/sign-in?next=" + url.QueryEscape(next) + "&done=" + url.QueryEscape(worst))
		b.signIn(owner)
		b.harmless()
	}
	b.at("/t/default")

	named := map[string]bool{}
	forms := 0
	paths := b.crawl(func(string) {
		b.harmless()
		text := b.text()
		for _, one := range hostile {
			named[one] = named[one] || strings.Contains(text, one)
		}
	})
	for _, path := range paths {
		// An end that asks for no name is sent as it is, and would be one's own.
		if !strings.Contains(path, "/account/sessions/") {
			forms += b.fillAll(path)
		}
	}
	t.Logf("%d pages, %d forms", len(paths), forms)
	for _, one := range hostile {
		if !named[one] {
			t.Errorf("no page shows %s as text", one)
		}
	}
	for _, path := range b.navigation() {
		query := url.Values{}
		for _, name := range []string{"q", "key", "credential", "url", "host", "action", "outcome", "actor", "reason", "since", "until", "search", "provider", "pattern", "patterns", "done", "by", "show", "after", "cursor", "from"} {
			query.Set(name, worst)
		}
		b.open(path + "?" + query.Encode())
		b.harmless()
	}
}

// vandalise fills in hostile texts wherever the API, the proxy and the upstreams
// let somebody.
func (s *site) vandalise(email string) {
	s.t.Helper()
	ctx, api := s.t.Context(), s.API()
	taken := 0
	// What the API refuses is no way in; most of it has to be one, or nothing is shown.
	try := func(_ any, err error) {
		if err == nil {
			taken++
			return
		}
		if _, ok := errors.AsType[*admin.Problem](err); !ok {
			s.t.Error(err)
		}
	}
	try(api.CreateUser(ctx, admin.NewUser{Email: email, Name: worst, Password: s.password.Value(), Role: "member"}))
	try(api.CreateUser(ctx, admin.NewUser{Email: "mallory@example.com", Name: worst, Password: s.password.Value(), Role: "owner"}))
	name := worst
	try(api.UpdateUser(ctx, owner, admin.UserPatch{Name: &name}))
	secret := s.secret("hostile-secret-")
	for i, one := range hostile {
		try(api.CreateTeam(ctx, admin.NewTeam{Name: one, Owner: owner}))
		try(api.CreateCredential(ctx, admin.NewCredential{
			Name: one, Provider: "http_api_key", NoValidate: true, Fields: map[string]string{"headerName": "X-Key", "headerValue": secret.Value()},
			Patterns: []string{fmt.Sprintf("https://h%d.example.com/%s/*", i, one), fmt.Sprintf("https://h%d.example.com/*", i)},
		}))
		try(api.CreateCredential(ctx, admin.NewCredential{
			Name: one, Provider: "http_api_key", NoValidate: true, Fields: map[string]string{"headerName": "X-Key", "headerValue": secret.Value()},
			Patterns: []string{fmt.Sprintf("https://h%d.example.com/%s/*", i, url.PathEscape(one))},
		}))
		key, err := api.CreateKey(ctx, admin.NewKey{Name: one, URLKey: i%2 == 0, Credentials: []string{one}, Routes: []string{fmt.Sprintf("https://h%d.example.com/*", i)}})
		if try(key, err); err == nil {
			s.reveal(key.Key)
		}
		s3, err := api.CreateS3Key(ctx, admin.NewS3Key{Name: "s3 " + one, Buckets: []string{"models"}, Prefixes: []string{one}})
		if try(s3, err); err == nil {
			s.secretOf(s3.SecretAccessKey)
		}
		tok, err := api.CreateToken(ctx, admin.NewToken{Name: one, ExpiresAt: time.Now().Add(48 * time.Hour), User: owner, Route: "/api/v1/" + one})
		if err != nil {
			tok, err = api.CreateToken(ctx, admin.NewToken{Name: one, ExpiresAt: time.Now().Add(48 * time.Hour), User: owner})
		}
		if try(tok, err); err == nil {
			s.secretOf(tok.Token)
		}
	}
	if taken < 4*len(hostile) {
		s.t.Errorf("only %d hostile texts were taken", taken)
	}
	// An upstream that says it, to us and to a worker.
	s.Server.Faults.Add(origin.Fault{Kind: origin.Answer, Host: hub.Host, Status: http.StatusForbidden, Body: `{"error":` + quote(worst) + `}`, Header: http.Header{
		"Content-Type": {"application/json"}, "X-Error-Message": {worst}, "X-Error-Code": {"GatedRepo"}, "Www-Authenticate": {"Bearer error=" + worst}, "X-Request-Id": {worst}}})
	key := s.HubWorker("hub")
	s.reveal(key.Key)
	s.reveal(key.URLKey)
	_, _ = api.ValidateCredential(ctx, "hub", admin.ValidateCredentialQuery{})
	for _, mode := range []workerenv.Mode{workerenv.Forward, workerenv.Reverse} {
		client := s.HTTPClient(mode, key.Key)
		for _, path := range []string{"/" + url.PathEscape(worst), "/<script>pwned=1</script>", "/a/b/resolve/main/" + url.PathEscape(worst) + "?x=" + url.QueryEscape(worst)} {
			for _, host := range []string{hub.Host, "nobody.example.com"} {
				s.ask(client, "https://"+host+path)
			}
		}
	}
	// Somebody who cannot sign in is on record.
	_, _ = api.SignIn(ctx, admin.SignIn{Email: email, Password: "wrong " + worst})
}

// ask sends a request, whatever comes of it.
func (s *site) ask(client *http.Client, rawURL string) {
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, rawURL, nil)
	s.must(err)
	r.Header.Set("User-Agent", worst)
	answer, err := client.Do(r)
	if err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, answer.Body)
	_ = answer.Body.Close()
}

// strange finds, in a document, what somebody's text became if it was taken for
// more than text.
const strange = `((d) => [...d.querySelectorAll("body script, body style, body img, iframe, svg:not(.icon, .chart, .seal), a[href^='javascript:' i], form[action^='javascript:' i], [srcdoc], [x], [onfocus], [onload], [onerror]")]
    .concat([...d.querySelectorAll("*")].filter((e) => [...e.attributes].some((a) => a.name.startsWith("hx-on") || (a.name === "sse-connect" || a.name === "hx-get" || a.name === "href") && a.value.includes("//") && !/^https:\/\/[a-z.]+(\/|$)/.test(a.value))))
    .map((e) => e.outerHTML.slice(0, 160)))`

// harmless asserts that no text of somebody became a part of the page.
func (b *tab) harmless() {
	b.t.Helper()
	if found := eval[[]string](b, strange+"(document)"); len(found) > 0 {
		b.t.Errorf("%s: what somebody wrote became a part of the page: %q", b.path(), found)
	}
}

// fillAll sends every form of a page with hostile text in each of its fields,
// and asserts that what comes is harmless. What is confirmed by name gets a name
// that is none. The browser parses each answer; that scripts do not run in such
// a page, those that are opened show.
func (b *tab) fillAll(path string) int {
	b.t.Helper()
	b.front.refusals(true)
	defer b.front.refusals(false)
	answers := eval[[][]string](b, fmt.Sprintf(`(async (path, text) => {
  const out = [], parsed = async (answer) => new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const form of (await parsed(await fetch(path))).querySelectorAll('main form[method="post"]')) {
    const body = new URLSearchParams(new FormData(form));
    for (const e of form.elements) {
      const typed = e.tagName === "TEXTAREA" || e.tagName === "INPUT" && !["hidden", "checkbox", "radio", "submit", "button", "file"].includes(e.type);
      if (typed && e.name && e.name !== "proxy" && e.name !== "bundle") body.set(e.name, text);
    }
    const to = form.getAttribute("action") || path, answer = await fetch(to, {method: "POST", body, headers: {Accept: "text/html"}});
    const type = answer.headers.get("Content-Type") || "";
    const found = type.startsWith("text/html") ? %s(await parsed(answer)) : [];
    out.push([to, String(answer.status), ...found]);
  }
  return out;
})(%s, %s)`, strange, quote(path), quote(worst)))
	for _, one := range answers {
		if len(one) > 2 {
			b.t.Errorf("%s: what was typed became a part of the answer of %s: %q", path, one[0], one[2:])
		}
	}
	return len(answers)
}
