// Package proxy is the road: it takes a worker's request in any of the forms
// in which it may arrive, and brings it to the upstream and the answer back.
//
// Every request takes the same way, in both modes: it becomes an exchange,
// doubtful ones are refused, the caller is identified, what to do is decided
// from an immutable snapshot, the use goes on record, the outgoing request is
// built and signed, and the answer is streamed. The road is in carry.go; the
// other files are its stations.
//
// What always holds:
//
//   - Each request is decided afresh, also inside a tunnel. Nothing but who
//     opened it is remembered of a CONNECT.
//   - A credential is put on last, after everything else about the outgoing
//     request stands, and goes only to the host that was matched. It never
//     follows a redirect. If it cannot be put on, the request is not sent.
//   - No key of ours crosses to an upstream, in whatever place it arrived.
//   - No answer to a used credential leaves before the use is on record.
//   - What breaks off is seen to have broken off: a truncated body ends in a
//     reset and never in a clean end.
//
// The package moves bytes and knows no provider by name, no store and no
// signer: it declares the few methods it needs of them as its own interfaces.
// fasthttp appears in two files here, server.go and head.go; the transport
// below is package wire.
package proxy
