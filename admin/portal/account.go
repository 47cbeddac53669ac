package portal

import (
	"net/http"
	"net/url"
	"slices"

	"github.com/weighbridge/weighbridge/admin"
)

type accountData struct{ Sessions []admin.Session }

// accountPages are about who is signed in.
func (p *Portal) accountPages() {
	p.page("GET", "/account", func(v *visit) error {
		d, err := v.account()
		if err != nil {
			return err
		}
		return v.render("account.html", d)
	})
	p.page("POST", "/account/password", changePassword)
	p.confirm("/account/sessions/{id}/end", func(v *visit) (confirmation, error) {
		s, err := v.session(v.r.PathValue("id"))
		c := confirmation{Title: v.say("account.end.title"), Action: v.say("account.end"), Back: v.at("account"), Mild: true}
		c.Happens = []string{v.say("account.end.which", agentName(v.p.pages().text, s.Agent), s.Address, utc(s.CreatedAt)), v.say("account.end.now")}
		return c, err
	}, func(v *visit, _ url.Values) error {
		s, err := v.session(v.r.PathValue("id"))
		if err == nil {
			err = v.api.EndSession(v.ctx(), s.ID)
		}
		if err != nil {
			return err
		}
		if s.Current {
			p.forget(v.w, v.r)
			return v.redirect("/sign-in", "signed-out")
		}
		return v.redirect(v.at("account"), "session-ended")
	})
	p.confirm("/account/sessions/end-others", func(v *visit) (confirmation, error) {
		return confirmation{
			Title: v.say("account.others.title"), Action: v.say("account.others"), Back: v.at("account"), Mild: true,
			Happens: []string{v.say("account.others.now"), v.say("account.others.password")},
		}, nil
	}, func(v *visit, _ url.Values) error {
		all, err := v.api.ListSessions(v.ctx())
		if err != nil {
			return err
		}
		for _, s := range all {
			if s.Current {
				continue
			}
			// One that is gone meanwhile is what was asked for.
			if err := v.api.EndSession(v.ctx(), s.ID); err != nil && !notFound(err) {
				return err
			}
		}
		return v.redirect(v.at("account"), "sessions-ended")
	})
}

func (v *visit) account() (accountData, error) {
	all, err := v.api.ListSessions(v.ctx())
	return accountData{all}, err
}

// changePassword takes the cookies of the session that begins with the new
// password: all others end with the old one.
func changePassword(v *visit) error {
	form, err := v.form()
	if err != nil {
		return err
	}
	d, err := v.account()
	if err != nil {
		return err
	}
	if form.Get("new") != form.Get("again") {
		return v.refused(v.problem(http.StatusUnprocessableEntity, "invalid", "account.password.other", "account.password.other.next"), "account.html", d)
	}
	g, err := v.api.ChangePassword(v.ctx(), admin.ChangePasswordRequest{
		Present: form.Get("present"), Next: form.Get("new"), Device: v.p.cookie(v.r, deviceCookie),
	})
	if err != nil {
		return v.refused(err, "account.html", d)
	}
	v.p.keep(v.w, v.r, &g)
	return v.redirect(v.at("account"), "password-changed")
}

// session is one of the visitor's own, by id.
func (v *visit) session(id string) (admin.Session, error) {
	all, err := v.api.ListSessions(v.ctx())
	if err != nil {
		return admin.Session{}, err
	}
	if i := slices.IndexFunc(all, func(s admin.Session) bool { return s.ID == id }); i >= 0 {
		return all[i], nil
	}
	return admin.Session{}, v.problem(http.StatusNotFound, "not_found", "account.no-session", "account.no-session.next")
}

// notFound reports whether the API said that a thing is not there.
func notFound(err error) bool {
	prob, ok := asProblem(err)
	return ok && prob.Status == http.StatusNotFound
}
