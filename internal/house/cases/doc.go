// Package cases tries the cases of docs/security.md on a whole weighbridge:
// real store, record, signer, proxy and certificates, TLS on every leg,
// upstreams that verify what reaches them. A test carries the number of its
// case. It holds tests only.
package cases
