package audit

import (
	"bytes"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/weighbridge/weighbridge/auth"
)

// timeLayout is RFC 3339 in UTC with microseconds: of fixed width, so that
// lines can be compared with a time without being decoded.
const timeLayout = "2006-01-02T15:04:05.000000Z"

// maxText bounds every text of an event, so that one line stays small whatever
// a worker sends. Object keys end at 1,024 bytes (Amazon S3 User Guide,
// "Naming Amazon S3 objects"), which is 3,072 when all are percent-encoded.
const maxText = 4096

// appendEvent appends e as one line of JSON, with its newline. The fields have
// the names and the order of [auth.Event]; unknown content cannot get in. What
// follows "?" or "#" in Host and Path, a userinfo in Host, and the query of
// any URL inside another text are left out.
func appendEvent(dst []byte, e *auth.Event) []byte {
	dst = append(dst, `{"id":`...)
	dst = appendText(dst, e.ID)
	dst = append(dst, `,"time":"`...)
	dst = e.Time.UTC().AppendFormat(dst, timeLayout)
	dst = append(dst, `","action":`...)
	dst = appendText(dst, e.Action)
	dst = appendField(dst, `,"team_id":`, e.TeamID)
	dst = appendField(dst, `,"request_id":`, e.RequestID)
	dst = appendField(dst, `,"actor":`, e.Actor)
	dst = appendField(dst, `,"address":`, e.Address)
	dst = appendField(dst, `,"key_id":`, e.KeyID)
	dst = appendField(dst, `,"key_name":`, e.KeyName)
	dst = appendField(dst, `,"credential_id":`, e.CredentialID)
	dst = appendField(dst, `,"credential_name":`, e.CredentialName)
	dst = appendField(dst, `,"user_id":`, e.UserID)
	dst = appendField(dst, `,"user_name":`, e.UserName)
	dst = appendField(dst, `,"token_id":`, e.TokenID)
	dst = appendField(dst, `,"token_name":`, e.TokenName)
	if e.Version != 0 {
		dst = strconv.AppendUint(append(dst, `,"version":`...), e.Version, 10)
	}
	dst = appendField(dst, `,"rule":`, e.Rule)
	dst = appendField(dst, `,"mode":`, e.Mode)
	dst = appendField(dst, `,"method":`, e.Method)
	dst = appendField(dst, `,"scheme":`, e.Scheme)
	dst = appendField(dst, `,"host":`, plainHost(e.Host))
	dst = appendField(dst, `,"path":`, plainPath(e.Path))
	outcome := e.Outcome
	if outcome == "" {
		outcome = auth.OutcomeOf(e)
	}
	dst = appendField(dst, `,"outcome":`, outcome)
	dst = appendField(dst, `,"code":`, string(e.Code))
	dst = appendField(dst, `,"reason":`, e.Reason)
	dst = appendNumber(dst, `,"status":`, int64(e.Status))
	dst = appendNumber(dst, `,"bytes":`, e.Bytes)
	dst = appendNumber(dst, `,"duration_ns":`, int64(e.Duration))
	dst = appendNumber(dst, `,"count":`, e.Count)
	return append(dst, "}\n"...)
}

func appendField(dst []byte, name, value string) []byte {
	if value == "" {
		return dst
	}
	return appendText(append(dst, name...), value)
}

func appendNumber(dst []byte, name string, n int64) []byte {
	if n == 0 {
		return dst
	}
	return strconv.AppendInt(append(dst, name...), n, 10)
}

// appendText appends s as a JSON string, without queries, cut at maxText.
func appendText(dst []byte, s string) []byte {
	if len(s) <= maxText && isPlain(s) {
		return append(append(append(dst, '"'), s...), '"')
	}
	if strings.Contains(s, "://") {
		s = withoutQueries(s)
	}
	if len(s) > maxText {
		end := maxText
		for end > 0 && !utf8.RuneStart(s[end]) {
			end--
		}
		s = s[:end] + "…"
	}
	return appendQuoted(dst, s)
}

// isPlain reports whether s is printable ASCII that stands in JSON as it is,
// and holds no URL.
func isPlain(s string) bool {
	for i := 0; i < len(s); i++ {
		if !plainByte[s[i]] {
			return false
		}
	}
	return true
}

// plainByte leaves ":" out, which every URL has.
var plainByte = func() (t [256]bool) {
	for c := byte(0x20); c < 0x7f; c++ {
		t[c] = c != '"' && c != '\\' && c != ':'
	}
	return t
}()

const hexDigits = "0123456789abcdef"

// appendQuoted appends s as a JSON string (RFC 8259, section 7). Control
// characters are escaped, also DEL and C1 ones, which JSON would let through
// to the terminal of whoever reads the file. What is not UTF-8 becomes U+FFFD.
func appendQuoted(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c < 0x7f && c != '"' && c != '\\' {
			i++
			continue
		}
		if c < utf8.RuneSelf {
			dst = append(dst, s[start:i]...)
			switch c {
			case '"', '\\':
				dst = append(dst, '\\', c)
			default:
				dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			}
			i++
			start = i
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			dst = append(append(dst, s[start:i]...), `\ufffd`...)
			start = i + n
		case r < 0xa0:
			dst = append(dst, s[start:i]...)
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[r>>4], hexDigits[r&15])
			start = i + n
		}
		i += n
	}
	return append(append(dst, s[start:]...), '"')
}

// plainHost is what of h can be host[:port].
func plainHost(h string) string {
	if i := strings.IndexAny(h, "/?#"); i >= 0 {
		h = h[:i]
	}
	return h[strings.LastIndexByte(h, '@')+1:]
}

// plainPath is p up to a query or fragment.
func plainPath(p string) string {
	if i := strings.IndexAny(p, "?#"); i >= 0 {
		p = p[:i]
	}
	return p
}

// withoutQueries cuts the query and fragment of every URL in s: what goes from
// "?" or "#" after a "://" to the next space, quote or bracket.
func withoutQueries(s string) string {
	var b strings.Builder
	for {
		i := strings.Index(s, "://")
		if i < 0 {
			break
		}
		end := len(s)
		if j := strings.IndexAny(s[i:], " \t\r\n\"'`<>)]}"); j >= 0 {
			end = i + j
		}
		url := s[:end]
		if j := strings.IndexAny(url[i:], "?#"); j >= 0 {
			url = url[:i+j]
		}
		b.WriteString(url)
		s = s[end:]
	}
	b.WriteString(s)
	return b.String()
}

// lineTime returns the time of an encoded line as text, or "" where the line
// was not written by appendEvent.
func lineTime(line []byte) string {
	const lead = `,"time":"`
	// An id is at most 40 characters; the time follows it.
	i := bytes.Index(line[:min(len(line), 96)], []byte(lead))
	if i < 0 || len(line) < i+len(lead)+len(timeLayout) {
		return ""
	}
	return string(line[i+len(lead) : i+len(lead)+len(timeLayout)])
}

// stamp is t as it stands in a line.
func stamp(t time.Time) string { return t.UTC().Format(timeLayout) }
