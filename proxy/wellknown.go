package proxy

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/proxy/box"
)

// The paths below /.weighbridge/ on the proxy's own listener.
const (
	wellKnown = "/.weighbridge/"
	urlKeys   = wellKnown + "k/"
	sealed    = wellKnown + "s/"
)

// ownEndpoint answers what is below /.weighbridge/ except requests that lead
// on. done is false for those that are not ours to answer here.
func (x *exchange) ownEndpoint() (done bool, _ *auth.Error) {
	x.mode = own
	path, _, _ := strings.Cut(x.uri, "?")
	switch {
	case strings.HasPrefix(path, urlKeys) || strings.HasPrefix(path, sealed):
		if err := x.early(); err != nil {
			return true, err
		}
		x.mode = reverse
		if strings.HasPrefix(path, urlKeys) {
			return true, x.byURLKey()
		}
		return true, x.bySealedURL()
	case x.method != "GET" && x.method != "HEAD":
		return true, &auth.Error{Code: auth.CodeBadRequest, Status: 405, Reason: "only GET and HEAD are allowed here"}
	}
	switch path {
	case wellKnown + "healthz":
		x.answerJSON(200, map[string]string{"status": "ok"})
	case wellKnown + "readyz":
		// By our clock a worker learns that its own is wrong.
		now := x.p.o.Now().UTC().Format(time.RFC3339)
		if err := x.p.Ready(); err != nil {
			e := auth.AsError(err)
			x.answerJSON(503, map[string]string{"status": "not ready", "code": string(e.Code), "reason": e.Reason, "time": now})
			break
		}
		x.answerJSON(200, map[string]string{"status": "ready", "time": now})
	case wellKnown + "ca.pem":
		if x.p.o.CAPEM == nil {
			return true, &auth.Error{Code: auth.CodeBadTarget, Status: 404, Reason: "interception is off, so there is no root certificate", Next: "Use reverse mode."}
		}
		x.answer(200, "application/x-pem-file", x.p.o.CAPEM())
	default:
		return true, &auth.Error{Code: auth.CodeBadTarget, Status: 404, Reason: "there is nothing at this path", Next: "Below /.weighbridge/ there are healthz, readyz, ca.pem, k/ and s/."}
	}
	return true, nil
}

// byURLKey takes /.weighbridge/k/<url-key>/<host>/<path>.
func (x *exchange) byURLKey() *auth.Error {
	key, rest := splitSegment(strings.TrimPrefix(x.uri, urlKeys))
	hash, ok := auth.HashURLKey(key)
	x.back.prefix = urlKeys + key
	err := x.locate(rest)
	// From here on the key is in nothing that could be shown or sent.
	x.uri = rest
	switch {
	case !ok:
		return x.wrongKey(auth.NewError(auth.CodeKeyInvalid, "what stands in the path as URL key does not have the form of one", nil))
	case err != nil:
		return err
	}
	shown, err := reverseCarriers(&x.fields)
	if err != nil {
		return err
	}
	shown.url = hash
	if err := x.recognise(shown); err != nil {
		return err
	}
	return x.road()
}

// bySealedURL takes /.weighbridge/s/<box>: a URL that we gave out. It needs no
// key of its own; whose it is, and what led to it, stands inside.
func (x *exchange) bySealedURL() *auth.Error {
	if err := x.ownName(); err != nil {
		return err
	}
	text, rest := splitSegment(strings.TrimPrefix(x.uri, sealed))
	x.uri = ""
	if x.p.o.Boxes == nil {
		return auth.NewError(auth.CodeBoxInvalid, "this weighbridge makes no sealed URLs", nil)
	}
	b, err := x.p.o.Boxes.Open(text)
	if err != nil {
		return auth.AsError(err)
	}
	path, query, hasQuery := strings.Cut(rest, "?")
	t, err := b.Resolve(path, query, hasQuery)
	if err != nil {
		return auth.AsError(err)
	}
	if b.Kind != box.KindURL {
		// The worker wrote a part of it.
		if t, err = auth.ParseTarget(t.Scheme, t.Authority(), pathAndQuery(t)); err != nil {
			return auth.AsError(err)
		}
	}
	x.box = &b
	if err := x.aim(t); err != nil {
		return err
	}
	x.who = evidence{id: b.KeyID, boxed: true, writes: b.Kind == box.KindWritePrefix}
	shown, e := reverseCarriers(&x.fields)
	if e != nil {
		return e
	}
	if err := x.ownBox(shown); err != nil {
		return err
	}
	if b.Kind == box.KindURL || shown.authorization {
		x.fields.Del("Authorization")
	}
	return x.road()
}

// ownBox refuses a sealed URL that comes with a key of somebody else. A key is
// not needed there, but clients send theirs along.
func (x *exchange) ownBox(shown presented) *auth.Error {
	for _, h := range [...]auth.KeyHash{shown.key, shown.doubtful} {
		if h.IsZero() {
			continue
		}
		id, _ := x.snap.Identify(h, x.at)
		if id.KeyID == "" {
			continue // not a key: a token of the worker's own
		}
		if err := x.box.CheckIdentity(id); err != nil {
			x.identity = id
			return auth.AsError(err)
		}
	}
	return nil
}

// answerJSON answers with v.
func (x *exchange) answerJSON(status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // only maps of strings come here
	}
	x.answer(status, "application/json", append(b, '\n'))
}

// answer answers from ourselves.
func (x *exchange) answer(status int, contentType string, body []byte) {
	x.line.reply(reply{status: status, body: body, fields: fields{
		{"Content-Type", contentType}, {"Cache-Control", "no-store"},
	}})
	x.status = status
	x.end(int64(len(body)), nil)
}

// pathAndQuery is what a request line names of t.
func pathAndQuery(t auth.Target) string {
	if !t.HasQuery {
		return t.Path
	}
	return t.Path + "?" + t.RawQuery
}
