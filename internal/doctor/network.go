package doctor

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/trial"
	"github.com/weighbridge/weighbridge/internal/workerenv"
)

// maxSkew is how far clocks may be apart before something fails: certificates
// are valid from five minutes before they are made, and signed S3 requests are
// taken within 15 minutes. From noticeable on it is worth a word.
const (
	maxSkew    = 5 * time.Minute
	noticeable = time.Minute
)

func (x *examination) caller(w way) *trial.Caller {
	return trial.New(trial.Options{Mode: w.mode, Proxy: w.proxy, Key: w.key, Roots: x.pool(), Now: x.o.Now, Patience: x.o.Patience})
}

// listener asks the listener about itself; false where nothing more can be
// asked of it.
func (x *examination) listener(ctx context.Context, w way) bool {
	c := x.caller(w)
	defer c.Close()
	at := w.proxy.Scheme + "://" + w.proxy.Host
	l, err := c.Look(ctx)
	if err != nil {
		x.unreachable(at, w, err)
		return false
	}
	if x.roots == nil {
		x.roots = l.Roots
	}
	if l.Ready {
		x.find(Finding{Fine, "proxy", at, "weighbridge answers at " + at, ""})
	} else {
		x.find(Finding{Fault, "proxy_not_ready", at, "weighbridge answers at " + at + " and does not serve: " + l.Reason, "curl -sS " + quote(at+"/.weighbridge/readyz") + "   # until it is ready: it heals by itself once that is mended where weighbridge runs"})
	}
	if !l.Date.IsZero() {
		x.clock(l.Date, l.Asked)
	}
	return true
}

func (x *examination) unreachable(at string, w way, err error) {
	host := w.proxy.Host
	_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	_, name := errors.AsType[x509.HostnameError](err)
	invalid, isInvalid := errors.AsType[x509.CertificateInvalidError](err)
	f := Finding{Fault, "proxy_unreachable", at, "nothing answers at " + at + ": " + trial.Cause(err), "curl -sS " + quote(at+"/.weighbridge/healthz") + "   # until this answers: the address, the firewall, whether weighbridge runs"}
	switch text := err.Error(); {
	case errors.Is(err, trial.ErrNotWeighbridge):
		f = Finding{Fault, "proxy_other", at, "something answers at " + at + " that is not weighbridge", x.proxyLine("PROXY:8080")}
	case unknown:
		f = Finding{Fault, "proxy_certificate", at, "the listener's own certificate is not trusted: it is neither of a public authority nor of a root in this machine's bundles",
			"sudo weighbridge ca install --from root.pem   # the root of the listener's certificate"}
	case name:
		f = Finding{Fault, "proxy_certificate", at, "the listener's certificate is for another name than " + w.proxy.Hostname(), "name the proxy as its certificate does"}
	case isInvalid && invalid.Reason == x509.Expired:
		f = Finding{Fault, "clock", at, "the listener's certificate is not valid at this machine's time, " + x.o.Now().UTC().Format(time.RFC3339), "sudo timedatectl set-ntp true"}
	case strings.Contains(text, "server gave HTTP response to HTTPS client") || strings.Contains(text, "first record does not look like a TLS handshake"):
		f = Finding{Fault, "proxy_scheme", at, "the listener speaks no TLS", x.proxyLine(host)}
	case strings.Contains(text, "malformed HTTP response"):
		f = Finding{Fault, "proxy_scheme", at, "the listener speaks TLS, or is no web server", strings.Replace(x.proxyLine(host), "http://", "https://", 1)}
	}
	x.find(f)
}

// clock compares ours with the listener's.
func (x *examination) clock(theirs, ours time.Time) {
	skew := ours.Sub(theirs)
	behind := "behind"
	if skew > 0 {
		behind = "ahead of"
	}
	size := skew.Abs().Truncate(time.Second)
	f := Finding{Fine, "clock", "", "this machine's clock agrees with weighbridge's", ""}
	if size >= noticeable {
		f = Finding{Warning, "clock", "", fmt.Sprintf("this machine's clock is %s %s weighbridge's", size, behind), "sudo timedatectl set-ntp true"}
	}
	if size >= maxSkew {
		f.Severity = Fault
		f.Detail += ": certificates seem to be of another time, and signatures are refused"
	}
	x.find(f)
}

// downloads tries every URL in one way.
func (x *examination) downloads(ctx context.Context, w way) {
	c := x.caller(w)
	defer c.Close()
	for _, raw := range x.urls {
		r := c.Get(ctx, raw)
		if len(r.Chain) > 0 {
			x.chains = append(x.chains, r.Chain)
		}
		about := raw
		if u, err := trial.ParseURL(raw); err == nil {
			about = trial.Shown(u)
		} else {
			about = "(not a URL)"
		}
		if x.key(w, &r) {
			return
		}
		if len(x.o.URLs) == 0 && (r.Refused || r.Status != 0) {
			x.find(Finding{Fine, "key", "", "weighbridge knows the API key (" + string(w.mode) + " mode); name the URL that fails to have it tried", ""})
			continue
		}
		f := Finding{Fault, r.Code, about, string(w.mode) + " mode: " + r.Detail, r.Next}
		switch {
		case r.OK():
			f = Finding{Fine, "download", about, string(w.mode) + " mode: would download" + x.sentence(&r), ""}
		case r.Later():
			f.Detail += " (it may pass by itself)"
		case r.Code == trial.NotInTime:
			f.Check, f.Fix = "clock", "sudo timedatectl set-ntp true"
		}
		x.find(f)
	}
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
	fix := x.proxyLine(w.proxy.Host)
	if w.mode == workerenv.Reverse {
		fix = `export HF_TOKEN="hf_${WEIGHBRIDGE_KEY#wbk_}"`
	}
	switch auth.Code(r.Code) {
	case auth.CodeKeyMissing:
		x.find(Finding{Fault, r.Code, string(w.mode), "no API key is sent, and the listener implies none", fix})
	case auth.CodeKeyInvalid:
		x.find(Finding{Fault, r.Code, string(w.mode), "weighbridge does not know the API key: it has a typing error, was replaced, or is another weighbridge's", fix})
	case auth.CodeKeyExpired, auth.CodeKeyRevoked:
		x.find(Finding{Fault, r.Code, string(w.mode), r.Detail, "weighbridge key create …   # where weighbridge runs, then: " + fix})
	case auth.CodeSourceForbidden, auth.CodeTooManyAttempts:
		x.find(Finding{Fault, r.Code, string(w.mode), r.Detail, r.Next})
	default:
		return false
	}
	return true
}
