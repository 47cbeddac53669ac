// Package clients is the table of the download clients that weighbridge is
// made for: for each client and mode, which variables to set and what to run.
// docs/clients.md is written from it and the real-client suite is generated
// from it, so that what the page says is what was run.
package clients
