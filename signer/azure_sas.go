package signer

import (
	"encoding/base64"
	"strings"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// sasParameters are the names of which a shared access signature consists:
//
//   - "Create an account SAS" (Microsoft Learn, Azure Storage REST): ss srt sv
//     sp se st sip spr ses sig.
//   - "Create a service SAS": sr sdd si, and the response headers rscc rscd
//     rsce rscl rsct.
//   - "Create a user delegation SAS": skoid sktid skt ske sks skv, saoid suoid
//     scid, sduoid skdutid (version 2025-07-05), srh srq (2026-04-06).
//
// A worker's own are removed before ours are put on: two signatures, or a
// parameter that ours does not cover, make Azure refuse the request.
var sasParameters = map[string]bool{
	"ss": true, "srt": true, "sv": true, "sp": true, "se": true, "st": true, "sip": true, "spr": true, "ses": true, "sig": true,
	"sr": true, "sdd": true, "si": true, "rscc": true, "rscd": true, "rsce": true, "rscl": true, "rsct": true,
	"skoid": true, "sktid": true, "skt": true, "ske": true, "sks": true, "skv": true,
	"saoid": true, "suoid": true, "scid": true, "sduoid": true, "skdutid": true, "srh": true, "srq": true,
}

func isSASParameter(name string) bool { return sasParameters[name] }

// sas is a shared access signature that was read.
type sas struct {
	// values are the parameters, decoded as a query is; names are as written,
	// and case counts, as it does for Azure.
	values map[string]string
	// signature is sig as Azure computes it: base64.
	signature string
	// end is the earlier of se and ske; zero where neither says (a stored
	// policy then does). start is st.
	start, end time.Time
}

// mendSAS removes what gets copied along with a token, and encodes a signature
// that somebody has decoded: in a query a bare "+" is a space, so that no such
// signature could ever hold. Everything else stays byte for byte.
func mendSAS(token string) string {
	token = strings.TrimSpace(token)
	if token != "" && (token[0] == '?' || token[0] == '&') {
		token = token[1:]
	}
	parts := strings.Split(token, "&")
	for i, part := range parts {
		if sig, ok := strings.CutPrefix(part, "sig="); ok && strings.IndexByte(sig, '+') >= 0 {
			parts[i] = "sig=" + strings.NewReplacer("+", "%2B", "/", "%2F", "=", "%3D").Replace(sig)
		}
	}
	return strings.Join(parts, "&")
}

// parseSAS reads a token, which was mended. problem says what is wrong with
// it, in words that quote nothing of it.
func parseSAS(token string) (s sas, problem string) {
	switch {
	case strings.Contains(token, "://"):
		return s, "is a whole URL; give only what follows its question mark"
	case strings.Contains(token, "&amp;"):
		return s, "was copied from HTML or XML; write & in place of &amp;"
	case strings.IndexByte(token, '?') >= 0:
		return s, "holds a question mark; give what follows it, once"
	case !queryText(token):
		return s, "may have visible ASCII characters only, no spaces or line ends"
	}
	s.values = map[string]string{}
	for part := range strings.SplitSeq(token, "&") {
		name, value, found := strings.Cut(part, "=")
		switch {
		case !found || !sasParameters[strings.ToLower(name)]:
			return s, "holds something that is no parameter of a shared access signature (sv, sp, se, sig and the like)"
		case name != strings.ToLower(name):
			return s, "has a parameter in upper case; Azure knows them in lower case only"
		case has(s.values, name):
			return s, "has the parameter " + name + " twice"
		}
		decoded, _ := unescapeOnce(strings.ReplaceAll(value, "+", " "))
		s.values[name] = decoded
	}
	if problem := s.checkSignature(); problem != "" {
		return s, problem
	}
	account, service := s.values["ss"] != "" && s.values["srt"] != "", s.values["sr"] != ""
	switch {
	case s.values["sv"] == "":
		return s, "has no version (sv); copy the whole token"
	case !account && !service:
		return s, "says neither which resource (sr) nor which services (ss, srt) it is for; copy the whole token"
	case s.values["si"] == "" && s.values["sp"] == "":
		return s, "has no permissions (sp); copy the whole token"
	case s.values["si"] == "" && s.values["se"] == "":
		return s, "has no end (se); copy the whole token"
	}
	return s, s.readTimes()
}

func has(m map[string]string, name string) bool {
	_, ok := m[name]
	return ok
}

// checkSignature: sig is the base64 of an HMAC-SHA256, which has 32 bytes
// ("Specify the signature").
func (s *sas) checkSignature() string {
	sig := s.values["sig"]
	switch {
	case sig == "":
		return "has no signature (sig); copy the whole token"
	case strings.IndexByte(sig, '%') >= 0:
		return "has a signature (sig) that is percent-encoded twice"
	}
	raw, err := base64.StdEncoding.DecodeString(sig)
	if err != nil || len(raw) != 32 {
		return "has a signature (sig) that is not complete; copy the whole token"
	}
	s.signature = sig
	return ""
}

// sasTimes are the forms in which Azure takes a time ("Create a service SAS",
// "Specify the access policy": ISO 8601, to the day, minute, second or a
// fraction of it). A bare date is midnight UTC.
var sasTimes = [...]string{time.RFC3339, "2006-01-02T15:04Z07:00", "2006-01-02"}

func parseSASTime(v string) (time.Time, bool) {
	for _, layout := range sasTimes {
		if t, err := time.Parse(layout, v); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

func (s *sas) readTimes() (problem string) {
	for _, name := range [...]string{"st", "se", "skt", "ske"} {
		v := s.values[name]
		if v == "" {
			continue
		}
		t, ok := parseSASTime(v)
		switch {
		case !ok:
			return "has a time (" + name + ") that cannot be read"
		case name == "st":
			s.start = t
		case name == "se", name == "ske":
			// The delegation key that signs it ends by itself.
			if s.end.IsZero() || t.Before(s.end) {
				s.end = t
			}
		}
	}
	return ""
}

// bound reports whether the SAS is of use only together with the Bearer token
// of the user that it names: the only case in which an Authorization travels
// beside a SAS.
func (s *sas) bound() bool { return s.values["sduoid"] != "" }

// putSAS puts token on out, byte for byte. Only the signature must not come
// back: without it the rest is a description, by which a Location is put right
// (see Rewrite). It is masked as Azure computes it, which covers every escaped
// spelling of it.
func putSAS(out *auth.Outgoing, token string) (auth.Applied, error) {
	s, problem := parseSAS(token)
	if problem != "" || s.values["spr"] == "https" && out.Target.Scheme != "https" {
		return auth.Applied{}, errUnsendable
	}
	if !s.bound() {
		out.Header.Del(authorization)
	}
	putQuery(out, token, isSASParameter)
	return auth.Applied{Mask: []auth.Secret{auth.NewSecret(s.signature)}}, nil
}
