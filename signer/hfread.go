package signer

import (
	"strings"

	"github.com/weighbridge/weighbridge/auth"
)

// Classify is the Hub's read rule.
//
// Reading is GET, HEAD and OPTIONS, with two POSTs that change nothing
// (paths-info, git-upload-pack) and a third, the LFS batch, that its body
// tells apart. Writing is everything else, and the requests that hand out
// power to write (a xet write token, the references for a push). Refused for
// every scope is what belongs to the token's owner rather than to
// repositories: identity, tokens, settings, billing, secrets, requests for
// access, jobs. What is worth refusing is refused in every spelling.
func (huggingFace) Classify(method string, t auth.Target) auth.Class {
	verb := classifyMethod(method)
	switch {
	case verb == auth.ClassForbidden:
		return verb
	case hubStore(t.Host):
		return strictest(t.Path, func(w words) auth.Class { return storeClass(verb, &w, method) })
	case isCompanion(hubCompanions, t.Host):
		return verb // storage has no accounts
	}
	post := method == "POST"
	return strictest(t.Path, func(w words) auth.Class {
		if w.is(0, "api") {
			return classifyHubAPI(verb, post, &w)
		}
		return classifyHubPage(verb, post, &w, t.RawQuery)
	})
}

// hubAccountAPI are beginnings of the first segment below /api/ that lead to
// the account. No type of repository begins so.
var hubAccountAPI = []string{
	"whoami", "user", "account", "setting", "token", "access-token", "auth", "oauth", "login", "logout",
	"session", "key", "ssh", "gpg", "secret", "credential", "billing", "invoice", "payment", "subscription", "checkout",
	"notification", "webhook", "scim", "audit", "enterprise", "resource-group", "job", "scheduled-job", "sandbox",
	"inference-endpoint", "endpoint", "sql-console", "sso",
}

// hubRepoSecrets follow a repository in API paths and reveal or change more
// than its contents: tokens for it, its settings, who asked for access.
var hubRepoSecrets = []string{"jwt", "settings", "user-access-request", "user-access-report", "resource-group", "tokens", "token", "webhooks"}

// hubSpaceSecrets exist for Spaces alone, whose names have two segments. (A
// Space's log holds whatever its program prints.)
var hubSpaceSecrets = []string{"secrets", "variables", "logs", "quota", "ssh"}

// hubWriteVerbs follow a repository in API paths that a POST changes it by.
var hubWriteVerbs = []string{"commit", "preupload", "branch", "tag", "super-squash", "settings", "lfs-files", "discussions", "batch", "like", "duplicate"}

// classifyHubAPI judges /api/…. A repository's name has two segments, or one
// (gpt2); what follows it is therefore looked for in both places.
func classifyHubAPI(verb auth.Class, post bool, w *words) auth.Class {
	switch {
	case w.is(1, "spaces") && w.is(2, "zero-gpu"):
		return auth.ClassForbidden // the quota of the token's owner
	case w.is(1, "models", "datasets", "spaces", "kernels", "buckets"):
	case w.is(1, "organizations"):
		if verb == auth.ClassRead && w.n == 4 && w.is(3, "overview", "avatar", "followers", "socials") {
			return verb
		}
		return auth.ClassForbidden
	case w.begins(1, hubAccountAPI...), w.is(1, "me", "mcp"):
		return auth.ClassForbidden
	default:
		return verb
	}
	switch {
	case w.is(3, hubRepoSecrets...), w.is(4, hubRepoSecrets...), w.is(4, hubSpaceSecrets...):
		return auth.ClassForbidden
	case endsInWriteToken(w, 3), endsInWriteToken(w, 4):
		return auth.ClassWrite
	case post && pathsInfo(w):
		return auth.ClassRead
	}
	return verb
}

// endsInWriteToken recognises xet-write-token, and what may come to stand
// beside it.
func endsInWriteToken(w *words, i int) bool {
	const suffix = "write-token"
	if i >= w.n {
		return false
	}
	s := w.seg[i]
	return len(s) >= len(suffix) && strings.EqualFold(s[len(s)-len(suffix):], suffix)
}

// pathsInfo recognises /api/TYPE/ORG/REPO/paths-info[/REV] and, for names of
// one segment, /api/TYPE/REPO/paths-info/REV where REV cannot be anything
// else. The same words can be a repository called paths-info or a branch
// called so, with a verb that writes: those are not it.
func pathsInfo(w *words) bool {
	if w.is(4, "paths-info") {
		return !w.is(3, hubWriteVerbs...)
	}
	return w.is(3, "paths-info") && w.n == 5 && (w.seg[4] == "main" || isCommit(w.seg[4]))
}

func isCommit(s string) bool {
	if len(s) != 40 {
		return false
	}
	for i := 0; i < len(s); i++ {
		if !isHex(s[i]) {
			return false
		}
	}
	return true
}

// hubAccountPages are first segments of pages of the account.
var hubAccountPages = []string{
	"settings", "login", "logout", "join", "oauth", "organizations", "notifications", "billing", "subscribe",
	"password_reset", "email_confirmation", "mcp", "new", "new-dataset", "new-space", "jobs", "sso",
}

// hubRepoPages follow ORG/REPO in page URLs and belong to its owner; asking
// for access hands the owner's contact to a stranger.
var hubRepoPages = []string{"settings", "user-access-report", "ask-access", "webhooks"}

// classifyHubPage judges everything outside /api/: pages, files, git and LFS.
func classifyHubPage(verb auth.Class, post bool, w *words, query string) auth.Class {
	at := typeSegments(w)
	switch {
	case w.is(0, hubAccountPages...):
		return auth.ClassForbidden
	case w.is(at+2, hubRepoPages...):
		return auth.ClassForbidden
	case w.n == at+2 && w.is(at+1, hubRepoPages...):
		return auth.ClassForbidden // of a repository of one segment
	}
	switch gitRouteOf(w) {
	case gitRefs:
		if verb != auth.ClassRead {
			return auth.ClassForbidden
		}
		return classifyRefs(query)
	case gitReceivePack:
		return auth.ClassWrite
	case gitUploadPack:
		if post {
			return auth.ClassRead
		}
	case gitBatch:
		if post {
			return auth.ClassBody
		}
	}
	return verb
}

// gitRoute is what a path is to git and git-lfs.
type gitRoute int

const (
	notGit         gitRoute = iota
	gitRefs                 // /info/refs, Git's http-protocol(5), "smart clients"
	gitUploadPack           // /git-upload-pack: fetch
	gitReceivePack          // /git-receive-pack: push
	gitLFS                  // /info/lfs/…
	gitBatch                // /info/lfs/objects/batch, Git LFS batch API
)

// typeSegments is 1 where the path begins with a type of repository.
func typeSegments(w *words) int {
	if w.is(0, "datasets", "spaces", "kernels", "models", "buckets") {
		return 1
	}
	return 0
}

// gitRouteOf looks behind repositories of one and of two segments.
func gitRouteOf(w *words) gitRoute {
	at := typeSegments(w)
	for i := at + 1; i <= at+2; i++ {
		left := w.n - i
		switch {
		case left == 1 && w.is(i, "git-upload-pack"):
			return gitUploadPack
		case left == 1 && w.is(i, "git-receive-pack"):
			return gitReceivePack
		case left < 2 || !w.is(i, "info"):
		case left == 2 && w.is(i+1, "refs"):
			return gitRefs
		case left == 4 && w.is(i+1, "lfs") && w.is(i+2, "objects") && w.is(i+3, "batch"):
			return gitBatch
		case left > 2 && w.is(i+1, "lfs"):
			return gitLFS
		}
	}
	return notGit
}

// classifyRefs reads the one parameter that tells a fetch from a push. It must
// be there once, in one spelling, so that no server can read it otherwise:
// frameworks differ on repetition, case, brackets and semicolons.
func classifyRefs(query string) auth.Class {
	service, found := "", false
	if strings.IndexByte(query, ';') >= 0 {
		return auth.ClassForbidden
	}
	for part := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(part, "=")
		plain, odd := unescapeOnce(name)
		plain = strings.TrimSpace(strings.ReplaceAll(plain, "+", " "))
		if len(plain) < len("service") || !strings.EqualFold(plain[:len("service")], "service") {
			continue
		}
		if found || odd || name != "service" {
			return auth.ClassForbidden
		}
		service, found = value, true
	}
	switch service {
	case "git-upload-pack":
		return auth.ClassRead
	case "git-receive-pack":
		return auth.ClassWrite
	default:
		return auth.ClassForbidden
	}
}
