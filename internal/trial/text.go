package trial

import (
	"context"
	"io"
	"net/http"
)

// maxText bounds what is read of a description: a repository with thousands of
// files has some MiB.
const maxText = 16 << 20

// Text asks for a description at an upstream, such as that of a repository. The
// result is not OK where none came.
func (c *Caller) Text(ctx context.Context, rawURL string) ([]byte, Result) {
	out := Result{Size: -1}
	u, err := ParseURL(rawURL)
	if err != nil {
		out.Code, out.Detail = BadURL, err.Error()
		return nil, out
	}
	for hop := range maxHops {
		out.Host = c.upstream(u).Host
		r, err := c.request(ctx, u, hop > 0)
		if err != nil {
			out.Code, out.Detail = BadURL, err.Error()
			return nil, out
		}
		resp, err := c.client.Do(r)
		if err != nil {
			c.failed(r.URL, c.upstream(u), err, &out)
			return nil, out
		}
		out.Status = resp.StatusCode
		out.Credential = credentialIn(resp.Header.Get("X-Weighbridge-Decision"))
		if to, err := resp.Location(); err == nil && resp.StatusCode >= 300 && resp.StatusCode < 400 {
			_ = resp.Body.Close()
			u = to
			continue
		}
		defer func() { _ = resp.Body.Close() }()
		if resp.StatusCode != http.StatusOK {
			c.answered(c.upstream(u), resp, &out)
			return nil, out
		}
		text, err := io.ReadAll(io.LimitReader(resp.Body, maxText+1))
		if err != nil || len(text) > maxText {
			out.Code, out.Detail = Broken, "the description did not come whole"
			return nil, out
		}
		out.Code = OK
		return text, out
	}
	out.Code, out.Detail = TooManyRedirects, "the redirects do not end"
	return nil, out
}
