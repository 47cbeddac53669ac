package portal

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/weighbridge/weighbridge/admin"
)

// tokenForm is the form of an access token, as it was typed.
type tokenForm struct {
	Name, Scope, Route string
	Ending             ending
}

type tokenRevealed struct {
	Token   admin.Token
	Secrets []lines
	Use     []lines
}

// tokenPages are about access tokens: what programs show to the API.
func (p *Portal) tokenPages() {
	p.page("GET", "/tokens", func(v *visit) error {
		all, err := v.api.ListTokens(v.ctx())
		if err != nil {
			return err
		}
		return v.render("tokens.html", all)
	})
	p.page("GET", "/tokens/new", func(v *visit) error {
		if err := v.may("create-token"); err != nil {
			return err
		}
		return v.render("new-token.html", v.newTokenForm())
	})
	p.act("/tokens/new", func(v *visit, form url.Values) error {
		f := v.newTokenForm()
		f.Name, f.Scope, f.Route, f.Ending = strings.TrimSpace(form.Get("name")), form.Get("scope"), strings.TrimSpace(form.Get("route")), f.Ending.read(form)
		in := admin.NewToken{Name: f.Name, Scope: f.Scope, Route: f.Route}
		end, err := v.endAt(f.Ending)
		if err != nil {
			return v.refused(err, "new-token.html", f)
		}
		if end != nil {
			in.ExpiresAt = *end
		}
		t, err := v.api.Once(form.Get("once")).CreateToken(v.ctx(), in)
		if err != nil {
			return v.refused(err, "new-token.html", f)
		}
		return v.revealToken(&t)
	})
	p.page("GET", "/tokens/{token}/regenerate", func(v *visit) error {
		t, err := v.regeneratingToken()
		if err != nil {
			return err
		}
		return v.render("regenerate-token.html", t)
	})
	p.act("/tokens/{token}/regenerate", func(v *visit, form url.Values) error {
		was, err := v.regeneratingToken()
		if err != nil {
			return err
		}
		t, err := v.api.Once(form.Get("once")).RegenerateToken(v.ctx(), was.ID)
		if err != nil {
			return v.refused(err, "regenerate-token.html", was)
		}
		return v.revealToken(&t)
	})
	p.confirm("/tokens/{token}/delete", func(v *visit) (confirmation, error) {
		t, err := v.api.GetToken(v.ctx(), v.r.PathValue("token"))
		return confirmation{Title: v.say("tokens.delete.title", t.Name), Happens: []string{v.say("tokens.delete.happens")},
			Name: t.Name, Needs: "delete-token", Action: v.say("tokens.delete"), Back: v.at("tokens")}, err
	}, func(v *visit, _ url.Values) error {
		if err := v.api.DeleteToken(v.ctx(), v.r.PathValue("token")); err != nil {
			return err
		}
		return v.redirect(v.at("tokens"), "token-deleted")
	})
}

func (v *visit) newTokenForm() tokenForm {
	f := tokenForm{Scope: "read", Ending: v.newEnding("90")}
	f.Ending.Must = true
	return f
}

// regeneratingToken is the token of the path, for its user alone, as the API
// has it: whoever gets the secret acts as that user.
func (v *visit) regeneratingToken() (t admin.Token, err error) {
	if err := v.may("regenerate-token"); err != nil {
		return t, err
	}
	if t, err = v.api.GetToken(v.ctx(), v.r.PathValue("token")); err != nil {
		return t, err
	}
	if t.User.ID != v.me.User.ID {
		return t, v.problem(http.StatusForbidden, "forbidden", "tokens.regenerate.others", "tokens.regenerate.others.next")
	}
	return t, nil
}

// revealToken answers with a token whose secret was made, and how a program
// shows it to the API at the address by which the visitor's browser reaches it;
// or leads to the list where it was shown before.
func (v *visit) revealToken(t *admin.Token) error {
	if t.Token == "" {
		return v.redirect(v.at("tokens"), "shown-once")
	}
	path := t.Route
	if path == "" {
		path = "/api/v1/auth/me"
	}
	origin := v.origin()
	return v.render("token-revealed.html", tokenRevealed{Token: *t, Secrets: []lines{{"token", v.say("reveal.token"), t.Token}}, Use: []lines{
		{"token-env", v.say("tokens.env"), "export WEIGHBRIDGE_ADDRESS=" + quoted(origin) + "\nexport WEIGHBRIDGE_TOKEN=" + quoted(t.Token)},
		{"token-curl", v.say("tokens.curl"), `curl -H "Authorization: Bearer $WEIGHBRIDGE_TOKEN" ` + quoted(origin+path)},
		{"token-cli", v.say("tokens.cli"), "weighbridge --address " + quoted(origin) + " --token env:WEIGHBRIDGE_TOKEN key list"},
	}})
}

// origin is where the visitor's browser finds us: what it says of the page that
// sent a form, which came from here, or what the connection tells.
func (v *visit) origin() string {
	if u, err := url.Parse(v.r.Header.Get("Origin")); err == nil && u.Host == v.r.Host && (u.Scheme == "https" || u.Scheme == "http") {
		return u.Scheme + "://" + u.Host
	}
	if v.r.TLS != nil {
		return "https://" + v.r.Host
	}
	return "http://" + v.r.Host
}
