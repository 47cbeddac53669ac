package portal

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
)

// maxForm bounds what a form may hold, secrets and patterns included.
const maxForm = 1 << 20

// visit is one request for a page.
type visit struct {
	p *Portal
	w http.ResponseWriter
	r *http.Request
	// api asks as who is signed in, about the team of the page.
	api *admin.Client
	me  admin.Me
	// team is the team's name, as the path has it.
	team string
	// token is the JWT of the session.
	token auth.Secret
	// state is the ETag of the thing that the path names, as it was read.
	state string
}

func (v *visit) ctx() context.Context { return v.r.Context() }

// enter finds out who visits. The error is errSignedOut, or what the API says.
func (v *visit) enter() error {
	token, err := v.p.token(v.w, v.r)
	if err != nil {
		return err
	}
	v.team, v.token = v.r.PathValue("team"), token // "" at the start
	v.api = v.p.client(v.r, v.team, token)
	if v.me, err = v.api.GetCaller(v.ctx()); notFound(err) {
		return v.problem(http.StatusNotFound, "not_found", "problem.no-team", "problem.no-team.next")
	}
	return err
}

// can reports whether the visitor may call an operation of the API, by its id:
// what they may not do is not offered.
func (v *visit) can(operation string) bool { return slices.Contains(v.me.Operations, operation) }

// may is can as an error, for a page that leads to nothing for who may not.
func (v *visit) may(operation string) error {
	if v.can(operation) {
		return nil
	}
	return v.problem(http.StatusForbidden, "forbidden", "problem.forbidden", "problem.forbidden.next")
}

// problem is one of the page's own, in the words of two keys.
func (v *visit) problem(status int, code, detail, next string) *admin.Problem {
	return &admin.Problem{Status: status, Code: code, Detail: v.say(detail), Next: v.say(next)}
}

// say is the sentence of a key.
func (v *visit) say(key string, in ...any) string { return v.p.pages().text.say(key, in...) }

// at is the path of a page about the team; each part is escaped.
func (v *visit) at(parts ...string) string { return teamPath(v.team, parts...) }

func teamPath(team string, parts ...string) string {
	var b strings.Builder
	b.WriteString("/t/" + admin.Segment(team))
	for _, part := range parts {
		b.WriteString("/" + admin.Segment(part))
	}
	return b.String()
}

// fragment reports whether a script of ours asks, and wants a part of a page.
func (v *visit) fragment() bool { return v.r.Header.Get("HX-Request") == "true" }

// form is what was sent. The error is a *admin.Problem.
func (v *visit) form() (url.Values, error) {
	v.r.Body = http.MaxBytesReader(v.w, v.r.Body, maxForm)
	if err := v.r.ParseForm(); err != nil {
		return nil, &admin.Problem{Status: http.StatusBadRequest, Code: "invalid", Detail: v.say("problem.form"), Next: v.say("problem.form.next")}
	}
	return v.r.PostForm, nil
}

// redirect goes on to a page, which says what was done: done is the key of a
// sentence below done, or empty.
func (v *visit) redirect(path, done string) error {
	if done != "" {
		path += "?done=" + url.QueryEscape(done)
	}
	if v.fragment() {
		v.w.Header().Set("HX-Redirect", path)
		v.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	http.Redirect(v.w, v.r, path, http.StatusSeeOther)
	return nil
}

// render answers with a page: the template of that name, about data.
func (v *visit) render(name string, data any) error { return v.renderStatus(http.StatusOK, name, data) }

func (v *visit) renderStatus(status int, name string, data any) error {
	return v.p.pages().write(v.w, status, name, "layout", v.view(data))
}

// part answers with a part of a page: what the template name defines as part.
func (v *visit) part(name, part string, data any) error {
	return v.p.pages().write(v.w, http.StatusOK, name, part, v.view(data))
}

// refused renders the form of a page again, with what the API said: what was
// typed is not lost, also where the store is away for a while. An error that the
// API did not say, and the end of a session, are returned.
func (v *visit) refused(err error, name string, data any) error {
	prob, ok := asProblem(err)
	if !ok || prob.Status == http.StatusUnauthorized {
		return err
	}
	w := v.view(data)
	w.Problem = v.told(prob)
	return v.p.pages().write(v.w, prob.Status, name, "layout", w)
}

// end answers for a page that did not.
func (v *visit) end(err error) {
	if err == nil || v.ctx().Err() != nil {
		return
	}
	prob, ok := asProblem(err)
	switch {
	case errors.Is(err, errSignedOut), ok && prob.Status == http.StatusUnauthorized:
		v.signedOut()
		return
	case errors.Is(err, errRefreshed) && v.r.Method == http.MethodGet && !v.fragment():
		v.comeAgain(1)
		return
	case errors.Is(err, errRefreshed):
		prob = v.problem(http.StatusServiceUnavailable, "refresh_raced", "problem.refreshed", "problem.refreshed.next")
		prob.RetryAfter = 1
	case !ok:
		v.p.log(err)
		prob = &admin.Problem{Status: http.StatusInternalServerError, Code: "internal", Detail: v.say("problem.internal"), Next: v.say("problem.internal.next")}
	}
	w := v.view(nil)
	w.Problem = v.told(prob)
	part := "layout"
	if v.fragment() {
		part = "problem"
	}
	if err := v.p.pages().write(v.w, prob.Status, "problem.html", part, w); err != nil {
		v.p.log(err)
	}
}

// comeBack is where a browser is asked to come by itself, and in how many
// seconds.
type comeBack struct {
	URL  string
	Wait int
}

// comeAgain asks the browser for the same page once more.
func (v *visit) comeAgain(wait int) {
	if err := v.p.pages().write(v.w, http.StatusOK, "again.html", "page", comeBack{v.r.URL.RequestURI(), wait}); err != nil {
		v.p.log(err)
	}
}

// signedOut leads to the sign-in, which says of a form that what it asked for was
// not done, and from there back. A browser that follows a
// link of another site does not send its cookies the first time: it is asked to
// come again, from here.
func (v *visit) signedOut() {
	if v.r.Header.Get("Accept") == "text/event-stream" {
		v.w.WriteHeader(http.StatusNoContent) // do not come again (HTML, section 9.2.3)
		return
	}
	if admin.FromElsewhere(v.r) && v.r.Method == http.MethodGet {
		v.comeAgain(0)
		return
	}
	path, back := "/sign-in", v.r.URL.RequestURI()
	if v.fragment() { // the page that it is a part of, as htmx says
		at, err := url.Parse(v.r.Header.Get("HX-Current-URL"))
		if back = "/"; err == nil {
			back = local(at.RequestURI())
		}
	}
	q := url.Values{}
	if !v.fragment() && v.r.Method != http.MethodGet {
		back = v.r.URL.EscapedPath() // what was done before, its query may say: that is over
		q.Set("undone", "1")
	}
	if back != "/" {
		q.Set("next", back)
	}
	if len(q) > 0 {
		path += "?" + q.Encode()
	}
	_ = v.redirect(path, "")
}
