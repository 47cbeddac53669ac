package signer

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// tokenKey names a derived token: what it was derived from, and what for.
type tokenKey struct {
	credential string
	version    uint64
	// purpose tells tokens of one credential apart, such as by their scope. It
	// holds no secret.
	purpose string
}

// token is what a credential was exchanged for.
type token struct {
	value auth.Secret
	// life is how long it is good for from now on, as its issuer says.
	life time.Duration
}

const (
	// maxTokens bounds what is kept: what is unused goes first.
	maxTokens = 4096
	// maxShare is how many of them one credential has: a registry gives one for
	// each repository.
	maxShare = 64
	// maxExchanges is how many exchanges one credential has under way.
	maxExchanges = 16
	// tokenPatience bounds one exchange, however long the requests wait that
	// asked for it.
	tokenPatience = 30 * time.Second
	// tokenPause is how long a failure answers those who come next, so that
	// many workers do not become many exchanges.
	tokenPause = time.Second
)

// tokens keeps derived tokens from one request to the next: in memory only,
// each for as long as its issuer said. One exchange for a key runs at a time,
// whoever waits for it; from four fifths of its life on a token is renewed
// while the old one still serves. Close ends what runs.
type tokens struct {
	now func() time.Time

	mu     sync.Mutex
	kept   map[tokenKey]*keptToken
	ctx    context.Context
	cancel context.CancelFunc
	done   bool
	runs   sync.WaitGroup
}

// keptToken is one entry; the fields are guarded by tokens.mu.
type keptToken struct {
	value auth.Secret
	// dropped is the last one that was given up, which other requests may have
	// been sent with.
	dropped auth.Secret
	// got is when it was exchanged.
	got time.Time
	// from renew on it is renewed, from end on it is not used.
	renew, end time.Time
	// running is closed when the exchange that runs has ended; nil where none
	// runs.
	running chan struct{}
	// failure is what the last exchange met, until retry.
	failure error
	retry   time.Time
}

func newTokens(now func() time.Time) *tokens {
	t := &tokens{now: now, kept: map[tokenKey]*keptToken{}}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	return t
}

// Close ends the exchanges that run and waits for them. Tokens are not given
// out afterwards.
func (t *tokens) Close() {
	t.mu.Lock()
	t.done = true
	clear(t.kept)
	t.mu.Unlock()
	t.cancel()
	t.runs.Wait()
}

// get returns the token for key, of which fetch gets another where there is
// none or it is about to end. An error is that of fetch, or of ctx where the
// caller would wait no longer; the exchange goes on for others.
func (t *tokens) get(ctx context.Context, key tokenKey, fetch func(context.Context) (token, error)) (auth.Secret, error) {
	for {
		t.mu.Lock()
		now := t.now()
		k := t.kept[key]
		if k == nil {
			k = &keptToken{}
			t.makeRoom(key)
			t.kept[key] = k
		}
		usable := !k.value.IsZero() && now.Before(k.end)
		switch {
		case t.done:
			t.mu.Unlock()
			return auth.Secret{}, context.Canceled
		case usable && now.Before(k.renew):
			defer t.mu.Unlock()
			return k.value, nil
		case k.failure != nil && now.Before(k.retry):
			defer t.mu.Unlock()
			if usable {
				return k.value, nil
			}
			return auth.Secret{}, k.failure
		}
		if k.running == nil {
			if !usable && t.running(key.credential) >= maxExchanges {
				t.mu.Unlock()
				return auth.Secret{}, &obstacle{why: "as many exchanges as may be at a time are under way for it"}
			}
			t.start(k, fetch)
		}
		running := k.running
		if usable {
			defer t.mu.Unlock()
			return k.value, nil
		}
		t.mu.Unlock()
		select {
		case <-running:
		case <-ctx.Done():
			return auth.Secret{}, ctx.Err()
		}
		t.mu.Lock()
		value, failure := k.value, k.failure
		t.mu.Unlock()
		if failure != nil {
			return auth.Secret{}, failure
		}
		if !value.IsZero() {
			return value, nil
		}
	}
}

// start runs fetch for k. t.mu is held.
func (t *tokens) start(k *keptToken, fetch func(context.Context) (token, error)) {
	running := make(chan struct{})
	k.running = running
	t.runs.Go(func() {
		ctx, cancel := context.WithTimeout(t.ctx, tokenPatience)
		defer cancel()
		got, err := fetch(ctx)
		t.mu.Lock()
		defer t.mu.Unlock()
		defer close(running)
		k.running = nil
		now := t.now()
		if err != nil {
			k.failure, k.retry = err, now.Add(tokenPause)
			return
		}
		k.failure = nil
		k.value, k.got, k.end = got.value, now, now.Add(got.life-got.life/20)
		k.renew = now.Add(got.life * 4 / 5)
	})
}

// tokenFresh is how old a token is at least that is given up because it was
// refused: of a younger one the fault lies elsewhere, and many refusals must
// not become as many exchanges.
const tokenFresh = 10 * time.Second

// drop forgets the token of a credential that was put on as authorization, and
// was refused, and reports whether there is or will be another one, which may do
// better: also where it was forgotten for a request that was sent before.
func (t *tokens) drop(credential string, version uint64, authorization string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	for key, k := range t.kept {
		switch {
		case key.credential != credential || key.version != version:
		case isBearer(k.value, authorization):
			if now.Sub(k.got) >= tokenFresh {
				k.dropped, k.value = k.value, auth.Secret{}
				return true
			}
		case isBearer(k.dropped, authorization):
			return true
		}
	}
	return false
}

// isBearer reports whether authorization is value, or a Bearer of it.
func isBearer(value auth.Secret, authorization string) bool {
	v := value.Reveal()
	return v != "" && (v == authorization || "Bearer "+v == authorization)
}

// running is how many exchanges are under way for a credential, also for
// workers that have gone. t.mu is held.
func (t *tokens) running(credential string) (n int) {
	for key, k := range t.kept {
		if key.credential == credential && k.running != nil {
			n++
		}
	}
	return n
}

// makeRoom forgets what older versions of the credential left behind. Where
// the credential has its share, or all have theirs, one token goes: of the
// credential's own where there is any, so that what one key asks for costs
// others nothing. What is being fetched stays. t.mu is held.
func (t *tokens) makeRoom(key tokenKey) {
	var own, oldest tokenKey
	var ownEnd, oldestEnd time.Time
	share := 0
	for other, k := range t.kept {
		mine := other.credential == key.credential
		switch {
		case mine && other.version < key.version && k.running == nil:
			delete(t.kept, other)
			continue
		case mine:
			share++
		}
		if k.running != nil {
			continue
		}
		if mine && (ownEnd.IsZero() || k.end.Before(ownEnd)) {
			own, ownEnd = other, k.end.Add(1)
		}
		if oldestEnd.IsZero() || k.end.Before(oldestEnd) {
			oldest, oldestEnd = other, k.end.Add(1)
		}
	}
	switch {
	case share >= maxShare && !ownEnd.IsZero():
		delete(t.kept, own)
	case len(t.kept) >= maxTokens && !ownEnd.IsZero():
		delete(t.kept, own)
	case len(t.kept) >= maxTokens && !oldestEnd.IsZero():
		delete(t.kept, oldest)
	}
}

// obstacle is an error with words for the public: why a credential could not
// be put on. They quote no secret and no query.
type obstacle struct {
	why   string
	cause error
	// refuted says that the secret itself was refused.
	refuted bool
}

func (o *obstacle) Error() string {
	if o.cause == nil {
		return o.why
	}
	return o.why + ": " + o.cause.Error()
}

func (o *obstacle) Unwrap() error { return o.cause }

// status is an HTTP status for people.
func status(code int) string { return "status " + strconv.Itoa(code) }

// forget drops the tokens of a credential's version of which ended says that
// they have, by what its upstream says. Exchanges that run go on.
func (t *tokens) forget(credential string, version uint64, ended func(auth.Secret) bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for key, k := range t.kept {
		if key.credential == credential && key.version == version && k.running == nil && ended(k.value) {
			delete(t.kept, key)
		}
	}
}
