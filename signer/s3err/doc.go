// Package s3err speaks of errors as Amazon S3 does: a code, an HTTP status and
// a sentence, in the XML that every S3 client reads (Amazon S3 API Reference,
// "Error responses", REST error responses and the list of error codes).
//
// An error's public face never holds a secret, a signature, a string to sign
// or a query; S3 itself echoes some of these, we do not.
package s3err
