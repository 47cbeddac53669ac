// Package realclouds runs weighbridge before servers that are not of our
// making, with their own clients: Azurite and Azure's libraries, and a
// container registry with token authentication. It needs what
// testdata/clouds/setup.sh installs, and the build tag realclients.
package realclouds
