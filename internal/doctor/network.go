package doctor

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

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

const setClock = "sudo timedatectl set-ntp true"

func (x *examination) caller(w way) *trial.Caller {
	o := w.options()
	o.Roots, o.Now, o.Patience = x.pool(), x.o.Now, x.o.Patience
	return trial.New(o)
}

// at is the listener's address.
func (w *way) at() string { return w.proxy.Scheme + "://" + w.proxy.Host }

// ask is the line that asks the listener for one of its own pages: itself, and
// not through the proxy that the worker's variables name.
func (w *way) ask(page string) string {
	return "curl -sS --noproxy '*' " + quote(w.at()+w.proxy.Path+"/.weighbridge/"+page)
}

// listener asks the listener about itself; false where nothing more can be
// asked of it.
func (x *examination) listener(ctx context.Context, w way) bool {
	c := x.caller(w)
	defer c.Close()
	at := w.at()
	l, err := c.Look(ctx)
	if err != nil {
		x.unreachable(at, w, err)
		return false
	}
	x.met(&w, &l)
	if l.Ready {
		x.find(Finding{Fine, "proxy", at, "weighbridge answers at " + at, ""})
	} else {
		x.find(Finding{Fault, "proxy_not_ready", at, "weighbridge answers at " + at + " and does not serve: " + l.Reason, w.ask("readyz") + "   # until it is ready: it heals by itself once that is mended where weighbridge runs"})
	}
	if !l.Date.IsZero() {
		x.clock(l.Date, l.Asked)
	}
	return true
}

func (x *examination) unreachable(at string, w way, err error) {
	host := w.proxy.Host
	_, isUnknown := errors.AsType[x509.UnknownAuthorityError](err)
	name, isName := errors.AsType[x509.HostnameError](err)
	invalid, isInvalid := errors.AsType[x509.CertificateInvalidError](err)
	alert, isOp := errors.AsType[*net.OpError](err)
	f := Finding{Fault, "proxy_unreachable", at, "nothing answers at " + at + ": " + trial.Cause(err), w.ask("healthz") + "   # until this answers: the address, the firewall, whether weighbridge runs"}
	switch text := err.Error(); {
	case errors.Is(err, trial.ErrNotWeighbridge) && w.mode == workerenv.Forward && w.nameless() && x.alternative:
		// Another proxy for everything else, and the Hub by HF_ENDPOINT.
		f = Finding{Warning, "proxy_other", at, "the proxy at " + at + " is not weighbridge: what does not read HF_ENDPOINT goes there, without a credential", proxyLine("http", nowhere, w.key)}
	case errors.Is(err, trial.ErrNotWeighbridge):
		f = Finding{Fault, "proxy_other", at, "something answers at " + at + " that is not weighbridge", w.line("http", nowhere)}
	case isUnknown:
		f = Finding{Fault, "proxy_certificate", at, "the listener's own certificate is not trusted: it is neither of a public authority nor of a root in this machine's bundles", installListener}
	case isName:
		f = Finding{Fault, "proxy_certificate", at, "the listener's certificate is for another name than " + w.proxy.Hostname(), "name the proxy as its certificate does"}
		if names := certificateNames(name.Certificate); len(names) > 0 {
			f.Detail += ": " + strings.Join(names, ", ")
			if port := w.proxy.Port(); !strings.Contains(names[0], "*") {
				if port != "" {
					names[0] = net.JoinHostPort(names[0], port)
				}
				f.Fix = w.line("https", names[0])
			}
		}
	case isInvalid && invalid.Reason == x509.Expired:
		f = Finding{Fault, "clock", at, fmt.Sprintf("the listener's certificate is valid from %s to %s, and this machine's time is %s", moment(invalid.Cert.NotBefore), moment(invalid.Cert.NotAfter), moment(x.o.Now())),
			setClock + "   # where the clock is right, the certificate is to be renewed where weighbridge runs"}
	case isOp && alert.Op == "remote error": // crypto/tls's word for an alert
		f = Finding{Fault, "proxy_certificate", at, "the listener has no certificate for " + w.proxy.Hostname() + ": " + trial.Cause(err), "name the proxy as weighbridge calls itself   # or have that name in its public_url"}
	case strings.Contains(text, "server gave HTTP response to HTTPS client") || strings.Contains(text, "first record does not look like a TLS handshake"):
		f = Finding{Fault, "proxy_scheme", at, "the listener speaks no TLS", w.line("http", host)}
	case strings.Contains(text, "malformed HTTP response") || errors.Is(err, trial.ErrSpeaksTLS):
		f = Finding{Fault, "proxy_scheme", at, "the listener speaks TLS, or is no web server", w.line("https", host)}
	}
	x.find(f)
}

// certificateNames are some of the names in a certificate.
func certificateNames(c *x509.Certificate) []string {
	const most = 5
	var out []string
	for _, n := range c.DNSNames {
		if shellWord(n) == n {
			out = append(out, n)
		}
	}
	for _, ip := range c.IPAddresses {
		out = append(out, ip.String())
	}
	return out[:min(len(out), most)]
}

func moment(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// clock compares ours with the listener's.
func (x *examination) clock(theirs, ours time.Time) {
	if x.clocked {
		return
	}
	x.clocked = true
	skew := ours.Sub(theirs)
	behind := "behind"
	if skew > 0 {
		behind = "ahead of"
	}
	size := skew.Abs().Truncate(time.Second)
	f := Finding{Fine, "clock", "", "this machine's clock agrees with weighbridge's", ""}
	if size >= noticeable {
		f = Finding{Warning, "clock", "", fmt.Sprintf("this machine's clock is %s %s weighbridge's", size, behind), setClock}
	}
	if size >= maxSkew {
		f.Severity = Fault
		f.Detail += ": certificates seem to be of another time, and signatures are refused"
	}
	x.agrees = size < maxSkew
	x.find(f)
}
