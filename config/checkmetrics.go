package config

import "github.com/weighbridge/weighbridge/auth"

// checkMetricsToken holds the token for /metrics to its form, and quotes nothing
// of it.
func (l *loader) checkMetricsToken() {
	const path = "metrics_token"
	v, ok := l.secret(path, l.config.MetricsToken, true)
	if !ok {
		return
	}
	if _, ok := auth.HashMetricsToken(v.Reveal()); !ok {
		l.wrong(path, "what it names is not a token for metrics: 32 to 512 letters, digits and -._~+/=, and no key of a worker", "make one: openssl rand -hex 32")
	}
	if l.config.AdminListen == "" {
		l.warn(path, "nothing can show it: there is no admin listener", "name an address in admin_listen, or leave this out")
	}
}
