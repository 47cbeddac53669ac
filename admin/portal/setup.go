package portal

import (
	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
)

type setupData struct{ Email, Name string }

// setupPages make the first user, by the link that serve printed. What it opens
// stands behind #, which no browser sends: a script puts it into the form.
func (p *Portal) setupPages() {
	p.open("GET /setup", func(v *visit) error { return v.render("setup.html", setupData{}) })
	p.open("POST /setup", func(v *visit) error {
		form, err := v.form()
		if err != nil {
			return err
		}
		var g admin.Grant
		if err = v.inTheClear(); err == nil {
			g, err = p.client(v.r, "", auth.Secret{}).CreateFirstUser(v.ctx(), admin.CreateFirstUserRequest{
				Secret: form.Get("secret"), Email: form.Get("email"), Name: form.Get("name"), Password: form.Get("password"),
			})
		}
		if err != nil {
			return v.notSignedIn(err, "setup.html", setupData{Email: form.Get("email"), Name: form.Get("name")})
		}
		p.keep(v.w, v.r, &g)
		return v.redirect(p.firstPage(v.r, &g), "")
	})
}
