// Package admin is the administrative side of weighbridge: the REST API under
// /api/v1 that the CLI uses over the unix socket admin.sock, health, readiness
// and metrics. It uses net/http and huma; it never shares a port with the data
// plane.
//
// Secrets go in and never come out: a new API key is the one exception, shown
// in the answer to the request that made it and nowhere else.
package admin
