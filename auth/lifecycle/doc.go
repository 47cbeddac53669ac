// Package lifecycle keeps the status of credentials true: it asks upstreams
// whether a secret still works, and ends what has expired.
//
// Status is changed by what is here alone: by the answer of a probe, or by the
// clock. A probe refutes, confirms, or could not tell; only one that refutes
// makes a credential invalid, and a network failure changes nothing. What an
// upstream answers to a worker merely makes a probe due sooner.
//
// The store and the providers are reached through the small interfaces
// [Store] and [Prober].
package lifecycle
