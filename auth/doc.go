// Package auth is the ground floor of weighbridge: the words of the product as
// types (team, API key, credential, provider, link, pattern, identity,
// decision, event, error), and the pure functions over them.
//
// It decides and never acts. It opens no file, dials no address, writes no
// log and knows no HTTP library, no store and no provider by name: providers
// arrive as values of [Provider]. Everything here is either immutable once
// built or a plain record; a [Snapshot] may be read by any number of
// goroutines. It imports the standard library and golang.org/x only.
//
// A request takes this way: [ParseTarget] refuses what two programs could read
// differently, [Snapshot.Identify] says whose key it is, [Snapshot.Decide]
// what may happen. Three rules carry the matching:
//
//   - What is matched is what is sent. A [Target] keeps the bytes that came;
//     the matcher sees a pure function of them.
//   - Two spellings of one path are one path: segments are compared decoded.
//     Where an encoded slash could be read as a slash, both readings must
//     choose the same credential, or the request is refused.
//   - The order of rules is total: whatever matches, one rule decides, and an
//     unusable credential never gives way to a less specific one.
package auth
