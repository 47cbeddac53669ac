package admin_test

import (
	"net/http"
	"strings"
	"testing"
)

const comfyCloudPath = "/api/v1/cloud-providers/comfy-cloud"

// TestComfyCloudIsTheReservedCredential: set, changed, revoked and deleted
// either way, it is one thing, and its answer has exactly the fields that it is
// known by.
func TestComfyCloudIsTheReservedCredential(t *testing.T) {
	f := newFixture(t)
	f.must(http.StatusNotFound, "GET", comfyCloudPath, "")
	f.must(http.StatusNotFound, "DELETE", comfyCloudPath, "")

	first := f.must(http.StatusOK, "PUT", comfyCloudPath, `{"api_key":"cfy_`+strings.Repeat("x", 20)+`last"}`)
	for _, name := range []string{"provider_name", "credential_status", "cloud_fallback", "created_at", "updated_at", "key_preview"} {
		if _, ok := first[name]; !ok {
			t.Errorf("%s is missing", name)
		}
	}
	if len(first) != 6 || first["provider_name"] != "comfy_cloud" || first["credential_status"] != "active" || first["cloud_fallback"] != false || first["key_preview"] != "cfy_xxxx...last" {
		t.Errorf("set: %v", first)
	}
	f.must(http.StatusCreated, "POST", "/api/v1/keys", `{"name":"w","credentials":["comfy-cloud"]}`)

	// A change keeps when it was made, and the links.
	second := f.must(http.StatusOK, "PUT", comfyCloudPath, `{"api_key":"`+canary+`","cloud_fallback":true}`)
	if second["cloud_fallback"] != true || second["created_at"] != first["created_at"] || second["updated_at"] == first["updated_at"] || second["key_preview"] == first["key_preview"] {
		t.Errorf("changed: %v, after %v", second, first)
	}
	row := f.must(http.StatusOK, "GET", "/api/v1/credentials/comfy-cloud", "")
	if row["provider"] != "comfy_cloud" || row["fields"].(map[string]any)["cloud_fallback"] != "true" || len(row["keys"].([]any)) != 1 {
		t.Errorf("underneath: %v", row)
	}

	// The switch may be changed alone, as any policy field of a credential.
	f.must(http.StatusOK, "PATCH", "/api/v1/credentials/comfy-cloud", `{"fields":{"cloud_fallback":"false"}}`)
	if got := f.must(http.StatusOK, "GET", comfyCloudPath, ""); got["cloud_fallback"] != false || got["key_preview"] != second["key_preview"] {
		t.Errorf("switched off: %v", got)
	}

	// A revocation is final, so another key is another credential; its links stay.
	f.must(http.StatusOK, "POST", "/api/v1/credentials/comfy-cloud/revoke", "")
	if got := f.must(http.StatusOK, "GET", comfyCloudPath, ""); got["credential_status"] != "revoked" {
		t.Errorf("revoked: %v", got)
	}
	f.must(http.StatusUnprocessableEntity, "PUT", comfyCloudPath, `{"api_key":"with space"}`)
	f.must(http.StatusOK, "PUT", comfyCloudPath, `{"api_key":"`+canary+`"}`)
	row = f.must(http.StatusOK, "GET", "/api/v1/credentials/comfy-cloud", "")
	if got := f.must(http.StatusOK, "GET", comfyCloudPath, ""); got["credential_status"] != "active" || len(row["keys"].([]any)) != 1 {
		t.Errorf("set again: %v, %v", got, row)
	}
	f.must(http.StatusNoContent, "DELETE", comfyCloudPath, "")
	f.must(http.StatusNotFound, "GET", "/api/v1/credentials/comfy-cloud", "")

	for body, status := range map[string]int{
		`{}`: 422, `{"api_key":""}`: 422, `{"api_key":"` + strings.Repeat("x", 513) + `"}`: 422, `{"api_key":"x","more":1}`: 422, `{"api_key":"x","cloud_fallback":"yes"}`: 422,
	} {
		if got, out := f.call("PUT", comfyCloudPath, body); got != status {
			t.Errorf("%.60s: %d, %v", body, got, out)
		}
	}
	f.clean()
}

// TestTheReservedNameIsKept for the key of Comfy Cloud.
func TestTheReservedNameIsKept(t *testing.T) {
	f := newFixture(t)
	if got := f.must(http.StatusConflict, "POST", "/api/v1/credentials", `{"name":"comfy-cloud","provider":"http_bearer","fields":{"token":"x"},"patterns":["a.example/*"]}`); got["code"] != "reserved" {
		t.Errorf("%v", got)
	}
	f.must(http.StatusCreated, "POST", "/api/v1/credentials", `{"name":"other","provider":"http_bearer","fields":{"token":"x"},"patterns":["a.example/*"]}`)
	f.must(http.StatusConflict, "PATCH", "/api/v1/credentials/other", `{"name":"comfy-cloud"}`)
	f.must(http.StatusCreated, "POST", "/api/v1/credentials", `{"name":"comfy-cloud","provider":"comfy_cloud","fields":{"api_key":"`+canary+`"}}`)
	f.must(http.StatusConflict, "PATCH", "/api/v1/credentials/comfy-cloud", `{"name":"mine"}`)
	if got := f.must(http.StatusOK, "GET", comfyCloudPath, ""); got["cloud_fallback"] != false {
		t.Errorf("%v", got)
	}
	f.clean()
}

// The team's key has an ETag as every thing has, and a change may be held to it.
func TestComfyCloudIsChangedAsItWasSeen(t *testing.T) {
	f := newFixture(t)
	const one, other = `{"api_key":"cfy_one_0123456789012345"}`, `{"api_key":"cfy_other_0123456789012345","cloud_fallback":true}`
	if w := f.with("PUT", comfyCloudPath, one, "If-Match", `"something"`); w.Code != http.StatusPreconditionFailed {
		t.Errorf("of nothing: %d %s", w.Code, w.Body)
	}
	seen := f.with("PUT", comfyCloudPath, one).Header().Get("ETag")
	if w := f.with("GET", comfyCloudPath, "", "If-None-Match", seen); seen == "" || w.Code != http.StatusNotModified {
		t.Errorf("unchanged, %s: %d", seen, w.Code)
	}
	if w := f.with("PUT", comfyCloudPath, other, "If-Match", seen); w.Code != http.StatusOK || w.Header().Get("ETag") == seen {
		t.Errorf("as seen: %d %s", w.Code, w.Body)
	}
	for _, method := range []string{"PUT", "DELETE"} {
		if w := f.with(method, comfyCloudPath, map[string]string{"PUT": one}[method], "If-Match", seen); w.Code != http.StatusPreconditionFailed {
			t.Errorf("%s after a change: %d %s", method, w.Code, w.Body)
		}
	}
}
