package scrub

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
)

// Part is an answer to a range request.
type Part struct {
	// Status is 200 for the whole, 206, or 416 for nothing.
	Status int
	// First and End delimit what to send: body[First:End].
	First, End int64
	// ContentRange is that field for 206 and 416, otherwise empty.
	ContentRange string
}

// Slice says which part of a whole text of size bytes, with these validators,
// answers a request with these Range and If-Range fields (RFC 9110, sections
// 13.1.5 and 14). As a server may, it ignores what it does not understand and
// requests for several ranges: those get the whole.
func Slice(rangeField, ifRange, etag, lastModified string, size int64) Part {
	whole := Part{Status: http.StatusOK, End: size}
	if rangeField == "" || !ifRangeHolds(ifRange, etag, lastModified) {
		return whole
	}
	first, last, ok := parseRange(rangeField)
	switch {
	case !ok:
		return whole
	case first < 0: // the last so many bytes
		if last == 0 {
			return unsatisfiable(size)
		}
		if size == 0 {
			return whole // there is no Content-Range for an empty part
		}
		first, last = max(0, size-last), size-1
	case first >= size:
		return unsatisfiable(size)
	}
	last = min(last, size-1)
	return Part{
		Status: http.StatusPartialContent, First: first, End: last + 1,
		ContentRange: fmt.Sprintf("bytes %d-%d/%d", first, last, size),
	}
}

func unsatisfiable(size int64) Part {
	return Part{Status: http.StatusRequestedRangeNotSatisfiable, ContentRange: fmt.Sprintf("bytes */%d", size)}
}

// ifRangeHolds compares strongly: a weak tag never holds.
func ifRangeHolds(ifRange, etag, lastModified string) bool {
	switch {
	case ifRange == "":
		return true
	case strings.HasPrefix(ifRange, `"`):
		return ifRange == etag
	case strings.HasPrefix(ifRange, "W/"):
		return false
	default:
		return ifRange == lastModified
	}
}

// parseRange reads a Range field of one range. first is -1 for a suffix range,
// of which last is the length; an open end is math.MaxInt64.
func parseRange(field string) (first, last int64, ok bool) {
	unit, set, found := strings.Cut(field, "=")
	if !found || !strings.EqualFold(strings.TrimSpace(unit), "bytes") {
		return 0, 0, false
	}
	spec := ""
	for s := range strings.SplitSeq(set, ",") {
		if s = strings.Trim(s, " \t"); s == "" {
			continue // recipients take empty elements (RFC 9110, section 5.6.1.2)
		}
		if spec != "" {
			return 0, 0, false
		}
		spec = s
	}
	from, to, found := strings.Cut(spec, "-")
	if !found {
		return 0, 0, false
	}
	if from == "" {
		last, ok = position(to)
		return -1, last, ok
	}
	if first, ok = position(from); !ok {
		return 0, 0, false
	}
	if to == "" {
		return first, math.MaxInt64, true
	}
	last, ok = position(to)
	return first, last, ok && first <= last
}

// position reads digits; a number beyond int64 is as good as its greatest.
func position(s string) (int64, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return math.MaxInt64, true
	}
	return n, true
}

// ContentRange reads the Content-Range field of a 206 (RFC 9110, section
// 14.4). total is -1 where the field leaves it open.
func ContentRange(field string) (first, last, total int64, ok bool) {
	unit, rest, _ := strings.Cut(strings.TrimSpace(field), " ")
	span, size, found := strings.Cut(strings.TrimSpace(rest), "/")
	from, to, dash := strings.Cut(span, "-")
	if !strings.EqualFold(unit, "bytes") || !found || !dash {
		return 0, 0, 0, false
	}
	first, ok1 := position(from)
	last, ok2 := position(to)
	total, ok3 := int64(-1), true
	if size != "*" {
		total, ok3 = position(size)
		ok3 = ok3 && last < total
	}
	if !ok1 || !ok2 || !ok3 || first > last {
		return 0, 0, 0, false
	}
	return first, last, total, true
}
