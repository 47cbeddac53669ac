package scrub

import (
	"mime"
	"strings"
)

// MaxBody bounds the bodies that are scanned, as sent and as decoded.
const MaxBody = 1 << 20

// Verdict says what happens to an answer's body.
type Verdict int

// The verdicts. The zero value refuses.
const (
	// Refuse: a text in a coding that was not asked for and cannot be read.
	// It is answered with upstream_protocol instead.
	Refuse Verdict = iota
	// Scan: read MaxBody+1 bytes at most. If that was all of it, put them
	// through Masker.Body; otherwise put what was read through Masker.Head,
	// and stream the rest.
	Scan
	// Stream: pass the body untouched.
	Stream
	// Follow: a text without an end in sight, of which each line counts as soon
	// as it is there. Put it through Masker.Lines.
	Follow
)

// Judge says what happens to the body of an answer to a request with a
// credential. length is the complete length of the representation as it is
// sent: Content-Length, or the total of Content-Range (see ContentRange) for a
// 206; -1 where it is unknown.
//
// A 206 that is judged Scan shows a part, in which a value could be cut in two:
// it is asked for again without Range (and with AcceptEncoding for a ranged
// request, so that positions count in the text itself), and Slice says which
// part of the whole masked text answers the worker.
func (m *Masker) Judge(contentType, contentEncoding string, length int64) Verdict {
	coding := codingOf(contentEncoding)
	switch {
	case m == nil || length == 0 || length > MaxBody || !textual(contentType):
		return Stream
	case coding == codingOther:
		return Refuse
	case length < 0 && coding == codingIdentity && byLine(contentType):
		return Follow
	default:
		return Scan
	}
}

// textual reports whether bodies of this type may be texts. A missing or
// malformed type counts as one: clients guess then, and masking changes nothing
// but a reflected value anyway.
func textual(contentType string) bool {
	// What most answers say has nothing to parse.
	switch contentType {
	case "application/json", "application/json; charset=utf-8", "text/plain; charset=utf-8", "text/html; charset=utf-8":
		return true
	case "application/octet-stream", "binary/octet-stream":
		return false
	}
	t, _, err := mime.ParseMediaType(contentType)
	if err != nil && t == "" {
		t, _, _ = strings.Cut(contentType, ";")
		t = strings.ToLower(strings.TrimSpace(t))
	}
	kind, sub, ok := strings.Cut(t, "/")
	if !ok {
		return true
	}
	switch kind {
	case "text", "message":
		return true
	case "multipart":
		return sub != "byteranges"
	}
	if strings.HasSuffix(sub, "+json") || strings.HasSuffix(sub, "+xml") || strings.HasSuffix(sub, "+yaml") {
		return true
	}
	if kind != "application" {
		return false
	}
	switch sub {
	case "json", "jsonl", "x-jsonlines", "x-ndjson", "ndjson", "json-seq", "json5",
		"xml", "xml-dtd", "javascript", "x-javascript", "ecmascript", "typescript",
		"yaml", "x-yaml", "toml", "sql", "graphql", "http",
		"x-www-form-urlencoded", "x-sh", "x-python", "x-httpd-php", "x-tex", "rtf":
		return true
	}
	return false
}

// byLine reports whether a text of this type is made of lines that a client
// reads one by one while the rest is not there yet: server-sent events (HTML,
// section 9.2.5) and JSON texts one to a line.
func byLine(contentType string) bool {
	t, _, _ := strings.Cut(contentType, ";")
	switch strings.ToLower(strings.TrimSpace(t)) {
	case "text/event-stream", "application/x-ndjson", "application/ndjson", "application/jsonl",
		"application/x-jsonlines", "application/json-seq", "application/stream+json":
		return true
	}
	return false
}

// coding is what is known of a Content-Encoding.
type coding int

const (
	codingOther coding = iota
	codingIdentity
	codingGzip
)

// codingOf reads a Content-Encoding (RFC 9110, section 8.4). aws-chunked names
// no coding of the stored bytes: some uploads leave it on their objects.
func codingOf(contentEncoding string) coding {
	found := codingIdentity
	for c := range strings.SplitSeq(contentEncoding, ",") {
		switch strings.ToLower(strings.TrimSpace(c)) {
		case "", "identity", "aws-chunked":
		case "gzip", "x-gzip":
			if found != codingIdentity {
				return codingOther
			}
			found = codingGzip
		default:
			return codingOther
		}
	}
	return found
}

// AcceptEncoding is the Accept-Encoding to send upstream on a request that
// gets a credential, given the worker's own (several fields joined by commas;
// hasWorker is false where there was none): gzip where the worker takes it,
// otherwise identity. It is identity for HEAD, whose Content-Length must be
// that of the file, and for a ranged request, whose positions count in what is
// sent.
func AcceptEncoding(method, worker string, hasWorker, ranged bool) string {
	const identity = "identity"
	if method == "HEAD" || ranged || !hasWorker {
		return identity
	}
	star := false
	for item := range strings.SplitSeq(worker, ",") {
		name, params, _ := strings.Cut(item, ";")
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "gzip", "x-gzip":
			if acceptable(params) {
				return "gzip"
			}
			return identity
		case "*":
			star = acceptable(params)
		}
	}
	if star {
		return "gzip"
	}
	return identity
}

// acceptable reports whether a weight (RFC 9110, section 12.4.2) is not zero.
func acceptable(params string) bool {
	for p := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		if strings.EqualFold(strings.TrimSpace(name), "q") {
			return strings.Trim(strings.TrimSpace(value), "0.") != ""
		}
	}
	return true
}
