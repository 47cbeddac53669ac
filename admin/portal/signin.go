package portal

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
)

const (
	themeCookie = "weighbridge-theme"
	teamCookie  = "weighbridge-team"
	// nextCookie holds the page that is wanted while somebody is at the OpenID
	// provider, for as long as the API waits for them.
	nextCookie = "weighbridge-next"
	nextLife   = 10 * time.Minute
	// oidcCallback is where the OpenID provider sends a browser, as the API has it.
	oidcCallback = "/api/v1/auth/oidc/callback"
)

type signInData struct {
	Email, Next string
	OIDC        bool
	// Undone says that the session had ended when a form was sent.
	Undone bool
}

// signInPages are the pages for whoever is not signed in yet, and the start.
func (p *Portal) signInPages() {
	p.open("GET /{$}", func(v *visit) error {
		if err := v.enter(); err != nil {
			return err
		}
		if next := v.wanted(); next != "/" {
			return v.redirect(next, "")
		}
		return v.redirect(v.home(), "")
	})
	p.open("GET /sign-in", func(v *visit) error {
		d := v.signInData(v.r.URL.Query())
		if d.OIDC && d.Next != "/" {
			p.setCookie(v.w, v.r, nextCookie, url.QueryEscape(d.Next), nextLife)
		}
		return v.render("sign-in.html", d)
	})
	p.open("POST /sign-in", p.signIn)
	p.open("POST /sign-out", func(v *visit) error {
		token, err := p.token(v.w, v.r)
		if err == nil {
			err = p.client(v.r, "", token).SignOut(v.ctx())
		}
		if err != nil {
			p.log(err) // the browser forgets it in any case
		}
		p.forget(v.w, v.r)
		return v.redirect("/sign-in", "signed-out")
	})
	p.open("POST /theme", func(v *visit) error {
		form, err := v.form()
		if err != nil {
			return err
		}
		if theme := form.Get("theme"); themes[theme] {
			p.setCookie(v.w, v.r, themeCookie, theme, deviceLife)
		} else {
			p.setCookie(v.w, v.r, themeCookie, "", 0)
		}
		return v.redirect(local(form.Get("next")), "")
	})
}

func (v *visit) signInData(q url.Values) signInData {
	return signInData{Next: local(q.Get("next")), OIDC: v.p.o.OIDC != nil && v.p.o.OIDC(), Undone: q.Get("undone") != ""}
}

func (p *Portal) signIn(v *visit) error {
	form, err := v.form()
	if err != nil {
		return err
	}
	var g admin.Grant
	if err = v.inTheClear(); err == nil {
		g, err = p.client(v.r, "", auth.Secret{}).SignIn(v.ctx(), admin.SignIn{
			Email: form.Get("email"), Password: form.Get("password"), Device: v.p.cookie(v.r, deviceCookie),
		})
	}
	if err != nil {
		data := v.signInData(form)
		data.Email = form.Get("email")
		return v.notSignedIn(err, "sign-in.html", data)
	}
	p.keep(v.w, v.r, &g)
	_ = v.wanted() // the form says it
	return v.redirect(local(form.Get("next")), "")
}

// inTheClear is why nobody can sign in from the page that sends a form: a browser
// that opened it without TLS drops cookies which are for TLS alone (RFC 6265bis,
// section 5.7), and would be led to the sign-in again without a word. From this
// machine itself it takes them.
func (v *visit) inTheClear() error {
	from, err := url.Parse(v.r.Header.Get("Origin"))
	if err != nil || from.Scheme != "http" || !v.p.o.API.OverTLS(v.r) {
		return nil
	}
	if ip, err := netip.ParseAddr(from.Hostname()); err == nil && ip.IsLoopback() || from.Hostname() == "localhost" {
		return nil
	}
	return v.problem(http.StatusForbidden, "tls_required", "sign-in.clear", "sign-in.clear.next")
}

// wanted is the page that was wanted before the sign-in at the OpenID provider,
// or the start: once.
func (v *visit) wanted() string {
	held := v.p.cookie(v.r, nextCookie)
	if held == "" {
		return "/"
	}
	v.p.setCookie(v.w, v.r, nextCookie, "", 0)
	next, err := url.QueryUnescape(held)
	if err != nil {
		return "/"
	}
	return local(next)
}

// notSignedIn shows the form again, also with a 401, which elsewhere leads here.
func (v *visit) notSignedIn(err error, name string, data any) error {
	prob, ok := asProblem(err)
	if !ok {
		return err
	}
	w := v.view(data)
	w.Problem = v.told(prob)
	return v.p.pages().write(v.w, prob.Status, name, "layout", w)
}

// home is the overview of the team that was visited last, or of the first.
func (v *visit) home() string {
	last := v.p.cookie(v.r, teamCookie)
	for _, t := range v.me.Teams {
		if t.ID == last {
			return teamPath(t.Name)
		}
	}
	if len(v.me.Teams) == 0 {
		return "/no-team"
	}
	return teamPath(v.me.Teams[0].Name)
}

// local is a path of ours that a form or a link named, or the start: no URL that
// leads elsewhere, however it is written.
func local(path string) string {
	u, err := url.Parse(path)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || !strings.HasPrefix(path, "/") ||
		strings.HasPrefix(path, "//") || strings.ContainsAny(path, "\\\r\n\t") {
		return "/"
	}
	return u.RequestURI()
}

// finishesOIDC reports whether a browser comes back from the OpenID provider;
// a program gets the API's own answer.
func (p *Portal) finishesOIDC(r *http.Request) bool {
	return r.Method == http.MethodGet && r.URL.Path == oidcCallback && r.Header.Get("Sec-Fetch-Mode") == "navigate"
}

// finishOIDC lets the API end the sign-in, with all the rules that it has for
// the request, and keeps the grant for the browser.
func (p *Portal) finishOIDC(w http.ResponseWriter, r *http.Request) {
	v := &visit{p: p, w: w, r: r}
	held := &kept{header: http.Header{}}
	p.rest.ServeHTTP(held, r)
	secure(w.Header())
	for _, c := range held.header.Values("Set-Cookie") {
		w.Header().Add("Set-Cookie", c)
	}
	var g admin.Grant
	if held.status != http.StatusOK || json.Unmarshal(held.body, &g) != nil {
		prob := &admin.Problem{}
		if json.Unmarshal(held.body, prob) != nil || prob.Status == 0 {
			prob = &admin.Problem{Status: http.StatusBadGateway, Code: "internal", Detail: p.pages().text.say("problem.internal"), Next: p.pages().text.say("problem.internal.next")}
		}
		prob.RetryAfter, _ = strconv.Atoi(held.header.Get("Retry-After"))
		v.end(v.notSignedIn(prob, "sign-in.html", v.signInData(nil)))
		return
	}
	p.keep(w, r, &g)
	// Not a redirect: one that another site began carries no cookie of ours.
	v.end(p.pages().write(w, http.StatusOK, "again.html", "page", comeBack{URL: "/"}))
}

// kept holds a short answer.
type kept struct {
	header http.Header
	status int
	body   []byte
}

// Header implements http.ResponseWriter.
func (k *kept) Header() http.Header { return k.header }

// WriteHeader implements http.ResponseWriter.
func (k *kept) WriteHeader(status int) { k.status = status }

// Write implements http.ResponseWriter.
func (k *kept) Write(b []byte) (int, error) {
	if k.status == 0 {
		k.status = http.StatusOK
	}
	k.body = append(k.body, b...)
	return len(b), nil
}
