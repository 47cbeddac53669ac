//go:build realclients

package s3servers

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/signer/sigv4"
)

// splitter stands between versitygw's own client tests and weighbridge. The
// tests make and empty the buckets that they work in, which the front lets
// nobody do: those requests go to the storage, signed with its own key.
// Everything else goes to the front as it came, its Host included.
func splitter(t *testing.T, front string, s *Server) string {
	t.Helper()
	base, err := url.Parse(front)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 16},
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme = "http"
			r.Out.Host = r.In.Host
			if !prepares(r.In) {
				r.Out.URL.Host = base.Host
				return
			}
			r.Out.URL.Host = s.Addr
			r.Out.Host = s.Addr
			if err := s.resign(r.Out); err != nil {
				t.Error(err)
			}
		},
	}
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	return server.URL
}

// prepares tells the requests by which a test makes, sets or empties a bucket.
func prepares(r *http.Request) bool {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if bucket == "" || r.URL.Query().Has("X-Amz-Signature") { // what is presigned is what is tested
		return false
	}
	if key == "" && (r.Method == http.MethodPut || r.Method == http.MethodDelete) {
		return true
	}
	// What a test stores with more than content, and how it empties a bucket.
	for _, name := range []string{"X-Amz-Bypass-Governance-Retention", "X-Amz-Tagging", "X-Amz-Object-Lock-Mode", "X-Amz-Website-Redirect-Location"} {
		if r.Header.Get(name) != "" && (r.Method == http.MethodPut || r.Method == http.MethodDelete) {
			return true
		}
	}
	for name := range r.URL.Query() {
		switch name {
		case "versioning", "versions", "object-lock", "ownershipControls", "policy", "acl", "tagging", "retention", "legal-hold", "cors":
			return true
		}
	}
	return false
}

// resign signs r with the storage's own key.
func (s *Server) resign(r *http.Request) error {
	r.Header.Del("Authorization")
	path, err := sigv4.ParsePath(r.URL.EscapedPath(), sigv4.PathRule{EmptySegments: true})
	if err != nil {
		return err
	}
	query, err := sigv4.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return err
	}
	payload := r.Header.Get(sigv4.HeaderContentSHA256)
	request := sigv4.Request{Method: r.Method, Host: s.Addr, Path: path, Query: query, Region: s.Region, Payload: payload}
	for name, values := range r.Header {
		if sigv4.IsAmz(name) && !sigv4.IsSigningField(name) {
			for _, v := range values {
				request.Fields = append(request.Fields, sigv4.Field{Name: name, Value: v})
			}
		}
	}
	signed, err := sigv4.NewSigner(s.ID, s.Secret, auth.Secret{}).Sign(context.Background(), request, time.Now())
	if err != nil {
		return err
	}
	for _, f := range signed.Fields() {
		r.Header.Set(f.Name, f.Value)
	}
	return nil
}
