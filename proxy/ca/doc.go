// Package ca makes the certificates with which weighbridge ends a worker's
// TLS.
//
// The chain has three floors. A root, trusted by workers, signs nothing but
// intermediates. Each team has an intermediate whose critical name constraints
// are the hosts that the team's credentials could match, so that whoever got
// hold of its key could imitate those hosts and no other. The intermediate
// signs leaves that live a day and name exactly one host, the host of the
// CONNECT. Intermediates and leaves, and their keys, exist in memory only.
//
// The extensions are those that the strictest clients ask for: Python since
// 3.13 verifies with X509_V_FLAG_X509_STRICT, rustls refuses a CA as a leaf,
// and Java applies name constraints of intermediates only, never of roots.
//
// A DNS constraint "example.com" covers example.com and every name below it
// (RFC 5280, section 4.2.1.10); X.509 cannot say "this name alone". The
// [Authority] can, and does: it mints for the hosts it was given and for
// nothing else that a constraint happens to cover.
//
// The package opens no socket, knows no store and no HTTP. A root's key
// leaves it only through [EncodeRoots] and [Root.KeyPEM], for sealing.
package ca
