// Package sigv4 speaks AWS Signature Version 4 for S3 in both directions: it
// signs requests to upstreams, and verifies those that are signed with keys
// that weighbridge issued. It opens no connection and reads no clock but the
// one it is given.
//
// Both directions share one canonicaliser. A path is decoded once and encoded
// again strictly, so that what is matched, what is signed and what is sent are
// the same bytes; S3 servers do the same with what they receive, whatever its
// spelling was. What two programs could read differently is refused.
//
// Outbound the AWS SDK's signer does the signing, over a minimal throw-away
// request; inbound the signature is recomputed here.
//
// Sources, cited as SigV4 below:
//   - AWS IAM User Guide, "Create a signed AWS API request";
//   - Amazon S3 API Reference, "Authenticating Requests (AWS Signature Version
//     4)": "Using the Authorization Header", "Using Query Parameters",
//     "Transferring Payload in Multiple Chunks", "Including Trailing Headers".
package sigv4
