package signer

import (
	"encoding/base64"
	"strings"

	"github.com/weighbridge/weighbridge/auth"
)

// putHeader puts value on out under a name of the operator's or provider's
// choice. Where the field has structure, its secret parts are masked as well
// as the whole: an upstream that echoes a token seldom echoes its scheme.
func putHeader(out *auth.Outgoing, name string, value auth.Secret) (auth.Applied, error) {
	v := value.Reveal()
	if headerNameProblem(name) != "" || headerValueProblem(v) != "" {
		return auth.Applied{}, errUnsendable
	}
	out.Header.Set(name, v)
	mask := []auth.Secret{value}
	switch {
	case strings.EqualFold(name, "Cookie"):
		// cookie-string = name=value pairs, "; " between (RFC 6265, 4.2.1).
		for pair := range strings.SplitSeq(v, ";") {
			if _, part, found := strings.Cut(pair, "="); found {
				mask = appendMask(mask, strings.TrimSpace(part))
			}
		}
	default:
		// credentials = auth-scheme SP token68 (RFC 9110, 11.4).
		scheme, part, found := strings.Cut(v, " ")
		if !found {
			break
		}
		part = strings.TrimSpace(part)
		mask = appendMask(mask, part)
		if strings.EqualFold(scheme, "Basic") {
			if pair, err := base64.StdEncoding.DecodeString(part); err == nil {
				_, password, _ := strings.Cut(string(pair), ":")
				mask = appendMask(mask, password)
			}
		}
	}
	return auth.Applied{Mask: mask}, nil
}

func appendMask(mask []auth.Secret, part string) []auth.Secret {
	if part == "" {
		return mask
	}
	return append(mask, auth.NewSecret(part))
}
