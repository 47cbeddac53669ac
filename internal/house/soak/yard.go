package soak

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/weighbridge/weighbridge/internal/house/hub"
	"github.com/weighbridge/weighbridge/internal/house/origin"
	"github.com/weighbridge/weighbridge/internal/workerenv"
)

// The hosts of the files, beside those of the Hub: both want their Bearer.
const (
	SecureHost = "files.example.com"
	// PlainHost is reached by http://, so that bytes pass inside the kernel.
	PlainHost = "plain.example.com"
)

// Yard is a weighbridge, as its workers see it, and what is behind it.
type Yard struct {
	Server *origin.Server
	Hub    *hub.Hub
	// Proxy is the URL of its listener, Key an API key that may use everything.
	Proxy, Key string
	// Roots are those of its bundle.
	Roots *x509.CertPool

	forward, reverse *http.Client
}

// Open makes the clients. Close ends their connections.
func (y *Yard) Open() error {
	proxy, err := url.Parse(y.Proxy)
	if err != nil {
		return fmt.Errorf("the proxy's URL: %w", err)
	}
	proxy.User = url.User(y.Key)
	client := func(t *http.Transport) *http.Client {
		t.DisableCompression, t.MaxIdleConnsPerHost = true, 64
		return &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	y.forward = client(&http.Transport{
		Proxy: http.ProxyURL(proxy), TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: y.Roots},
	})
	y.reverse = client(&http.Transport{})
	return nil
}

// Close ends connections that are not in use.
func (y *Yard) Close() {
	y.forward.CloseIdleConnections()
	y.reverse.CloseIdleConnections()
}

// ask asks for an upstream's URL, through redirects as a worker would.
func (y *Yard) ask(ctx context.Context, mode workerenv.Mode, rawURL string, header http.Header) (*http.Response, error) {
	client := y.forward
	if mode == workerenv.Reverse {
		client = y.reverse
		if rest, ok := strings.CutPrefix(rawURL, "http://"); ok {
			rawURL = y.Proxy + "/http:" + rest
		} else {
			rawURL = y.Proxy + "/" + strings.TrimPrefix(rawURL, "https://")
		}
	}
	for range 5 {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, rawURL, nil)
		if err != nil {
			return nil, err
		}
		r.Header = header.Clone()
		if mode == workerenv.Reverse && !strings.Contains(rawURL, "/.weighbridge/s/") {
			r.Header.Set("Authorization", "Bearer "+y.Key)
		}
		answer, err := client.Do(r)
		if err != nil || answer.StatusCode/100 != 3 {
			return answer, err
		}
		_ = answer.Body.Close()
		next, err := answer.Location()
		if err != nil {
			return nil, err
		}
		rawURL = next.String()
	}
	return nil, fmt.Errorf("too many redirects")
}

// seed is that of every file here; the path says how long it is.
const seed = 18

// old is when files were last modified: long enough ago to be a validator.
var old = time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)

// Files serves a file under /kind/size, to whoever shows the token. kind says
// what validators it has: strong, dated, weak or none; or chunked, where the
// length is not told either.
func Files(token string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+token {
			http.Error(w, "who are you", http.StatusUnauthorized)
			return
		}
		part := strings.Split(r.URL.Path, "/")
		size, err := strconv.ParseInt(part[len(part)-1], 10, 64)
		if err != nil || len(part) < 3 {
			http.NotFound(w, r)
			return
		}
		c := origin.Random(seed, size)
		w.Header().Set("Content-Type", "application/octet-stream")
		modified := time.Time{}
		switch part[len(part)-2] {
		case "strong":
			w.Header().Set("ETag", `"strong"`)
		case "weak":
			w.Header().Set("ETag", `W/"weak"`)
		case "dated":
			modified = old
		case "chunked":
			if r.Header.Get("Range") == "" {
				_ = http.NewResponseController(w).Flush() // from here on it is chunked
			}
		}
		http.ServeContent(w, r, "", modified, readSeeker(c))
	})
}
