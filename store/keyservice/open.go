package keyservice

import (
	"context"
	"crypto/x509"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// DefaultLimit bounds one wrap or unwrap, all its attempts together.
const DefaultLimit = 10 * time.Second

// Options of Open; the zero value is what a process takes.
type Options struct {
	// Getenv reads the environment; nil is os.Getenv.
	Getenv func(string) string
	// ReadFile reads token and key files; nil is os.ReadFile.
	ReadFile func(string) ([]byte, error)
	// Roots verify the services; nil are the system's. VAULT_CACERT adds to
	// them for Vault.
	Roots *x509.CertPool
	// Proxy, if set, is the way to AWS, Azure and Google. Vault and the
	// identity services of the machine are always reached directly, and the
	// *_PROXY variables lead nowhere.
	Proxy *url.URL
	// Transport replaces what all of that is made into.
	Transport http.RoundTripper
	// Now defaults to time.Now.
	Now func() time.Time
	// Sleep waits between attempts; nil waits by the clock.
	Sleep func(ctx context.Context, d time.Duration) error
	// Limit defaults to DefaultLimit.
	Limit time.Duration
}

func (o Options) complete() Options {
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	if o.ReadFile == nil {
		o.ReadFile = os.ReadFile
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Sleep == nil {
		o.Sleep = sleep
	}
	if o.Limit <= 0 {
		o.Limit = DefaultLimit
	}
	return o
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// services are the schemes and who opens them.
var services = map[string]func(rest string, query url.Values, o Options) (*KEK, error){
	"awskms":        openAWS,
	"azurekeyvault": openAzure,
	"gcpkms":        openGCP,
	"vault-transit": openVault,
}

// Known reports whether uri names a key of a service.
func Known(uri string) bool {
	scheme, _, ok := strings.Cut(uri, "://")
	_, known := services[scheme]
	return ok && known
}

// Open opens the KEK that a URI names, without asking the service yet:
//
//	awskms://KEY-ID?region=REGION                  a symmetric KMS key
//	awskms://alias/NAME?region=REGION
//	awskms:///arn:aws:kms:REGION:ACCOUNT:key/KEY-ID
//	azurekeyvault://VAULT.vault.azure.net/keys/NAME[/VERSION]   an RSA key
//	azurekeyvault://HSM.managedhsm.azure.net/keys/NAME?alg=A256KW   an oct-HSM key
//	gcpkms://projects/P/locations/L/keyRings/R/cryptoKeys/NAME
//	vault-transit://[MOUNT/]NAME                   MOUNT is transit
//
// Credentials come from the environment:
//
//	awskms         AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN; or
//	               AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN; or the container's or
//	               machine's role. AWS_REGION where the URI names none.
//	azurekeyvault  AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET or
//	               AZURE_FEDERATED_TOKEN_FILE; or the machine's managed identity.
//	gcpkms         GOOGLE_APPLICATION_CREDENTIALS, the key file of a service account;
//	               or the machine's service account.
//	vault-transit  VAULT_ADDR, VAULT_TOKEN or VAULT_TOKEN_FILE, VAULT_NAMESPACE,
//	               VAULT_CACERT; the same with BAO_.
//
// A URI carries no secret: one with user information or with a parameter that
// is not known is refused, and errors quote nothing of it.
func Open(uri string, o Options) (*KEK, error) {
	scheme, rest, _ := strings.Cut(uri, "://")
	open, ok := services[scheme]
	if !ok {
		return nil, badURI(scheme, "the scheme is not known")
	}
	rest, rawQuery, _ := strings.Cut(rest, "?")
	query, err := url.ParseQuery(rawQuery)
	if err != nil || strings.ContainsAny(rest, "@#%") {
		return nil, badURI(scheme, "it is malformed, or carries user information")
	}
	return open(rest, query, o.complete())
}

// badURI is the error of a URI that cannot be taken.
func badURI(scheme, detail string) error {
	return &auth.Error{Code: auth.CodeBadRequest, Reason: "the URI of the key (" + scheme + "://…): " + detail,
		Next: "docs/keys-at-rest.md shows the forms"}
}

// only reports whether query holds no parameter but these, each once.
func only(query url.Values, names ...string) bool {
	for name, values := range query {
		known := false
		for _, n := range names {
			known = known || n == name
		}
		if !known || len(values) != 1 {
			return false
		}
	}
	return true
}

// word reports whether s is of letters, digits and the marks given, not empty
// and no path segment with a meaning of its own.
func word(s, marks string) bool {
	return s != "" && s != "." && s != ".." && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune(marks, r)
	})
}

// jitter is a random part of d, at least half of it.
func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d/2+1) }
