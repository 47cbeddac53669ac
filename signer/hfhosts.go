package signer

import (
	"slices"
	"strings"

	"github.com/weighbridge/weighbridge/auth"
)

const (
	// hubHost serves pages, API, files, git and LFS.
	hubHost = "huggingface.co"
	// hubShortHost redirects to hubHost.
	hubShortHost = "hf.co"
)

// Companions are the hosts that downloads pass through (the Hub's own list is
// https://huggingface.co/.well-known/meta.json, lfsDomains and cdnDomains).
//
// An exact name takes precedence over a suffix that covers it: transfer and
// cas-bridge are signed companions although everything else below
// xethub.hf.co is a blind one. The suffixes are what holds when a region is
// added; the names above them are those known today.
func (huggingFace) Companions() []auth.Companion { return slices.Clone(hubCompanions) }

var hubCompanions = []auth.Companion{
	// Content-addressed storage: the client brings a token of its own
	// there, which must arrive untouched.
	{Host: "cas-server.xethub.hf.co"},
	{Host: "cas-server.xethub-eu.hf.co"},
	{Host: ".xethub.hf.co"},
	{Host: ".xethub-eu.hf.co"},
	// Signed URLs: blocks of xet files, and whole files of either kind.
	{Host: "transfer.xethub.hf.co", Signed: true},
	{Host: "transfer.xethub-eu.hf.co", Signed: true},
	{Host: "cas-bridge.xethub.hf.co", Signed: true},
	{Host: "cas-bridge.xethub-eu.hf.co", Signed: true},
	// us.aws.cdn.hf.co, us-east1.us.gcp.cdn.hf.co and their like.
	{Host: ".cdn.hf.co", Signed: true},
	// LFS storage, present and former.
	{Host: "cdn-lfs.hf.co", Signed: true},
	{Host: "cdn-lfs-us-1.hf.co", Signed: true},
	{Host: "cdn-lfs-eu-1.hf.co", Signed: true},
	{Host: "cdn-lfs.huggingface.co", Signed: true},
	{Host: "cdn-lfs-us-1.huggingface.co", Signed: true},
	{Host: "cdn-lfs-eu-1.huggingface.co", Signed: true},
}

// hubBare reports whether a pattern with this host only allows and never puts
// the token on. So do all wildcards over the Hub's own domains: everything
// that downloads meet below hf.co either serves signed URLs or wants another
// token, and what is added there tomorrow will too. An exact host injects,
// except where it is known to be one of those, or runs programs of strangers
// (Spaces, jobs).
func hubBare(p auth.Pattern) bool {
	host := p.Host()
	for _, domain := range []string{"hf.space", "hf.jobs"} {
		if host == domain || hostBelow(host, domain) {
			return true
		}
	}
	if !hostBelow(host, hubHost) && !hostBelow(host, hubShortHost) {
		return false
	}
	return p.WildcardHost() || hubStorage(host)
}

// hubStorage recognises hosts of files and assets below the Hub's domains,
// in regions and under numbers that are not known yet too.
func hubStorage(host string) bool {
	if isCompanion(hubCompanions, host) {
		return true
	}
	if host == "fast.hf.co" {
		return true
	}
	for label := range strings.SplitSeq(host, ".") {
		// cdn, cdn-lfs-us-1, cdn-avatars, cdn-uploads; xethub, xethub-eu.
		if label == "cdn" || strings.HasPrefix(label, "cdn-") || strings.HasPrefix(label, "xethub") {
			return true
		}
	}
	return false
}
