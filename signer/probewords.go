package signer

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/weighbridge/weighbridge/auth"
)

// maxSaid bounds what is repeated of an upstream's own words.
const maxSaid = 200

// xmlCode finds the code of an error of S3 and Azure.
var xmlCode = regexp.MustCompile(`<Code>([A-Za-z0-9._-]{1,64})</Code>`)

// upstreamWords is the one sentence of an answer that says what is wrong, where
// there is one. It may hold anything: see probing.scrub.
func upstreamWords(a *answer) string {
	for _, name := range []string{"X-Error-Message", "X-Ms-Error-Code"} {
		if v := a.header.Get(name); v != "" {
			return cutWords(v)
		}
	}
	if m := xmlCode.FindSubmatch(a.body); m != nil {
		return cutWords(string(m[1]))
	}
	var body struct {
		Error   any    `json:"error"`
		Message string `json:"message"`
	}
	if json.Unmarshal(a.body, &body) != nil {
		return ""
	}
	switch e := body.Error.(type) {
	case string:
		if e != "" {
			return cutWords(e)
		}
	case map[string]any:
		if m, ok := e["message"].(string); ok && m != "" {
			return cutWords(m)
		}
	}
	return cutWords(body.Message)
}

func cutWords(s string) string {
	if len(s) <= maxSaid {
		return s
	}
	cut := maxSaid
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

// likeness is how many bytes in a row of a secret give a text away: what is as
// long is not repeated at all.
const likeness = 6

// withheld stands for words that hold a part of a secret.
const withheld = "(the upstream's words repeat a part of the secret and are not shown)"

// scrub is s, unless it holds a part of what was sent: as it is, in base64 or
// hexadecimal, or with characters escaped. A part is enough, because words are
// cut, and upstreams show the ends of keys.
func (p *probing) scrub(s string) string {
	forms := []string{s, unescaped(s)}
	for _, secret := range p.sent {
		v := secret.Reveal()
		if v == "" {
			continue
		}
		needles := []string{v, hex.EncodeToString([]byte(v)), strings.ToUpper(hex.EncodeToString([]byte(v)))}
		for shift := range 3 {
			padded := append(make([]byte, shift), v...)
			for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
				text := enc.EncodeToString(padded)
				// The first group mixes with what stood before.
				if shift > 0 && len(text) > 4 {
					text = text[4:]
				}
				needles = append(needles, text)
			}
		}
		for _, form := range forms {
			for _, needle := range needles {
				if shares(form, needle) {
					return withheld
				}
			}
		}
	}
	return s
}

func unescaped(s string) string {
	if u, err := url.PathUnescape(s); err == nil {
		return u
	}
	return s
}

// shares reports whether s holds likeness bytes in a row of needle, or all of a
// shorter one.
func shares(s, needle string) bool {
	if len(needle) <= likeness {
		return strings.Contains(s, needle)
	}
	for i := 0; i+likeness <= len(needle); i++ {
		if strings.Contains(s, needle[i:i+likeness]) {
			return true
		}
	}
	return false
}

// tell returns what a provider's facts are made of, cut to size.
func tell(what, value string) []string {
	if value == "" {
		return nil
	}
	return []string{what + ": " + cutWords(value)}
}

// valid and invalid are the reports of an answer that decides.
func (p *probing) valid(a *answer, meaning string) auth.Report {
	return auth.Report{Verdict: auth.VerdictValid, Answer: statusText(a.status), Meaning: meaning}
}

func (p *probing) invalid(a *answer, meaning, next string) auth.Report {
	return auth.Report{Verdict: auth.VerdictInvalid, Answer: p.said(a), Meaning: meaning, Next: next}
}
