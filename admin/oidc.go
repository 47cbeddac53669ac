package admin

import (
	"context"
	"net/http"
	"net/url"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weighbridge/weighbridge/auth"
)

// The cookie that ties a sign-in at the OpenID provider to the browser that
// began it. Under TLS its name keeps other hosts from setting it (RFC 6265bis,
// section 4.1.3.2). It is the only one that an operation takes, and good for
// nothing else.
const (
	oidcCookie       = "weighbridge-oidc"
	oidcCookieSecure = "__Host-weighbridge-oidc"
	oidcCallback     = "/api/v1/auth/oidc/callback"
)

func (a *API) oidc() {
	tags := []string{"auth"}
	huma.Register(a.doc, huma.Operation{
		OperationID: "start-oidc", Method: http.MethodGet, Path: "/api/v1/auth/oidc/start",
		Summary: "Begin a sign-in at the OpenID provider: the browser is sent there", Tags: tags,
		DefaultStatus: http.StatusSeeOther, Errors: []int{http.StatusNotFound, http.StatusServiceUnavailable},
	}, func(ctx context.Context, in *struct{ tlsInput }) (*struct {
		Location string      `header:"Location"`
		Cookie   http.Cookie `header:"Set-Cookie"`
	}, error) {
		in.tls = in.tls || a.frontTLS()
		st, err := a.o.SignIn.StartOIDC(ctx)
		if err != nil {
			return nil, a.notGranted(err)
		}
		c := in.cookie(st.Cookie.Reveal())
		c.MaxAge = int(st.Life.Seconds())
		return &struct {
			Location string      `header:"Location"`
			Cookie   http.Cookie `header:"Set-Cookie"`
		}{st.URL, c}, nil
	})
	huma.Register(a.doc, huma.Operation{
		OperationID: "finish-oidc", Method: http.MethodGet, Path: oidcCallback,
		Summary: "End a sign-in at the OpenID provider, which sends the browser here", Tags: tags,
		Errors: []int{http.StatusUnauthorized, http.StatusNotFound, http.StatusServiceUnavailable},
	}, func(ctx context.Context, in *struct {
		AgentInput
		tlsInput
		// What they may hold is RFC 6749, appendix A: bounded, so that no request
		// that the document allows is too long for a header.
		Code   string `query:"code" maxLength:"2048" pattern:"^[!-~]*$"`
		State  string `query:"state" maxLength:"256" pattern:"^[!-~]*$"`
		Issuer string `query:"iss" maxLength:"512" pattern:"^[!-~]*$"`
		Error  string `query:"error" maxLength:"64" pattern:"^[!-~]*$"`
		Plain  string `cookie:"weighbridge-oidc" maxLength:"1024" pattern:"^[A-Za-z0-9_-]*$"`
		Secure string `cookie:"__Host-weighbridge-oidc" maxLength:"1024" pattern:"^[A-Za-z0-9_-]*$"`
	}) (*struct {
		Cookie http.Cookie `header:"Set-Cookie"`
		Body   Grant
	}, error) {
		in.tls = in.tls || a.frontTLS()
		held := in.Plain
		if in.tls {
			held = in.Secure
		}
		q := url.Values{"code": {in.Code}, "state": {in.State}, "iss": {in.Issuer}, "error": {in.Error}}
		out, err := a.granted(a.o.SignIn.FinishOIDC(ctx, q, auth.NewSecret(held), a.from(ctx, in.Agent, "")))
		if err != nil {
			return nil, err
		}
		gone := in.cookie("")
		gone.MaxAge = -1
		return &struct {
			Cookie http.Cookie `header:"Set-Cookie"`
			Body   Grant
		}{gone, out.Body}, nil
	})
}

// tlsInput is whether a request came over TLS.
type tlsInput struct{ tls bool }

// Resolve implements huma.Resolver.
func (in *tlsInput) Resolve(hc huma.Context) []error {
	in.tls = hc.TLS() != nil
	return nil
}

// cookie is Lax and not Strict: the provider's page sends the browser back.
func (in *tlsInput) cookie(value string) http.Cookie {
	name := oidcCookie
	if in.tls {
		name = oidcCookieSecure
	}
	return http.Cookie{Name: name, Value: value, Path: "/", HttpOnly: true, Secure: in.tls, SameSite: http.SameSiteLaxMode}
}
