package admin_test

import (
	"fmt"
	"strings"
	"testing"
)

const sas = "sv=2022-11-02&sr=c&sp=rw&sig=Q2FuYXJ5%2B2FuYXJ5%2F2FuYXJ5%2BUNhbmFyeUNhbmFyeTE%3D"

// What can be read out of a secret is shown when it comes in and afterwards,
// and an end that it names is the credential's.
func TestReadingOfACredential(t *testing.T) {
	f := newFixture(t)
	create := func(name, token, more string) (int, map[string]any) {
		return f.call("POST", "/api/v1/credentials", fmt.Sprintf(`{"name":%q,"provider":"azure_blob","fields":{"sasToken":%q}%s}`, name, token, more))
	}
	status, c := create("models", "?"+sas+"&se=2099-01-01\n", "")
	if status != 201 || c["expires_at"] != "2099-01-01T00:00:00Z" {
		t.Fatalf("%d %v", status, c)
	}
	has := func(c map[string]any, list, text string) {
		t.Helper()
		if !strings.Contains(fmt.Sprint(c[list]), text) {
			t.Errorf("%s are %v, without %q", list, c[list], text)
		}
	}
	has(c, "facts", "permissions: read, write")
	has(c, "warnings", "more than read: write")
	has(c, "warnings", "every storage account")
	// A pattern that names the account ends that warning, and only that one.
	status, c = f.call("PATCH", "/api/v1/credentials/models", `{"patterns":["acme.blob.core.windows.net/*"],"fields":{"sasToken":"`+sas+`&se=2098-01-01"}}`)
	has(c, "warnings", "more than read: write")
	if status != 200 || strings.Contains(fmt.Sprint(c["warnings"]), "every storage account") || c["expires_at"] != "2098-01-01T00:00:00Z" {
		t.Errorf("%d %v", status, c)
	}
	// It ends when it ends, whatever is said of it; earlier is possible.
	for given, want := range map[string]string{"2097-01-01T00:00:00Z": "2097-01-01T00:00:00Z", "2100-01-01T00:00:00Z": "2098-01-01T00:00:00Z", "0001-01-01T00:00:00Z": "2098-01-01T00:00:00Z"} {
		if status, c := f.call("PATCH", "/api/v1/credentials/models", `{"expires_at":"`+given+`"}`); status != 200 || c["expires_at"] != want {
			t.Errorf("%s: %d, %v", given, status, c["expires_at"])
		}
	}
	if status, c := create("late", sas+"&se=2020-01-01", ""); status != 422 || !strings.Contains(fmt.Sprint(c["detail"]), "ended at 2020-01-01T00:00:00Z") {
		t.Errorf("%d %v", status, c)
	}
	if status, c := f.call("PATCH", "/api/v1/credentials/models", `{"fields":{"sasToken":"`+sas+`&se=2020-01-01"}}`); status != 422 {
		t.Errorf("%d %v", status, c)
	}
	// A stored policy alone says nothing about the end.
	if status, c := create("policy", sas+"&si=p", ""); status != 201 || c["expires_at"] != nil {
		t.Errorf("%d %v", status, c)
	}
	if strings.Contains(f.seen.String(), "2FuYXJ5") {
		t.Error("the API shows the signature")
	}
}
