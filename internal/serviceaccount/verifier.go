package serviceaccount

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4/jwt"
)

const (
	// MaxToken bounds a token. Those of Kubernetes have about 1 KiB.
	MaxToken = 8 << 10
	// maxKept bounds how many tokens are remembered: each belongs to a pod, and
	// is made anew at most every few minutes.
	maxKept = 10_000
	// reviewLife is for how long the answer of a TokenReview is gone by: the
	// longest that a token counts after its pod is gone.
	reviewLife = 30 * time.Second
	// clockLeeway is how far the cluster's clock may be ahead of ours.
	clockLeeway = 30 * time.Second
	// askTimeout bounds a question to the cluster, which a worker waits for.
	askTimeout = 5 * time.Second
)

// Errors of Verify. Their texts quote nothing of the token.
var (
	// ErrInvalid is for a token that does not count.
	ErrInvalid = errors.New("the ServiceAccount token does not count")
	// ErrUnavailable is where the cluster could not be asked.
	ErrUnavailable = errors.New("the cluster cannot be asked about ServiceAccount tokens")
)

// Options of a Verifier. Issuer and Audience are required.
type Options struct {
	// Issuer is the cluster's, as its tokens say it (--service-account-issuer).
	Issuer string
	// Audience is what tokens have to be made for: ours, and not the API
	// server's, whose tokens open the cluster.
	Audience string
	// JWKS are the cluster's public keys, as `kubectl get --raw /openid/v1/jwks`
	// prints them; nil has them fetched from JWKSURL, or from where the issuer
	// says.
	JWKS    []byte
	JWKSURL string
	// Review, where it is set, is the API server's URL, which is asked about each
	// token instead.
	Review string
	// HTTP asks the cluster: it trusts the cluster's root and adds our own token.
	HTTP *http.Client
	// Now defaults to time.Now.
	Now func() time.Time
}

// Verifier says whose a token is. It is safe for concurrent use.
type Verifier struct {
	o    Options
	keys keySet

	mu   sync.Mutex
	kept map[[sha256.Size]byte]kept
}

// keySet verifies the signature of a JWT and returns what is signed. The error is
// errKeys where there are no keys to do it with.
type keySet interface {
	VerifySignature(ctx context.Context, jwt string) ([]byte, error)
}

// kept is what was found of a token; until is when it is to be found out again.
type kept struct {
	account Account
	until   time.Time
}

// New makes a Verifier. The error says what of the options is missing or cannot
// be read.
func New(o Options) (*Verifier, error) {
	if o.Issuer == "" || o.Audience == "" {
		return nil, errors.New("an issuer and an audience are required")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.HTTP == nil {
		o.HTTP = http.DefaultClient
	}
	v := &Verifier{o: o, kept: map[[sha256.Size]byte]kept{}}
	switch {
	case o.Review != "":
	case o.JWKS != nil:
		keys, err := parseKeys(o.JWKS)
		if err != nil {
			return nil, err
		}
		v.keys = static(keys)
	default:
		v.keys = &fetched{issuer: o.Issuer, url: o.JWKSURL, http: o.HTTP, now: o.Now}
	}
	return v, nil
}

// Ours reports whether a token says that it was made for us: such a one never
// travels on. Whether it counts is for Verify.
func (v *Verifier) Ours(token string) bool {
	c, ok := claimsOf(token)
	return ok && c.Issuer == v.o.Issuer && slices.Contains(c.Audience, v.o.Audience)
}

// Verify says whose a token is: one of the cluster's, made for us, whose time it
// is. The error is ErrInvalid or ErrUnavailable, with a private cause.
func (v *Verifier) Verify(ctx context.Context, token string) (Account, error) {
	if len(token) > MaxToken {
		return Account{}, fmt.Errorf("%w: it is too long", ErrInvalid)
	}
	now, id := v.o.Now(), sha256.Sum256([]byte(token))
	v.mu.Lock()
	k, ok := v.kept[id]
	v.mu.Unlock()
	if ok && now.Before(k.until) {
		return k.account, nil
	}
	ctx, stop := context.WithTimeout(ctx, askTimeout)
	defer stop()
	account, err := v.find(ctx, token)
	if err != nil {
		return Account{}, err
	}
	if !now.Before(account.Until) { // without leeway: that is for beginnings
		return Account{}, fmt.Errorf("%w: it has ended", ErrInvalid)
	}
	k = kept{account, account.Until}
	if v.o.Review != "" {
		k.until = earlier(account.Until, now.Add(reviewLife))
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.kept) >= maxKept {
		for other, k := range v.kept {
			if !now.Before(k.until) {
				delete(v.kept, other)
			}
		}
		if len(v.kept) >= maxKept {
			clear(v.kept)
		}
	}
	v.kept[id] = k
	return account, nil
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// claims are those of a token that we read (RFC 7519, section 4.1; the claims of
// Kubernetes, KEP-1205).
type claims struct {
	Issuer     string   `json:"iss"`
	Subject    string   `json:"sub"`
	Audience   audience `json:"aud"`
	Expires    int64    `json:"exp"`
	Kubernetes struct {
		Pod struct {
			Name string `json:"name"`
		} `json:"pod"`
	} `json:"kubernetes.io"`
}

// audience is one string, or a list of them (RFC 7519, section 4.1.3).
type audience []string

// UnmarshalJSON implements json.Unmarshaler.
func (a *audience) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(a))
}

// claimsOf reads a token without verifying it.
func claimsOf(token string) (c claims, ok bool) {
	if len(token) > MaxToken {
		return c, false
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 || parts[2] == "" {
		return c, false
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	return c, err == nil && json.Unmarshal(b, &c) == nil
}

// find verifies a token, or has it reviewed.
func (v *Verifier) find(ctx context.Context, token string) (Account, error) {
	if v.o.Review != "" {
		return v.review(ctx, token)
	}
	payload, err := v.keys.VerifySignature(ctx, token)
	switch {
	case errors.Is(err, errKeys):
		return Account{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	case err != nil:
		return Account{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	var t jwt.Claims
	var c claims
	if json.Unmarshal(payload, &t) != nil || json.Unmarshal(payload, &c) != nil || t.Expiry == nil {
		return Account{}, fmt.Errorf("%w: it cannot be read, or has no end", ErrInvalid)
	}
	if err := t.ValidateWithLeeway(jwt.Expected{Issuer: v.o.Issuer, AnyAudience: jwt.Audience{v.o.Audience}, Time: v.o.Now()}, clockLeeway); err != nil {
		return Account{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	who, ok := parseSubject(t.Subject)
	if !ok {
		return Account{}, fmt.Errorf("%w: its subject is no ServiceAccount", ErrInvalid)
	}
	return Account{ServiceAccount: who, Pod: c.Kubernetes.Pod.Name, Until: t.Expiry.Time()}, nil
}
