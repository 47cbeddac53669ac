package auth

import (
	"strings"
	"testing"
)

func TestMetricsTokensHaveAForm(t *testing.T) {
	body := strings.Repeat("0f", 20)
	for s, want := range map[string]bool{
		body: true, body[:32]: true, "a-b._~+/" + body + "==": true, TokenPrefix + body: true,
		"": false, body[:31]: false, strings.Repeat(body, 13): false, body + " x": false, body + "\n": false, body + "é": false, body[:20] + "\x00" + body: false,
		KeyPrefix + body: false, KeyAliasPrefix + body: false, URLKeyPrefix + body: false,
	} {
		h, ok := HashMetricsToken(s)
		if ok != want || h.IsZero() == want {
			t.Errorf("%q: %v", s, ok)
		}
	}
	a, _ := HashMetricsToken(body)
	if b, _ := HashMetricsToken(body + "0"); a == b {
		t.Error("two tokens have one hash")
	}
}
