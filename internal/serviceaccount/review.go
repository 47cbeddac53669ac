package serviceaccount

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// tokenReview is authentication.k8s.io/v1 TokenReview, as far as we use it.
type tokenReview struct {
	APIVersion string        `json:"apiVersion"`
	Kind       string        `json:"kind"`
	Spec       reviewSpec    `json:"spec"`
	Status     *reviewStatus `json:"status,omitempty"`
}

type reviewSpec struct {
	Token     string   `json:"token"`
	Audiences []string `json:"audiences"`
}

type reviewStatus struct {
	Authenticated bool     `json:"authenticated"`
	Audiences     []string `json:"audiences"`
	User          struct {
		Username string              `json:"username"`
		Extra    map[string][]string `json:"extra"`
	} `json:"user"`
}

// maxReview bounds the answer to a review, which holds the token.
const maxReview = 256 << 10

// podExtra is where a review names the pod (k8s.io/apiserver, PodNameKey).
const podExtra = "authentication.kubernetes.io/pod-name"

// review asks the API server about a token.
func (v *Verifier) review(ctx context.Context, token string) (Account, error) {
	c, ok := claimsOf(token)
	if !ok || c.Issuer != v.o.Issuer || !slices.Contains(c.Audience, v.o.Audience) {
		return Account{}, fmt.Errorf("%w: it was not made for this", ErrInvalid) // without asking
	}
	in, err := json.Marshal(tokenReview{APIVersion: "authentication.k8s.io/v1", Kind: "TokenReview", Spec: reviewSpec{token, []string{v.o.Audience}}})
	if err != nil {
		return Account{}, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(v.o.Review, "/")+"/apis/authentication.k8s.io/v1/tokenreviews", bytes.NewReader(in))
	if err != nil {
		return Account{}, err
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := v.o.HTTP.Do(r)
	if err != nil {
		return Account{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	defer func() { _ = resp.Body.Close() }()
	var out tokenReview
	if resp.StatusCode != http.StatusCreated && resp.StatusCode != http.StatusOK {
		return Account{}, fmt.Errorf("%w: the TokenReview was answered %d", ErrUnavailable, resp.StatusCode)
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxReview)).Decode(&out); err != nil || out.Status == nil {
		return Account{}, fmt.Errorf("%w: the answer to the TokenReview cannot be read", ErrUnavailable)
	}
	if !out.Status.Authenticated || !slices.Contains(out.Status.Audiences, v.o.Audience) {
		return Account{}, fmt.Errorf("%w: the cluster says so", ErrInvalid)
	}
	who, ok := parseSubject(out.Status.User.Username)
	if !ok {
		return Account{}, fmt.Errorf("%w: its subject is no ServiceAccount", ErrInvalid)
	}
	a := Account{ServiceAccount: who, Until: time.Unix(c.Expires, 0)}
	if pod := out.Status.User.Extra[podExtra]; len(pod) > 0 {
		a.Pod = pod[0]
	}
	return a, nil
}
