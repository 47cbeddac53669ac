// Package realkeys tests store/keyservice against what answers as the real
// services do: moto's KMS and OpenBao, which testdata/keyservices/setup.sh makes
// ready. Its tests have the build tag realclients.
package realkeys
