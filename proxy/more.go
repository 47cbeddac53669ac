package proxy

import (
	"errors"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/proxy/wire"
)

const (
	// maxAttempts bounds the further requests of an answer that bring nothing
	// forward.
	maxAttempts = 5
	// enough is how many bytes bring an answer forward. An upstream that breaks
	// off after less each time is given up.
	enough = 64 << 10
	// firstPause is the wait before the first further request, doubled for each
	// that follows without bringing anything forward. All of them together stay
	// below the 10 s without a byte after which huggingface_hub gives up
	// (HF_HUB_DOWNLOAD_TIMEOUT).
	firstPause = 200 * time.Millisecond
)

// more is about the requests beyond the first that one answer takes. Each of
// them is a request like any other: decided, recorded and signed afresh.
type more struct {
	// count is how many there were, attempts how many since anything was
	// brought forward, and first the id of the request that the worker sent.
	count, attempts int
	first           string
	// learned says that the request was asked once more because of what its
	// signer learned of the answer.
	learned bool
	// outdated says that the request was decided anew because its credential
	// had been replaced meanwhile.
	outdated bool
	// reason says in the record what a request goes on with.
	reason string
	// sent is what the worker had got when the request before this one ended;
	// since is when this one began.
	sent  int64
	since time.Time
	// late says that the worker has the head of its answer: the status of this
	// request is then another one.
	late   bool
	status int
}

// again makes the exchange ready for another request to the upstream, after
// the one before ended with failure. sent is what the worker has got.
func (x *exchange) again(sent int64, failure *auth.Error) {
	m := &x.more
	x.refresh()
	x.recordEnd(sent, failure, x.at)
	if m.count == 0 {
		m.first = x.id
	}
	m.count++
	m.since, m.status, m.sent = x.at, 0, sent
	m.reason = "resumes " + m.first + " at byte " + strconv.FormatInt(sent, 10) + ": "
	x.admitted = false
	x.policy = x.p.policy.Load()
	x.id = auth.NewID(x.at)
}

// newsWait is how long is waited for the snapshot to show what the store, as
// it signs, is seen to know already: it comes a moment later.
const newsWait = time.Second

// outdated reports whether a request that could not be signed is to be decided
// anew: its credential was replaced or deleted between the decision and the
// signature. Nothing has been sent then. It happens once for each exchange.
func (x *exchange) outdated(err *auth.Error) bool {
	if x.more.outdated || !errors.Is(err, auth.ErrOutdated) {
		return false
	}
	x.more.outdated = true
	for d := time.Millisecond; x.p.o.Snapshot() == x.snap; d *= 2 {
		if d > newsWait || x.p.o.Wait(x.transfer.ctx, d) != nil {
			return false
		}
	}
	return true
}

// pause waits before another request. It reports false where there is none:
// there were enough, or the transfer has ended.
func (x *exchange) pause() bool {
	m := &x.more
	if m.attempts >= maxAttempts || x.transfer == nil {
		return false
	}
	d := firstPause << m.attempts
	m.attempts++
	// Half of it is chance, so that what broke together does not come back
	// together.
	d -= rand.N(d / 2)
	return x.p.o.Wait(x.transfer.ctx, d) == nil
}

// repeats reports whether the whole request is to be sent again: its answer
// broke off before anything of it had gone to the worker.
func (x *exchange) repeats(err *auth.Error) bool {
	if x.method != "GET" || !x.safe() || !errors.Is(err, wire.ErrBroken) || !x.pause() {
		return false
	}
	x.resuming(0, err)
	x.again(0, err)
	x.status = 0
	return true
}

// resuming says in the log that an answer is going to be completed.
func (x *exchange) resuming(sent int64, cause error) {
	e := auth.AsError(cause)
	x.p.o.Logger.Info().Str("request_id", x.id).Str("url", x.target.Redacted()).Str("key_id", x.identity.KeyID).
		Int64("bytes", sent).Int("attempt", x.more.attempts).Str("code", string(e.Code)).Str("reason", e.Reason).
		Str("cause", withoutQueries(cause.Error())).Msg("the answer broke off and is resumed")
}
