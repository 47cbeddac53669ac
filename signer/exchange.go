package signer

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// maxTokenAnswer bounds the answer of a token endpoint.
const maxTokenAnswer = 1 << 20

// defaultTokenLife is how long a token is taken to be good for where its
// issuer does not say (Docker Registry, "Token Authentication Specification":
// "defaults to 60 seconds").
const defaultTokenLife = time.Minute

// maxTokenLife: longer is not believed.
const maxTokenLife = 24 * time.Hour

// tokenAnswer is what token endpoints answer: RFC 6749, section 5.1, with the
// names of Docker's registries and the strings of Azure's instance metadata.
type tokenAnswer struct {
	AccessToken string      `json:"access_token"`
	Token       string      `json:"token"`
	ExpiresIn   json.Number `json:"expires_in"`
	ExpiresOn   json.Number `json:"expires_on"`
	Error       any         `json:"error"`
	Description string      `json:"error_description"`
}

// exchange sends r, which asks for a token, and reads the answer. It follows
// no redirect: that would carry the secret to where nobody looked (T12). what
// names the endpoint for people.
func exchange(client *http.Client, r *http.Request, what string, now time.Time) (token, error) {
	answer, body, err := ask(client, r, what)
	if err != nil {
		return token{}, err
	}
	var a tokenAnswer
	readable := json.Unmarshal(body, &a) == nil
	if answer.StatusCode != http.StatusOK {
		why := what + " gave no token: " + status(answer.StatusCode)
		if said := a.said(); readable && said != "" {
			why += ", " + said
		}
		return token{}, &obstacle{why: why, refuted: a.refutes(answer.StatusCode)}
	}
	value := a.AccessToken
	if value == "" {
		value = a.Token
	}
	if !readable || !visible(value) {
		return token{}, &obstacle{why: what + " answered something that is no token"}
	}
	return token{value: auth.NewSecret(value), life: a.life(now)}, nil
}

// ask sends a request of our own and reads its answer whole.
func ask(client *http.Client, r *http.Request, what string) (*http.Response, []byte, error) {
	if client == nil {
		return nil, nil, &obstacle{why: what + " cannot be asked: there is no way out"}
	}
	once := *client
	once.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	answer, err := once.Do(r)
	if err != nil {
		return nil, nil, &obstacle{why: what + " could not be reached", cause: withoutURL(err)}
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxTokenAnswer))
	if err != nil {
		return nil, nil, &obstacle{why: what + " broke off its answer", cause: err}
	}
	return answer, body, nil
}

// withoutURL is err without the URL that net/http puts before it, whose query
// is not for logs.
func withoutURL(err error) error {
	if e, ok := err.(*url.Error); ok { //nolint:errorlint // Client.Do returns it bare
		return e.Err
	}
	return err
}

// oauthError is what an error code may look like (RFC 6749, section 5.2),
// narrowed to what is written anywhere.
var oauthError = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)

// entraError is how Microsoft's descriptions begin ("Microsoft Entra
// authentication and authorization error codes").
var entraError = regexp.MustCompile(`^AADSTS[0-9]{1,10}`)

// said is the error code of an answer. Descriptions may quote what was sent
// and are not repeated.
func (a *tokenAnswer) said() string {
	code, _ := a.Error.(string)
	if !oauthError.MatchString(code) {
		return ""
	}
	if n := entraError.FindString(a.Description); n != "" {
		code += " (" + n + ")"
	}
	return code
}

// refutes reports whether an answer says that the secret itself is wrong: by
// the codes of RFC 6749, section 5.2, by an unknown tenant ("Microsoft Entra
// authentication and authorization error codes"), or, as the token servers of
// registries do, by the status alone (RFC 9110, section 15.5.2).
func (a *tokenAnswer) refutes(status int) bool {
	code, _ := a.Error.(string)
	switch {
	case status == http.StatusUnauthorized:
		return true
	case status != http.StatusBadRequest:
		return false
	case code == "invalid_client", code == "invalid_grant", code == "unauthorized_client":
		return true
	}
	tenant := entraError.FindString(a.Description)
	return tenant == "AADSTS90002" || tenant == "AADSTS900023"
}

func (a *tokenAnswer) life(now time.Time) time.Duration {
	life := time.Duration(0)
	if n, err := strconv.ParseFloat(a.ExpiresIn.String(), 64); err == nil && n > 0 && n < 1e9 {
		life = time.Duration(n * float64(time.Second))
	} else if n, err := strconv.ParseInt(a.ExpiresOn.String(), 10, 64); err == nil && n > 0 {
		life = time.Unix(n, 0).Sub(now)
	}
	if life <= 0 {
		life = defaultTokenLife
	}
	return min(life, maxTokenLife)
}

// postForm makes the request of an OAuth 2.0 grant (RFC 6749, section 4.4.2).
func postForm(ctx context.Context, to string, form url.Values) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, &obstacle{why: "the URL of the token endpoint is none"}
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	return r, nil
}
