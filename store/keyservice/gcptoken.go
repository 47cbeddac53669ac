package keyservice

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// gcpToken gets a token of Google: by the key file of a service account that
// GOOGLE_APPLICATION_CREDENTIALS names, or from the machine. The other kinds of
// that file (a person's, a federation's) are not taken.
type gcpToken struct {
	o     Options
	c     *caller
	local *caller
	kept  kept[string]
}

const (
	gcpScope  = "https://www.googleapis.com/auth/cloudkms"
	gcpIssuer = "https://oauth2.googleapis.com/token"
	// gcpMachine is the metadata server ("About VM metadata").
	gcpMachine = "http://169.254.169.254/computeMetadata/v1/instance/service-accounts/default/token"
)

func (t *gcpToken) get(ctx context.Context) (string, error) {
	return t.kept.get(t.o.Now(), func() (string, time.Time, error) {
		if file := t.o.Getenv("GOOGLE_APPLICATION_CREDENTIALS"); file != "" {
			return t.account(ctx, file)
		}
		return tokenFrom(ctx, t.local, t.o.Now, "the machine's metadata server", func(ctx context.Context) (*http.Request, error) {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, gcpMachine, nil)
			if err == nil {
				req.Header.Set("Metadata-Flavor", "Google")
			}
			return req, err
		})
	})
}

// account is the grant of RFC 7523, section 2.1, with an assertion signed by
// the account's key ("Using OAuth 2.0 for server to server applications"). It
// goes to Google's issuer, whatever the file says.
func (t *gcpToken) account(ctx context.Context, file string) (string, time.Time, error) {
	b, err := t.o.ReadFile(file)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("GOOGLE_APPLICATION_CREDENTIALS: %w", err)
	}
	defer clear(b)
	var f struct {
		Type  string `json:"type"`
		Email string `json:"client_email"`
		KeyID string `json:"private_key_id"`
		Key   string `json:"private_key"`
	}
	if err := json.Unmarshal(b, &f); err != nil || f.Type != "service_account" {
		return "", time.Time{}, errors.New("GOOGLE_APPLICATION_CREDENTIALS: it is not the key file of a service account")
	}
	key, err := rsaKey(f.Key)
	if err != nil {
		return "", time.Time{}, err
	}
	return tokenFrom(ctx, t.c, t.o.Now, "Google", func(ctx context.Context) (*http.Request, error) {
		now := t.o.Now()
		assertion, err := jwt(key, map[string]any{"alg": "RS256", "typ": "JWT", "kid": f.KeyID}, map[string]any{
			"iss": f.Email, "scope": gcpScope, "aud": gcpIssuer, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
		})
		if err != nil {
			return nil, err
		}
		form := url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {assertion}}
		req, err := post(ctx, gcpIssuer, []byte(form.Encode()))
		if err == nil {
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		return req, err
	})
}

func rsaKey(text string) (*rsa.PrivateKey, error) {
	bad := errors.New("GOOGLE_APPLICATION_CREDENTIALS: its private key cannot be read")
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, bad
	}
	k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, bad // the cause says nothing more
	}
	key, ok := k.(*rsa.PrivateKey)
	if !ok {
		return nil, bad
	}
	return key, nil
}

// jwt signs a JSON web token (RFC 7515, section 3.1; RS256 is RFC 7518,
// section 3.3).
func jwt(key *rsa.PrivateKey, header, claims map[string]any) (string, error) {
	h, err := json.Marshal(header)
	if err != nil {
		return "", err
	}
	c, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	enc := base64.RawURLEncoding
	text := enc.EncodeToString(h) + "." + enc.EncodeToString(c)
	sum := sha256.Sum256([]byte(text))
	sig, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		return "", err
	}
	return text + "." + enc.EncodeToString(sig), nil
}
