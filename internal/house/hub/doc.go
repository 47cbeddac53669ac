// Package hub is a fake Hugging Face Hub that verifies. It speaks the wire
// that real clients speak (resolve, listings, xet, git, LFS, accounts) on the
// host names that they expect, and it is unforgiving where the real one is:
// its CDN answers 400 to any Authorization and 403 to a URL that differs in a
// byte from the one issued, its CAS answers 401 to a Hub token, and its
// xorb host wants exactly the range that was signed.
//
// Nothing in it knows weighbridge or the testing package. Every request that
// arrives is on the origin.Server's record.
package hub
