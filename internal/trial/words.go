package trial

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/workerenv"
)

// wanted reports whether an upstream's refusal means that it wants a credential
// and none was put on. Azure says it by other statuses as well: that the account
// lets nobody in without one, or, of a container that is not public, that there
// is no such resource ("Common REST API error codes").
func (r *Result) wanted(code string) bool {
	switch {
	case r.Credential != "":
		return false
	case r.Status == http.StatusConflict:
		return code == "PublicAccessNotPermitted"
	case r.Status == http.StatusNotFound:
		return code == "ResourceNotFound"
	}
	return r.Status == http.StatusUnauthorized || r.Status == http.StatusForbidden
}

// refusedUpstream says what an upstream's refusal means. code is the Hub's
// X-Error-Code or Azure's x-ms-error-code, message the Hub's words; other
// upstreams have none.
func (r *Result) refusedUpstream(u *url.URL, code, message string) {
	who := "nothing was put on the request"
	if r.Credential != "" {
		who = "credential " + strconv.Quote(r.Credential)
	}
	tail := ""
	if message != "" {
		tail = ": " + message
	}
	switch {
	case code == "GatedRepo" && r.Credential != "" && r.Status != http.StatusUnauthorized:
		r.Code = LicenceNotAccepted
		r.Detail = "the account of " + who + " has not accepted the licence of this gated repository" + tail
		r.Next = "Open https://" + u.Host + "/" + repository(u.Path) + " signed in as the account of the credential, and accept the terms (or wait until access is granted); a fine-grained token also needs the right to read gated repositories."
	case r.Status == http.StatusUnauthorized && r.Credential != "":
		r.Code, r.Detail = CredentialRefused, u.Host+" does not take "+who+tail
		r.Next = "Give the credential a secret that works: `weighbridge credential update " + auth.Argument(r.Credential) + "`."
	case r.wanted(code):
		r.Code, r.Detail = CredentialNeeded, u.Host+" wants a credential, and nothing was put on the request"+tail
		r.Next = "Have a credential for this URL made and linked to this worker's API key: `weighbridge credential create`, `weighbridge link`."
		if r.Decision != "" {
			r.Detail += " (" + r.Decision + ")"
		}
	case r.Status == http.StatusForbidden:
		r.Code, r.Detail = NoAccess, "the account of "+who+" may not read this"+tail
		r.Next = "Give the account of the credential access at " + u.Host + ", or link another credential to the API key."
	case r.Status == http.StatusNotFound && code == "RepoNotFound":
		r.Code, r.Detail = NotFound, "there is no such repository, or it is private and the account of "+who+" may not see it"+tail
		r.Next = "Check owner and name; give the account of the credential access to the repository."
	case r.Status == http.StatusNotFound && code == "RevisionNotFound":
		r.Code, r.Detail, r.Next = NotFound, "the repository has no such revision"+tail, "Check the branch, tag or commit in the URL."
	case r.Status == http.StatusNotFound, r.Status == http.StatusGone:
		r.Code, r.Detail, r.Next = NotFound, "there is no such file"+tail, "Check the path of the URL."
	case r.Status == http.StatusTooManyRequests:
		r.Code, r.Detail, r.Next = RateLimited, u.Host+" says that too much was asked for"+tail, "Wait and try again; one credential's budget is shared by all its workers."
		if r.RetryAfter > 0 {
			r.Next = fmt.Sprintf("Try again in %s; one credential's budget is shared by all its workers.", r.RetryAfter)
		}
	case r.Status >= 500:
		r.Code, r.Detail, r.Next = UpstreamFailed, u.Host+" failed with "+strconv.Itoa(r.Status)+tail, "Try again later."
	default:
		r.Code, r.Detail, r.Next = NoAccess, u.Host+" answered "+strconv.Itoa(r.Status)+tail, "See what the URL answers in a browser."
	}
}

// repository is what a path of the Hub begins with: [datasets/|spaces/]owner/name.
func repository(path string) string {
	path = strings.TrimPrefix(path, "/")
	for _, end := range [...]string{"/resolve/", "/raw/", "/blob/", "/tree/"} {
		if before, _, ok := strings.Cut(path, end); ok {
			return before
		}
	}
	if rest, ok := strings.CutPrefix(path, "api/resolve-cache/"); ok {
		kind, rest, _ := strings.Cut(rest, "/")
		if parts := strings.SplitN(rest, "/", 3); len(parts) > 1 {
			id := parts[0] + "/" + parts[1]
			if kind != "models" {
				id = kind + "/" + id
			}
			return id
		}
	}
	return path
}

// failed says why no answer to u came; asked is what was asked for it.
func (c *Caller) failed(asked, u *url.URL, err error, out *Result) {
	err = unwrapURL(err)
	at := c.base.String()
	if c.o.Mode == workerenv.Reverse && !c.ours(asked) {
		at = asked.Scheme + "://" + asked.Host
	}
	if e, ok := errors.AsType[*connectError](err); ok {
		c.connectRefused(u, e, out)
		return
	}
	// TLS to the proxy itself fails within this operation (net/http's word).
	e, isOp := errors.AsType[*net.OpError](err)
	proxy := c.o.Mode == workerenv.Reverse && c.ours(asked) || isOp && e.Op == "proxyconnect"
	whose := "the certificate that was shown for " + u.Hostname()
	if proxy {
		whose = "the certificate of the proxy itself (" + at + ")"
	}
	_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	_, name := errors.AsType[x509.HostnameError](err)
	invalid, isInvalid := errors.AsType[x509.CertificateInvalidError](err)
	switch {
	case unknown:
		out.Code, out.Detail = NotTrusted, whose+" is not trusted"
		out.Next = "Install weighbridge's root or name the bundle (`weighbridge doctor` says for which client how)."
	case isInvalid && invalid.Reason == x509.Expired:
		out.Code, out.Detail = NotInTime, whose+" is not valid at this machine's time, "+c.o.Now().UTC().Format(time.RFC3339)
		out.Next = "Set this machine's clock."
	case name:
		out.Code, out.Detail, out.Next = WrongName, whose+" is for another name", "Use the name that the certificate has."
	case isInvalid:
		out.Code, out.Detail, out.Next = NotTrusted, whose+" is not acceptable: "+cause(err), "Make the certificate anew."
	case errors.Is(err, context.DeadlineExceeded) || isTimeout(err):
		out.Code, out.Detail, out.Next = TimedOut, "no answer came within "+c.o.Patience.String(), "Try again; look whether "+at+" and "+u.Hostname()+" can be reached."
	case c.o.Mode == workerenv.Reverse && !c.ours(asked):
		out.Code, out.Detail = Broken, "the answer sends clients on to "+at+", which cannot be reached from here: "+cause(err)
		out.Next = "Have weighbridge lead the URLs in its answers back to itself (public_url), or let this machine reach that host."
	case proxy || isOp && e.Op == "dial":
		out.Code, out.Detail = ProxyUnreachable, "nothing answers at "+at+": "+cause(err)
		out.Next = "Check the address of the proxy, that weighbridge runs, and that this machine may reach it."
	default:
		out.Code, out.Detail, out.Next = Broken, "the connection ended before an answer: "+cause(err), "Try again; the log of weighbridge says more."
	}
}

// connectRefused says what an answer to CONNECT means. Weighbridge names itself
// on its refusals.
func (c *Caller) connectRefused(u *url.URL, e *connectError, out *Result) {
	out.Status = e.status
	if n, err := strconv.Atoi(e.retry); err == nil && n > 0 {
		out.RetryAfter = time.Duration(n) * time.Second
	}
	if e.code == "" {
		out.Code, out.Detail = ProxyRefused, fmt.Sprintf("something that is not weighbridge refuses the tunnel to %s with %d", u.Hostname(), e.status)
		out.Next = "Check the address in HTTPS_PROXY: another proxy stands there."
		return
	}
	out.Refused, out.Code = true, printable(string(e.code))
	c.ownWords(out)
}

// unwrapURL takes off the URL, which may hold a secret, from a client's error.
func unwrapURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

func isTimeout(err error) bool {
	e, ok := errors.AsType[net.Error](err)
	return ok && e.Timeout()
}

// Cause is the innermost error in words, which names no URL.
func Cause(err error) string { return cause(unwrapURL(err)) }

func cause(err error) string {
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		return "the name " + strconv.Quote(e.Name) + " is not known (" + e.Err + ")"
	}
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return printable(err.Error())
		}
		err = inner
	}
}
