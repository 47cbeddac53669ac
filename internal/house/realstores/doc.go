// Package realstores tests the store in PostgreSQL, and weighbridges that share
// one, against real servers, which testdata/postgres/setup.sh makes ready. Its
// tests have the build tag realclients.
package realstores
