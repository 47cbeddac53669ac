package serviceaccount

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

var (
	// errKeys is where the cluster's keys could not be had.
	errKeys = errors.New("the cluster's public keys cannot be had")
	// errSignature is for a signature by none of them.
	errSignature = errors.New("it is signed by none of the cluster's keys")
)

const (
	// keysPause is how long the keys are not fetched again: anybody may show a
	// token that names a key which there is not.
	keysPause = 10 * time.Second
	// keysLife is for how long keys are gone by, so that one that the cluster
	// withdrew does not count for ever.
	keysLife = 10 * time.Minute
	// maxDocument bounds what the cluster answers.
	maxDocument = 1 << 20
)

// algorithms are those that a cluster signs with (kube-apiserver,
// --service-account-signing-key-file), and none by a shared secret.
var algorithms = []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.ES256, jose.ES384, jose.ES512}

// parseKeys reads a JWKS (RFC 7517, section 5). What is no public key is not
// taken.
func parseKeys(jwks []byte) ([]jose.JSONWebKey, error) {
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(jwks, &set); err != nil {
		return nil, errors.New("the JWKS cannot be read")
	}
	var out []jose.JSONWebKey
	for _, k := range set.Keys {
		if k.Valid() && k.IsPublic() {
			out = append(out, k)
		}
	}
	if len(out) == 0 {
		return nil, errors.New("the JWKS holds no public key")
	}
	return out, nil
}

// static are keys that stay as they are.
type static []jose.JSONWebKey

// VerifySignature implements keySet.
func (s static) VerifySignature(_ context.Context, jwt string) ([]byte, error) {
	sig, err := jose.ParseSignedCompact(jwt, algorithms)
	if err != nil || len(sig.Signatures) != 1 {
		return nil, errSignature
	}
	named := sig.Signatures[0].Header.KeyID
	for i := range s {
		if named != "" && s[i].KeyID != "" && named != s[i].KeyID {
			continue
		}
		if payload, err := sig.Verify(&s[i]); err == nil {
			return payload, nil
		}
	}
	return nil, errSignature
}

// fetched are keys that the cluster publishes: at url, or where the issuer's
// document says (OpenID Connect Discovery 1.0, section 4).
type fetched struct {
	issuer, url string
	http        *http.Client
	now         func() time.Time

	mu    sync.Mutex
	keys  static
	at    time.Time // of keys
	tried time.Time
	err   error // of the last try
}

// VerifySignature implements keySet. A key that the cluster has made since
// is fetched when the first token signed by it comes.
func (f *fetched) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	keys, err := f.get(ctx, false)
	if err != nil {
		return nil, err
	}
	payload, err := keys.VerifySignature(ctx, jwt)
	if err == nil {
		return payload, nil
	}
	if keys, err = f.get(ctx, true); err != nil {
		return nil, err
	}
	return keys.VerifySignature(ctx, jwt)
}

// get returns the keys; fresh asks for those of now, which is done seldom.
func (f *fetched) get(ctx context.Context, fresh bool) (static, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	since := func(t time.Time) time.Duration {
		if now.Before(t) {
			return keysLife // the clock was set back
		}
		return now.Sub(t)
	}
	if f.keys != nil && !fresh && since(f.at) < keysLife || !f.tried.IsZero() && since(f.tried) < keysPause {
		if f.keys == nil {
			return nil, f.err
		}
		return f.keys, nil
	}
	f.tried = now
	keys, err := f.fetch(ctx)
	if err != nil {
		f.err = fmt.Errorf("%w: %w", errKeys, err)
		if f.keys == nil || since(f.at) >= 6*keysLife {
			return nil, f.err
		}
		return f.keys, nil // for an hour, as the API server may be away
	}
	f.keys, f.at, f.err = keys, now, nil
	return f.keys, nil
}

func (f *fetched) fetch(ctx context.Context) (static, error) {
	at := f.url
	if at == "" {
		b, err := f.document(ctx, strings.TrimSuffix(f.issuer, "/")+"/.well-known/openid-configuration")
		if err != nil {
			return nil, err
		}
		var doc struct {
			Issuer string `json:"issuer"`
			JWKS   string `json:"jwks_uri"`
		}
		if json.Unmarshal(b, &doc) != nil || doc.Issuer != f.issuer || doc.JWKS == "" {
			return nil, errors.New("the issuer's document cannot be read, or is another's")
		}
		at = doc.JWKS
	}
	b, err := f.document(ctx, at)
	if err != nil {
		return nil, err
	}
	return parseKeys(b)
}

func (f *fetched) document(ctx context.Context, url string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := f.http.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the cluster answered %d", resp.StatusCode)
	}
	return io.ReadAll(io.LimitReader(resp.Body, maxDocument))
}
