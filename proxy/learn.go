package proxy

import (
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/proxy/wire"
)

// maxLesson bounds the body of a refusal that a signer may look at.
const maxLesson = 64 << 10

// learn shows a refusal to the signer, before anything of it has gone to the
// worker. again asks for the request once more; body is then closed, as it is
// where there is an error.
func (x *exchange) learn(out *outgoing, body *wire.Body) (again bool, _ *auth.Error) {
	g, ok := x.p.o.Signer.(Guide)
	status := x.line.status()
	if !ok || x.decision.Outcome != auth.Inject || status < 300 || status == 304 {
		return false, nil
	}
	var broken error
	a := auth.Refused{
		Host: out.Target.Host, Status: status, Header: x.line.header(), Again: x.more.learned, Repeatable: out.stream == nil,
		Body: func() (b []byte) {
			if broken == nil && x.method != "HEAD" {
				b, broken = body.Peek(maxLesson)
			}
			return b
		},
	}
	l := g.Learn(x.transfer.ctx, x.decision, &out.Outgoing, &a)
	switch {
	case broken != nil:
		_ = body.Close()
		return false, auth.AsError(broken)
	case l.Err != nil:
		_ = body.Close()
		x.status = l.Err.HTTPStatus()
		return false, l.Err
	case !l.Again || x.more.learned || out.stream != nil:
		return false, nil
	}
	_ = body.Close()
	x.more.learned = true
	x.status = status
	x.p.o.Logger.Info().Str("request_id", x.id).Str("url", x.target.Redacted()).Str("key_id", x.identity.KeyID).
		Str("credential_id", x.decision.CredentialID).Int("status", status).Str("learned", l.Note).Msg("the request is asked once more")
	return true, nil
}
