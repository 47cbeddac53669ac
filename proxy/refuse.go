package proxy

import (
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"

	"github.com/weighbridge/weighbridge/auth"
)

// refusal is the body of every answer that we give in place of an upstream.
type refusal struct {
	// Error is one sentence for people; clients of Hugging Face show it.
	Error     string    `json:"error"`
	Code      auth.Code `json:"code"`
	Reason    string    `json:"reason"`
	Next      string    `json:"next,omitempty"`
	RequestID string    `json:"request_id"`
}

// refuse answers with err and ends the exchange.
func (x *exchange) refuse(err *auth.Error) { x.refuseWith(err, x.closes(err)) }

// refuseAndClose is refuse that ends the connection in any case.
func (x *exchange) refuseAndClose(err *auth.Error) { x.refuseWith(err, true) }

func (x *exchange) refuseWith(err *auth.Error, closing bool) {
	if stopped := x.stopped(err); stopped != nil && err.Code != auth.CodeDraining {
		err = &auth.Error{Code: stopped.Code, Reason: stopped.Reason, Cause: err}
	}
	if x.mode == fronted {
		x.refuseFronted(err, closing)
		return
	}
	status := x.statusOf(err)
	body, e := json.Marshal(refusal{
		Error: "weighbridge: " + err.Reason, Code: err.Code, Reason: err.Reason, Next: err.NextStep(), RequestID: x.id,
	})
	if e != nil {
		panic(e) // strings always marshal
	}
	f := fields{
		{"Content-Type", "application/json"},
		{"Cache-Control", "no-store"},
		{headerError, string(err.Code)},
		{headerRequestID, x.id},
	}
	switch status {
	case 407:
		f.Add("Proxy-Authenticate", `Basic realm="weighbridge"`)
	case 401:
		f.Add("WWW-Authenticate", `Basic realm="weighbridge"`)
	case 405:
		f.Add("Allow", "GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH")
	case 429, 503:
		f.Add("Retry-After", retryIn(err))
	}
	if r, ok := x.refuser(); ok {
		for _, h := range r.RefusalFields(err) {
			f.Add(h.Name, visible(h.Value))
		}
	}
	x.recordDenial(err)
	x.line.reply(reply{status: status, fields: f, body: append(body, '\n'), close: closing})
	x.status, x.failure = status, err
	x.end(0, err.Cause)
}

// refuseFronted refuses in the words of the front's protocol.
func (x *exchange) refuseFronted(err *auth.Error, closing bool) {
	resource, _, _ := strings.Cut(x.uri, "?")
	r := x.p.o.Front.Refuse(err, resource, x.id)
	f := fields{{"Cache-Control", "no-store"}, {headerError, string(err.Code)}, {headerRequestID, x.id}}
	if r.Status == 429 || r.Status == 503 {
		f.Add("Retry-After", retryIn(err))
	}
	x.recordDenial(err)
	x.sendReply(&r, closing, f...)
	x.status, x.failure = r.Status, err
	x.end(0, err.Cause)
}

// statusOf is err's status in this mode. Outside a tunnel a forward proxy asks
// for its key by 407 and a reverse proxy, which is an origin to its clients,
// by 401; inside a tunnel nobody would understand either.
func (x *exchange) statusOf(err *auth.Error) int {
	status := err.HTTPStatus()
	switch {
	case status != 407:
		return status
	case x.tunnel != nil:
		return 403
	case x.mode == reverse:
		return 401
	}
	return status
}

// closes reports whether the connection cannot go on after err: its framing is
// in doubt, or it is not wanted.
func (x *exchange) closes(err *auth.Error) bool {
	switch err.Code {
	case auth.CodeBadRequest, auth.CodeHeaderTooLarge, auth.CodeMisdirected, auth.CodeDraining,
		auth.CodeOverloaded, auth.CodeInternal, auth.CodeUpgradeForbidden, auth.CodeTooManyAttempts:
		return true
	case auth.CodeBadTarget:
		return x.mode != own
	}
	return false
}

// refuser is the provider of what was asked for, where it has more to say on
// a refusal.
func (x *exchange) refuser() (auth.Refuser, bool) {
	p := x.decision.Provider
	switch {
	case p != nil:
	case x.tunnel != nil:
		p = x.tunnel.provider
	case x.target.Host != "":
		p = x.snap.Owner(x.target.Host)
	}
	r, ok := p.(auth.Refuser)
	return r, ok
}

// retryIn is the value of Retry-After in seconds.
func retryIn(err *auth.Error) string {
	var r *retryAfter
	if errors.As(err, &r) {
		return strconv.Itoa(int(math.Ceil(r.wait.Seconds())))
	}
	if err.Code == auth.CodeAuditUnavailable {
		return "2"
	}
	return "5"
}
