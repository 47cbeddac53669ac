package portal

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
)

// The cookies. Under TLS their names keep other hosts from setting them
// (RFC 6265bis, section 4.1.3.2). No operation of the API takes them.
const (
	accessCookie  = "weighbridge-access"
	refreshCookie = "weighbridge-refresh"
	deviceCookie  = "weighbridge-device"
	securePrefix  = "__Host-"
)

const (
	// early is how long before a JWT ends the next one is got.
	early = time.Minute
	// refreshKept is for how long what a refresh token was exchanged for is given
	// to whoever still shows that token: the other requests that a page made at
	// the same moment. The API would end the session.
	refreshKept = 10 * time.Second
	// deviceLife is what session.DeviceLife is; the cookie need not be exact.
	deviceLife = 180 * 24 * time.Hour
)

var (
	// errSignedOut is for a visit without a session.
	errSignedOut = errors.New("nobody is signed in")
	// errRefreshed is for one whose refresh token another weighbridge, over the
	// same store, exchanged this moment: the browser has what came of it soon.
	errRefreshed = errors.New("another answer has the next session tokens")
)

// setCookie sets a cookie that scripts cannot read and other sites' pages cannot
// send. A life of zero removes it.
func (p *Portal) setCookie(w http.ResponseWriter, r *http.Request, name, value string, life time.Duration) {
	c := &http.Cookie{Name: p.cookieName(r, name), Value: value, Path: "/", HttpOnly: true, Secure: p.o.API.OverTLS(r),
		SameSite: http.SameSiteStrictMode, MaxAge: int(life / time.Second)}
	if life <= 0 {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

func (p *Portal) cookieName(r *http.Request, name string) string {
	if p.o.API.OverTLS(r) {
		return securePrefix + name
	}
	return name
}

func (p *Portal) cookie(r *http.Request, name string) string {
	c, err := r.Cookie(p.cookieName(r, name))
	if err != nil {
		return ""
	}
	return c.Value
}

// keep puts a grant into the browser's cookies.
func (p *Portal) keep(w http.ResponseWriter, r *http.Request, g *admin.Grant) {
	life := g.RefreshExpiresAt.Sub(p.o.Now())
	p.setCookie(w, r, accessCookie, g.AccessToken, life)
	p.setCookie(w, r, refreshCookie, g.RefreshToken, life)
	if g.DeviceToken != "" {
		p.setCookie(w, r, deviceCookie, g.DeviceToken, deviceLife)
	}
}

// forget removes the session from the browser; the device stays known.
func (p *Portal) forget(w http.ResponseWriter, r *http.Request) {
	p.setCookie(w, r, accessCookie, "", 0)
	p.setCookie(w, r, refreshCookie, "", 0)
}

// token is the JWT of the visitor's session, a fresh one where it was about to
// end. The error is errSignedOut where there is no session, errRefreshed, or why
// the API gave no fresh one.
func (p *Portal) token(w http.ResponseWriter, r *http.Request) (auth.Secret, error) {
	access, refreshToken := p.cookie(r, accessCookie), p.cookie(r, refreshCookie)
	if access != "" && p.o.Now().Add(early).Before(endOf(access)) {
		return auth.NewSecret(access), nil
	}
	if refreshToken == "" {
		return auth.Secret{}, errSignedOut
	}
	g, err := p.refreshes.do(p.o.Now, refreshToken, func() (*admin.Grant, error) {
		// Whoever waits for it gets it, also if the first to ask is gone.
		ctx := context.WithoutCancel(r.Context())
		g, err := p.client(r, "", auth.Secret{}).RefreshSession(ctx, admin.RefreshSessionRequest{RefreshToken: refreshToken})
		return &g, err
	})
	prob, refused := asProblem(err)
	switch {
	case refused && (prob.Status == http.StatusUnauthorized || prob.Status == http.StatusUnprocessableEntity):
		p.forget(w, r)
		return auth.Secret{}, errSignedOut
	case err != nil && access != "" && p.o.Now().Before(endOf(access)):
		return auth.NewSecret(access), nil // it is good for a little while yet
	case refused && prob.Status == http.StatusConflict:
		return auth.Secret{}, errRefreshed
	case err != nil:
		return auth.Secret{}, err
	}
	p.keep(w, r, g)
	return auth.NewSecret(g.AccessToken), nil
}

// endOf is when a JWT says that it ends (RFC 7519, section 4.1.4). Whether it
// counts at all is for the API to say; zero makes it be exchanged.
func endOf(jwt string) time.Time {
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		return time.Time{}
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	var claims struct {
		End int64 `json:"exp"`
	}
	if err != nil || json.Unmarshal(b, &claims) != nil {
		return time.Time{}
	}
	return time.Unix(claims.End, 0)
}

// refreshes lets the requests of one page, which all show the same refresh
// token, exchange it once.
type refreshes struct {
	mu     sync.Mutex
	recent map[[32]byte]*refresh
}

type refresh struct {
	done  chan struct{}
	at    time.Time
	grant *admin.Grant
	err   error
}

func (s *refreshes) do(now func() time.Time, token string, exchange func() (*admin.Grant, error)) (*admin.Grant, error) {
	id := sha256.Sum256([]byte(token))
	s.mu.Lock()
	for k, one := range s.recent {
		if !one.at.IsZero() && now().Sub(one.at) > refreshKept {
			delete(s.recent, k)
		}
	}
	one, known := s.recent[id]
	if !known {
		one = &refresh{done: make(chan struct{})}
		s.recent[id] = one
	}
	s.mu.Unlock()
	if known {
		<-one.done
		return one.grant, one.err
	}
	one.err = errors.New("the exchange of the refresh token was broken off")
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		one.at = now()
		if one.err != nil {
			delete(s.recent, id)
		}
		close(one.done)
	}()
	one.grant, one.err = exchange()
	return one.grant, one.err
}
