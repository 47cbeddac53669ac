package portal

import (
	"net/url"
	"reflect"
	"testing"

	"github.com/weighbridge/weighbridge/admin"
)

// A form that was sent changes what was changed in it, and nothing that somebody
// else has linked since it was shown.
func TestRelinkChangesWhatWasChanged(t *testing.T) {
	var did []string
	note := func(what string) func(string) error {
		return func(id string) error { did = append(did, what+id); return nil }
	}
	form := url.Values{"credentials-was": {"a", "b"}, "credentials": {"b", "c"}, "keys": {"z"}}
	if err := relink(form, "credentials", note("+"), note("-")); err != nil || !reflect.DeepEqual(did, []string{"+c", "-a"}) {
		t.Errorf("%v %v", did, err)
	}
}

// What is revoked is offered where it is linked, and nowhere else.
func TestRevokedThingsAreNotOffered(t *testing.T) {
	all := []admin.Credential{{ID: "1", Name: "one", Status: "valid"}, {ID: "2", Name: "two", Status: "revoked"}, {ID: "3", Name: "three", Status: "revoked"}}
	got := chosen(credentialChoices(all, []admin.Ref{{ID: "3"}}), []string{"1"})
	want := []choice{{ID: "1", Name: "one", Status: "valid", Chosen: true}, {ID: "3", Name: "three", Status: "revoked", Linked: true}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
}
