package signer

import (
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/auth"
)

func TestCivitaiRemovesTheTokenOfTheQuery(t *testing.T) {
	p, _ := Lookup("civitai")
	set := NewSet(sharedVault{}, SetOptions{})
	for query, want := range map[string]string{
		"":                                  "",
		"?":                                 "?",
		"?type=Model&format=SafeTensor":     "?type=Model&format=SafeTensor",
		"?token=abc":                        "",
		"?token":                            "",
		"?type=Model&token=abc&fp=fp16%2B+": "?type=Model&fp=fp16%2B+",
		"?token=a&type=Model&TOKEN=b&x=1":   "?type=Model&x=1",
		"?%74oken=abc&x=%74":                "?x=%74",
		"?tokens=1&atoken=2":                "?tokens=1&atoken=2",
		"?a=token=x&&b":                     "?a=token=x&&b",
	} {
		out := sample(t, "GET", "https://civitai.com/api/download/models/1"+query)
		if _, err := set.Sign(t.Context(), decide(p, "civitai.com/*"), out); err != nil {
			t.Fatal(err)
		}
		if got := strings.TrimPrefix(out.Target.String(), "https://civitai.com/api/download/models/1"); got != want {
			t.Errorf("%q becomes %q, want %q", query, got, want)
		}
		if out.Header.Get("Authorization") != "Bearer "+canary {
			t.Error("no bearer token")
		}
	}
}

func TestCivitaiHosts(t *testing.T) {
	for text, bare := range map[string]bool{
		"civitai.com/*": false, "civitai.red/*": false, "civitai.com/api/download/*": false,
		"*.civitai.com/*": true, "*.civitai.red/*": true, "b2.civitai.com/*": true, "s3.us-west-004.backblazeb2.com/*": true,
		"civitai-delivery-worker-prod-2026-11-01.5ac0637cfd0766c97916cefa3764fbdf.r2.cloudflarestorage.com/*": true,
		"proxy.corp.example/*": false,
	} {
		rules, err := civitai{}.Expand(pattern(t, text))
		if err != nil || len(rules) != 1 || rules[0].Bare != bare {
			t.Errorf("%s: %+v, %v", text, rules, err)
		}
	}
}

func TestCivitaiReadRule(t *testing.T) {
	checkClasses(t, civitai{}, "https://civitai.com", `
read      GET  /api/download/models/123?type=Model
read      HEAD /api/download/models/123
read      GET  /api/v1/models/1
read      GET  /api/v1/model-versions/1
read      GET  /api/v1/model-versions/by-hash/ABC
read      GET  /models/1/name
read      GET  /api/image-resources/1
write     POST /api/v1/x
forbidden GET  /api/v1/me
forbidden GET  /api/v1/vault/all
forbidden GET  /api/v1/%6de
forbidden GET  /api/trpc/apiKey.getAllUserKeys
forbidden GET  /api/trpc/model.getById,user.getById
forbidden GET  /api/auth/session
forbidden GET  /API/auth/session
forbidden GET  /user/account
forbidden GET  /login?returnUrl=x
forbidden TRACE /api/download/models/123
`)
}

func TestComfyCloudReadRule(t *testing.T) {
	checkClasses(t, comfyCloud{}, "https://cloud.comfy.org", `
read      GET  /api/view?filename=x
read      GET  /api/history_v2
read      GET  /api/v2/jobs
read      GET  /api/assets
read      GET  /api/experiment/models
read      GET  /nodes
read      GET  /publishers
write     POST /api/prompt
write     POST /api/v2/prompt
write     POST /proxy/kling/v1/videos
write     POST /customers/storage
forbidden GET  /customers/balance
forbidden GET  /customers/me
forbidden GET  /customers
forbidden GET  /customers/storage/x
forbidden GET  /api/user
forbidden GET  /api/users
forbidden POST /api/auth/token
forbidden GET  /api/v2/api-keys
forbidden GET  /api/settings
forbidden GET  /publishers/1/tokens
forbidden GET  /%63ustomers/balance
forbidden GET  /workspaces/1/api-keys
`)
}

func TestComfyCloudHeader(t *testing.T) {
	p, _ := Lookup("comfy_cloud")
	for _, host := range []string{"cloud.comfy.org", "api.comfy.org"} {
		out := sample(t, "GET", "https://"+host+"/api/view")
		if _, err := NewSet(sharedVault{}, SetOptions{}).Sign(t.Context(), decide(p, host+"/*"), out); err != nil {
			t.Fatal(err)
		}
		if out.Header.Get("X-API-Key") != canary || out.Header.Get("Authorization") != "" {
			t.Errorf("%s: %d lines", host, len(*out.Header.(*headerLines)))
		}
	}
}

// TestComfyCloudSocket: its WebSocket takes the key in the query, once, whatever
// the worker had there.
func TestComfyCloudSocket(t *testing.T) {
	p, _ := Lookup("comfy_cloud")
	out := sample(t, "GET", "https://cloud.comfy.org/ws?clientId=a%20b&Token=mine&tok%65n=too")
	out.Header.Set("X-API-Key", "mine")
	applied, err := NewSet(sharedVault{}, SetOptions{}).Sign(t.Context(), decide(p, "cloud.comfy.org/*"), out)
	if err != nil {
		t.Fatal(err)
	}
	if out.Target.RawQuery != "clientId=a%20b&token="+canary || out.Header.Get("X-API-Key") != "" || len(applied.Mask) == 0 {
		t.Errorf("a query of %d bytes, %d values to mask, X-API-Key of %d", len(out.Target.RawQuery), len(applied.Mask), len(out.Header.Get("X-API-Key")))
	}
}

func TestGenericReadRule(t *testing.T) {
	for _, name := range []string{"http_bearer", "http_basic", "http_api_key"} {
		p, _ := Lookup(name)
		checkClasses(t, p, "https://models.example.com", `
read      GET     /settings
read      HEAD    /x
read      OPTIONS /x
write     POST    /x
write     PUT     /x
write     PATCH   /x
write     DELETE  /x
forbidden TRACE   /x
forbidden CONNECT /x
forbidden MKCOL   /x
forbidden get     /x
`)
		if len(p.Schema().DefaultPatterns) != 0 || len(p.Schema().Hosts) != 0 {
			t.Errorf("%s: a generic provider has hosts of its own", name)
		}
	}
}

func checkClasses(t *testing.T, p auth.Provider, origin, table string) {
	t.Helper()
	for line := range strings.Lines(strings.TrimSpace(table)) {
		f := strings.Fields(line)
		if got := className(p.Classify(f[1], target(t, origin+f[2]))); got != f[0] {
			t.Errorf("%s %s is %s, want %s", f[1], f[2], got, f[0])
		}
	}
}
