// Package ca makes the certificates with which weighbridge ends a worker's
// TLS: a root that workers trust, one name-constrained intermediate for each
// team, and a short-lived leaf for each host of a tunnel.
package ca
