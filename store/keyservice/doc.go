// Package keyservice keeps the key encryption key in a service that never gives
// it away: AWS KMS, Azure Key Vault, Google Cloud KMS, and the transit engine
// of Vault and OpenBao. Each is the few REST calls that wrap and unwrap take.
//
// The KEKs of all services wrap in the same way: a random key, made for this
// one wrap, seals the DEK here (AES-256-GCM) with the caller's associated data,
// and the service wraps the random key. So the associated data binds whether
// or not a service knows of such a thing, and a service never sees a DEK. Where
// it does know (EncryptionContext, additionalAuthenticatedData,
// associated_data) it is given the same data as well, and its own record then
// says what was opened.
//
// Credentials come from the environment of the process, in the names that each
// service's own tools use; see the Open function. They go to the service's own
// address alone, over verified TLS (plain HTTP to loopback only), and no
// redirect is followed.
package keyservice
