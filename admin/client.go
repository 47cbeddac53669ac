package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/weighbridge/weighbridge/auth"
)

// maxAnswer bounds what the client reads of one answer.
const maxAnswer = 64 << 20

// Client calls the API.
type Client struct {
	http *http.Client
	base string
	// where names the server in errors.
	where string
	// token is an access token or the JWT of a session, zero over the socket.
	token auth.Secret
	// team, where it is set, goes into X-Team-ID.
	team string
	// once, where it is set, goes into Idempotency-Key.
	once string
	// match, where it is set, goes into If-Match.
	match string
	// etag, where it is set, is told the ETag of each answer.
	etag *string
	// failed is why nothing can be called.
	failed error
}

// NewFailedClient answers every call with err.
func NewFailedClient(err error) *Client { return &Client{failed: err} }

// NewRemoteClient reaches the API at address, an http or https URL, with an
// access token or the JWT of a session. A token is never sent in the clear to
// another machine: the error says so.
func NewRemoteClient(address, team string, token auth.Secret) (*Client, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.RawQuery != "" {
		return nil, errors.New("the address of a weighbridge is a URL such as https://weights.example.com:8081")
	}
	if ip, err := netip.ParseAddr(u.Hostname()); u.Scheme == "http" && u.Hostname() != "localhost" && (err != nil || !ip.IsLoopback()) {
		return nil, errors.New("an access token is not sent over http to another machine: use an https address")
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy = nil // as everywhere: our own *_PROXY environment is for workers
	return &Client{
		http: &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		base: strings.TrimSuffix(u.Scheme+"://"+u.Host+u.Path, "/"), where: u.Scheme + "://" + u.Host, token: token, team: team,
	}, nil
}

// NewLocalClient reaches the API over admin.sock in dataDir, about the default
// team.
func NewLocalClient(dataDir string) *Client { return NewTeamClient(dataDir, "") }

// NewTeamClient is NewLocalClient about one team, by id or name.
func NewTeamClient(dataDir, team string) *Client {
	t := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		path, err := SocketPath(dataDir)
		if err != nil {
			return nil, &net.OpError{Op: "dial", Net: "unix", Err: err}
		}
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}}
	return &Client{http: &http.Client{Transport: t}, base: "http://weighbridge", where: filepath.Join(dataDir, SocketName), team: team}
}

// ErrUnreachable is returned where no weighbridge answers.
var ErrUnreachable = errors.New("no weighbridge is listening")

// Call sends in (nil for none) as JSON, or what an io.Reader holds as it is, and decodes the answer into out (nil
// to discard it; *[]byte for the bytes themselves). An answer of 400 and above
// is returned as *Problem.
func (c *Client) Call(ctx context.Context, method, path string, in, out any) error {
	resp, err := c.send(ctx, method, path, in)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("reading the answer of %s: %w", c.where, err)
	}
	switch out := out.(type) {
	case nil:
		return nil
	case *[]byte:
		*out = body
		return nil
	default:
		if err := json.Unmarshal(body, out); err != nil {
			return fmt.Errorf("decoding the answer of %s: %w", c.where, err)
		}
		return nil
	}
}

// EachLine calls yield with each line of a streamed answer until it ends, ctx
// ends or yield returns false.
func EachLine(ctx context.Context, body io.Reader, yield func(json.RawMessage) bool) error {
	dec := json.NewDecoder(body)
	for {
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			if errors.Is(err, io.EOF) || ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("reading the stream: %w", err)
		}
		if !yield(raw) {
			return nil
		}
	}
}

// Open sends in (nil for none) as JSON and returns the answer's body, however
// long it is. The caller closes it.
func (c *Client) Open(ctx context.Context, method, path string, in any) (io.ReadCloser, error) {
	resp, err := c.send(ctx, method, path, in)
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

// longestPage is the greatest limit that every list takes.
const longestPage = 1000

// Page says which part of a list is meant; the zero value is the first page, as
// long as the list makes it.
type Page struct {
	Limit  int
	Cursor string
}

// List walks all pages of the list at path, whatever its query, and returns
// what stands in the member of its answers.
func List[T any](ctx context.Context, c *Client, path, member string) ([]T, error) {
	all := []T{}
	for at := (Page{Limit: longestPage}); ; {
		rows, next, err := listPage[T](ctx, c, path, member, at)
		if err != nil {
			return nil, err
		}
		all = append(all, rows...)
		switch next {
		case "":
			return all, nil
		case at.Cursor:
			return nil, fmt.Errorf("the list of %s does not go on", c.where)
		}
		at.Cursor = next
	}
}

// listPage gets one page, and where the next one begins.
func listPage[T any](ctx context.Context, c *Client, path, member string, page Page) (rows []T, next string, err error) {
	u, err := url.Parse(path)
	if err != nil {
		return nil, "", err
	}
	q := u.Query()
	if page.Limit > 0 {
		q.Set("limit", strconv.Itoa(page.Limit))
	}
	if page.Cursor != "" {
		q.Set("cursor", page.Cursor)
	}
	u.RawQuery = q.Encode()
	var answer map[string]json.RawMessage
	if err := c.Call(ctx, http.MethodGet, u.String(), nil, &answer); err != nil {
		return nil, "", err
	}
	err = json.Unmarshal(answer[member], &rows)
	if raw := answer["next_cursor"]; err == nil && raw != nil {
		err = json.Unmarshal(raw, &next)
	}
	if err != nil {
		return nil, "", fmt.Errorf("decoding the answer of %s: %w", c.where, err)
	}
	return rows, next, nil
}

func (c *Client) send(ctx context.Context, method, path string, in any) (*http.Response, error) {
	if c.failed != nil {
		return nil, c.failed
	}
	body, stream := in.(io.Reader)
	if in != nil && !stream {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return nil, err
	}
	switch {
	case stream:
		req.Header.Set("Content-Type", "application/x-ndjson")
	case in != nil:
		req.Header.Set("Content-Type", "application/json")
	}
	if token := c.token.Reveal(); token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if c.team != "" {
		req.Header.Set(teamHeader, c.team)
	}
	if c.once != "" {
		req.Header.Set(idempotencyKey, c.once)
	}
	if c.match != "" {
		req.Header.Set("If-Match", c.match)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("%w at %s: start `weighbridge serve`, or name its data directory with --data-dir", ErrUnreachable, c.where)
		}
		var op *net.OpError
		if errors.As(err, &op) && op.Op == "dial" {
			return nil, fmt.Errorf("%w at %s (%w)", ErrUnreachable, c.where, op.Err)
		}
		return nil, err
	}
	if resp.StatusCode >= 400 {
		defer func() { _ = resp.Body.Close() }()
		p := &Problem{Status: resp.StatusCode, Title: http.StatusText(resp.StatusCode), Code: statusCode(resp.StatusCode), Detail: resp.Status}
		_ = json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(p)
		p.RetryAfter, _ = strconv.Atoi(resp.Header.Get("Retry-After")) // a date, which is never ours, is none
		return nil, p
	}
	if c.etag != nil {
		*c.etag = resp.Header.Get("ETag")
	}
	return resp, nil
}

// Segment escapes a name for use as one path segment; also the names that a
// path would resolve.
func Segment(s string) string {
	if s == "." || s == ".." {
		return strings.ReplaceAll(s, ".", "%2E")
	}
	return url.PathEscape(s)
}
