package portal

import (
	"net/http"
	"net/url"
	"testing"
)

// The key for Comfy Cloud is set, switched, replaced and deleted by members, and
// is in no page.
func TestTheCloudKeyIsSealed(t *testing.T) {
	k := newKit(t, nil)
	viewer, member, _, _ := k.everybody()
	const at, key = "/t/research/cloud-providers", "cfy_0123456789abcdefghijCANARY"
	shows(t, "a viewer", viewer.page(at), true, "No key for Comfy Cloud")
	shows(t, "a viewer", viewer.page(at), false, "<form method=\"post\" action=\"/t/research/cloud")
	viewer.refuses(at, url.Values{"api_key": {key}, "once": {"a"}}, http.StatusForbidden, "forbidden")
	viewer.refuses(at+"/fallback", url.Values{"fallback": {"true"}}, http.StatusForbidden, "forbidden")
	if got := member.get(at + "/delete"); got.status != http.StatusNotFound {
		t.Errorf("deleting none: %d", got.status)
	}
	member.refuses(at, url.Values{"api_key": {""}, "fallback": {"true"}, "once": {"b"}}, http.StatusUnprocessableEntity, "invalid")
	got := member.refuses(at, url.Values{"api_key": {"CANARY\x01"}, "once": {"c"}}, http.StatusUnprocessableEntity, "invalid")
	shows(t, "a refused key", got.body, false, "CANARY")
	if to := member.does(at, url.Values{"api_key": {key}, "fallback": {"true"}, "once": {"d"}}); to != at+"?done=cloud-set" {
		t.Errorf("to %q", to)
	}
	page := member.page(at)
	shows(t, "set", page, true, "cfy_0123...NARY", "Switch the fallback off", "none", "Replace the key")
	shows(t, "set", page, false, key)
	viewer.refuses(at+"/fallback", url.Values{"fallback": {"false"}}, http.StatusForbidden, "forbidden")
	viewer.refuses(at+"/delete", url.Values{"name": {"comfy-cloud"}}, http.StatusForbidden, "forbidden")
	shows(t, "a viewer", viewer.page(at), false, "Switch the fallback", "Replace the key", "/delete")
	member.does(at+"/fallback", url.Values{"fallback": {"false"}})
	shows(t, "off", member.page(at), true, "Switch the fallback on")
	member.refuses(at+"/delete", url.Values{"name": {"comfy"}}, http.StatusUnprocessableEntity, "not_confirmed")
	member.does(at+"/delete", url.Values{"name": {"comfy-cloud"}})
	shows(t, "deleted", member.page(at+"?done=cloud-deleted"), true, "No key for Comfy Cloud", "The key was deleted.")
}
