package signer

import (
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/auth"
)

const commit = "0123456789abcdef0123456789abcdef01234567"

func className(c auth.Class) string {
	return map[auth.Class]string{auth.ClassForbidden: "forbidden", auth.ClassWrite: "write", auth.ClassRead: "read", auth.ClassBody: "body"}[c]
}

// What the clients of the wire facts send, and what it counts as.
func TestClassifyWhatRealClientsSend(t *testing.T) {
	table := `
read      HEAD    /acme/weights/resolve/main/config.json
read      GET     /acme/weights/resolve/main/model.safetensors
read      GET     /acme/weights/resolve/refs%2Fpr%2F1/a%20b/%2B%25.bin
read      GET     /gpt2/resolve/main/config.json
read      OPTIONS /acme/weights/resolve/main/config.json
read      GET     /api/resolve-cache/models/acme/weights/` + commit + `/config.json?%2Facme%2Fweights%2Fresolve%2Fmain%2Fconfig.json=&etag=%22x%22
read      GET     /datasets/acme/corpus/resolve/main/settings/tokens
read      GET     /acme/weights/resolve/main/api/whoami-v2
read      GET     /acme/weights/resolve/main/secrets
read      GET     /acme/weights/blob/main/settings
read      GET     /api/models/acme/weights/tree/main/settings
read      GET     /acme/weights
read      GET     /acme
read      GET     /
read      GET     /api/models/acme/weights/xet-read-token/` + commit + `
read      GET     /api/datasets/acme/corpus/xet-read-token/main
read      GET     /api/buckets/acme/store/xet-read-token
read      GET     /api/models/acme/weights
read      GET     /api/models/acme/weights/revision/main
read      GET     /api/models/acme/weights/tree/` + commit + `?recursive=true&expand=false
read      GET     /api/models/acme/weights/refs
read      GET     /api/models/acme/weights/commits/main
read      GET     /api/models/acme/weights/auth-check
read      GET     /api/models/acme/weights/auth-check/write
read      GET     /api/models/acme/weights/discussions
read      GET     /api/models/gpt2
read      GET     /api/models?search=x&author=acme&limit=5
read      GET     /api/models-tags-by-type
read      GET     /api/kernels/acme/demo
read      GET     /api/spaces/acme/demo/runtime
read      GET     /api/collections/acme/best-123
read      GET     /api/daily_papers
read      GET     /api/trending
read      GET     /api/organizations/acme/overview
read      GET     /api/organizations/acme/avatar
read      GET     /api/agent-harnesses
read      HEAD    /api/telemetry/transformers/auto
read      GET     /.well-known/meta.json
read      POST    /api/models/acme/weights/paths-info/main
read      POST    /api/datasets/acme/corpus/paths-info/refs%2Fpr%2F1
read      POST    /api/buckets/acme/store/paths-info
read      POST    /api/models/gpt2/paths-info/` + commit + `
read      POST    /acme/weights/git-upload-pack
read      POST    /acme/weights.git/git-upload-pack
read      POST    /datasets/acme/corpus.git/git-upload-pack
read      POST    /gpt2/git-upload-pack
read      GET     /acme/weights/info/refs?service=git-upload-pack
read      GET     /acme/weights.git/info/refs?service=git-upload-pack
read      GET     /acme/weights.git/info/lfs/locks
body      POST    /acme/weights.git/info/lfs/objects/batch
body      POST    /datasets/acme/corpus.git/info/lfs/objects/batch
body      POST    /gpt2.git/info/lfs/objects/batch
write     GET     /api/models/acme/weights/xet-write-token/main
write     GET     /api/models/acme/weights/xet-write-token/main?create_pr=1
write     HEAD    /api/spaces/acme/demo/xet-write-token/None
write     GET     /api/models/gpt2/xet-write-token/main
write     GET     /api/buckets/acme/store/xet-write-token
write     GET     /acme/weights/info/refs?service=git-receive-pack
write     POST    /acme/weights/git-receive-pack
write     GET     /acme/weights/git-receive-pack
write     POST    /acme/weights.git/info/lfs/locks/verify
write     POST    /acme/weights.git/info/lfs/locks
write     POST    /api/models/acme/weights/preupload/main
write     POST    /api/models/acme/weights/commit/main
write     POST    /api/models/gpt2/commit/paths-info
write     POST    /api/models/acme/paths-info/commit/main
write     POST    /api/models/acme/paths-info/batch
write     POST    /api/repos/create
write     DELETE  /api/repos/delete
write     POST    /api/models/acme/weights/discussions
write     PUT     /api/complete
write     POST    /api/validate-yaml
write     DELETE  /acme/weights/resolve/main/x
write     PATCH   /api/collections/acme/best-123
forbidden GET     /api/whoami-v2
forbidden GET     /api/whoami
forbidden HEAD    /api/whoami-v2
forbidden OPTIONS /api/whoami-v2
forbidden GET     /api/settings/repositories
forbidden GET     /api/settings/mcp
forbidden GET     /api/settings/webhooks
forbidden GET     /api/settings/billing/usage
forbidden GET     /api/users/alice/overview
forbidden GET     /api/user/x
forbidden GET     /api/tokens
forbidden GET     /api/token-refresh
forbidden POST    /oauth/token
forbidden GET     /oauth/userinfo
forbidden GET     /login
forbidden GET     /logout
forbidden GET     /join
forbidden GET     /settings/tokens
forbidden GET     /settings
forbidden GET     /organizations/acme/settings/members
forbidden GET     /api/organizations/acme/members
forbidden GET     /api/organizations/acme/audit-log/export
forbidden GET     /api/organizations/acme/settings/tokens
forbidden GET     /api/organizations/acme/scim/v2/Users
forbidden POST    /api/organizations/acme/overview
forbidden GET     /api/organizations/acme/overview/x
forbidden GET     /api/billing
forbidden GET     /api/notifications
forbidden GET     /api/jobs/alice
forbidden GET     /api/scheduled-jobs/alice
forbidden GET     /api/sql-console/x
forbidden POST    /api/inference-endpoints/alice/auth-check/read
forbidden GET     /api/spaces/acme/demo/secrets
forbidden POST    /api/spaces/acme/demo/secrets
forbidden GET     /api/spaces/acme/demo/variables
forbidden GET     /api/spaces/acme/demo/logs/run
forbidden GET     /api/spaces/acme/demo/jwt
forbidden GET     /api/models/acme/weights/jwt?write=true
forbidden GET     /api/models/gpt2/jwt
forbidden GET     /api/models/acme/weights/user-access-request/pending
forbidden POST    /api/models/acme/weights/user-access-request/grant
forbidden GET     /acme/weights/user-access-report
forbidden POST    /acme/weights/ask-access
forbidden PUT     /api/models/acme/weights/settings
forbidden GET     /acme/weights/settings
forbidden GET     /datasets/acme/corpus/settings
forbidden GET     /api/models/acme/weights/resource-group
forbidden GET     /mcp
forbidden GET     /api/spaces/zero-gpu/quota
forbidden GET     /acme/weights/info/refs
forbidden GET     /acme/weights/info/refs?service=git-annex
forbidden POST    /acme/weights/info/refs?service=git-upload-pack
forbidden TRACE   /acme/weights/resolve/main/x
forbidden CONNECT /acme/weights
forbidden get     /acme/weights/resolve/main/x
forbidden PROPFIND /acme/weights
`
	for line := range strings.Lines(strings.TrimSpace(table)) {
		f := strings.Fields(line)
		if got := className((huggingFace{}).Classify(f[1], target(t, "https://huggingface.co"+f[2]))); got != f[0] {
			t.Errorf("%s %s is %s, want %s", f[1], f[2], got, f[0])
		}
	}
}

// T27, T53: no other spelling of a refused or writing request counts as less.
func TestT53_SpellingDoesNotDodgeTheReadRule(t *testing.T) {
	spell := map[string]func(string) string{
		"escaped letter":   func(p string) string { return escapeLetter(p, 1) },
		"escaped twice":    func(p string) string { return escapeLetter(escapeLetter(p, 1), 1) },
		"escaped thrice":   func(p string) string { return strings.ReplaceAll(escapeLetter(p, 1), "%", "%2525") },
		"escaped too deep": func(p string) string { return strings.ReplaceAll(escapeLetter(p, 1), "%", "%25252525") },
		"escaped slash":    func(p string) string { return p[:1] + strings.Replace(p[1:], "/", "%2F", 1) },
		"capitals":         strings.ToUpper,
		"trailing slash":   func(p string) string { return p + "/" },
		"double slash":     func(p string) string { return strings.ReplaceAll(p, "/", "//") },
		"parameters":       func(p string) string { return strings.ReplaceAll(p[1:], "/", ";x=1/") },
		"last parameter":   func(p string) string { return p + ";v=1" },
	}
	for _, c := range []struct{ method, path, query string }{
		{"GET", "/api/whoami-v2", ""},
		{"GET", "/api/settings/webhooks", ""},
		{"GET", "/settings/tokens", ""},
		{"GET", "/oauth/userinfo", ""},
		{"GET", "/api/models/acme/weights/jwt", ""},
		{"GET", "/api/spaces/acme/demo/secrets", ""},
		{"GET", "/api/models/acme/weights/xet-write-token/main", ""},
		{"POST", "/acme/weights/git-receive-pack", ""},
		{"GET", "/acme/weights/info/refs", "service=git-receive-pack"},
	} {
		plain := (huggingFace{}).Classify(c.method, auth.Target{Scheme: "https", Host: "huggingface.co", Port: 443, Path: c.path, RawQuery: c.query})
		if plain == auth.ClassRead {
			t.Fatalf("%s is a read", c.path)
		}
		for name, f := range spell {
			path := f(c.path)
			if !strings.HasPrefix(path, "/") {
				path = "/" + path
			}
			got := (huggingFace{}).Classify(c.method, auth.Target{Scheme: "https", Host: "huggingface.co", Port: 443, Path: path, RawQuery: c.query})
			if stricter(got, plain) != got {
				t.Errorf("%s: %s is %s, less than %s", name, path, className(got), className(plain))
			}
		}
	}
	for _, path := range []string{"/a/../api/whoami-v2", "/a/%2e%2e/api/whoami-v2", "/a/%252e%252e/api", "/a/./b", `/a\..\b`, "/a/%5c..%5cb", "/a/\x00", "/a/%00b", "/a/%0d%0ab", "/..;x/b"} {
		if got := (huggingFace{}).Classify("GET", auth.Target{Scheme: "https", Host: "huggingface.co", Port: 443, Path: path}); got != auth.ClassForbidden {
			t.Errorf("%q is %s", path, className(got))
		}
	}
}

// escapeLetter writes the letter behind each slash as a percent triple.
func escapeLetter(p string, behind int) string {
	var b strings.Builder
	since := 0
	for i := 0; i < len(p); i++ {
		if p[i] == '/' {
			since = 0
		} else {
			since++
		}
		if since == behind {
			b.WriteString("%" + string("0123456789abcdef"[p[i]>>4]) + string("0123456789abcdef"[p[i]&15]))
			continue
		}
		b.WriteByte(p[i])
	}
	return b.String()
}

func TestServiceIsReadStrictly(t *testing.T) {
	for query, want := range map[string]auth.Class{
		"service=git-upload-pack":     auth.ClassRead,
		"a=b&service=git-upload-pack": auth.ClassRead,
		"service=git-receive-pack":    auth.ClassWrite,
		"":                            auth.ClassForbidden,
		"service=":                    auth.ClassForbidden,
		"service":                     auth.ClassForbidden,
		"service=git-upload-pack&service=git-receive-pack": auth.ClassForbidden,
		"service=git-receive-pack&service=git-upload-pack": auth.ClassForbidden,
		"service=git-upload-pack&service=git-upload-pack":  auth.ClassForbidden,
		"service=git-upload-pack&Service=git-receive-pack": auth.ClassForbidden,
		"service=git-upload-pack&service[]=x":              auth.ClassForbidden,
		"service=git-upload-pack&%73ervice=x":              auth.ClassForbidden,
		"%73ervice=git-upload-pack":                        auth.ClassForbidden,
		"service=git-upload-pack;service=git-receive-pack": auth.ClassForbidden,
		"a=b;service=git-receive-pack":                     auth.ClassForbidden,
		"service=git%2dupload-pack":                        auth.ClassForbidden,
		"service=git-upload-pack%00":                       auth.ClassForbidden,
		"service=GIT-UPLOAD-PACK":                          auth.ClassForbidden,
		"+service=git-receive-pack":                        auth.ClassForbidden,
		"service=git-upload-pack&+service=x":               auth.ClassForbidden,
	} {
		if got := classifyRefs(query); got != want {
			t.Errorf("%q is %s, want %s", query, className(got), className(want))
		}
	}
}

func TestStorageIsJudgedByMethod(t *testing.T) {
	for _, path := range []string{"/settings/x", "/api/whoami-v2", "/repos/aa/bb/x"} {
		if got := (huggingFace{}).Classify("GET", target(t, "https://us.aws.cdn.hf.co"+path)); got != auth.ClassRead {
			t.Errorf("%s is %s", path, className(got))
		}
	}
}

// git and LFS want Basic, everything else Bearer.
func TestHubSchemeByRoute(t *testing.T) {
	p, _ := Lookup("huggingface")
	set := NewSet(sharedVault{}, SetOptions{})
	for path, scheme := range map[string]string{
		"/acme/weights/resolve/main/x":                  "Bearer",
		"/api/models/acme/weights":                      "Bearer",
		"/api/models/acme/weights/xet-read-token/main":  "Bearer",
		"/acme/weights/resolve/main/info/refs":          "Bearer",
		"/acme/weights/info/refs":                       "Basic",
		"/acme/weights.git/info/refs":                   "Basic",
		"/gpt2/info/refs":                               "Basic",
		"/acme/weights/git-upload-pack":                 "Basic",
		"/acme/weights/git-receive-pack":                "Basic",
		"/datasets/acme/corpus.git/git-upload-pack":     "Basic",
		"/acme/weights.git/info/lfs/objects/batch":      "Basic",
		"/acme/weights.git/info/lfs/locks/verify":       "Basic",
		"/spaces/acme/demo.git/info/lfs/objects/batch":  "Basic",
		"/acme/weights/resolve/main/git-upload-pack":    "Bearer",
		"/acme/weights/resolve/main/a/info/lfs/objects": "Bearer",
	} {
		out := sample(t, "GET", "https://huggingface.co"+path)
		if _, err := set.Sign(t.Context(), decide(p, "huggingface.co/*"), out); err != nil {
			t.Fatal(err)
		}
		want := map[string]string{"Bearer": "Bearer " + canary, "Basic": "Basic aGZfdXNlcjpoZl9DYW5hcnlDYW5hcnlDYW5hcnlDYW5hcnlDYW5hcnkxMjM0"}[scheme]
		if got := out.Header.Values("Authorization"); len(got) != 1 || got[0] != want {
			t.Errorf("%s: %q, want %s", path, got, scheme)
		}
	}
}
