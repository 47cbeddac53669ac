package signer

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"

	"github.com/weighbridge/weighbridge/auth"
)

// gcs is Google Cloud Storage by a service account, whose key is exchanged for
// an OAuth token. HMAC keys are S3's: provider s3.
type gcs struct{}

var (
	_ provider = gcs{}
	_ deriver  = gcs{}
)

func init() { register(gcs{}) }

const (
	gcsHost = "storage.googleapis.com"
	// The scopes of Cloud Storage ("Cloud Storage OAuth 2.0 scopes").
	gcsReadScope  = "https://www.googleapis.com/auth/devstorage.read_only"
	gcsWriteScope = "https://www.googleapis.com/auth/devstorage.read_write"
)

var gcsNeeds = []string{"serviceAccountJson"}

func (gcs) Schema() auth.Schema {
	return auth.Schema{
		Name:  "gcs",
		Title: "Google Cloud Storage",
		Help: "Private buckets, by a service account with the role Storage Object Viewer. In the console, under IAM, Service accounts, Keys: add a key of type JSON. " +
			"A pattern for a bucket (storage.googleapis.com/BUCKET/*) holds for the JSON API as well. HMAC keys go with the provider s3.",
		Links: []auth.HelpLink{
			{Title: "Service accounts", URL: "https://console.cloud.google.com/iam-admin/serviceaccounts"},
			{Title: "About their keys", URL: "https://cloud.google.com/iam/docs/keys-create-delete"},
		},
		Fields: []auth.Field{
			{Name: "serviceAccountJson", Title: "Service account key", Help: "The whole JSON file.", Required: true, Secret: true},
		},
		DefaultPatterns: []string{gcsHost + "/*"},
	}
}

func (p gcs) Check(f auth.Fields) error {
	return checkFields(p.Schema(), f, map[string]fieldRule{"serviceAccountJson": func(v string) string {
		_, problem := parseServiceAccount(v)
		return problem
	}})
}

// parseServiceAccount checks a key file and returns what is used of it, with
// the token endpoint pinned: a file that names another would have an assertion
// sent wherever its author liked.
func parseServiceAccount(v string) (pinned []byte, problem string) {
	var file map[string]any
	if json.Unmarshal([]byte(v), &file) != nil {
		return nil, "is not the JSON file of a service account's key"
	}
	text := func(name string) string { s, _ := file[name].(string); return s }
	if text("type") != string(google.ServiceAccount) {
		return nil, `is not of type "service_account"; other types may name programs and URLs of their own`
	}
	if d := text("universe_domain"); d != "" && d != "googleapis.com" {
		return nil, "belongs to another universe than googleapis.com"
	}
	switch text("token_uri") {
	case "", google.JWTTokenURL, "https://accounts.google.com/o/oauth2/token", "https://www.googleapis.com/oauth2/v4/token":
	default:
		return nil, "names a token_uri that is not Google's"
	}
	block, _ := pem.Decode([]byte(text("private_key")))
	if text("client_email") == "" || block == nil {
		return nil, "has no client_email or no private_key; give the whole file"
	}
	if key, err := x509.ParsePKCS8PrivateKey(block.Bytes); err != nil {
		return nil, "has a private_key that cannot be read"
	} else if _, ok := key.(*rsa.PrivateKey); !ok {
		return nil, "has a private_key that is not RSA"
	}
	pinned, err := json.Marshal(map[string]string{
		"type": text("type"), "client_email": text("client_email"), "private_key": text("private_key"),
		"private_key_id": text("private_key_id"), "token_uri": google.JWTTokenURL,
	})
	if err != nil {
		return nil, "is not the JSON file of a service account's key"
	}
	return pinned, ""
}

// Expand adds, for a whole bucket, what the JSON API calls it, and the bucket
// itself, where it is listed.
func (gcs) Expand(p auth.Pattern) ([]auth.Rule, error) {
	rules := []auth.Rule{{Pattern: p}}
	_, path, _ := strings.Cut(strings.TrimPrefix(p.String(), "http://"), "/")
	bucket, rest, _ := strings.Cut(path, "/")
	if p.Host() != gcsHost || rest != "*" || strings.Contains(bucket, "*") || contains([]string{"storage", "download", "upload", "batch"}, bucket) {
		return rules, nil
	}
	head := strings.TrimSuffix(p.String(), "/"+path)
	for _, more := range []string{"/" + bucket, "/storage/v1/b/" + bucket, "/storage/v1/b/" + bucket + "/*", "/download/storage/v1/b/" + bucket + "/*"} {
		q, err := auth.ParsePattern(head + more)
		if err != nil {
			return nil, err
		}
		rules = append(rules, auth.Rule{Pattern: q})
	}
	return rules, nil
}

func (gcs) Companions() []auth.Companion { return nil }

// Classify refuses what is about access and accounts rather than objects (JSON
// API reference: IAM, access controls, HMAC keys, batches, whose parts name
// objects of their own), and copies, whose other end no pattern is asked about.
func (gcs) Classify(method string, t auth.Target) auth.Class {
	class := classifyMethod(method)
	for part := range strings.SplitSeq(t.RawQuery, "&") {
		name, _, _ := strings.Cut(part, "=")
		name, _ = unescapeOnce(name)
		switch strings.ToLower(name) {
		case "acl", "policy", "iam", "encryptionconfig", "logging", "billing", "cors", "lifecycle":
			return auth.ClassForbidden // sub-resources of the XML API
		}
	}
	return strictest(t.Path, func(w words) auth.Class {
		at := 0
		if w.is(0, "download", "upload", "resumable") {
			at = 1
		}
		switch {
		case w.is(0, "batch"):
			return auth.ClassForbidden
		case !w.is(at, "storage") || !w.begins(at+1, "v"):
			return class
		case !w.is(at+2, "b"), // projects: HMAC keys, service accounts
			w.is(at+4, "iam", "acl", "defaultObjectAcl", "notificationConfigs", "lockRetentionPolicy"),
			w.is(at+6, "iam", "acl", "rewriteTo", "copyTo", "compose"):
			return auth.ClassForbidden
		}
		return class
	})
}

func (gcs) needs() []string { return gcsNeeds }

// derive puts a token on that may read, or for requests that write, write.
func (gcs) derive(ctx context.Context, c *call) (auth.Applied, error) {
	pinned, problem := parseServiceAccount(c.fields["serviceAccountJson"].Reveal())
	if problem != "" {
		return auth.Applied{}, errUnsendable
	}
	if c.out.Header.Get("x-goog-copy-source") != "" || c.out.Header.Get("x-amz-copy-source") != "" {
		return auth.Applied{}, &obstacle{why: "a copy from another object would be read with its power"}
	}
	scope := gcsReadScope
	if !c.read() {
		scope = gcsWriteScope
	}
	bearer, err := c.token(ctx, scope, func(ctx context.Context) (token, error) { return c.googleToken(ctx, pinned, scope) })
	if err != nil {
		return auth.Applied{}, err
	}
	applied, err := putBearer(c.out, bearer)
	if err != nil {
		return auth.Applied{}, err
	}
	// Other ways of bringing a token ("System parameters").
	if rest, removed := withoutParameters(c.out.Target.RawQuery, func(n string) bool { return n == "access_token" || n == "oauth_token" }); removed {
		c.out.Target.RawQuery, c.out.Target.HasQuery = rest, rest != ""
	}
	return applied, nil
}

// googleToken exchanges an assertion for a token (RFC 7523).
func (c *call) googleToken(ctx context.Context, pinned []byte, scope string) (token, error) {
	const what = "oauth2.googleapis.com"
	if c.client == nil {
		return token{}, &obstacle{why: what + " cannot be asked: there is no way out"}
	}
	once := *c.client
	once.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	cred, err := google.CredentialsFromJSONWithType(context.WithValue(ctx, oauth2.HTTPClient, &once), pinned, google.ServiceAccount, scope)
	if err != nil {
		return token{}, errUnsendable // the cause may quote the file
	}
	got, err := cred.TokenSource.Token()
	var refused *oauth2.RetrieveError
	switch {
	case errors.As(err, &refused):
		var a tokenAnswer
		_ = json.Unmarshal(refused.Body, &a) // what it says is an extra
		why := what + " gave no token: " + status(refused.Response.StatusCode)
		if said := a.said(); said != "" {
			why += ", " + said
		}
		// Google says invalid_grant as well where a clock is wrong.
		clock := strings.Contains(a.Description, "timeframe")
		if clock {
			why += "; this machine's clock is wrong"
		}
		return token{}, &obstacle{why: why, refuted: !clock && a.refutes(refused.Response.StatusCode)}
	case err != nil:
		return token{}, &obstacle{why: what + " could not be reached, or answered something that is no token"}
	case !visible(got.AccessToken):
		return token{}, &obstacle{why: what + " answered something that is no token"}
	}
	life := defaultTokenLife
	if !got.Expiry.IsZero() {
		life = min(time.Until(got.Expiry), maxTokenLife) // the library's clock is the machine's
	}
	return token{value: auth.NewSecret(got.AccessToken), life: life}, nil
}
