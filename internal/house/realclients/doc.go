// Package realclients drives the clients that people really use (see package
// clients) through a whole weighbridge, with a Hub that verifies on its far
// side. The tests are behind the build tag realclients, because they need
// Python, git-lfs and others; testdata/clients/setup.sh installs those.
package realclients
