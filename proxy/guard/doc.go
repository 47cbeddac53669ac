// Package guard decides which addresses weighbridge connects to, and connects
// to exactly those.
//
// It classifies IP addresses by the registries ([Classify]), resolves a name
// once, refuses a lookup whole where any of its addresses is forbidden, and
// dials the very addresses it checked ([Dialer]). Metadata services of clouds
// are never dialled, whatever an operator allows. It knows nothing of URLs,
// keys or credentials, and it ignores the *_PROXY environment.
package guard
