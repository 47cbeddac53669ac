package signer

import (
	"encoding/base64"
	"net/http"
	"strings"

	"github.com/weighbridge/weighbridge/auth"
)

// PlaceholderToken is the token that `weighbridge env` gives to workers whose
// clients insist on having one. It is hf_ and 34 alphanumerics: the form that
// llama.cpp sends at all, and too short to be taken for an API key of ours.
const PlaceholderToken = "hf_weighbridgePlaceholderNotASecret00"

// IsPlaceholder reports whether an Authorization value holds a token that
// stands for "none": ours, or one of those that examples and images carry.
func (huggingFace) IsPlaceholder(authorization string) bool {
	scheme, value, found := strings.Cut(strings.TrimSpace(authorization), " ")
	if !found {
		// A scheme with nothing behind it is what an empty variable leaves.
		return strings.EqualFold(scheme, "Bearer")
	}
	value = strings.TrimSpace(value)
	switch {
	case strings.EqualFold(scheme, "Bearer"):
		return placeholder(value)
	case strings.EqualFold(scheme, "Basic"):
		pair, err := base64.StdEncoding.DecodeString(value)
		if err != nil {
			return false
		}
		user, password, _ := strings.Cut(string(pair), ":")
		// git can be given the token in either place.
		return password != "" && placeholder(password) || password == "" && placeholder(user)
	}
	return false
}

// placeholder recognises tokens that nobody was ever given. A real one is hf_
// and letters and digits without pattern.
func placeholder(token string) bool {
	lower := strings.ToLower(token)
	switch lower {
	case "", "none", "null", "undefined", "placeholder", "dummy", "changeme", "token", "hf_token", "$hf_token", "your_token":
		return true
	}
	if token == PlaceholderToken {
		return true
	}
	body, found := strings.CutPrefix(lower, "hf_")
	if !found {
		return false
	}
	for _, p := range []string{"placeholder", "dummy", "your_", "your-", "yourtoken", "xxxxxx", "...", "***", "<"} {
		if strings.HasPrefix(body, p) {
			return true
		}
	}
	// hf_000…, hf_aaa…: one character, repeated.
	return body == "" || strings.Trim(body, body[:1]) == ""
}

// maxErrorMessage keeps a reason within one header field that every client
// and proxy takes.
const maxErrorMessage = 512

// RefusalFields are the two fields in which the Hub itself explains a refusal.
//
// huggingface_hub (2.4.0: hf_raise_for_status, _raise_on_head_call_error)
// prints X-Error-Message with every error, but during a download it hands on
// only 401, RepoNotFound and GatedRepo; any other refusal of the first HEAD is
// hidden behind "check your connection". A refusal that will not pass by
// itself therefore travels as GatedRepo, the one code that means "you have no
// access to this"; what may pass keeps its own code, so that no client takes
// it for final. The code of ours is in the message, and in
// X-Weighbridge-Error.
func (huggingFace) RefusalFields(e *auth.Error) []auth.HeaderField {
	code := string(e.Code)
	if s := e.HTTPStatus(); s >= 400 && s < 500 && s != http.StatusTooManyRequests && s != http.StatusRequestTimeout {
		code = "GatedRepo"
	}
	message := "weighbridge: " + string(e.Code) + ": " + e.Reason
	if next := e.NextStep(); next != "" {
		message += " Next: " + next
	}
	return []auth.HeaderField{
		{Name: "X-Error-Code", Value: code},
		{Name: "X-Error-Message", Value: oneLine(message, maxErrorMessage)},
	}
}

// Explain uses X-HF-Warning, "topic; message", which huggingface_hub prints as
// a warning (since 1.0: _warn_on_warning_headers), once for each topic. The
// fields in which the Hub itself explains a refusal stay as they are: clients
// compare them to tell one error from another.
func (huggingFace) Explain(h auth.Header, what string) {
	what = strings.ReplaceAll(oneLine(what, maxErrorMessage), ";", ",")
	h.Add("X-HF-Warning", what+"; weighbridge: "+what)
}

// oneLine makes s fit for a header field: visible ASCII and single spaces.
func oneLine(s string, limit int) string {
	var b strings.Builder
	space := false
	for _, r := range s {
		if b.Len() >= limit {
			break
		}
		switch {
		case r <= ' ':
			space = b.Len() > 0
			continue
		case r >= 0x7f:
			r = '?'
		}
		if space {
			b.WriteByte(' ')
			space = false
		}
		b.WriteRune(r)
	}
	return b.String()
}
