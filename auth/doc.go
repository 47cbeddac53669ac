// Package auth is the ground floor of weighbridge: the words of the product as
// types (team, API key, credential, provider, link, pattern, identity,
// decision, event, error), and the pure functions over them.
//
// It decides and never acts. It opens no file, dials no address, writes no
// log and knows no HTTP library, no store and no provider by name: providers
// arrive as values of [Provider]. Everything here is either immutable once
// built or a plain record; a [Snapshot] may be read by any number of
// goroutines. It imports the standard library and golang.org/x only.
package auth
