// Package serviceaccount says whose projected ServiceAccount token a pod shows
// (Kubernetes, "Managing Service Accounts", section "ServiceAccount token volume
// projection"): so that pods need no secret of ours at all.
//
// Tokens are verified with the cluster's public keys, which takes no request and
// notices only at a token's end that its pod is gone; or by TokenReview, which
// notices at once and asks the cluster.
package serviceaccount
