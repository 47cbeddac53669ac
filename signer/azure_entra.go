package signer

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/weighbridge/weighbridge/auth"
)

// Microsoft Entra, by the client credentials grant ("Microsoft identity
// platform and the OAuth 2.0 client credentials flow"). azidentity would do,
// but it brings three more libraries for the one form that is posted here, and
// keeps its tokens where nobody can drop them.
const (
	entraHost = "login.microsoftonline.com"
	// entraScope is that of Azure Storage in every cloud ("Authorize access to
	// blobs using Microsoft Entra ID", Resource ID).
	entraScope    = "https://storage.azure.com/.default"
	entraResource = "https://storage.azure.com/"
	// bearerVersion is the x-ms-version for clients that send none: Bearer
	// needs 2017-11-09 or later ("Versioning for Azure Storage").
	bearerVersion = "2022-11-02"
	// assertionType: "Workload identity federation" of that page.
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	// imdsURL is the same on every machine ("How to use managed identities for
	// Azure resources on an Azure VM to acquire an access token").
	imdsURL = "http://169.254.169.254/metadata/identity/oauth2/token"
)

// The values of source.
const (
	sourceStatic   = "static"
	sourceWorkload = "workload_identity"
	sourceManaged  = "managed_identity"
)

// signEntra puts a Bearer token on that the identity was exchanged for.
func signEntra(ctx context.Context, c *call) (auth.Applied, error) {
	for _, name := range [...]string{"x-ms-copy-source", "x-ms-rename-source", "x-ms-copy-source-authorization"} {
		if c.out.Header.Get(name) != "" {
			// The token reads every blob that the identity may read: the source
			// would be one that no pattern was asked about.
			return auth.Applied{}, &obstacle{why: "a copy from another URL (" + name + ") would be read with its power"}
		}
	}
	bearer, err := c.token(ctx, "storage", c.entraToken)
	if err != nil {
		return auth.Applied{}, err
	}
	applied, err := putBearer(c.out, bearer)
	if err != nil {
		return auth.Applied{}, err
	}
	removeSAS(c.out)
	if c.out.Header.Get("x-ms-version") == "" {
		c.out.Header.Set("x-ms-version", bearerVersion)
	}
	return applied, nil
}

// removeSAS takes the worker's own SAS parameters off: beside a Bearer they
// would be a second way of being authorized.
func removeSAS(out *auth.Outgoing) {
	if rest, removed := withoutParameters(out.Target.RawQuery, isSASParameter); removed {
		out.Target.RawQuery, out.Target.HasQuery = rest, rest != ""
	}
}

// entraToken asks for a token, in the way that the fields say.
func (c *call) entraToken(ctx context.Context) (token, error) {
	switch c.params["source"] {
	case sourceManaged:
		return c.managedToken(ctx)
	case sourceWorkload:
		return c.workloadToken(ctx)
	}
	return c.grant(ctx, c.fields["tenantId"].Reveal(), url.Values{
		"client_id": {c.fields["clientId"].Reveal()}, "client_secret": {c.fields["clientSecret"].Reveal()},
	})
}

// grant posts a client credentials grant to the authority.
func (c *call) grant(ctx context.Context, tenant string, form url.Values) (token, error) {
	host := c.params["authorityHost"]
	if host == "" {
		host = entraHost
	}
	form.Set("grant_type", "client_credentials")
	form.Set("scope", entraScope)
	r, err := postForm(ctx, "https://"+host+"/"+url.PathEscape(tenant)+"/oauth2/v2.0/token", form)
	if err != nil {
		return token{}, err
	}
	return exchange(c.client, r, host, c.now)
}

// workloadToken exchanges the token of the pod, which Kubernetes renews in its
// file ("Microsoft Entra Workload ID on AKS", environment variables).
func (c *call) workloadToken(ctx context.Context) (token, error) {
	file := c.getenv("AZURE_FEDERATED_TOKEN_FILE")
	tenant, id := c.params["tenantId"], c.params["clientId"]
	if tenant == "" {
		tenant = c.getenv("AZURE_TENANT_ID")
	}
	if id == "" {
		id = c.getenv("AZURE_CLIENT_ID")
	}
	if file == "" || tenant == "" || id == "" {
		return token{}, &obstacle{why: "weighbridge has no workload identity (AZURE_FEDERATED_TOKEN_FILE, AZURE_TENANT_ID, AZURE_CLIENT_ID)"}
	}
	assertion, err := c.readFile(file)
	if err != nil {
		return token{}, &obstacle{why: "the token of the workload identity cannot be read", cause: err}
	}
	return c.grant(ctx, tenant, url.Values{
		"client_id": {id}, "client_assertion_type": {assertionType}, "client_assertion": {strings.TrimSpace(string(assertion))},
	})
}

// managedToken asks the machine's identity service: that of App Service and
// Container Apps where the environment names one ("How to use managed
// identities for App Service", REST endpoint reference), otherwise the instance
// metadata service.
func (c *call) managedToken(ctx context.Context) (token, error) {
	to, query := imdsURL, url.Values{"api-version": {"2018-02-01"}, "resource": {entraResource}}
	header, value := "Metadata", "true"
	if endpoint := c.getenv("IDENTITY_ENDPOINT"); endpoint != "" {
		to, header, value = endpoint, "X-IDENTITY-HEADER", c.getenv("IDENTITY_HEADER")
		query.Set("api-version", "2019-08-01")
	}
	if id := c.params["clientId"]; id != "" {
		query.Set("client_id", id)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, to+"?"+query.Encode(), nil)
	if err != nil {
		return token{}, &obstacle{why: "IDENTITY_ENDPOINT is no URL"}
	}
	r.Header.Set(header, value)
	return exchange(c.machine, r, "the identity service of the machine", c.now)
}

func tenantProblem(v string) string {
	if strings.Trim(strings.ToLower(v), "abcdefghijklmnopqrstuvwxyz0123456789.-") != "" || strings.Trim(v, ".") == "" {
		return "is a directory's id or its domain"
	}
	return ""
}

func clientIDProblem(v string) string {
	if strings.Trim(strings.ToLower(v), "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return "is the application's id (a GUID)"
	}
	return ""
}

func authorityHostProblem(v string) string {
	if _, err := auth.ParseURL("https://" + v + "/"); err != nil || strings.ContainsAny(v, "/?#") {
		return "is a host alone, such as login.microsoftonline.us"
	}
	return ""
}
