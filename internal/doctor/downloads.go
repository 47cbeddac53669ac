package doctor

import (
	"context"
	"fmt"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/trial"
)

// downloads tries every URL in one way.
func (x *examination) downloads(ctx context.Context, w way) {
	c := x.caller(w)
	defer c.Close()
	for _, raw := range x.urls {
		r := c.Get(ctx, raw)
		x.shown(r.Chain)
		about := "(not a URL)"
		if u, err := trial.ParseURL(raw); err == nil {
			about = trial.Shown(u)
		}
		if x.key(w, &r) {
			return
		}
		if len(x.o.URLs) == 0 && x.sampled(w, &r) {
			continue
		}
		f := Finding{Fault, r.Code, about, string(w.mode) + " mode: " + r.Detail, r.Next}
		switch {
		case r.OK():
			f = Finding{Fine, "download", about, string(w.mode) + " mode: would download" + x.sentence(&r), ""}
		case r.Later():
			f.Detail += " (it may pass by itself)"
		case r.Code == trial.NotInTime && x.agrees:
			f.Detail += ", and that agrees with weighbridge's"
			f.Fix = "Have whoever runs " + r.Host + " renew its certificate."
		case r.Code == trial.NotInTime:
			f.Check, f.Fix = "clock", setClock
		}
		x.find(f)
	}
}

// sampled says what the answer to our own sample tells of the key; false where
// that is nothing, and the answer itself is to be told.
func (x *examination) sampled(w way, r *trial.Result) bool {
	known := Finding{Fine, "key", "", "weighbridge knows the API key (" + string(w.mode) + " mode); name the URL that fails to have it tried", ""}
	if w.nameless() {
		known.Detail = "weighbridge takes callers without an API key for its default key (" + string(w.mode) + " mode); name the URL that fails to have it tried"
	}
	hub := ""
	switch auth.Code(r.Code) {
	case auth.CodeNoCredentialMatched, auth.CodeNotLinked, auth.CodeRouteForbidden, auth.CodeScopeForbidden:
	// Who downloads from elsewhere alone may not need the Hub.
	case auth.CodeUpstreamUnreachable, auth.CodeUpstreamTimeout, auth.CodeUpstreamTLS, auth.CodeUpstreamProtocol, auth.CodeAddressForbidden:
		hub = "weighbridge does not get through to the Hub: "
	case auth.CodeCredentialNotUsable, auth.CodeCredentialFailed, trial.CredentialRefused:
		hub = "nothing that needs a credential comes from the Hub: "
	default:
		if r.Refused || r.Status == 0 {
			return false
		}
	}
	x.find(known)
	if hub != "" {
		x.find(Finding{Warning, r.Code, hubHost, string(w.mode) + " mode: " + hub + r.Detail, r.Next})
	}
	return true
}

func (x *examination) sentence(r *trial.Result) string {
	s := ""
	if r.Size >= 0 {
		s = fmt.Sprintf(", %d bytes", r.Size)
	}
	switch {
	case r.Credential != "":
		s += fmt.Sprintf(", with credential %q", r.Credential)
	case r.Decision != "":
		s += "; " + r.Decision
	}
	return s
}

// key says what is wrong with the key, where it is the key.
func (x *examination) key(w way, r *trial.Result) bool {
	if !r.Refused {
		return false
	}
	fix := w.keyLine()
	switch auth.Code(r.Code) {
	case auth.CodeKeyMissing:
		x.find(Finding{Fault, r.Code, string(w.mode), "no API key is sent, and the listener implies none", fix})
	case auth.CodeKeyInvalid:
		what := "weighbridge does not know the API key: it has a typing error, was replaced, or is another weighbridge's"
		switch {
		case auth.IsJWT(w.key.Reveal()):
			what = "weighbridge does not take the token of this ServiceAccount: it has ended, is made for another audience, or service_accounts of no API key names its account"
		case !w.urlKey.IsZero():
			what = "weighbridge does not know the URL key in HF_ENDPOINT: it has a typing error, was replaced, or is another weighbridge's"
		}
		x.find(Finding{Fault, r.Code, string(w.mode), what, fix})
	case auth.CodeKeyExpired, auth.CodeKeyRevoked:
		x.find(Finding{Fault, r.Code, string(w.mode), r.Detail, "weighbridge key create …   # where weighbridge runs, then: " + fix})
	case auth.CodeSourceForbidden, auth.CodeTooManyAttempts:
		x.find(Finding{Fault, r.Code, string(w.mode), r.Detail, r.Next})
	default:
		return false
	}
	return true
}
