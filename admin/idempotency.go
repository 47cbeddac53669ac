package admin

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/weighbridge/weighbridge/store"
)

// The fields by which a request may be tried again
// (draft-ietf-httpapi-idempotency-key-header-07), and by which an answer says
// that it was given before, and what is missing of it.
const (
	idempotencyKey      = "Idempotency-Key"
	idempotencyReplayed = "Idempotency-Replayed"
	idempotencyWithheld = "Idempotency-Withheld"
)

const (
	// maxIdempotencyKey is how long a key may be.
	maxIdempotencyKey = 255
	// maxKeptAnswer is how long an answer may be that is kept.
	maxKeptAnswer = 32 << 10
	// defaultBody and defaultBodyTime bound a body and its reading where the
	// operation does not, as huma does.
	defaultBody     = 1 << 20
	defaultBodyTime = 5 * time.Second
)

// shownOnce says which members of an operation's answer are secrets that are
// shown in it alone, where it is one that reveals them. They are kept nowhere.
var shownOnce = map[string][]string{
	"create-key": ofKeys, "update-key": ofKeys, "regenerate-key": ofKeys, "revoke-key": ofKeys,
	"create-s3-key": ofS3Keys, "update-s3-key": ofS3Keys, "regenerate-s3-key": ofS3Keys, "revoke-s3-key": ofS3Keys,
	"create-token": ofTokens, "regenerate-token": ofTokens,
	"change-password": {"access_token", "refresh_token", "device_token"},
}

var ofKeys, ofS3Keys, ofTokens = []string{"key", "url_key"}, []string{"secret_access_key"}, []string{"token"}

// takesNone are the operations that an Idempotency-Key is of no use for: their
// bodies are streams, and they change nothing.
var takesNone = map[string]bool{"backup": true, "verify-export": true}

// replayable reports whether an operation takes an Idempotency-Key. Without a
// caller, as for signing in, there is nobody whose key it is.
func replayable(op *huma.Operation) bool {
	return op.Method != http.MethodGet && op.Method != http.MethodHead && !takesNone[op.OperationID] && authorizations[op.OperationID] != needNobody
}

// replies are the requests that are under way under a key, and the secret by
// which requests are told apart.
type replies struct {
	mu      sync.Mutex
	running map[string][]byte // digest of the request, by id
	secret  []byte
}

// once lets a request that carries an Idempotency-Key happen once: whoever sends
// it again gets the answer to the first, for a day. It is noted before anything
// is done, so that a request that was cut off is not taken for one that never
// came; and once it has begun it is seen through, even if nobody waits for it.
func (a *API) once(hc huma.Context, next func(huma.Context)) {
	op := hc.Operation()
	key := fields(hc, idempotencyKey)
	if key == "" || !replayable(op) {
		next(hc)
		return
	}
	r, err := a.replyTo(hc, key)
	if err != nil {
		a.refuse(hc, a.problemOf(err))
		return
	}
	if p := a.replies.begin(&r); p != nil {
		a.refuse(hc, p)
		return
	}
	defer a.replies.end(&r)
	ctx := context.WithoutCancel(hc.Context())
	was, known, err := a.o.Store.ReserveReply(ctx, r)
	if err != nil {
		a.refuse(hc, a.problemOf(err))
		return
	}
	if known {
		a.replay(hc, &r, &was)
		return
	}
	answer := &heldAnswer{humaContext: huma.WithContext(hc, ctx), header: http.Header{}}
	next(answer)
	switch {
	case answer.code() == codeOutcomeUnknown:
		// It stays noted as one of which nobody knows how far it came.
	case answer.status >= http.StatusInternalServerError, answer.status == http.StatusTooManyRequests:
		// It may be sent again, under the same key: that is what it says.
		err = a.o.Store.ForgetReply(ctx, r.ID)
	default:
		answer.keep(&r, shownOnce[op.OperationID])
		err = a.o.Store.CompleteReply(ctx, r)
	}
	if err != nil && a.o.Log != nil {
		a.o.Log(err) // what was asked for is done: it is answered
	}
	answer.send(hc)
}

// replyTo is what is noted of a request, whose body it reads.
func (a *API) replyTo(hc huma.Context, key string) (store.Reply, error) {
	if n := len(key); n >= 2 && key[0] == '"' && key[n-1] == '"' {
		key = key[1 : n-1] // a string of structured fields (RFC 9651, section 3.3.3)
	}
	if key == "" || len(key) > maxIdempotencyKey || strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' || r == ',' }) {
		return store.Reply{}, invalid("header."+idempotencyKey, "it is not one key of 1 to 255 printable characters", "Take a new UUID for each act, and the same for each further try of it.")
	}
	req, _ := humago.Unwrap(hc)
	op, limit := hc.Operation(), hc.Operation().MaxBodyBytes
	if limit == 0 {
		limit = defaultBody
	}
	_ = hc.SetReadDeadline(time.Now().Add(cmp.Or(max(op.BodyReadTimeout, 0), defaultBodyTime)))
	body, err := io.ReadAll(io.LimitReader(hc.BodyReader(), limit+1))
	switch {
	case err != nil:
		return store.Reply{}, problem(http.StatusBadRequest, "invalid", "the body cannot be read to its end", "Send it again.")
	case int64(len(body)) > limit:
		return store.Reply{}, problem(http.StatusRequestEntityTooLarge, "too_large", "the body is longer than this operation takes", "")
	}
	req.Body = io.NopCloser(bytes.NewReader(body))
	secret, err := a.replies.key(hc.Context(), a.o.Store)
	if err != nil {
		return store.Reply{}, err
	}
	c, u := callerOf(hc.Context()), hc.URL()
	who := []string{string(c.Kind), c.User.ID, c.Token.ID, c.Team.ID}
	id := func(parts ...string) string { return base64.RawURLEncoding.EncodeToString(digest(secret, parts...)) }
	return store.Reply{
		ID: id(append(who, op.OperationID, key)...), Caller: id(who...),
		Request: digest(secret, hc.Method(), u.EscapedPath(), u.RawQuery, string(body), fields(hc, "If-Match"), fields(hc, "If-None-Match")),
	}, nil
}

// digest is the HMAC-SHA-256 of the parts, each behind its length. Bodies may
// hold passwords, which a bare digest would let people guess at.
func digest(secret []byte, parts ...string) []byte {
	h := hmac.New(sha256.New, secret)
	for _, p := range parts {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(p))))
		h.Write([]byte(p))
	}
	return h.Sum(nil)
}

// key is the secret by which requests are told apart, made when it is needed
// first and sealed in the store.
func (r *replies) key(ctx context.Context, st store.Store) ([]byte, error) {
	const name = "replies"
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.secret != nil {
		return r.secret, nil
	}
	secret, err := st.Sealed(ctx, name)
	if errors.Is(err, store.ErrNotFound) {
		secret = make([]byte, sha256.Size)
		_, _ = rand.Read(secret) // never fails since Go 1.24
		secret, err = st.EnsureSealed(context.WithoutCancel(ctx), name, secret)
	}
	if err == nil {
		r.secret = secret
	}
	return secret, err
}

// begin notes that r is under way here, or says why it must not be.
func (r *replies) begin(one *store.Reply) *Problem {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch request, ok := r.running[one.ID]; {
	case !ok:
		r.running[one.ID] = one.Request
		return nil
	case !hmac.Equal(request, one.Request):
		return mismatch()
	default:
		return problem(http.StatusConflict, "idempotency_running", "the same request is under way", "Wait a moment, and send it again under the same key.")
	}
}

func (r *replies) end(one *store.Reply) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.running, one.ID)
}

func mismatch() *Problem {
	return problem(http.StatusUnprocessableEntity, "idempotency_mismatch", "another request was sent under this Idempotency-Key", "Take a new key for each act.")
}

// replay answers with what came of the first try.
func (a *API) replay(hc huma.Context, r, was *store.Reply) {
	switch {
	case !hmac.Equal(r.Request, was.Request):
		a.refuse(hc, mismatch())
	case was.Status == 0:
		a.refuse(hc, problem(http.StatusConflict, "idempotency_unknown", "the first try of this request was cut off, and nobody knows how far it came",
			"Look whether what it should do is done. If it is not, send it again under a new key."))
	default:
		for name, value := range was.Header {
			hc.SetHeader(name, value)
		}
		hc.SetHeader(idempotencyReplayed, "true")
		hc.SetStatus(was.Status)
		if len(was.Body) > 0 {
			_, _ = hc.BodyWriter().Write(was.Body)
		}
	}
}

// describeIdempotency puts the field into the document, for every operation that
// takes it.
func (a *API) describeIdempotency() {
	most := maxIdempotencyKey
	for _, item := range a.doc.OpenAPI().Paths {
		for _, op := range byMethod(item) {
			if !replayable(op) {
				continue
			}
			op.Parameters = append(op.Parameters, &huma.Param{Name: idempotencyKey, In: "header", Schema: &huma.Schema{Type: "string", MaxLength: &most},
				Description: "A new one for each act, and the same for each further try of it within a day: it then happens once, and every try gets the first answer, without the secrets that were in it."})
			a.describeProblem(op, http.StatusConflict)
		}
	}
}

// heldAnswer is an answer that is held back until it is kept.
type heldAnswer struct {
	humaContext
	header http.Header
	status int
	body   bytes.Buffer
}

type humaContext huma.Context

func (h *heldAnswer) SetStatus(status int)            { h.status = status }
func (h *heldAnswer) Status() int                     { return h.status }
func (h *heldAnswer) SetHeader(name, value string)    { h.header.Set(name, value) }
func (h *heldAnswer) AppendHeader(name, value string) { h.header.Add(name, value) }
func (h *heldAnswer) BodyWriter() io.Writer           { return &h.body }

// Unwrap lets huma find the request itself.
func (h *heldAnswer) Unwrap() huma.Context { return h.humaContext }

// code is that of a problem, or empty.
func (h *heldAnswer) code() string {
	var p Problem
	if h.status < http.StatusBadRequest || json.Unmarshal(h.body.Bytes(), &p) != nil {
		return ""
	}
	return p.Code
}

// send gives the answer out.
func (h *heldAnswer) send(hc huma.Context) {
	for name, values := range h.header {
		for _, v := range values {
			hc.AppendHeader(name, v)
		}
	}
	if h.status != 0 {
		hc.SetStatus(h.status)
	}
	if h.body.Len() > 0 {
		_, _ = hc.BodyWriter().Write(h.body.Bytes())
	}
}

// keep puts into r what may be kept of the answer. What is not an object, or
// too long, is not: then nothing tells what came of it.
func (h *heldAnswer) keep(r *store.Reply, secrets []string) {
	r.Header = map[string]string{}
	for _, name := range []string{"Content-Type", "ETag", "Location"} {
		if v := h.header.Get(name); v != "" {
			r.Header[name] = v
		}
	}
	if h.body.Len() > 0 {
		var members map[string]json.RawMessage
		if h.body.Len() > maxKeptAnswer || json.Unmarshal(h.body.Bytes(), &members) != nil {
			r.Header = nil
			return
		}
		var withheld []string
		for _, name := range secrets {
			if _, ok := members[name]; ok {
				delete(members, name)
				withheld = append(withheld, name)
			}
		}
		if r.Body = h.body.Bytes(); len(withheld) > 0 {
			r.Header[idempotencyWithheld] = strings.Join(withheld, ", ")
			r.Body, _ = json.Marshal(members) // they were read from JSON
		}
	}
	r.Status = cmp.Or(h.status, http.StatusOK)
}
