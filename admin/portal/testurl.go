package portal

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
)

type testData struct {
	// URL is what was asked about, without its query, which may be a secret.
	URL, Key, Mode string
	// Cut says that there was a query, which is not shown again.
	Cut  bool
	Live bool
	Keys []string
	// Explained is the decision, and Probed what the upstream answered; nil
	// where they were not asked for.
	Explained *admin.Explained
	Probed    *admin.Probed
	// Create leads to a new credential for the URL; empty where one is used.
	// Extend lead to those that could have it as one pattern more.
	Create string
	Extend []extension
}

// extension leads to a credential's form, with a pattern more.
type extension struct{ Name, Href string }

// testPages are about what a URL would get, and gets.
func (p *Portal) testPages() {
	p.page("GET", "/test", func(v *visit) error {
		q := v.r.URL.Query()
		return v.test(q, q.Get("url") != "" && q.Get("key") != "", false)
	})
	p.act("/test", func(v *visit, form url.Values) error {
		return v.test(form, true, form.Get("live") != "" && v.can("probe"))
	})
	p.act("/test/link", func(v *visit, form url.Values) error {
		if _, err := v.api.Link(v.ctx(), form.Get("credential"), form.Get("key")); err != nil {
			return err
		}
		d := testOf(form)
		q := url.Values{"url": {d.URL}, "key": {d.Key}, "mode": {d.Mode}, "done": {"test-linked"}}
		return v.redirect(v.at("test")+"?"+q.Encode(), "")
	})
}

// testOf is what a form or a link asks about.
func testOf(form url.Values) testData {
	d := testData{Key: form.Get("key"), Mode: "forward", Live: form.Get("live") != ""}
	d.URL, _, d.Cut = strings.Cut(strings.TrimSpace(form.Get("url")), "?")
	if _, err := auth.ParseTypedURL(d.URL); err != nil && strings.Contains(d.URL, "@") {
		d.URL = "" // a password may stand before the @
	}
	if form.Get("mode") == "reverse" {
		d.Mode = "reverse"
	}
	return d
}

// test answers with the form, and with what the API says where that is asked
// for. What is asked about goes to the API as it was typed, and is shown without
// its query.
func (v *visit) test(form url.Values, explain, probe bool) error {
	d := testOf(form)
	var err error
	if d.Keys, _, err = v.names(); err != nil {
		return err
	}
	if v.r.Method == http.MethodGet {
		d.Live = true
	}
	if !explain {
		return v.render("test.html", d)
	}
	raw := strings.TrimSpace(form.Get("url"))
	out, err := v.api.Explain(v.ctx(), admin.ExplainRequest{URL: raw, Key: d.Key, Mode: d.Mode})
	if err != nil {
		return v.refused(err, "test.html", d)
	}
	out.Next = v.nextStep(string(out.Code), out.Next)
	d.Explained = &out
	// What is refused for another reason, and what a link would help, needs no
	// credential more.
	if out.Code == auth.CodeNoCredentialMatched || out.Outcome == "allow bare" && out.Chosen == nil && len(out.Runners) == 0 {
		if err := v.propose(&d, out.URL); err != nil {
			return err
		}
	}
	if probe {
		got, err := v.api.Probe(v.ctx(), admin.ProbeRequest{URL: raw, Key: d.Key, Mode: d.Mode})
		if err != nil {
			return v.refused(err, "test.html", d)
		}
		d.Probed = &got
	}
	return v.render("test.html", d)
}

// propose leads to what would match a URL: a new credential, or a pattern more
// of one that is for the same upstream.
func (v *visit) propose(d *testData, raw string) error {
	t, err := auth.ParseURL(raw)
	if err != nil {
		return nil // of which no pattern can be made
	}
	pattern := t.Authority()
	if t.Scheme == "http" {
		pattern = "http://" + pattern
	}
	// The first part of the path is an organisation, a bucket or a project
	// wherever it means something.
	if first, _, more := strings.Cut(strings.TrimPrefix(t.Path, "/"), "/"); more && first != "" && first != "api" {
		pattern += "/" + first
	}
	q := url.Values{"pattern": {pattern + "/*"}, "key": {d.Key}}
	provider := v.providerOf(&t)
	if provider != "" {
		q.Set("provider", provider)
	}
	d.Create = v.at("credentials", "new") + "?" + q.Encode()
	all, err := v.api.ListCredentials(v.ctx())
	for i := range all {
		c := &all[i]
		if c.Declarative || auth.Status(c.Status) == auth.StatusRevoked || c.Provider != provider && !onHost(c.Patterns, &t) {
			continue
		}
		href := v.at("credentials", refOf(*c), "edit") + "?" + url.Values{"pattern": {pattern + "/*"}}.Encode()
		d.Extend = append(d.Extend, extension{c.Name, href})
	}
	return err
}

// onHost reports whether one of the patterns is for the host of a URL.
func onHost(patterns []string, t *auth.Target) bool {
	return slices.ContainsFunc(patterns, func(text string) bool {
		pattern, err := auth.ParsePattern(text)
		return err == nil && pattern.MatchesHost(t.Host, t.Port)
	})
}

// providerOf is the provider that a URL is one of by default, where there is one.
func (v *visit) providerOf(t *auth.Target) string {
	all, err := v.api.ListProviders(v.ctx())
	if err != nil {
		return ""
	}
	for i := range all.Providers {
		p := &all.Providers[i]
		if slices.Contains(p.Hosts, t.Host) || onHost(p.DefaultPatterns, t) {
			return p.Name
		}
	}
	return ""
}

// testable reports whether an event is the refusal of a URL about which
// *Test a URL* tells more.
func testable(e *auth.Event) bool {
	switch e.Code {
	case auth.CodeNoCredentialMatched, auth.CodeNotLinked, auth.CodeCredentialNotUsable, auth.CodeRouteForbidden:
		return e.Host != "" && e.KeyName != ""
	default:
		return false
	}
}

// TestHref is *Test a URL* for what a request of the record asked for.
func (w *view) TestHref(e auth.Event) string {
	q := url.Values{"url": {cmp.Or(e.Scheme, "https") + "://" + e.Host + e.Path}, "key": {e.KeyName}}
	if e.Mode != "" && e.Mode != "forward" {
		q.Set("mode", "reverse")
	}
	return w.At("test") + "?" + q.Encode()
}
