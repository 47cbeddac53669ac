// Package realapi drives every operation of the admin API from its own
// document, with schemathesis, against a whole weighbridge. The test is behind
// the build tag realclients, because it needs Python; testdata/api/setup.sh
// installs the rest.
package realapi
