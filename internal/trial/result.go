package trial

import (
	"crypto/x509"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// The codes of a Result, beside those that weighbridge itself refuses with
// (auth.Code). They are stable.
const (
	// OK: the file would come.
	OK = "ok"
	// LicenceNotAccepted: the credential's account has not accepted the terms
	// of a gated repository.
	LicenceNotAccepted = "licence_not_accepted"
	// CredentialRefused: the upstream does not take the credential.
	CredentialRefused = "credential_refused"
	// CredentialNeeded: the upstream wants a credential, and none was put on.
	CredentialNeeded = "credential_needed"
	// NoAccess: the credential is good and not allowed to read this.
	NoAccess = "no_access"
	// NotFound: it is not there, or hidden from the credential's account.
	NotFound = "not_found"
	// RateLimited: the upstream says to come again later.
	RateLimited = "rate_limited"
	// UpstreamFailed: the upstream answered with a failure of its own.
	UpstreamFailed = "upstream_failed"
	// NotAFile: a web page came in place of a file, such as a login page.
	NotAFile = "not_a_file"
	// ProxyUnreachable: nothing answers where weighbridge should be.
	ProxyUnreachable = "proxy_unreachable"
	// ProxyRefused: CONNECT was refused by something that is not weighbridge.
	ProxyRefused = "proxy_refused"
	// NotTrusted, NotInTime and WrongName: the certificate that was shown does
	// not lead to a trusted root, its time has not come or has passed, or it is
	// for another name.
	NotTrusted = "certificate_not_trusted"
	NotInTime  = "certificate_time"
	WrongName  = "certificate_name"
	// OtherName: weighbridge sends workers on to another name of itself, where
	// they show no key.
	OtherName = "other_name"
	// TimedOut: no answer came in time. Broken: the connection ended.
	TimedOut = "timeout"
	Broken   = "broken"
	// TooManyRedirects: the redirects do not end.
	TooManyRedirects = "too_many_redirects"
	// BadURL: it cannot be asked for.
	BadURL = "bad_url"
)

// Result is what came of one URL.
type Result struct {
	// Code is one of the above, or a code of weighbridge's own.
	Code string `json:"code"`
	// Refused says that weighbridge itself refused.
	Refused bool `json:"refused_by_weighbridge,omitempty"`
	// Status is the HTTP status of the last answer, 0 where none came.
	Status int `json:"status,omitempty"`
	// Size is how long the file is in bytes, -1 where nobody says.
	Size int64 `json:"size"`
	// Credential is the name of the one that was put on; empty for none and
	// where weighbridge does not tell.
	Credential string `json:"credential,omitempty"`
	// Decision is weighbridge's own sentence on the first request.
	Decision string `json:"decision,omitempty"`
	// Detail says what happened, Next what helps.
	Detail string `json:"detail,omitempty"`
	Next   string `json:"next,omitempty"`
	// RetryAfter is how long to wait before asking again; 0 where nobody says.
	RetryAfter time.Duration `json:"-"`
	// Chain is the certificates that the first TLS server showed; empty in
	// reverse mode.
	Chain []*x509.Certificate `json:"-"`
	// Host is who gave the last answer.
	Host string `json:"-"`
}

// OK reports whether the file would come.
func (r *Result) OK() bool { return r.Code == OK }

// Later reports whether asking again may help with nothing changed.
func (r *Result) Later() bool {
	switch r.Code {
	case RateLimited, UpstreamFailed, TimedOut, Broken, string(auth.CodeOverloaded), string(auth.CodeDraining), string(auth.CodeAuditUnavailable),
		string(auth.CodeTooManyRequests), string(auth.CodeTooManyTransfers), string(auth.CodeTooManyAttempts),
		string(auth.CodeUpstreamTimeout), string(auth.CodeUpstreamUnreachable):
		return true
	}
	return false
}
