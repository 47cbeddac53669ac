package signer

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/auth"
)

func TestHeaderNamesThatACredentialMayNotSet(t *testing.T) {
	p, _ := Lookup("http_api_key")
	check := func(name, value string) error {
		return p.Check(auth.Fields{"headerName": auth.NewSecret(name), "headerValue": auth.NewSecret(value)})
	}
	for _, name := range []string{
		"Connection", "keep-alive", "TE", "Trailer", "Transfer-Encoding", "Upgrade", "Proxy-Authorization", "proxy-connection", "Proxy-X",
		"Host", "content-length", "Content-Encoding", "Expect", "Via", "Range", "If-Range", "If-None-Match", "Accept-Encoding",
		"X-HTTP-Method-Override", "X-Original-URL", "X-Forwarded-For", "X-Weighbridge-Key",
		"X Key", "X-Key:", "X-Kéy", "X-Key\r\nHost", "", ":authority", "X(Key)",
	} {
		err := check(name, canary)
		if err == nil || !strings.Contains(err.Error(), "headerName: ") {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"X-API-Key", "Authorization", "x-api-key", "Cookie", "PRIVATE-TOKEN", "X_Key", "api.key", "Ocp-Apim-Subscription-Key"} {
		if err := check(name, canary); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, value := range []string{"a\r\nb", "a\nb", "a\x00b", "a\x7f", "ä", " a", "a ", "a\t"} {
		err := check("X-API-Key", value)
		if err == nil || !strings.Contains(err.Error(), "headerValue: ") {
			t.Errorf("%q: %v", value, err)
		}
	}
	for _, value := range []string{"a", "Bearer " + canary, "a b\tc", `k="v", x=1`} {
		if err := check("X-API-Key", value); err != nil {
			t.Errorf("%q: %v", value, err)
		}
	}
}

// T51: an upstream echoes a token more often than the whole field.
func TestT51_PartsOfAHeaderValueAreMasked(t *testing.T) {
	p, _ := Lookup("http_api_key")
	for _, c := range []struct {
		name, value string
		want        []string
	}{
		{"X-API-Key", canary, []string{canary}},
		{"Authorization", "Bearer " + canary, []string{"Bearer " + canary, canary}},
		{"Authorization", basicPair("alice", canary), []string{basicPair("alice", canary), strings.TrimPrefix(basicPair("alice", canary), "Basic "), canary}},
		{"X-Auth", "Token " + canary, []string{"Token " + canary, canary}},
		{"Cookie", "session=" + canary + "; b=longvalue==", []string{"session=" + canary + "; b=longvalue==", canary, "longvalue=="}},
	} {
		set := NewSet(&openVault{fields: auth.Fields{"headerName": auth.NewSecret(c.name), "headerValue": auth.NewSecret(c.value)}}, SetOptions{})
		out := sample(t, "GET", "https://models.example.com/x")
		out.Header.Add(c.name, "the worker's own")
		applied, err := set.Sign(t.Context(), decide(p, "models.example.com/*"), out)
		if err != nil {
			t.Fatal(err)
		}
		if got := out.Header.Values(c.name); !slices.Equal(got, []string{c.value}) {
			t.Errorf("%s: %d values", c.name, len(got))
		}
		if got := reveal(applied); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %d masks, want %d", c.name, len(got), len(c.want))
		}
	}
	// A stored name that may not be set is not set.
	set := NewSet(&openVault{fields: auth.Fields{"headerName": auth.NewSecret("Host"), "headerValue": auth.NewSecret(canary)}}, SetOptions{})
	_, err := set.Sign(t.Context(), decide(p, "models.example.com/*"), sample(t, "GET", "https://models.example.com/x"))
	wantRefusal(t, err, "could not be put on the request")
}

func TestBasicCheck(t *testing.T) {
	p, _ := Lookup("http_basic")
	check := func(user, password string) error {
		return p.Check(auth.Fields{"username": auth.NewSecret(user), "password": auth.NewSecret(password)})
	}
	if err := check("a:b", canary); err == nil || !strings.Contains(err.Error(), "colon") {
		t.Errorf("a colon in the user name: %v", err)
	}
	if err := check("größe", "pass:word mit ß"); err != nil {
		t.Errorf("UTF-8: %v", err)
	}
	set := NewSet(&openVault{fields: auth.Fields{"username": auth.NewSecret("Aladdin"), "password": auth.NewSecret("open sesame")}}, SetOptions{})
	out := sample(t, "GET", "https://models.example.com/x")
	if _, err := set.Sign(t.Context(), decide(p, "models.example.com/*"), out); err != nil {
		t.Fatal(err)
	}
	// The example of RFC 7617, section 2.
	if got := out.Header.Get("Authorization"); got != "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==" {
		t.Errorf("Authorization is %q", got)
	}
}

func TestNearest(t *testing.T) {
	fields := []string{"headerName", "headerValue", "token", "api_key", "secretAccessKey"}
	for name, want := range map[string]string{
		"headername": "headerName", "header_name": "headerName", "HeaderNmae": "headerName", "tokn": "token", "tokens": "token",
		"apiKey": "api_key", "api-key": "api_key", "secret_access_key": "secretAccessKey", "x": "", "password": "", strings.Repeat("a", 100): "",
	} {
		if got := nearest(name, fields); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
