package auth

import "testing"

func TestServiceAccounts(t *testing.T) {
	for text, want := range map[string]bool{"comfy/worker": true, "comfy/*": true, "comfy/a.b": true, "comfy": false, "*/worker": false, "*/*": false, "": false,
		"comfy/": false, "/x": false, "a.b/c": false, "comfy/w*": false, "Comfy/worker": false, "comfy/-x": false} {
		if _, ok := ParseServiceAccounts(text); ok != want {
			t.Errorf("%q: %v", text, ok)
		}
	}
	a := ServiceAccount{"comfy", "worker"}
	for text, want := range map[string]bool{"comfy/worker": true, "comfy/*": true, "comfy/other": false, "other/*": false} {
		if s, _ := ParseServiceAccounts(text); s.Selects(a) != want {
			t.Errorf("%q: %v", text, !want)
		}
	}
	if (ServiceAccount{}).Selects(ServiceAccount{}) {
		t.Error("the zero selector matches")
	}
}
