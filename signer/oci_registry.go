package signer

import (
	"context"
	"encoding/base64"
	"net"
	"strings"

	"github.com/weighbridge/weighbridge/auth"
)

// ociRegistry is a container registry that serves model files. Weighbridge
// does the token exchange that registries ask for (Docker Registry, "Token
// Authentication Specification"), so workers speak to it without any.
type ociRegistry struct{}

var (
	_ provider    = ociRegistry{}
	_ auth.Mender = ociRegistry{}
	_ chooser     = ociRegistry{}
	_ deriver     = ociRegistry{}
)

func init() { register(ociRegistry{}) }

var (
	ociPasswordNeeds = []string{"username", "password"}
	ociTokenNeeds    = []string{"token"}
)

func (ociRegistry) Schema() auth.Schema {
	return auth.Schema{
		Name:  "oci_registry",
		Title: "OCI registry",
		Help: "Registries that serve model files (ghcr.io, Docker Hub, quay.io, NVIDIA NGC, Harbor, your own). Give a user name and a password or access token, " +
			"or an identity token alone. Tokens are asked for by weighbridge, to pull only. Give patterns such as ghcr.io/v2/ORG/*. " +
			"For nvcr.io the user name is $oauthtoken.",
		Links: []auth.HelpLink{
			{Title: "GitHub: tokens for packages", URL: "https://docs.github.com/en/packages/working-with-a-github-packages-registry/working-with-the-container-registry"},
			{Title: "Docker Hub: access tokens", URL: "https://docs.docker.com/security/access-tokens/"},
			{Title: "NVIDIA NGC: API keys", URL: "https://docs.nvidia.com/ngc/latest/ngc-user-guide.html"},
		},
		Fields: []auth.Field{
			{Name: "username", Title: "User name", Help: "Without a colon."},
			{Name: "password", Title: "Password", Help: "Or an access token that may pull.", Secret: true},
			{Name: "token", Title: "Identity token", Help: "In place of user name and password: a refresh token, as `docker login` keeps one.", Secret: true},
			{Name: "tokenHost", Title: "Token server", Help: "Where the registry sends its clients for tokens, as host or host:port. Only needed where that is neither the registry nor known."},
		},
	}
}

func (p ociRegistry) Check(f auth.Fields) error {
	err := checkFields(p.Schema(), f, map[string]fieldRule{
		"username": func(v string) string {
			if strings.Contains(v, ":") || !pairable(v) {
				return "may not have a colon, control characters or line ends"
			}
			return ""
		},
		"password": func(v string) string {
			if !pairable(v) {
				return "may not have control characters or line ends"
			}
			return ""
		},
		"token": tokenProblem,
		"tokenHost": func(v string) string {
			if _, err := auth.ParseURL("https://" + v + "/"); err != nil || strings.ContainsAny(v, "/?#") {
				return "is a host or host:port alone, such as auth.example.com"
			}
			return ""
		},
	})
	if err != nil {
		return err
	}
	e := &FieldsError{Provider: "oci_registry"}
	user, password, token := !f["username"].IsZero(), !f["password"].IsZero(), !f["token"].IsZero()
	switch {
	case token && (user || password):
		e.add("token", "stands in place of username and password: give one of the two")
	case token:
	case !user && !password:
		e.add("username", "is required, with password; or token")
	case !user:
		e.add("username", "is required")
	case !password:
		e.add("password", "is required")
	}
	if len(e.Problems) > 0 {
		return e
	}
	return nil
}

// Mend implements auth.Mender.
func (ociRegistry) Mend(f auth.Fields) auth.Fields {
	out := make(auth.Fields, len(f))
	for name, v := range f {
		if text := v.Reveal(); name != "username" && text != auth.Redacted {
			v = auth.NewSecret(strings.TrimSpace(text))
		}
		out[name] = v
	}
	return out
}

// Expand adds, for Google's registries, where blobs are redirected to.
func (ociRegistry) Expand(p auth.Pattern) ([]auth.Rule, error) {
	rules := []auth.Rule{{Pattern: p}}
	switch {
	case !googleRegistry(p.Host()):
	case strings.HasPrefix(p.Path(), googleDownloads):
		rules[0].Bare = true
	default:
		downloads, err := auth.ParsePattern(strings.TrimSuffix(p.String(), p.Path()) + googleDownloads + "*")
		if err != nil {
			return nil, err
		}
		rules = append(rules, auth.Rule{Pattern: downloads, Bare: true})
	}
	return rules, nil
}

// googleDownloads is where Artifact Registry, gcr.io included, sends who asks
// for a blob: 302 to /artifacts-downloads/namespaces/PROJECT/repositories/
// REPOSITORY/downloads/TOKEN on the same host. The token is the power to read
// that blob and nothing else is wanted with it, so the hop is what signed URLs
// are elsewhere. Which repository it names is not always that of the request: one
// may be made up of others.
const googleDownloads = "/artifacts-downloads/"

// googleRegistry reports whether host, which may have stars, is one of Google's
// registries ("Artifact Registry", Repository names; "Transition from Container
// Registry", gcr.io domains).
func googleRegistry(host string) bool {
	return host == "gcr.io" || hostBelow(host, "gcr.io") || hostBelow(host, "pkg.dev")
}

// googleDownload reports whether t is where a blob is redirected to.
func googleDownload(t *auth.Target) bool {
	return strings.HasPrefix(t.Path, googleDownloads) && googleRegistry(t.Host)
}

// Companions is empty: blobs are redirected to signed URLs at stores of every
// kind, to which nothing is put on because nothing matches them.
func (ociRegistry) Companions() []auth.Companion { return nil }

// Classify allows what reads below /v2/ (OCI Distribution Specification), and
// at Google's registries where that leads to, and nothing else: tokens are
// asked for to pull only, the catalogue is the account's, and the token
// endpoints of a registry would hand its tokens to the worker.
func (ociRegistry) Classify(method string, t auth.Target) auth.Class {
	if classifyMethod(method) != auth.ClassRead {
		return auth.ClassForbidden
	}
	download := googleDownload(&t) && (method == "GET" || method == "HEAD")
	return strictest(t.Path, func(w words) auth.Class {
		if download && w.seg[0] == strings.Trim(googleDownloads, "/") {
			return auth.ClassRead
		}
		if !w.is(0, "v2") || w.begins(1, "_") && !w.is(1, "_oras") || w.is(1, "token", "auth") {
			return auth.ClassForbidden
		}
		return auth.ClassRead
	})
}

func (ociRegistry) needs() []string { return ociPasswordNeeds }

// choose implements chooser.
func (ociRegistry) choose(params map[string]string) []string {
	if params["username"] == "" {
		return ociTokenNeeds
	}
	return ociPasswordNeeds
}

// derive puts on what the registry asks for: a token to pull from the
// repository that the URL is of, or user name and password.
func (p ociRegistry) derive(ctx context.Context, c *call) (auth.Applied, error) {
	if googleDownload(&c.out.Target) {
		// Whatever pattern led here.
		return auth.Applied{}, &obstacle{why: "the URL is good by itself, and gets nothing put on"}
	}
	if v := c.fields["username"].Reveal() + c.fields["password"].Reveal() + c.fields["token"].Reveal(); !pairable(v) {
		return auth.Applied{}, errUnsendable
	}
	scope := ociScope(c.out.Target.Path)
	registry := c.out.Target.Scheme + "://" + c.out.Target.Authority()
	value, err := c.token(ctx, registry+" "+scope, func(ctx context.Context) (token, error) { return c.registryToken(ctx, registry, scope) })
	if err != nil {
		return auth.Applied{}, err
	}
	return putHeader(c.out, authorization, value)
}

// ociScope is what a token has to be asked for to read path: to pull from one
// repository, or nothing for /v2/ itself ("Docker Registry token scope and
// access").
func ociScope(path string) string {
	name, found := strings.CutPrefix(path, "/v2/")
	if !found {
		return ""
	}
	end := -1
	for _, mark := range [...]string{"/manifests/", "/blobs/", "/tags/", "/referrers/"} {
		end = max(end, strings.LastIndex(name, mark))
	}
	// <name> of the OCI Distribution Specification, "Pulling manifests".
	if end <= 0 || strings.Trim(name[:end], "abcdefghijklmnopqrstuvwxyz0123456789._-/") != "" {
		return ""
	}
	return "repository:" + name[:end] + ":pull"
}

// basicPairOf is the base64 of user and password (RFC 7617, section 2).
func (c *call) basicPairOf() string {
	user, password := c.fields["username"].Reveal(), c.fields["password"].Reveal()
	return base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
}

// tokenHosts are the token servers of registries that have one on a host of
// its own, which is of the same owner.
var tokenHosts = map[string]string{
	"registry-1.docker.io": "auth.docker.io", "index.docker.io": "auth.docker.io", "docker.io": "auth.docker.io",
	"registry.ollama.ai": "ollama.com", "nvcr.io": "authn.nvidia.com",
	"registry.gitlab.com": "gitlab.com",
}

// realmProblem says why the secret may not be sent to the realm that a
// registry names, or nothing. What a registry answers is no reason to send a
// password anywhere: the realm is the registry itself, its known token server,
// or the one that the operator named; over TLS, unless the pattern says
// http:// and it is the registry itself.
func realmProblem(realm, registry, pinned string) (auth.Target, string) {
	to, err := auth.ParseURL(realm)
	at, err2 := auth.ParseURL(registry + "/")
	switch {
	case err != nil || err2 != nil || strings.Contains(realm, "@"):
		return to, "is not a URL"
	case to.Scheme == at.Scheme && to.Host == at.Host && to.Port == at.Port:
		return to, ""
	case to.Scheme != "https":
		return to, "is not https"
	case pinned != "" && strings.EqualFold(to.Authority(), pinned):
		return to, ""
	case pinned == "" && to.Port == 443 && (to.Host == at.Host || to.Host == tokenHosts[at.Host]):
		return to, ""
	case net.ParseIP(to.Host) != nil:
		return to, "is an address"
	}
	return to, "is neither the registry nor its known token server; if it is right, name it as tokenHost"
}
