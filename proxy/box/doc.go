// Package box seals a URL into an opaque token that a worker can carry but
// neither read nor change: the <box> of /.weighbridge/s/<box>/….
//
// In reverse mode an upstream redirects to URLs that carry a signature, or
// whose next request can carry no API key. The worker gets a box instead. It
// says for which key it was made, where it leads, which URL led there, and
// until when; a box alone grants nothing, since on each use the key's status,
// links and routes are checked again.
//
// A box, before it is written in base64url without padding (RFC 4648, section
// 5), is
//
//	version  1 byte, 1
//	key id   4 bytes, which of the sealing keys
//	salt    24 bytes, random
//	sealed   AES-256-GCM (NIST SP 800-38D) of the contents, with a tag of 16
//
// The AES key and the nonce of each box are derived from the sealing key and
// the salt (HKDF-SHA256, RFC 5869), so there is no number of boxes after which
// a sealing key must be changed; with random nonces of 96 bits under one key
// that number is 2^32 (SP 800-38D, section 8.3). The head is associated data.
// The contents are
//
//	kind     1 byte
//	expires  uvarint, seconds since 1970
//	team     string
//	key      string
//	target   URL
//	origin   URL, without query
//
// where a string is its length as uvarint and its bytes, and a URL is a byte
// of flags (1: plain http, 2: has a query), host as string, port as 2 bytes
// big-endian, path as string, and, with flag 2, query as string. Nothing may
// follow.
package box
