package session

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/store"
)

// Options of a Service.
type Options struct {
	// Store is required.
	Store Store
	// Now defaults to time.Now.
	Now func() time.Time
	// OIDC is the OpenID provider as it is configured at the moment; nil, or a
	// nil result, where there is none.
	OIDC func() *OIDC
	// HTTP asks the OpenID provider. It defaults to a client with a timeout of
	// ten seconds.
	HTTP *http.Client
	// Log is told of what an answer says nothing of. It may be nil.
	Log func(error)
}

// Service signs users in. It is safe for concurrent use.
type Service struct {
	o       Options
	hasher  *hasher
	ring    *keyring
	slow    *throttle
	denials *denials
	op      *provider
}

// New makes a Service.
func New(o Options) *Service { return newService(o, usual()) }

func newService(o Options, c cost) *Service {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.HTTP == nil {
		o.HTTP = &http.Client{Timeout: 10 * time.Second}
	}
	s := &Service{o: o, hasher: newHasher(c), ring: &keyring{store: o.Store}, slow: newThrottle(o.Now)}
	s.denials = newDenials(o.Store, o.Now)
	s.op = &provider{http: o.HTTP, now: o.Now}
	return s
}

// From is where an attempt to sign in comes from.
type From struct {
	// Address is the peer's.
	Address netip.Addr
	// Agent is what the program says it is.
	Agent string
	// Device is the device token of an earlier Grant, where there is one.
	Device auth.Secret
}

func (f From) event() auth.Event {
	ev := auth.Event{}
	if f.Address.IsValid() {
		ev.Address = f.Address.Unmap().WithZone("").String()
	}
	return ev
}

// Grant is what a user gets by signing in.
type Grant struct {
	User    auth.User
	Session auth.Session
	// Access is the JWT of every call, until AccessExpires.
	Access        auth.Secret
	AccessExpires time.Time
	// Refresh gets the next Grant, once.
	Refresh auth.Secret
	// Device shows later that this device has signed in before. It opens
	// nothing. It is zero where the grant is that of a refresh.
	Device auth.Secret
}

// SignIn begins a session for the user of this address and password. The error
// is *auth.Error: CodeSignInFailed, whatever the reason is, or that there were
// too many attempts, with a *Wait in it.
func (s *Service) SignIn(ctx context.Context, email string, password auth.Secret, from From) (Grant, error) {
	keys, err := s.ring.get(ctx)
	if err != nil {
		return Grant{}, err
	}
	u, lookup := s.o.Store.User(ctx, email)
	if lookup != nil && !errors.Is(lookup, store.ErrNotFound) {
		return Grant{}, lookup
	}
	account, err := auth.CanonicalEmail(email)
	if err != nil {
		// It is no one's, and is not to be put on record: people type their
		// password into the wrong box.
		account = ""
	}
	if lookup == nil && u.Email != account {
		u = auth.User{} // found by its id
	}
	device := s.device(keys, &u, from.Device)
	try, wait := s.slow.begin(account, from.Address, device)
	if wait > 0 {
		s.denials.Hold(1)
		return Grant{}, tooSoon(wait)
	}
	if len(password.Reveal()) > MaxPassword {
		password = auth.Secret{} // as wrong as any, and not to be reckoned with
	}
	ok, err := s.hasher.same(ctx, u.Password, password, device != "")
	switch {
	case errors.Is(err, errBusy):
		try.unevaluated()
		return Grant{}, busy(err)
	case err != nil:
		return Grant{}, err
	case !ok || u.ID == "" || u.Disabled():
		s.denials.record(ctx, u, account, from, reasonOf(ok, &u), s.o.Log)
		return Grant{}, signInFailed(nil)
	}
	try.succeeded()
	return s.begin(ctx, keys, u, from, "password")
}

// reasonOf is for the record alone.
func reasonOf(ok bool, u *auth.User) string {
	switch {
	case u.ID == "":
		return "no such user"
	case ok:
		return "the user is disabled"
	case u.Password.IsZero():
		return "the user has no password"
	default:
		return "wrong password"
	}
}

// device is the id of a device that has signed in as u before, where it proves
// that it has.
func (s *Service) device(k *keys, u *auth.User, token auth.Secret) string {
	if token.IsZero() || u.ID == "" {
		return ""
	}
	c, err := k.verified(token.Reveal(), audienceDevice, s.o.Now())
	if err != nil || c.Subject != u.ID {
		return ""
	}
	return c.ID
}

// begin makes a session for u, who has shown who they are.
func (s *Service) begin(ctx context.Context, k *keys, u auth.User, from From, how string) (Grant, error) {
	now := s.o.Now()
	refresh := auth.NewRefreshSecret()
	family, hash, _ := auth.HashRefreshSecret(refresh.Reveal())
	ev := from.event()
	ev.Actor, ev.Reason = "user:"+u.Email, "by "+how
	row, err := s.o.Store.CreateSession(ctx, auth.Session{
		UserID: u.ID, Family: family, Hash: hash, RefreshedAt: now, ExpiresAt: now.Add(RefreshLife), Address: ev.Address, Agent: from.Agent,
	}, ev)
	if err != nil {
		return Grant{}, err
	}
	g, err := s.grant(k, u, row, refresh)
	if err != nil {
		return Grant{}, err
	}
	g.Device, err = k.signed(audienceDevice, u.ID, "", now, DeviceLife)
	return g, err
}

func (s *Service) grant(k *keys, u auth.User, row auth.Session, refresh auth.Secret) (Grant, error) {
	now := s.o.Now()
	life := min(AccessLife, row.ExpiresAt.Sub(now))
	access, err := k.signed(audienceAPI, u.ID, row.ID, now, life)
	return Grant{User: u, Session: row, Access: access, AccessExpires: now.Add(life), Refresh: refresh}, err
}

// Authenticate says whose JWT it is, if it counts: it is ours, of now, and its
// session and its user stand at this moment.
func (s *Service) Authenticate(ctx context.Context, text string) (auth.User, auth.Session, error) {
	refuse := func(reason string, cause error) (auth.User, auth.Session, error) {
		return auth.User{}, auth.Session{}, sessionEnded(reason, cause)
	}
	k, err := s.ring.get(ctx)
	if err != nil {
		return auth.User{}, auth.Session{}, err
	}
	c, err := k.verified(text, audienceAPI, s.o.Now())
	switch {
	case errors.Is(err, errJWT):
		return refuse("the presented JWT is not one of this weighbridge", err)
	case err != nil:
		return refuse("the presented JWT has expired", err)
	}
	u, row, err := s.lookUp(ctx, func() (auth.Session, error) { return s.o.Store.Session(ctx, c.SessionID) })
	switch {
	case errors.Is(err, store.ErrNotFound) || err == nil && (u.ID != c.Subject || !row.Live(&u, s.o.Now())):
		return refuse("the session has ended", nil)
	case err != nil:
		return auth.User{}, auth.Session{}, err
	}
	return u, row, nil
}

func (s *Service) lookUp(ctx context.Context, find func() (auth.Session, error)) (auth.User, auth.Session, error) {
	row, err := find()
	if err != nil {
		return auth.User{}, auth.Session{}, err
	}
	u, err := s.o.Store.User(ctx, row.UserID)
	return u, row, err
}
