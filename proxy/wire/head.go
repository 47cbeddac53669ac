package wire

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// MaxHeader is the limit of a request's or an answer's line and fields
// together, in bytes.
const MaxHeader = 32 << 10

// maxNamed bounds the fields that Connection may name: each of them is looked
// for among all fields.
const maxNamed = 256

// The ways in which a head is refused. Their texts are public.
var (
	errHeadTooLarge  = errors.New("the line and fields exceed 32 KiB")
	errBareLF        = errors.New("a line ends in a bare LF")
	errBareCR        = errors.New("a CR stands alone")
	errFolded        = errors.New("a field is folded over lines")
	errNoColon       = errors.New("a field has no colon")
	errBadName       = errors.New("a field name has a character that is not allowed")
	errBadValue      = errors.New("a field value has a control character")
	errBadLine       = errors.New("the first line is malformed")
	errBadVersion    = errors.New("the version is neither HTTP/1.1 nor HTTP/1.0")
	errBadStatus     = errors.New("the status is not three digits")
	errTwoLengths    = errors.New("there are two Content-Length fields")
	errBadLength     = errors.New("Content-Length is not a number")
	errBadCoding     = errors.New("Transfer-Encoding is not chunked alone")
	errCodingIn10    = errors.New("Transfer-Encoding in HTTP/1.0")
	errBothFramings  = errors.New("there are both Content-Length and Transfer-Encoding")
	errHosts         = errors.New("there is not exactly one Host field")
	errBodyForbidden = errors.New("a body is not allowed with this method")
	errTooManyNamed  = errors.New("the Connection field names more than 256 fields")
)

// readHead returns the next head in br, through its empty line, without
// taking it. The error is io.EOF where there is not a single byte,
// errHeadTooLarge where it is more than br can hold (see readHeadFrom),
// errBareLF, or what reading met (EOF within a head is io.ErrUnexpectedEOF). A bare LF is found at once, without
// waiting for an end that will not come.
func readHead(br *bufio.Reader) ([]byte, error) {
	line := 0 // where the current line begins
	seen := 0 // what was searched
	for {
		b, _ := br.Peek(br.Buffered())
		for {
			i := bytes.IndexByte(b[seen:], '\n')
			if i < 0 {
				seen = len(b)
				break
			}
			end := seen + i
			if end == line || b[end-1] != '\r' {
				return nil, errBareLF
			}
			if end-1 == line && line > 0 {
				return b[:end+1], nil
			}
			seen, line = end+1, end+1
		}
		if len(b) >= br.Size() {
			return nil, errHeadTooLarge
		}
		if _, err := br.Peek(len(b) + 1); err != nil {
			if errors.Is(err, io.EOF) && len(b) > 0 {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
}

// head is what the framing of a message depends on.
type head struct {
	status int // of an answer
	http10 bool
	// length is Content-Length, or -1 where there is none.
	length  int64
	chunked bool
	// close and keepAlive are options of the Connection field (RFC 9112
	// section 9.6).
	close, keepAlive bool
	// named are the other options: names of fields that are hop-by-hop.
	named [][]byte
	// expect is Expect: 100-continue.
	expect bool
	// bound says that the message belongs to an authentication of the
	// connection and not of the request: see bindsConnection.
	bound bool

	// encoding is Content-Encoding. joined says that it came in several fields,
	// which are one list (RFC 9110, sections 5.3 and 8.4); it is a copy then.
	encoding []byte
	joined   bool

	hosts     int
	hasCoding bool
}

// parseRequestHead checks a head that readHead returned. Nothing is repaired:
// what two implementations could read differently is refused (RFC 9112
// sections 2.2, 3, 5.1, 5.2, 6.1 and 11.2).
func parseRequestHead(b []byte) (head, error) {
	line, fields, err := cutLine(b)
	if err != nil {
		return head{}, err
	}
	method, rest, ok := bytes.Cut(line, []byte(" "))
	target, version, ok2 := bytes.Cut(rest, []byte(" "))
	if !ok || !ok2 || !isToken(method) || len(target) == 0 {
		return head{}, errBadLine
	}
	for _, c := range target {
		if c <= ' ' || c == 0x7f {
			return head{}, errBadLine
		}
	}
	h := head{length: -1}
	if h.http10, err = parseVersion(version); err != nil {
		return head{}, err
	}
	if err := h.parseFields(fields); err != nil {
		return head{}, err
	}
	if h.hosts > 1 || h.hosts == 0 && !h.http10 {
		return head{}, errHosts
	}
	switch string(method) {
	case "GET", "HEAD", "CONNECT":
		if h.chunked || h.length > 0 {
			return head{}, errBodyForbidden
		}
	}
	return h, nil
}

// parseAnswerHead checks the head of an answer in the same way.
func parseAnswerHead(b []byte) (head, error) {
	line, fields, err := cutLine(b)
	if err != nil {
		return head{}, err
	}
	version, rest, ok := bytes.Cut(line, []byte(" "))
	if !ok {
		return head{}, errBadLine
	}
	h := head{length: -1}
	if h.http10, err = parseVersion(version); err != nil {
		return head{}, err
	}
	status, reason, _ := bytes.Cut(rest, []byte(" "))
	if len(status) != 3 {
		return head{}, errBadStatus
	}
	for _, c := range status {
		if c < '0' || c > '9' {
			return head{}, errBadStatus
		}
		h.status = 10*h.status + int(c-'0')
	}
	if h.status < 100 {
		return head{}, errBadStatus
	}
	if !isText(reason) {
		return head{}, errBadLine
	}
	if err := h.parseFields(fields); err != nil {
		return head{}, err
	}
	return h, nil
}

func parseVersion(b []byte) (http10 bool, err error) {
	switch string(b) {
	case "HTTP/1.1":
		return false, nil
	case "HTTP/1.0":
		return true, nil
	default:
		return false, errBadVersion
	}
}

// cutLine takes the first line of b, which ends in CR LF, and refuses a CR
// within it.
func cutLine(b []byte) (line, rest []byte, err error) {
	i := bytes.IndexByte(b, '\n')
	if i < 1 || b[i-1] != '\r' {
		return nil, nil, errBareLF
	}
	line, rest = b[:i-1], b[i+1:]
	if bytes.IndexByte(line, '\r') >= 0 {
		return nil, nil, errBareCR
	}
	return line, rest, nil
}

// parseFields checks the field lines in b, which ends in an empty line, and
// takes what framing needs.
func (h *head) parseFields(b []byte) error {
	for {
		line, rest, err := cutLine(b)
		if err != nil {
			return err
		}
		if len(line) == 0 {
			break
		}
		b = rest
		if line[0] == ' ' || line[0] == '\t' {
			return errFolded
		}
		i := bytes.IndexByte(line, ':')
		if i < 0 {
			return errNoColon
		}
		name, value := line[:i], bytes.Trim(line[i+1:], " \t")
		if !isToken(name) {
			return errBadName
		}
		if !isText(value) {
			return errBadValue
		}
		if err := h.field(name, value); err != nil {
			return err
		}
	}
	switch {
	case h.hasCoding && h.http10:
		return errCodingIn10
	case h.hasCoding && h.length >= 0:
		return errBothFramings
	}
	return nil
}

// field takes what framing needs from one field.
func (h *head) field(name, value []byte) error {
	switch {
	case equalFold(name, "content-length"):
		if h.length >= 0 {
			return errTwoLengths
		}
		n, ok := parseLength(value)
		if !ok {
			return errBadLength
		}
		h.length = n
	case equalFold(name, "transfer-encoding"):
		if h.hasCoding || !equalFold(value, "chunked") {
			return errBadCoding
		}
		h.hasCoding, h.chunked = true, true
	case equalFold(name, "content-encoding"):
		h.addEncoding(value)
	case equalFold(name, "host"):
		h.hosts++
	case equalFold(name, "expect"):
		h.expect = h.expect || equalFold(value, "100-continue")
	case equalFold(name, "authorization"), equalFold(name, "www-authenticate"), equalFold(name, "proxy-authenticate"):
		h.bound = h.bound || bindsConnection(value)
	case equalFold(name, "connection"):
		for option := range bytes.SplitSeq(value, []byte(",")) {
			switch option = bytes.Trim(option, " \t"); {
			case len(option) == 0:
			case equalFold(option, "close"):
				h.close = true
			case equalFold(option, "keep-alive"):
				h.keepAlive = true
			case len(h.named) == maxNamed:
				return errTooManyNamed
			default:
				h.named = append(h.named, option)
			}
		}
	}
	return nil
}

// addEncoding takes another field of Content-Encoding.
func (h *head) addEncoding(value []byte) {
	switch {
	case h.encoding == nil:
		h.encoding = value
		return
	case len(h.encoding) == 0 || len(value) == 0:
		h.encoding = append(bytes.Clone(h.encoding), value...)
	default:
		h.encoding = bytes.Join([][]byte{h.encoding, value}, []byte(", "))
	}
	h.joined = true
}

// bindsConnection reports whether one of the credentials or challenges in
// value is of a scheme that authenticates the connection: whoever sends the
// next request on it is taken for who sent this one (RFC 4559, section 6).
func bindsConnection(value []byte) bool {
	for one := range bytes.SplitSeq(value, []byte(",")) {
		scheme, _, _ := bytes.Cut(bytes.Trim(one, " \t"), []byte(" "))
		if equalFold(scheme, "ntlm") || equalFold(scheme, "negotiate") {
			return true
		}
	}
	return false
}

// persists says whether the connection may serve another message.
func (h *head) persists() bool {
	if h.http10 {
		return h.keepAlive && !h.close
	}
	return !h.close
}
