package config

import "net/url"

// checkTracing quotes nothing of the endpoint, which may hold a secret.
func (l *loader) checkTracing() {
	t := &l.config.Tracing
	const path = "tracing.endpoint"
	if t.Endpoint == "" {
		if !t.Token.IsZero() {
			l.wrong("tracing.token", "is given, but there is no tracing.endpoint to show it to", "name the collector, or leave this out")
		}
		return
	}
	if !l.o.Tracing {
		l.wrong(path, "this build exports no spans", "take one that was made with -tags otel (docs/observability.md), or leave tracing out")
		return
	}
	u, err := url.Parse(t.Endpoint)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https":
		l.wrong(path, "is not a URL", "write http://localhost:4318; /v1/traces is added")
		return
	case beyondPath(u):
		l.wrong(path, holdsMore, "write http://localhost:4318; a token goes into tracing.token")
		return
	case u.Scheme == "http" && !onThisMachine(u.Hostname()) && !t.Token.IsZero():
		l.wrong(path, "is not https, and would carry tracing.token in the clear", "take https, or a collector on this machine")
	}
	if !t.Token.IsZero() {
		l.secret("tracing.token", t.Token, true)
	}
}
