package config

import (
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// checkURL says what keeps raw from being a URL that weighbridge itself calls,
// or "": TLS is wanted, but on this machine. more says what else is wrong with
// it. Nothing of the URL is quoted, as it may hold a secret.
func checkURL(raw string, more func(*url.URL) string) string {
	u, err := url.Parse(raw)
	switch {
	case raw == "":
		return "is missing"
	case err != nil || u.Host == "" || u.Opaque != "":
		return "is not a URL"
	}
	if message := more(u); message != "" {
		return message
	}
	if u.Scheme == "https" || u.Scheme == "http" && onThisMachine(u.Hostname()) {
		return ""
	}
	return "is not https"
}

// checkWebhook is checkURL for one that may have a query.
func checkWebhook(raw string) string {
	return checkURL(raw, func(u *url.URL) string {
		if u.User != nil {
			return "holds a user or password"
		}
		return ""
	})
}

// checkProviderURL is checkURL for an issuer of tokens and what belongs to it
// (OpenID Connect Discovery 1.0, section 4; RFC 9700, section 2.6).
func checkProviderURL(raw string) string {
	return checkURL(raw, func(u *url.URL) string {
		if beyondPath(u) {
			return holdsMore
		}
		return ""
	})
}

// holdsMore is said of a URL where beyondPath holds.
const holdsMore = "holds a user, a query or a fragment"

// beyondPath reports whether u has more than a scheme, a host and a path.
func beyondPath(u *url.URL) bool { return u.User != nil || u.RawQuery != "" || u.Fragment != "" }

func onThisMachine(host string) bool {
	if a, err := netip.ParseAddr(host); err == nil {
		return a.IsLoopback()
	}
	return net.ParseIP(host) == nil && strings.EqualFold(host, "localhost")
}
