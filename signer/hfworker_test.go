package signer

import (
	"encoding/base64"
	"regexp"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/auth"
)

func basicPair(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

func TestPlaceholderTokenHasTheFormThatClientsInsistOn(t *testing.T) {
	// llama.cpp sends a token only where it is hf_ and 34 or more alphanumerics.
	if !regexp.MustCompile(`^hf_[A-Za-z0-9]{34}$`).MatchString(PlaceholderToken) {
		t.Error("the form is another")
	}
	// It is never looked up as a key, so it never counts as a guess.
	if _, ok := auth.HashAPIKey(PlaceholderToken); ok {
		t.Error("it could be an API key of ours")
	}
}

func TestIsPlaceholder(t *testing.T) {
	const real = "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"
	p, _ := Lookup("huggingface")
	for value, want := range map[string]bool{
		"Bearer " + PlaceholderToken:           true,
		"bearer  " + PlaceholderToken + " ":    true,
		basicPair("hf_user", PlaceholderToken): true,
		basicPair(PlaceholderToken, ""):        true,
		basicPair("alice", "hf_xxxx"):          true,
		"Bearer hf_xxxxxxxxxxxxxxxxxxxxxxxx":   true,
		"Bearer hf_XXX":                        true,
		"Bearer hf_placeholder":                true,
		"Bearer hf_000000000000000000":         true,
		"Bearer hf_your_token_here":            true,
		"Bearer hf_...":                        true,
		"Bearer hf_***":                        true,
		"Bearer hf_":                           true,
		"Bearer none":                          true,
		"Bearer ":                              true,
		"Bearer":                               true,
		"Bearer " + real:                       false,
		basicPair("hf_user", real):             false,
		basicPair(PlaceholderToken, real):      false,
		"Bearer xet_aaaa":                      false,
		"Bearer hf_xxxQyBvXkZrTnMwLsJdHgFpCaE": false,
		"Basic !!!":                            false,
		"Digest hf_xxx":                        false,
		PlaceholderToken:                       false,
		"":                                     false,
	} {
		if got := p.(auth.Placeholderer).IsPlaceholder(value); got != want {
			t.Errorf("%q: %v", value, got)
		}
	}
}

func TestCheckRefusesWhatIsNotAHubToken(t *testing.T) {
	p, _ := Lookup("huggingface")
	for value, want := range map[string]string{
		auth.NewAPIKey().Reveal(): "is a key of weighbridge",
		auth.NewURLKey().Reveal(): "is a key of weighbridge",
		"wbt_abc":                 "is a key of weighbridge",
		PlaceholderToken:          "is a placeholder",
		"hf_xxxxxx":               "is a placeholder",
		"Bearer " + canary:        "without the word Bearer",
		"hf_abc def":              "no spaces",
		"hf_ä":                    "visible ASCII",
		" " + canary:              "white space around it",
	} {
		err := p.Check(auth.Fields{"token": auth.NewSecret(value)})
		if err == nil || !strings.Contains(err.Error(), "huggingface: token: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", value, err, want)
		}
		if err != nil && strings.Contains(err.Error(), strings.TrimSpace(value)) {
			t.Errorf("the error quotes the value %q", value)
		}
	}
	for _, value := range []string{canary, "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", "hf_oauth_eyJhbGciOi.J9-_~+/="} {
		if err := p.Check(auth.Fields{"token": auth.NewSecret(value)}); err != nil {
			t.Errorf("%v", err)
		}
	}
}

func TestRefusalFields(t *testing.T) {
	p, _ := Lookup("huggingface")
	for code, want := range map[auth.Code]string{
		auth.CodeNoCredentialMatched: "GatedRepo",
		auth.CodeNotLinked:           "GatedRepo",
		auth.CodeCredentialNotUsable: "GatedRepo",
		auth.CodeScopeForbidden:      "GatedRepo",
		auth.CodeKeyMissing:          "GatedRepo",
		auth.CodeKeyRevoked:          "GatedRepo",
		auth.CodeTooManyAttempts:     "too_many_attempts",
		auth.CodeUpstreamUnreachable: "upstream_unreachable",
		auth.CodeUpstreamTimeout:     "upstream_timeout",
		auth.CodeAuditUnavailable:    "audit_unavailable",
		auth.CodeCredentialFailed:    "credential_unavailable",
	} {
		fields := headerLines(p.(auth.Refuser).RefusalFields(auth.NewError(code, "the reason\r\nX-Evil: ü\x00", nil)))
		if got := fields.Get("X-Error-Code"); got != want {
			t.Errorf("%s travels as %s", code, got)
		}
		message := fields.Get("X-Error-Message")
		if !strings.HasPrefix(message, "weighbridge: "+string(code)+": the reason X-Evil: ?") || headerValueProblem(message) != "" || len(message) > maxErrorMessage+1 {
			t.Errorf("%s: message %q", code, message)
		}
	}
	long := headerLines(p.(auth.Refuser).RefusalFields(auth.NewError(auth.CodeNotLinked, strings.Repeat("wörd ", 5000), nil)))
	if n := len(long.Get("X-Error-Message")); n > maxErrorMessage+1 {
		t.Errorf("a message of %d bytes", n)
	}
}

func TestExplainSaysItWhereClientsPrintIt(t *testing.T) {
	p, _ := Lookup("huggingface")
	h := &headerLines{}
	p.(auth.Explainer).Explain(h, `used credential "a;b" by huggingface.co/*: the upstream refused it`)
	topic, message, _ := strings.Cut(h.Get("X-HF-Warning"), ";")
	if !strings.HasPrefix(message, ` weighbridge: used credential "a,b"`) || strings.Contains(message, ";") || topic == "" {
		t.Errorf("topic %q, message %q", topic, message)
	}
}
