package portal

import "github.com/weighbridge/weighbridge/admin"

type credentialsData struct{ Credentials []admin.Credential }

// credentialPages are about the team's credentials.
func (p *Portal) credentialPages() {
	p.page("GET", "/credentials", func(v *visit) error {
		all, err := v.api.ListCredentials(v.ctx())
		if err != nil {
			return err
		}
		return v.render("credentials.html", credentialsData{all})
	})
}
