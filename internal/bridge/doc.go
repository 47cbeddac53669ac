// Package bridge puts the parts of weighbridge together: it opens the data
// directory, the store, the record and the root, compiles the snapshot that
// decisions are taken from, and runs the proxy listener and the admin side.
// The command line and the test kit both start weighbridge through it, so that
// what is tested is what runs.
package bridge
