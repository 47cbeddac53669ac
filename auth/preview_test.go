package auth

import (
	"encoding/base64"
	"strings"
	"testing"
)

// T55: a preview shows the ends of tokens and nothing of what may be, or end
// in, a password.
func TestT55_PreviewsAreOfTokensOnly(t *testing.T) {
	const token = "cfy_0123456789abcdefghij"
	pair := base64.StdEncoding.EncodeToString([]byte("alice:correct horse battery"))
	shown := Field{Secret: true, Preview: true}
	for value, want := range map[string]string{
		token:                        "cfy_0123...ghij",
		token + "==":                 "cfy_0123...ij==",
		"Bearer " + token:            "Bearer cfy_0123...ghij",
		"token " + token:             "token cfy_0123...ghij",
		"ApiKey  " + token:           "ApiKey cfy_0123...ghij",
		"Bearer short":               "Bearer [redacted]",
		"":                           "",
		"Basic " + pair:              "",
		"basic " + pair:              "",
		"BASIC  " + pair:             "",
		"Bearer " + pair:             "",
		pair:                         "",
		strings.TrimRight(pair, "="): "",
		`Digest username="a", response="0123456789abcdef0123456789abcdef"`: "",
		"Negotiate " + token:                 "",
		"alice:correcthorsebatterystaple":    "",
		"session=" + token:                   "",
		"correct horse battery staple wagon": "",
		"Bearer " + token + " " + token:      "",
		`ApiKey key="` + token + `"`:         "",
	} {
		if got := shown.PreviewOf(NewSecret(value)); got != want {
			t.Errorf("%q: %q, want %q", value, got, want)
		}
		if got := (Field{Secret: true}).PreviewOf(NewSecret(value)); got != "" {
			t.Errorf("%q: a field without preview shows %q", value, got)
		}
	}
}
