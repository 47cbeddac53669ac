package auth

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// asciiHost turns a host in a pattern that holds characters outside ASCII
// into A-labels, label by label, because a label may be a star (RFC 5891,
// section 5; UTS #46, section 4, nontransitional). What the mapping drops or
// folds (zero width, full width, full-width dots) is gone afterwards, so that
// two spellings of a name are one pattern.
func asciiHost(host string) (ascii, mistake, fix string) {
	profile := idna.New(idna.MapForLookup(), idna.BidiRule(), idna.CheckJoiners(true), idna.StrictDomainName(true), idna.Transitional(false))
	if !utf8.ValidString(host) {
		return "", "has a host that is not UTF-8", "write the host in its A-label form (xn--…)"
	}
	labels := strings.Split(strings.NewReplacer("。", ".", "．", ".", "｡", ".").Replace(host), ".")
	for i, label := range labels {
		if isASCII(label) {
			continue
		}
		a, err := profile.ToASCII(label)
		if err != nil || a == "" || strings.IndexByte(a, '.') >= 0 {
			return "", "has the label " + quote(label) + " in its host, which is no valid internationalised name", "write its A-label form (xn--…)"
		}
		labels[i] = a
	}
	return strings.Join(labels, "."), "", ""
}

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
