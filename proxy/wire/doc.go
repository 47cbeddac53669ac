// Package wire moves bytes: the transport below the road of package proxy.
//
// It holds the connections on both sides ([Conn], [Listener], [Server],
// [Client]), the buffers that are lent to them while a body streams
// ([Buffers]), and the body itself ([Body], [Tunnel]). It knows HTTP/1.1
// framing, strictly, and nothing of keys, credentials, decisions or
// providers. Together with one or two files of package proxy it is the only
// place that imports fasthttp, and it uses of fasthttp the messages
// (RequestCtx, Request, Response, their headers) and not the server or the
// client. A proxy of long downloads needs another trade: deadlines by progress
// and not by message, connections that hold no buffer of the header limit
// while they are idle, framing that every implementation reads alike, and
// bodies that never pass through a buffer of 4 KiB.
//
// What always holds:
//
//   - A body that breaks is never a clean end: the worker's connection is
//     reset (SO_LINGER 0), so that no client takes a part for the whole.
//   - Nothing is re-encoded: method, target, field names and values leave as
//     they were given, or the message is refused.
//   - TLS to an upstream is verified, always. There is no switch.
//   - There is no total timeout. A transfer ends by its idle timeout only
//     where no byte moved for that long.
//   - A connection to an upstream that was authenticated itself (NTLM,
//     Negotiate) serves no further request; schemes that need several on one
//     connection do not come about.
//   - An idle connection holds no buffer that was lent for a message.
package wire
