package trial

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/internal/workerenv"
)

// What Azure says to a request without a credential, by statuses that mean
// something else where one was put on.
func TestAzuresWantOfACredential(t *testing.T) {
	var status int
	var code, decision string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Ms-Error-Code", code)
		w.Header().Set("X-Weighbridge-Decision", decision)
		w.WriteHeader(status)
	}))
	defer s.Close()
	proxy, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	c := New(Options{Mode: workerenv.Reverse, Proxy: proxy})
	defer c.Close()
	const bare, used = `nothing was put on the request: no credential matches`, `used credential "models" by acme.blob.core.windows.net/*`
	for _, one := range []struct {
		status               int
		code, decision, want string
	}{
		{409, "PublicAccessNotPermitted", bare, CredentialNeeded},
		{404, "ResourceNotFound", bare, CredentialNeeded},
		{401, "NoAuthenticationInformation", bare, CredentialNeeded},
		{404, "BlobNotFound", bare, NotFound},
		{404, "", bare, NotFound},
		{409, "", bare, NoAccess},
		{409, "PublicAccessNotPermitted", used, NoAccess},
		{404, "ResourceNotFound", used, NotFound},
		{403, "AuthorizationPermissionMismatch", used, NoAccess},
	} {
		status, code, decision = one.status, one.code, one.decision
		r := c.Get(t.Context(), "https://acme.blob.core.windows.net/models/x.bin")
		if r.Code != one.want || one.want == CredentialNeeded && (!strings.Contains(r.Next, "weighbridge link") || !strings.Contains(r.Detail, bare)) {
			t.Errorf("%d %s, %s: %+v, want %s", one.status, one.code, one.decision, r, one.want)
		}
	}
}
