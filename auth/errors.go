package auth

import (
	"errors"
	"net/http"
	"sort"
)

// Code is the stable, public, lower-case name of a refusal or failure. Codes
// are never renamed or given another meaning.
type Code string

// The codes of the data plane.
const (
	CodeNoCredentialMatched Code = "no_credential_matched"
	CodeNotLinked           Code = "not_linked"
	CodeCredentialNotUsable Code = "credential_not_usable"
	CodeCredentialFailed    Code = "credential_unavailable"
	CodeKeyMissing          Code = "key_missing"
	CodeKeyInvalid          Code = "key_invalid"
	CodeKeyExpired          Code = "key_expired"
	CodeKeyRevoked          Code = "key_revoked"
	CodeSignatureInvalid    Code = "signature_invalid"
	CodeRouteForbidden      Code = "route_forbidden"
	CodeRouteUnavailable    Code = "route_unavailable"
	CodeScopeForbidden      Code = "scope_forbidden"
	CodeSourceForbidden     Code = "source_forbidden"
	CodeMisdirected         Code = "misdirected"
	CodeBadTarget           Code = "bad_target"
	CodeBadRequest          Code = "bad_request"
	CodeHeaderTooLarge      Code = "header_too_large"
	CodeAddressForbidden    Code = "address_forbidden"
	CodePortForbidden       Code = "port_forbidden"
	CodeUpgradeForbidden    Code = "upgrade_forbidden"
	CodeUpstreamUnreachable Code = "upstream_unreachable"
	CodeUpstreamTimeout     Code = "upstream_timeout"
	CodeUpstreamTLS         Code = "upstream_tls"
	CodeUpstreamProtocol    Code = "upstream_protocol"
	CodeAuditUnavailable    Code = "audit_unavailable"
	CodeStoreUnavailable    Code = "store_unavailable"
	CodeTooManyAttempts     Code = "too_many_attempts"
	CodeTooManyRequests     Code = "too_many_requests"
	CodeTooManyTransfers    Code = "too_many_transfers"
	CodeIdentityUnavailable Code = "identity_unavailable"
	CodeOverloaded          Code = "overloaded"
	CodeDraining            Code = "draining"
	CodeTransferCut         Code = "transfer_cut"
	CodeBoxInvalid          Code = "box_invalid"
	CodeBoxExpired          Code = "box_expired"
	CodeBrowserForbidden    Code = "browser_forbidden"
	CodeInternal            Code = "internal"
)

// CodeInfo is the row of a code in the table from which docs/errors.md is
// generated: the status it is answered with, what it means, what to do next.
type CodeInfo struct {
	Code    Code
	Status  int
	Meaning string
	Next    string
}

// codes is the table, keyed by code; nothing changes it.
var codes = func() map[Code]CodeInfo {
	m := make(map[Code]CodeInfo)
	for _, c := range []CodeInfo{
		{CodeNoCredentialMatched, 403, "No credential that is linked to the API key matches the URL, and unmatched URLs are refused.", "Run `weighbridge explain URL --key KEY`; create a credential for this URL, add a pattern, or link one to the key."},
		{CodeNotLinked, 403, "A credential of the team matches the URL, but it is not linked to the API key.", "Run `weighbridge link CREDENTIAL KEY`."},
		{CodeCredentialNotUsable, 403, "The credential that matches the URL is not valid (pending, invalid, expired or revoked).", "Run `weighbridge credential show NAME` for the reason; replace the secret with `weighbridge credential update`."},
		{CodeCredentialFailed, 502, "The credential could not be opened or put on the request. The request was not sent.", "Look at the log of weighbridge at this request id."},
		{CodeKeyMissing, 407, "No API key was presented. 407 in forward mode, 401 in reverse mode.", "Give the worker an API key; `weighbridge env --key …` prints what to export."},
		{CodeKeyInvalid, 407, "The presented API key is not known. 407 in forward mode, 401 in reverse mode.", "Check the key for a typing error; `weighbridge key list` shows the beginnings of all keys."},
		{CodeKeyExpired, 403, "The API key has expired.", "Create a key or extend this one: `weighbridge key update KEY --expires 90d`."},
		{CodeKeyRevoked, 403, "The API key was revoked.", "Create a key: `weighbridge key create`."},
		{CodeSignatureInvalid, 403, "The request is signed with an S3 access key, and the signature is missing, wrong, expired, or made for another time.", "Check the secret access key and the clock of the client, and let nothing between it and weighbridge change the request."},
		{CodeRouteForbidden, 403, "The API key is restricted to routes that do not cover the URL.", "Use a key without this restriction, or add the route: `weighbridge key update KEY --route PATTERN`."},
		{CodeRouteUnavailable, 503, "None of the servers that the route leads to can take the request, and there is nothing to fall back to.", "Wait as Retry-After says, and see whether the servers run. For ComfyUI, a fallback is switched on by `weighbridge cloud-provider set comfy-cloud --fallback` and a link of the credential comfy-cloud to the key."},
		{CodeScopeForbidden, 403, "The API key's scope does not allow the request (a write, an account endpoint, or a request that mints write power).", "A download needs no more than scope read; use a key with scope write only where something must be written. Account endpoints are refused for every scope."},
		{CodeSourceForbidden, 403, "The API key is restricted to source addresses, and the caller's is none of them. What counts is the address that the connection comes from; no header is asked.", "Call from an allowed address, or allow this one: `weighbridge key update KEY --source CIDR`."},
		{CodeMisdirected, 421, "The request inside a tunnel, or the server name of its TLS handshake, names another host than the CONNECT did.", "Open one tunnel for each host, with matching server name and Host header."},
		{CodeBadTarget, 400, "The URL or authority is ambiguous or not in canonical form.", "Send the URL in its plain canonical form."},
		{CodeBadRequest, 400, "The request is malformed, or its framing is ambiguous.", "Send well-formed HTTP/1.1."},
		{CodeHeaderTooLarge, 431, "The request line and header fields exceed 32 KiB.", "Send fewer or shorter header fields."},
		{CodeAddressForbidden, 403, "The host resolves to an address that weighbridge does not connect to (loopback, private, link-local, metadata, its own).", "If the operator means to allow a private network, list it in upstream.allow_private. Metadata services and weighbridge's own listeners are never reached."},
		{CodePortForbidden, 403, "CONNECT to this port is not allowed.", "Add the port to upstream.connect_ports if it is meant."},
		{CodeUpgradeForbidden, 403, "Protocol upgrades are not allowed.", "Send the request without Upgrade."},
		{CodeUpstreamUnreachable, 502, "The upstream could not be reached, or broke off before it answered.", "Try again; check name resolution and egress of weighbridge's machine."},
		{CodeUpstreamTimeout, 504, "The upstream did not answer in time.", "Try again later."},
		{CodeUpstreamTLS, 502, "The upstream's certificate could not be verified. Nothing was sent.", "Check the upstream's certificate; add a private root with upstream.ca_file."},
		{CodeUpstreamProtocol, 502, "The upstream's answer is not valid HTTP/1.1.", "Try again; tell the upstream's operator."},
		{CodeAuditUnavailable, 503, "The audit record cannot be written, so nothing is served.", "Free disk space or repair the audit directory; service resumes by itself."},
		{CodeStoreUnavailable, 503, "The database of the store has been out of reach for longer than store.max_outage, so it is not known which keys still stand, and nothing is served.", "Bring the database back, or this weighbridge back to it; service resumes by itself."},
		{CodeTooManyAttempts, 429, "Too many unknown API keys came from this address.", "Wait as Retry-After says, and correct the key."},
		{CodeTooManyRequests, 429, "The API key makes more requests in a second than it may.", "Wait as Retry-After says, ask less often, or raise the key's limit: `weighbridge key update KEY --rate N`."},
		{CodeTooManyTransfers, 429, "The API key has as many transfers under way as it may have.", "Wait as Retry-After says, download fewer files at a time, or raise the key's limit (`weighbridge key update KEY --transfers N`), or that of all keys (limits.transfers_per_key)."},
		{CodeIdentityUnavailable, 503, "Whose token it is cannot be found out now: the cluster that made it does not answer.", "Try again; see to it that weighbridge reaches the API server, or give it the cluster's public keys in service_accounts.jwks_file."},
		{CodeOverloaded, 503, "weighbridge is at its limit of connections or memory.", "Wait as Retry-After says."},
		{CodeDraining, 503, "weighbridge is shutting down and takes no new work.", "Try again; another instance will answer."},
		{CodeTransferCut, 403, "The operator cut what was in progress, such as by a revocation that does not wait, or what a tunnel was opened by has ended. The worker saw its connection reset.", "Use an API key and a credential that stand."},
		{CodeBoxInvalid, 403, "The sealed URL is not one that this weighbridge made, or it was changed.", "Start the download again from its original URL."},
		{CodeBoxExpired, 403, "The sealed URL has expired.", "Start the download again from its original URL."},
		{CodeBrowserForbidden, 403, "A web page may not use the default key of this listener.", "Call the listener by a loopback name, from a program and not from a web page."},
		{CodeInternal, 500, "Something failed inside weighbridge.", "Look at the log of weighbridge at this request id."},
	} {
		m[c.Code] = c
	}
	return m
}()

// Codes lists every code, sorted, for the documentation and its test.
func Codes() []CodeInfo {
	out := make([]CodeInfo, 0, len(codes))
	for _, c := range codes {
		out = append(out, c)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Code < out[j].Code })
	return out
}

// ErrOutdated is in the error of who opens a credential by a decision that was
// made before the credential was replaced or deleted: to decide anew may help.
var ErrOutdated = errors.New("the decision is older than the credential")

// Error has two faces: Code, Reason and Next are public and hold no secret
// and no query; Cause is for the log of the operator only and is never sent.
type Error struct {
	Code Code
	// Status overrides the code's HTTP status where it depends on the mode.
	Status int
	// Reason says what happened, naming the thing and the offending value.
	Reason string
	// Next overrides the code's next step.
	Next  string
	Cause error
}

// Error gives the public face.
func (e *Error) Error() string { return string(e.Code) + ": " + e.Reason }

// Unwrap gives the private cause.
func (e *Error) Unwrap() error { return e.Cause }

// HTTPStatus is the status this error is answered with.
func (e *Error) HTTPStatus() int {
	if e.Status != 0 {
		return e.Status
	}
	if c, ok := codes[e.Code]; ok {
		return c.Status
	}
	return http.StatusInternalServerError
}

// NextStep is what the reader can do about it.
func (e *Error) NextStep() string {
	if e.Next != "" {
		return e.Next
	}
	return codes[e.Code].Next
}

// NewError makes an Error. reason is final, public text; cause may be nil and
// stays private.
func NewError(code Code, reason string, cause error) *Error {
	return &Error{Code: code, Reason: reason, Cause: cause}
}

// AsError finds the *Error in err's tree, or wraps err as CodeInternal with
// nothing of it public.
func AsError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Code: CodeInternal, Reason: "an internal error", Cause: err}
}
