// Package scrub masks secret values that an upstream reflects in its answer to
// a request that carried them.
//
// Services echo requests in error pages, debug endpoints and headers. A worker
// must not learn a credential that way, so values that were put on a request
// are looked for in the answer's header fields, trailers, and texts of at most
// [MaxBody] bytes, and overwritten at equal length. They are found as they
// are, in base64 (both alphabets, at every alignment inside a larger text), in
// hexadecimal, and with any of their characters written as a percent escape, a
// JSON or JavaScript escape or an HTML reference, also where such a text was
// quoted once more inside another.
//
// This is a guard against reflection, not against an upstream that means to
// hand the secret out: it could send it reversed, encrypted or one character
// at a time. Values of fewer than eight bytes are not looked for, since they
// occur by chance. Large and binary bodies pass untouched.
package scrub
