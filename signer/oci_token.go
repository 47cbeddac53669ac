package signer

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// basicLife is how long a registry that takes user name and password is not
// asked again what it takes.
const basicLife = 10 * time.Minute

// registryToken asks a registry how it wants to be spoken to, and gets what it
// asks for. The value is a whole Authorization.
func (c *call) registryToken(ctx context.Context, registry, scope string) (token, error) {
	host := strings.TrimPrefix(strings.TrimPrefix(registry, "https://"), "http://")
	// Nothing secret is in this one.
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, registry+"/v2/", nil)
	if err != nil {
		return token{}, &obstacle{why: host + " is no registry's host"}
	}
	answer, _, err := ask(c.client, r, host)
	if err != nil {
		return token{}, err
	}
	if answer.StatusCode != http.StatusUnauthorized {
		return token{}, &obstacle{why: host + " does not ask for a credential (" + status(answer.StatusCode) + " at /v2/)"}
	}
	realm, service, basic := challengeOf(answer.Header.Values("WWW-Authenticate"))
	switch {
	case realm != "":
	case basic && !c.fields["password"].IsZero():
		return token{value: auth.NewSecret("Basic " + c.basicPairOf()), life: basicLife}, nil
	default:
		return token{}, &obstacle{why: host + " asks for a kind of credential that this is not"}
	}
	to, problem := realmProblem(realm, registry, c.params["tokenHost"])
	if problem != "" {
		name := to.Host
		if name == "" {
			name = "the realm"
		}
		return token{}, &obstacle{why: host + " sends its clients to " + name + " for a token, which " + problem}
	}
	got, err := c.askRealm(ctx, to, service, scope)
	if err != nil {
		return token{}, err
	}
	return token{value: auth.NewSecret("Bearer " + got.value.Reveal()), life: got.life}, nil
}

// askRealm asks a token server, as the "Token Authentication Specification"
// says, or for an identity token as "OAuth2 Token Authentication" does.
func (c *call) askRealm(ctx context.Context, to auth.Target, service, scope string) (token, error) {
	endpoint := to.Scheme + "://" + to.Authority() + to.Path
	form := url.Values{}
	if service != "" {
		form.Set("service", service)
	}
	if scope != "" {
		form.Set("scope", scope)
	}
	if identity := c.fields["token"]; !identity.IsZero() {
		form.Set("grant_type", "refresh_token")
		form.Set("refresh_token", identity.Reveal())
		form.Set("client_id", "weighbridge")
		r, err := postForm(ctx, endpoint, form)
		if err != nil {
			return token{}, err
		}
		return exchange(c.client, r, to.Host, c.now)
	}
	query := form.Encode()
	if to.RawQuery != "" {
		query = to.RawQuery + "&" + query
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint+"?"+query, nil)
	if err != nil {
		return token{}, &obstacle{why: "the URL of the token endpoint is none"}
	}
	r.Header.Set(authorization, "Basic "+c.basicPairOf())
	return exchange(c.client, r, to.Host, c.now)
}

// challengeOf reads WWW-Authenticate (RFC 9110, section 11.6.1): the realm and
// service of a Bearer challenge, and whether Basic is taken.
func challengeOf(fields []string) (realm, service string, basic bool) {
	for _, field := range fields {
		scheme := ""
		for _, part := range splitUnquoted(field, ',') {
			part = strings.TrimSpace(part)
			// A scheme stands before the first of its parameters.
			if word, rest, found := strings.Cut(part, " "); found && !strings.Contains(word, "=") || part != "" && !strings.Contains(part, "=") {
				scheme, part = strings.ToLower(word), strings.TrimSpace(rest)
				basic = basic || scheme == "basic"
			}
			name, value, _ := strings.Cut(part, "=")
			value = strings.ReplaceAll(strings.Trim(strings.TrimSpace(value), `"`), `\`, "")
			if scheme != "bearer" {
				continue
			}
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "realm":
				realm = value
			case "service":
				service = value
			}
		}
	}
	return realm, service, basic
}
