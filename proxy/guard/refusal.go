package guard

import "github.com/weighbridge/weighbridge/auth"

// The next steps of refusals. upstream.allow_private is named only where it
// helps.
const (
	nextAllow    = "If the operator means to allow it, list its network in upstream.allow_private, or name this one address in upstream.resolve."
	nextMetadata = "A metadata service is never reached through weighbridge, whatever is configured. A worker that needs its own asks it directly: put its address into NO_PROXY."
	nextNoHost   = "No configuration allows it, because it does not name one machine. Correct the URL, or what the name resolves to."
	nextItself   = "weighbridge is never reached through itself, whatever is configured. Call it directly: put its host into NO_PROXY, or take it out of the URL."
	nextInside   = "Look at the log of weighbridge at this request id."
)

// refused is a refusal with a next step of its own.
func refused(reason, next string, cause error) *auth.Error {
	return &auth.Error{Code: auth.CodeAddressForbidden, Reason: reason, Next: next, Cause: cause}
}

// nextStep is what helps against the refusal of an address of class c. exempt
// addresses were written by the operator, who alone can correct them.
func nextStep(host string, c Class, exempt bool) string {
	switch {
	case host == corporate:
		return "The operator must name another proxy in upstream.proxy: this address is never connected to, whatever is configured."
	case exempt:
		return "The operator must correct upstream.resolve: this address is never connected to, whatever is configured."
	case c == Metadata:
		return nextMetadata
	case c.allowable():
		return nextAllow
	default:
		return nextNoHost
	}
}

// nextOwn is what helps where an address is one of our own listeners.
func nextOwn(host string, exempt bool) string {
	if exempt {
		return nextStep(host, Metadata, exempt)
	}
	return nextItself
}
