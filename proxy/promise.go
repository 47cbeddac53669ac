package proxy

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/proxy/scrub"
)

// promise is what the head of an answer has promised to a worker: the bytes
// first to last of a representation of total bytes, in the version that the
// validator names. Bytes of another answer may follow its own only where that
// makes the same promise. The zero promise is none.
type promise struct {
	first, last, total int64
	// validator is a strong one, as it stands in ETag, or in Last-Modified
	// where there is no ETag.
	validator string
	dated     bool
}

// promiseOf reads the head of an answer to GET whose body has length bytes. It
// is the zero promise where the rest of the body could not be asked for:
//
//   - the length or that of the whole is not known, or there are several parts;
//   - there is no strong validator;
//   - the body is coded: what is coded on the fly need not come out the same
//     twice, whatever the validator says.
func promiseOf(h auth.Header, status int, length int64) promise {
	p := promise{last: length - 1, total: length}
	switch {
	case length <= 0 || coded(h):
		return promise{}
	case status == 206:
		var ok bool
		if p.first, p.last, p.total, ok = contentRange(h); !ok || p.length() != length {
			return promise{}
		}
	case status != 200:
		return promise{}
	}
	p.validator, p.dated = strongValidator(h)
	if p.validator == "" {
		return promise{}
	}
	return p
}

// length is how many bytes are promised.
func (p *promise) length() int64 { return p.last - p.first + 1 }

// span is the value of a Range field for what follows the first sent bytes.
// The end is named, so that nothing beyond it is ever sent.
func (p *promise) span(sent int64) string {
	return "bytes=" + strconv.FormatInt(p.first+sent, 10) + "-" + strconv.FormatInt(p.last, 10)
}

// broken says why an answer of status 206 with a body of length bytes does not
// go on behind the first sent bytes; it is empty where it does. It may end
// before the promise does (RFC 9110, section 15.3.7).
func (p *promise) broken(h auth.Header, length, sent int64) string {
	first, last, total, ok := contentRange(h)
	switch {
	case coded(h):
		return "it is coded by now"
	case !ok || first != p.first+sent || last > p.last || total != p.total:
		return "it is not the part that was asked for"
	case length != last-first+1:
		return "its length is not that of the part"
	case p.dated && (h.Get("ETag") != "" || h.Get("Last-Modified") != p.validator), !p.dated && one(h, "ETag") != p.validator:
		return "it is of another version of the file"
	}
	return ""
}

// strongValidator is what an If-Range field may hold (RFC 9110, section
// 13.1.5): the entity tag where it is a strong one, or, only where there is
// none at all, the date of the last modification where that is strong.
func strongValidator(h auth.Header) (validator string, dated bool) {
	if tags := h.Values("ETag"); len(tags) > 0 {
		if len(tags) == 1 && isStrongTag(tags[0]) {
			return tags[0], false
		}
		return "", false
	}
	v := one(h, "Last-Modified")
	modified, err := http.ParseTime(v)
	if err != nil {
		return "", false
	}
	date, err := http.ParseTime(one(h, "Date"))
	if err != nil || date.Sub(modified) < dateMargin {
		return "", false
	}
	return v, true
}

// dateMargin is how long before the answer a file must have been modified for
// its date to be a strong validator. RFC 9110, section 8.8.2.2, asks for a
// second where both come from one clock, and for more where that is not known;
// RFC 7232, section 2.2.2, named 60 seconds.
const dateMargin = 60 * time.Second

// isStrongTag is opaque-tag of RFC 9110, section 8.8.3, with something in it.
func isStrongTag(tag string) bool {
	if len(tag) < 3 || tag[0] != '"' || tag[len(tag)-1] != '"' {
		return false
	}
	for i := 1; i < len(tag)-1; i++ {
		if c := tag[i]; c <= ' ' || c == '"' || c == 0x7f {
			return false
		}
	}
	return true
}

// coded reports whether the body is not the representation's own bytes.
func coded(h auth.Header) bool {
	for _, v := range h.Values("Content-Encoding") {
		if v = trimOWS(v); v != "" && !strings.EqualFold(v, "identity") {
			return true
		}
	}
	return false
}

// contentRange reads a Content-Range that stands there once, with its total.
func contentRange(h auth.Header) (first, last, total int64, ok bool) {
	first, last, total, ok = scrub.ContentRange(one(h, "Content-Range"))
	return first, last, total, ok && total >= 0
}

// one is the value of a field that stands there exactly once.
func one(h auth.Header, name string) string {
	if v := h.Values(name); len(v) == 1 {
		return v[0]
	}
	return ""
}
