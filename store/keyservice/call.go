package keyservice

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"sync"
	"time"
)

const (
	// maxAnswer bounds an answer; those of key services are a few KB.
	maxAnswer = 256 << 10
	// attemptPart of the limit of a call is what one attempt may take, so that
	// a lost packet does not use up all of it.
	attemptPart = 2
	// maxAttempts with pauses that double from firstPause to maxPause.
	maxAttempts = 5
	firstPause  = 100 * time.Millisecond
	maxPause    = 2 * time.Second
)

// caller makes the calls of one KEK.
type caller struct {
	client *http.Client
	o      Options
}

// newCaller makes one that trusts extra roots, if any, beside o.Roots. direct
// passes the proxy by.
func newCaller(o Options, roots *x509.CertPool, direct bool) *caller {
	t := o.Transport
	if t == nil {
		own := &http.Transport{
			DialContext:       (&net.Dialer{}).DialContext, // bounded by its attempt
			TLSClientConfig:   &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
			ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 4, IdleConnTimeout: time.Minute,
		}
		if o.Proxy != nil && !direct {
			own.Proxy = http.ProxyURL(o.Proxy)
		}
		t = own
	}
	return &caller{o: o, client: &http.Client{
		Transport:     t,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// answer is a whole answer.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// call sends what build makes, anew for each attempt, until judge finds nothing
// wrong with an answer. Attempts are made again after a pause with jitter while
// they fail in a way that may pass, and all of them end within the limit.
// Errors are *Error.
func (c *caller) call(ctx context.Context, build func(context.Context) (*http.Request, error), judge func(*answer) *Error) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, c.o.Limit)
	defer cancel()
	pause := firstPause
	for attempt := 1; ; attempt++ {
		a, failed := c.attempt(ctx, build, judge)
		if failed == nil {
			return a, nil
		}
		if !failed.again || attempt == maxAttempts || ctx.Err() != nil {
			return nil, failed
		}
		wait := jitter(pause)
		if a != nil {
			wait = max(wait, retryAfter(a.header))
		}
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < wait {
			return nil, failed
		}
		if err := c.o.Sleep(ctx, wait); err != nil {
			return nil, failed
		}
		pause = min(2*pause, maxPause)
	}
}

func (c *caller) attempt(ctx context.Context, build func(context.Context) (*http.Request, error), judge func(*answer) *Error) (*answer, *Error) {
	ctx, cancel := context.WithTimeout(ctx, c.o.Limit/attemptPart)
	defer cancel()
	req, err := build(ctx)
	if err != nil {
		if e, ok := errors.AsType[*Error](err); ok {
			return nil, e
		}
		return nil, &Error{Detail: "it cannot be asked: " + printable(err.Error()), Cause: err, kind: denied}
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return nil, noAnswer(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, noAnswer(err)
	}
	a := &answer{status: resp.StatusCode, header: resp.Header, body: body}
	switch {
	case len(body) > maxAnswer:
		return a, &Error{Detail: "its answer is too long to be one", kind: denied}
	case a.status >= 300 && a.status < 400:
		return a, &Error{Detail: fmt.Sprintf("it answered %d, a redirect, which is not followed with a secret", a.status),
			Next: "name the address that it stands for", kind: denied}
	}
	return a, judge(a)
}

// retryAfter is what an answer asks for in whole seconds (RFC 9110, section
// 10.2.3); a date is not looked at.
func retryAfter(h http.Header) time.Duration {
	n, err := strconv.ParseUint(h.Get("Retry-After"), 10, 16)
	if err != nil {
		return 0
	}
	return time.Duration(n) * time.Second
}

// passing reports whether a status says that another attempt may succeed.
func passing(status int) bool { return status == http.StatusTooManyRequests || status >= 500 }

// post builds a request with a JSON body. The body holds a key and is wiped by
// whoever made it, after the call.
func post(ctx context.Context, target string, body []byte) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	return req, nil
}

// decode reads the JSON of an answer.
func decode(a *answer, out any) *Error {
	if err := json.Unmarshal(a.body, out); err != nil {
		return &Error{Detail: "its answer cannot be read", kind: denied} // the cause would quote it
	}
	return nil
}

// secure parses the address of a service: https, or http on loopback, without
// user information, query or fragment.
func secure(raw, from string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("%s is not the address of a server (https://host[:port])", from)
	}
	if u.Scheme == "https" || u.Scheme == "http" && loopback(u.Hostname()) {
		return u, nil
	}
	return nil, fmt.Errorf("%s must begin with https://: a key would cross the network in the clear (http:// is for loopback)", from)
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// early is how long before its end a token is fetched anew.
const early = 5 * time.Minute

// kept keeps a token until shortly before its end. One caller fetches it, and
// the others wait for that.
type kept[T any] struct {
	mu    sync.Mutex
	value T
	until time.Time
}

// get returns the value, or what fetch gives and until when that is good.
func (k *kept[T]) get(now time.Time, fetch func() (T, time.Time, error)) (T, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if now.Before(k.until) {
		return k.value, nil
	}
	value, end, err := fetch()
	if err != nil {
		var none T
		return none, err
	}
	// A short one is good for half of its time.
	k.value, k.until = value, end.Add(-min(early, end.Sub(now)/2))
	return value, nil
}

// forget drops a value that the service did not take.
func (k *kept[T]) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	var none T
	k.value, k.until = none, time.Time{}
}
