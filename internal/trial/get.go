package trial

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/workerenv"
)

// maxHops is how many redirects are followed: the Hub needs three.
const maxHops = 8

// maxRefusal bounds what is read of a refusal's body: one sentence in JSON.
const maxRefusal = 64 << 10

// Get asks for the first byte of rawURL, and follows redirects as clients do.
func (c *Caller) Get(ctx context.Context, rawURL string) Result {
	out := Result{Size: -1}
	u, err := ParseURL(rawURL)
	if err != nil {
		out.Code, out.Detail = BadURL, err.Error()
		return out
	}
	for hop := 0; ; hop++ {
		out.Host = c.upstream(u).Host
		next, done := c.hop(ctx, u, hop, &out)
		switch {
		case done:
			return out
		case hop == maxHops:
			out.Code, out.Detail, out.Next = TooManyRedirects, "the redirects do not end", "Report it to whoever runs "+out.Host+"."
			return out
		}
		u = next
	}
}

// hop asks one server; next is where it sends us, where done is false.
func (c *Caller) hop(ctx context.Context, u *url.URL, n int, out *Result) (next *url.URL, done bool) {
	r, err := c.request(ctx, u, n > 0)
	if err != nil {
		out.Code, out.Detail = BadURL, err.Error()
		return nil, true
	}
	r.Header.Set("Range", "bytes=0-0")
	// Ranges count in the bytes of the file, not in those of a coding.
	r.Header.Set("Accept-Encoding", "identity")
	resp, err := c.client.Do(r)
	if err != nil {
		c.failed(r.URL, c.upstream(u), err, out)
		return nil, true
	}
	defer func() { _ = resp.Body.Close() }()
	out.Status = resp.StatusCode
	if n == 0 {
		if resp.TLS != nil && c.o.Mode == workerenv.Forward {
			out.Chain = resp.TLS.PeerCertificates
		}
		out.Decision = printable(resp.Header.Get("X-Weighbridge-Decision"))
	}
	if out.Credential == "" {
		out.Credential = credentialIn(resp.Header.Get("X-Weighbridge-Decision"))
	}
	if size, err := strconv.ParseInt(resp.Header.Get("X-Linked-Size"), 10, 64); err == nil && size >= 0 {
		out.Size = size
	}
	if resp.StatusCode >= 300 && resp.StatusCode < 400 && resp.Header.Get("Location") != "" {
		to, err := r.URL.Parse(resp.Header.Get("Location"))
		if err != nil || to.Host == "" || to.Scheme != "http" && to.Scheme != "https" {
			out.Code, out.Detail = UpstreamFailed, "the answer redirects to something that is not a URL"
			return nil, true
		}
		return to, false
	}
	c.answered(c.upstream(u), resp, out)
	if out.Refused && c.o.Mode == workerenv.Reverse && !c.ours(r.URL) {
		here := r.URL.Scheme + "://" + r.URL.Host
		out.Refused, out.Code = false, OtherName
		out.Detail = "weighbridge calls itself " + here + " (public_url) and the worker calls it " + c.base.String() + ": clients take that for another server, and show no key there (" + out.Detail + ")"
		out.Next = "Name weighbridge by " + here + " on the worker, or set public_url to what workers call it."
	}
	return nil, true
}

// credentialIn is the name in weighbridge's sentence on a decision.
func credentialIn(decision string) string {
	rest, ok := strings.CutPrefix(decision, "used credential ")
	if !ok {
		return ""
	}
	quoted, err := strconv.QuotedPrefix(rest)
	if err != nil {
		return ""
	}
	name, err := strconv.Unquote(quoted)
	if err != nil {
		return ""
	}
	return printable(name)
}

// refusal is the body of an answer that is none of a file, as weighbridge and
// the Hub write it.
type refusal struct {
	Error  string `json:"error"`
	Reason string `json:"reason"`
	Next   string `json:"next"`
}

// answered judges an answer that is not a redirect.
func (c *Caller) answered(u *url.URL, resp *http.Response, out *Result) {
	h := resp.Header
	out.RetryAfter = retryAfter(h, c.o.Now())
	if resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusPartialContent || resp.StatusCode == http.StatusRequestedRangeNotSatisfiable {
		c.came(u, resp, out)
		return
	}
	var said refusal
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxRefusal))
	if err == nil && strings.Contains(h.Get("Content-Type"), "json") {
		_ = json.Unmarshal(body, &said) // what cannot be read says nothing
	}
	if code := h.Get("X-Weighbridge-Error"); code != "" {
		out.Refused, out.Code = true, printable(code)
		out.Detail, out.Next = printable(said.Reason), printable(said.Next)
		c.ownWords(out)
		return
	}
	message := printable(h.Get("X-Error-Message"))
	if message == "" {
		message = printable(said.Error)
	}
	code := h.Get("X-Error-Code")
	if code == "" {
		code = h.Get("X-Ms-Error-Code")
	}
	out.refusedUpstream(u, code, message)
}

// ownWords fills in what a refusal of ours does not say: one that answers
// CONNECT, or HEAD, has no body.
func (c *Caller) ownWords(out *Result) {
	for _, known := range auth.Codes() {
		if string(known.Code) != out.Code {
			continue
		}
		if out.Detail == "" {
			out.Detail = known.Meaning
		}
		if out.Next == "" {
			out.Next = known.Next
		}
	}
}

// came judges an answer that has the file, or says that it has no first byte.
func (c *Caller) came(u *url.URL, resp *http.Response, out *Result) {
	h := resp.Header
	out.Code = OK
	total := int64(-1)
	if _, after, ok := strings.Cut(h.Get("Content-Range"), "/"); ok {
		if n, err := strconv.ParseInt(after, 10, 64); err == nil && n >= 0 {
			total = n
		}
	} else if resp.StatusCode == http.StatusOK {
		total = resp.ContentLength
	}
	switch {
	case total >= 0:
		out.Size = total
	case resp.StatusCode == http.StatusRequestedRangeNotSatisfiable && out.Size < 0:
		out.Size = 0 // no byte is within an empty file (RFC 9110, section 14.1.2)
	}
	if resp.StatusCode != http.StatusRequestedRangeNotSatisfiable {
		// The head may promise what the connection does not carry.
		if n, err := io.CopyN(io.Discard, resp.Body, 1); err != nil && (n == 0 && out.Size != 0) {
			out.Code, out.Detail = Broken, "the head of the answer came and no byte of the file"
			return
		}
	}
	// Where a login is wanted some sites send a page and call it a success: the
	// file would be that page.
	if kind := h.Get("Content-Type"); strings.HasPrefix(kind, "text/html") && !strings.HasSuffix(u.Path, ".html") && !strings.HasSuffix(u.Path, ".htm") &&
		strings.Contains(strings.ToLower(u.Path), "login") {
		out.Code, out.Detail = NotAFile, "a login page came in place of the file"
		out.Next = "Link a credential for this host to the API key; where there is one, see with the account in a browser whether it may download the file."
	}
}

// retryAfter reads when to come again: Retry-After (RFC 9110, section 10.2.3),
// or t of the Hub's RateLimit where nothing remains.
func retryAfter(h http.Header, now time.Time) time.Duration {
	if v := h.Get("Retry-After"); v != "" {
		if n, err := strconv.Atoi(v); err == nil && n >= 0 {
			return time.Duration(n) * time.Second
		}
		if t, err := http.ParseTime(v); err == nil && t.After(now) {
			return t.Sub(now)
		}
	}
	v := h.Get("RateLimit")
	if !strings.Contains(v, ";r=0;") {
		return 0
	}
	_, t, _ := strings.Cut(v, ";t=")
	if n, err := strconv.Atoi(t); err == nil && n >= 0 {
		return time.Duration(n+1) * time.Second
	}
	return 0
}

// maxWords bounds a sentence of somebody else.
const maxWords = 400

// printable is s without what could move a terminal's cursor, shortened.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
	if r := []rune(s); len(r) > maxWords {
		s = string(r[:maxWords]) + "…"
	}
	return strings.TrimSpace(s)
}
