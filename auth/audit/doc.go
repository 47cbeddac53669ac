// Package audit keeps the record of what was done with credentials: one line
// of JSON for each event, appended to one file a month, durable before the
// act that it admits.
//
// [File] is the sink. Record never waits for the disk: it queues a line and
// hands out a ticket; one goroutine writes everything that is queued with one
// write and one fdatasync and then completes the tickets (group commit). A
// commit that fails, or takes longer than a second, trips the sink: nothing
// is admitted any more until the file takes lines again, which the sink finds
// out by itself. An unwritable record never becomes an unrecorded request.
//
// What is on file, after any crash or failure:
//   - every event whose ticket said nil, whole and in order;
//   - after a failure, nothing of an event whose ticket said otherwise, except
//     where the file system refuses to truncate;
//   - after a crash, for each [auth.ActionUsed] one [auth.ActionFinished]: the
//     next start writes the missing ones with a reason that begins "aborted".
//
// The package holds no secret and sees none: events name credentials by id and
// name, and the encoder cuts off whatever could be a query string.
package audit
