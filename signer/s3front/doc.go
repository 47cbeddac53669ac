// Package s3front is the S3 protocol as workers speak it to weighbridge: any
// S3 client with an endpoint_url of ours and an S3 access key that we issued.
//
// A request is verified, understood as one of the operations that are let
// through, held to what its key may touch, and named anew for the upstream:
// the credential that opens it puts its own signature on, on the road that
// every request takes. Nothing of the worker's signature travels.
//
// What always holds:
//
//   - Nothing about a request is told, not even whether a bucket exists, before
//     its signature has been verified.
//   - An operation that is not in the table of operations is refused, and so is
//     one with a parameter that does not belong to it: what is not understood
//     could be a setting.
//   - Every object that a request names (path, copy source, each key of a batch
//     delete, a listing's prefix) is held to the key's buckets and prefixes, and
//     decided as a bucket and key of its own.
//   - A body is verified while it streams and never ends well unless it is
//     whole and the one that was signed.
//
// Refusals are the XML of package s3err.
package s3front
