package keyservice

import (
	"context"
	"crypto"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// cloud answers for every host as the real services document it, over TLS on
// 443 and plainly on 80, and verifies what arrives: who asks, for which key,
// and whether data and ciphertext fit together.
type cloud struct {
	t     *testing.T
	roots *x509.CertPool
	env   map[string]string
	files map[string]string
	dial  func(ctx context.Context, network, addr string) (net.Conn, error)

	mu sync.Mutex
	// answers are given before anything else, in order.
	answers []func(w http.ResponseWriter, r *http.Request)
	seen    []string // METHOD host path
	slept   []time.Duration
	tokens  int // given out; only the newest counts

	rsa    *rsa.PrivateKey // of Azure
	google *rsa.PrivateKey // of the service account
	aead   cipher.AEAD
}

var newRSA = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

func newCloud(t *testing.T) *cloud {
	t.Helper()
	key, err := newRSA()
	check(t, err)
	aead, err := newAEAD(make([]byte, 32))
	check(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	check(t, err)
	account, err := json.Marshal(map[string]string{
		"type": "service_account", "client_email": "wb@p.iam.gserviceaccount.com", "private_key_id": "k1",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
		"token_uri":   "https://attacker.example/token",
	})
	check(t, err)
	c := &cloud{t: t, rsa: key, google: key, aead: aead,
		env: map[string]string{
			"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "aws-s3cr3t", "AWS_SESSION_TOKEN": "aws-s3ssion",
			"AZURE_TENANT_ID": "tenant", "AZURE_CLIENT_ID": "client", "AZURE_CLIENT_SECRET": "azure-s3cr3t",
			"GOOGLE_APPLICATION_CREDENTIALS": "/account.json",
			"VAULT_ADDR":                     "https://vault.example:443", "VAULT_TOKEN": "vault-s3cr3t", "VAULT_NAMESPACE": "team",
		},
		files: map[string]string{"/account.json": string(account)},
	}
	secure, plain := httptest.NewUnstartedServer(http.HandlerFunc(c.serve)), httptest.NewServer(http.HandlerFunc(c.serve))
	secure.TLS, c.roots = identity(t, "*.eu-west-1.amazonaws.com", "kms.cn-north-1.amazonaws.com.cn", "acme.vault.azure.net", "acme.managedhsm.azure.net",
		"login.microsoftonline.com", "cloudkms.googleapis.com", "oauth2.googleapis.com", "vault.example")
	secure.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that fail on purpose
	secure.StartTLS()
	t.Cleanup(secure.Close)
	t.Cleanup(plain.Close)
	c.dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		to := secure.Listener.Addr()
		if strings.HasSuffix(addr, ":80") {
			to = plain.Listener.Addr()
		}
		return (&net.Dialer{}).DialContext(ctx, network, to.String())
	}
	return c
}

// identity is a certificate for the names and the root that it is under.
func identity(t *testing.T, names ...string) (*tls.Config, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "cloud"}, DNSNames: names,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	check(t, err)
	leaf, err := x509.ParseCertificate(der)
	check(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, pool
}

// options reach the cloud by the names of the real services.
func (c *cloud) options() Options {
	transport := &http.Transport{DialContext: c.dial, TLSClientConfig: &tls.Config{RootCAs: c.roots}}
	c.t.Cleanup(transport.CloseIdleConnections)
	return Options{
		Limit: 10 * time.Minute, Transport: transport, Getenv: func(name string) string { return c.env[name] },
		ReadFile: func(name string) ([]byte, error) {
			text, ok := c.files[name]
			if !ok {
				return nil, os.ErrNotExist
			}
			return []byte(text), nil
		},
		Sleep: func(ctx context.Context, d time.Duration) error {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.slept = append(c.slept, d)
			return ctx.Err()
		},
	}
}

func (c *cloud) open(uri string) *KEK {
	c.t.Helper()
	k, err := Open(uri, c.options())
	check(c.t, err)
	return k
}

// first makes the next answers these.
func (c *cloud) first(answers ...func(w http.ResponseWriter, r *http.Request)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answers = append(c.answers, answers...)
}

func status(n int, body string) func(w http.ResponseWriter, r *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(n)
		_, _ = io.WriteString(w, body)
	}
}

func (c *cloud) serve(w http.ResponseWriter, r *http.Request) {
	host, _, _ := strings.Cut(r.Host, ":")
	if (r.TLS == nil) != (net.ParseIP(host) != nil) {
		c.t.Errorf("%s was asked over the wrong scheme", r.Host)
	}
	c.mu.Lock()
	c.seen = append(c.seen, r.Method+" "+host+" "+r.URL.Path)
	var answer func(w http.ResponseWriter, r *http.Request)
	if len(c.answers) > 0 {
		answer, c.answers = c.answers[0], c.answers[1:]
	}
	c.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		c.t.Error(err)
	}
	switch {
	case answer != nil:
		answer(w, r)
	case strings.HasPrefix(host, "kms"):
		c.kms(w, r, body)
	case strings.HasPrefix(host, "sts"), host == "169.254.170.23", host == "169.254.169.254", host == "login.microsoftonline.com", host == "oauth2.googleapis.com":
		c.identity(w, r, host, body)
	case strings.HasPrefix(host, "acme."):
		c.azure(w, r, body)
	case host == "cloudkms.googleapis.com":
		c.gcp(w, r, body)
	case host == "vault.example":
		c.vault(w, r, body)
	default:
		c.t.Errorf("%s was asked", r.Host)
	}
}

func reply(w http.ResponseWriter, status int, v any) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

type object map[string]any

// token counts the tokens given out.
func (c *cloud) token() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tokens++
	return fmt.Sprintf("t0ken-%d", c.tokens)
}

func (c *cloud) bearer(r *http.Request) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return r.Header.Get("Authorization") == fmt.Sprintf("Bearer t0ken-%d", c.tokens)
}

// identity gives out tokens and roles, to those who prove who they are.
func (c *cloud) identity(w http.ResponseWriter, r *http.Request, host string, body []byte) {
	form, _ := url.ParseQuery(string(body))
	good, out := false, any(nil)
	switch {
	case host == "login.microsoftonline.com":
		good = r.URL.Path == "/tenant/oauth2/v2.0/token" && form.Get("client_id") == "client" && form.Get("scope") == "https://vault.azure.net/.default" &&
			(form.Get("client_secret") == "azure-s3cr3t" || form.Get("client_assertion") == "federated-s3cr3t")
		out = object{"access_token": c.token(), "expires_in": 3600}
	case host == "oauth2.googleapis.com":
		parts := strings.Split(form.Get("assertion"), ".")
		if len(parts) == 3 {
			sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
			sig, _ := base64.RawURLEncoding.DecodeString(parts[2])
			claims, _ := base64.RawURLEncoding.DecodeString(parts[1])
			good = rsa.VerifyPKCS1v15(&c.google.PublicKey, crypto.SHA256, sum[:], sig) == nil &&
				strings.Contains(string(claims), `"iss":"wb@p.iam.gserviceaccount.com"`) && strings.Contains(string(claims), gcpScope)
		}
		out = object{"access_token": c.token(), "expires_in": 3600}
	case r.URL.Path == "/metadata/identity/oauth2/token":
		good = r.Header.Get("Metadata") == "true" && r.FormValue("resource") == "https://vault.azure.net"
		out = object{"access_token": c.token(), "expires_in": "3600"}
	case strings.HasPrefix(r.URL.Path, "/computeMetadata/"):
		good = r.Header.Get("Metadata-Flavor") == "Google"
		out = object{"access_token": c.token(), "expires_in": 3600}
	case strings.HasPrefix(host, "sts"):
		if form.Get("WebIdentityToken") == "federated-s3cr3t" && form.Get("RoleArn") == "arn:role" {
			_, _ = fmt.Fprintf(w, `<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>AKIDEXAMPLE</AccessKeyId>`+
				`<SecretAccessKey>aws-s3cr3t</SecretAccessKey><SessionToken>aws-s3ssion</SessionToken><Expiration>%s</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`,
				time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
			return
		}
	case r.URL.Path == "/latest/api/token":
		if r.Method == http.MethodPut && r.Header.Get("X-Aws-Ec2-Metadata-Token-Ttl-Seconds") != "" {
			_, _ = io.WriteString(w, "imds-session")
			return
		}
	case r.URL.Path == "/latest/meta-data/iam/security-credentials/":
		_, _ = io.WriteString(w, "role-1\n")
		return
	default:
		good = r.Header.Get("Authorization") == "pod-s3cr3t" || r.URL.Path == "/latest/meta-data/iam/security-credentials/role-1" && r.Header.Get("X-Aws-Ec2-Metadata-Token") == "imds-session"
		out = role{"AKIDEXAMPLE", "aws-s3cr3t", "aws-s3ssion", time.Now().Add(time.Hour)}
	}
	if !good {
		reply(w, http.StatusUnauthorized, object{"error": "invalid_client"})
		return
	}
	reply(w, http.StatusOK, out)
}

const awsARN = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"

// kms is AWS KMS: the signature is verified by signing again.
func (c *cloud) kms(w http.ResponseWriter, r *http.Request, body []byte) {
	again, _ := http.NewRequest(r.Method, "https://"+r.Host+"/", strings.NewReader(string(body)))
	for _, h := range []string{"Content-Type", "X-Amz-Target"} {
		again.Header.Set(h, r.Header.Get(h))
	}
	at, _ := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	sum := sha256.Sum256(body)
	region := strings.Split(r.Host, ".")[1]
	_ = v4.NewSigner().SignHTTP(r.Context(), aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "aws-s3cr3t", SessionToken: "aws-s3ssion"},
		again, hex.EncodeToString(sum[:]), "kms", region, at)
	if again.Header.Get("Authorization") != r.Header.Get("Authorization") || time.Since(at).Abs() > time.Minute {
		reply(w, 400, object{"__type": "com.amazon.coral.service#InvalidSignatureException", "message": "The request signature we calculated does not match"})
		return
	}
	var in awsRequest
	if err := json.Unmarshal(body, &in); err != nil || len(in.Context) != 1 {
		reply(w, 400, object{"__type": "ValidationException"})
		return
	}
	if in.KeyID != awsARN && in.KeyID != "alias/weighbridge" {
		reply(w, 400, object{"__type": "NotFoundException", "message": "Key '" + in.KeyID + "' does not exist"})
		return
	}
	aad := []byte(in.Context[awsContext])
	if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".Encrypt") {
		reply(w, 200, object{"KeyId": awsARN, "CiphertextBlob": c.aead.Seal(nil, nil, in.Plaintext, aad)})
		return
	}
	plain, err := c.aead.Open(nil, nil, in.Ciphertext, aad)
	if err != nil {
		reply(w, 400, object{"__type": "InvalidCiphertextException"})
		return
	}
	reply(w, 200, object{"KeyId": awsARN, "Plaintext": plain})
}

const azureKeyVersion = "78deebed173b48e48f55abf87ed4cf71"

func (c *cloud) azure(w http.ResponseWriter, r *http.Request, body []byte) {
	fail := func(status int, code string) {
		reply(w, status, object{"error": object{"code": code, "message": "no"}})
	}
	var in azureRequest
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/keys/"), "/")
	switch {
	case !c.bearer(r):
		fail(401, "Unauthorized")
		return
	case json.Unmarshal(body, &in) != nil || r.FormValue("api-version") != azureVersion:
		fail(400, "BadParameter")
		return
	case parts[0] != "wb" || len(parts) == 3 && parts[1] != azureKeyVersion:
		fail(404, "KeyNotFound")
		return
	}
	var value any
	var err error
	switch act := parts[len(parts)-1]; act + " " + in.Alg {
	case "wrapkey " + azureRSA:
		var b []byte
		b, err = rsa.EncryptOAEP(sha256.New(), rand.Reader, &c.rsa.PublicKey, in.Value, nil)
		value = base64url(b)
	case "unwrapkey " + azureRSA:
		var b []byte
		b, err = rsa.DecryptOAEP(sha256.New(), nil, c.rsa, in.Value, nil)
		value = base64url(b)
	case "wrapkey " + azureHSM: // stands for RFC 3394
		value = base64url(c.aead.Seal(nil, nil, in.Value, nil))
	case "unwrapkey " + azureHSM:
		var b []byte
		b, err = c.aead.Open(nil, nil, in.Value, nil)
		value = base64url(b)
	case "sign " + azureSign:
		var b []byte
		b, err = rsa.SignPSS(rand.Reader, c.rsa, crypto.SHA256, in.Value, nil)
		value = base64url(b)
	case "verify " + azureSign:
		value = rsa.VerifyPSS(&c.rsa.PublicKey, crypto.SHA256, in.Digest, in.Value, nil) == nil
	default:
		err = errors.New("unknown")
	}
	if err != nil {
		fail(400, "BadParameter")
		return
	}
	reply(w, 200, object{"kid": "https://" + r.Host + "/keys/wb/" + azureKeyVersion, "value": value})
}

const gcpKey = "projects/p/locations/europe-west1/keyRings/r/cryptoKeys/wb"

func (c *cloud) gcp(w http.ResponseWriter, r *http.Request, body []byte) {
	fail := func(status int, code string) {
		reply(w, status, object{"error": object{"code": status, "status": code}})
	}
	var in gcpRequest
	switch {
	case !c.bearer(r):
		fail(401, "UNAUTHENTICATED")
	case json.Unmarshal(body, &in) != nil || crc(in.AAD) != in.AADCRC || crc(in.Plaintext) != in.PlaintextCRC || crc(in.Ciphertext) != in.CiphertextCRC:
		fail(400, "INVALID_ARGUMENT")
	case r.URL.Path == "/v1/"+gcpKey+":encrypt":
		out := c.aead.Seal(nil, nil, in.Plaintext, in.AAD)
		reply(w, 200, gcpAnswer{Name: gcpKey + "/cryptoKeyVersions/3", Ciphertext: out, CiphertextCRC: crc(out), VerifiedPlaintext: true, VerifiedAAD: true})
	case r.URL.Path == "/v1/"+gcpKey+":decrypt":
		out, err := c.aead.Open(nil, nil, in.Ciphertext, in.AAD)
		if err != nil {
			fail(400, "INVALID_ARGUMENT")
			return
		}
		reply(w, 200, gcpAnswer{Plaintext: out, PlaintextCRC: crc(out)})
	default:
		fail(403, "PERMISSION_DENIED")
	}
}

func (c *cloud) vault(w http.ResponseWriter, r *http.Request, body []byte) {
	fail := func(status int, words string) { reply(w, status, object{"errors": []string{words}}) }
	var in vaultRequest
	switch {
	case r.Header.Get("X-Vault-Token") != "vault-s3cr3t" || r.Header.Get("X-Vault-Namespace") != "team":
		fail(403, "permission denied")
	case json.Unmarshal(body, &in) != nil:
		fail(400, "error")
	case r.URL.Path == "/v1/transit/encrypt/wb":
		out := "vault:v1:" + base64.StdEncoding.EncodeToString(c.aead.Seal(nil, nil, in.Plaintext, in.AAD))
		reply(w, 200, object{"data": object{"ciphertext": out}})
	case r.URL.Path == "/v1/transit/decrypt/wb":
		b, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(in.Ciphertext, "vault:v1:"))
		out, err := c.aead.Open(nil, nil, b, in.AAD)
		if err != nil {
			fail(400, "cipher: message authentication failed")
			return
		}
		reply(w, 200, object{"data": object{"plaintext": out}})
	default:
		fail(400, "encryption key not found")
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
