// Package signer puts credentials on requests. It holds the providers, one
// file each: the fields of their secret, the URLs it is meant for, how a
// pattern expands, the hosts it must never reach, what a request to it would
// do, how it is signed and, where a provider needs it, how its answers are
// changed on their way to the worker.
//
// Providers are built from a few kinds of signing (bearer, basic, header,
// query, SAS), or exchange their secret for a token that they put on. A
// provider registers itself from its own file, so that a new service is one
// new file: the admin API, the portal's form, `check` and the conformance
// test pick it up from its declared fields.
//
// [Set] is the only way to a signature. It opens no more fields than the
// provider needs, only at the moment of signing, and refuses wherever
// anything about the decision, the target or the vault is not as it should
// be: a request is never sent bare because something failed.
//
// The package decides nothing, dials nothing, logs nothing and knows neither
// the store nor the HTTP library.
package signer
