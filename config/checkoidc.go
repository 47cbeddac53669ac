package config

import (
	"net/url"
	"strings"
)

// oidcCallback is the path of the admin API that a provider sends browsers to.
const oidcCallback = "/api/v1/auth/oidc/callback"

// checkOIDC holds the OpenID provider to what signing in needs.
func (l *loader) checkOIDC() {
	c := &l.config.OIDC
	if c.Issuer == "" {
		if c.ClientID != "" || c.RedirectURL != "" || !c.ClientSecret.IsZero() {
			l.wrong("oidc", "has no issuer", "set oidc.issuer, or leave the section out")
		}
		return
	}
	if message := checkProviderURL(c.Issuer); message != "" {
		l.wrong("oidc.issuer", message, "write https://host or https://host/path")
	}
	if c.ClientID == "" {
		l.wrong("oidc.client_id", "is missing", "register weighbridge at the provider")
	}
	message := checkProviderURL(c.RedirectURL)
	if u, err := url.Parse(c.RedirectURL); message == "" && (err != nil || !strings.HasSuffix(u.Path, oidcCallback)) {
		message = "does not end with " + oidcCallback
	}
	if message != "" {
		l.wrong("oidc.redirect_url", message, "write https://host:port"+oidcCallback)
	}
	if !c.ClientSecret.IsZero() {
		l.secret("oidc.client_secret", c.ClientSecret, true)
	}
	for i, d := range c.EmailDomains {
		if d == "" || strings.ContainsAny(d, "@/: *") {
			l.wrong(item("oidc.email_domains", i), "is not a domain", "write example.com, what stands behind the @")
		}
	}
	if c.Role != "" && c.Team == "" {
		l.wrong("oidc.team", "is empty", "say which team new users are put into")
	}
	if c.Role == "owner" {
		l.warn("oidc.role", "whoever the provider lets in runs the team, and with the default team all of weighbridge", "take member or viewer, and give the role to whom you know")
	}
}
