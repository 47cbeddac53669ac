package config

import (
	"fmt"

	"github.com/weighbridge/weighbridge/auth"
)

// checkServiceAccounts holds the cluster, and whose tokens are taken for which
// key, to what verifying needs.
func (l *loader) checkServiceAccounts() {
	const section = "service_accounts"
	c := &l.config.ServiceAccounts
	if c.Issuer == "" && (c.JWKSFile != "" || c.JWKSURL != "" || c.Review != "") {
		l.wrong(section, "has no issuer", "set service_accounts.issuer, or leave the section out")
	}
	if c.Issuer != "" && c.Audience == "" {
		l.wrong(section+".audience", "is empty", "leave it out: tokens made for weighbridge are meant")
	}
	sources := 0
	for _, one := range []struct{ name, url string }{{"jwks_url", c.JWKSURL}, {"review", c.Review}} {
		if one.url == "" {
			continue
		}
		sources++
		if message := checkProviderURL(one.url); message != "" {
			l.wrong(section+"."+one.name, message, "write https://kubernetes.default.svc")
		}
	}
	if c.JWKSFile != "" {
		sources++
	}
	if sources > 1 {
		l.wrong(section, "says twice how tokens are verified", "take one of jwks_file, jwks_url and review")
	}
	if c.Issuer != "" && sources == 0 {
		if message := checkProviderURL(c.Issuer); message != "" {
			l.wrong(section+".issuer", message+", so it has no document that leads to the keys", "set jwks_file, jwks_url or review")
		}
	}
	seen := map[auth.ServiceAccount]string{}
	for i := range l.config.Keys {
		k, path := &l.config.Keys[i], item("keys", i)+"."+section
		if len(k.ServiceAccounts) > 0 && c.Issuer == "" {
			l.wrong(path, "is given, but no cluster is", "set service_accounts.issuer")
		}
		for j, text := range k.ServiceAccounts {
			a, ok := auth.ParseServiceAccounts(text)
			switch {
			case !ok:
				l.wrong(item(path, j), fmt.Sprintf("%q is not NAMESPACE/NAME or NAMESPACE/*", show(text)), "")
			case seen[a] != "":
				l.wrong(item(path, j), fmt.Sprintf("%s stands for the key %q already", a, show(seen[a])), "an account stands for one key")
			default:
				seen[a] = k.Name
			}
		}
	}
}
