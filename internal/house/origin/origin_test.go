package origin_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/weighbridge/weighbridge/internal/house/origin"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const host = "files.example.com"

// serve starts a Server with one host that serves content.
func serve(t *testing.T, content origin.Content) (*origin.Server, *http.Client) {
	t.Helper()
	s, err := origin.Listen(origin.Options{})
	if err != nil {
		t.Fatal(err)
	}
	client := s.Client()
	t.Cleanup(func() {
		client.CloseIdleConnections()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	handler := func(w http.ResponseWriter, r *http.Request) {
		origin.Serve(w, r, content, "tag", "application/octet-stream")
	}
	if err := s.Handle(host, http.HandlerFunc(handler)); err != nil {
		t.Fatal(err)
	}
	return s, client
}

// get fetches with the given header fields, in pairs.
func get(t *testing.T, client *http.Client, url string, header ...string) (*http.Response, []byte, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := client.Do(r)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	return answer, body, err
}

func TestRecordHoldsWhatArrived(t *testing.T) {
	s, client := serve(t, origin.Text("hello"))
	if _, body, err := get(t, client, "https://"+host+"/a%2Fb?q=%2B+x", "Authorization", "Bearer one"); err != nil || string(body) != "hello" {
		t.Fatal(string(body), err)
	}
	if _, _, err := get(t, client, "http://"+host+"/plain"); err != nil {
		t.Fatal(err)
	}
	rows := s.Record.On(host)
	if len(rows) != 2 || s.Record.Total() != 2 {
		t.Fatalf("%d rows, %d in all", len(rows), s.Record.Total())
	}
	if r := rows[0]; r.Path != "/a%2Fb" || r.Query != "q=%2B+x" || !r.Secure || r.Status != 200 || r.Bytes != 5 || r.Authorization() != "Bearer one" {
		t.Errorf("%+v", r)
	}
	if rows[1].Secure {
		t.Error("the plain request counts as secure")
	}
	if got := s.Record.Authorizations(host); len(got) != 2 || got[0] != "Bearer one" || got[1] != "" {
		t.Errorf("authorizations: %q", got)
	}
}

func TestNamesMustAgree(t *testing.T) {
	s, client := serve(t, origin.Text("hello"))
	if err := s.Handle("other.example.com", http.NotFoundHandler()); err != nil {
		t.Fatal(err)
	}
	if err := s.Handle(host, http.NotFoundHandler()); err == nil {
		t.Error("a name was served twice")
	}
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+host+"/", nil)
	r.Host = "other.example.com"
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("a Host other than the server name: %s", answer.Status)
	}
	dialer := tls.Dialer{Config: &tls.Config{MinVersion: tls.VersionTLS12, ServerName: "unknown.example.com", RootCAs: s.Authority().Pool()}}
	if conn, err := dialer.DialContext(t.Context(), "tcp", s.Addr()); err == nil {
		_ = conn.Close()
		t.Error("a certificate for a name that is not served")
	}
}

func TestRandomIsTheSameHoweverItIsRead(t *testing.T) {
	c := origin.Random(7, 200_003)
	whole := make([]byte, c.Size())
	if n, err := c.ReadAt(whole, 0); n != len(whole) || err != nil {
		t.Fatal(n, err)
	}
	if origin.SHA256(c) != origin.SHA256(origin.Bytes(whole)) || origin.SHA256(c) == origin.SHA256(origin.Random(8, 200_003)) {
		t.Error("the bytes depend on how they are read, or not on the seed")
	}
	piece := make([]byte, 70_000)
	for _, off := range []int64{0, 1, 65535, 65536, 130_000, 200_002} {
		n, err := c.ReadAt(piece, off)
		want := min(int64(len(piece)), c.Size()-off)
		if int64(n) != want || (err != nil) != (want < int64(len(piece))) || string(piece[:n]) != string(whole[off:off+want]) {
			t.Errorf("at %d: %d bytes, %v", off, n, err)
		}
	}
	if _, err := c.ReadAt(piece, c.Size()); !errors.Is(err, io.EOF) {
		t.Errorf("beyond the end: %v", err)
	}
}

func TestRanges(t *testing.T) {
	_, client := serve(t, origin.Text("0123456789"))
	for _, c := range []struct {
		header, body, contentRange string
		status                     int
	}{
		{"", "0123456789", "", 200},
		{"bytes=0-0", "0", "bytes 0-0/10", 206},
		{"bytes=4-", "456789", "bytes 4-9/10", 206},
		{"bytes=8-10", "89", "bytes 8-9/10", 206}, // one past the end is clamped
		{"bytes=10-", "", "bytes */10", 416},
	} {
		answer, body, err := get(t, client, "https://"+host+"/", "Range", c.header)
		if err != nil {
			t.Fatal(err)
		}
		if answer.StatusCode != c.status || answer.Header.Get("Content-Range") != c.contentRange || (c.status < 400 && string(body) != c.body) {
			t.Errorf("%q: %s %q %q", c.header, answer.Status, answer.Header.Get("Content-Range"), body)
		}
	}
}

func TestFaults(t *testing.T) {
	s, client := serve(t, origin.Random(1, 300_000))
	url := "https://" + host + "/x"

	s.Faults.Add(origin.Fault{Kind: origin.Reset, Path: "/x", After: 100_000, Times: 1})
	if _, body, err := get(t, client, url); err == nil || errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("reset: %d bytes, %v", len(body), err)
	}
	s.Faults.Add(origin.Fault{Kind: origin.Short, After: 100_000, Times: 1})
	if answer, body, err := get(t, client, url); !errors.Is(err, io.ErrUnexpectedEOF) || len(body) != 100_000 || answer.ContentLength != 300_000 {
		t.Errorf("short: %d bytes, %v", len(body), err)
	}
	s.Faults.Add(origin.Fault{Kind: origin.IgnoreRange, Times: 1})
	if answer, body, err := get(t, client, url, "Range", "bytes=5-9"); err != nil || answer.StatusCode != 200 || len(body) != 300_000 {
		t.Errorf("200 to a range: %d bytes, %v", len(body), err)
	}
	s.Faults.Add(origin.Fault{Kind: origin.Answer, Times: 2, Status: 503, Header: http.Header{"Retry-After": {"1"}}, Body: "later"})
	for range 2 {
		if answer, body, err := get(t, client, url); err != nil || answer.StatusCode != 503 || string(body) != "later" || answer.Header.Get("Retry-After") != "1" {
			t.Errorf("answer: %q, %v", body, err)
		}
	}
	s.Faults.Add(origin.Fault{Kind: origin.Slow, After: 100_000, Delay: time.Millisecond, Times: 1})
	if _, body, err := get(t, client, url); err != nil || len(body) != 300_000 {
		t.Errorf("slow: %d bytes, %v", len(body), err)
	}
	s.Faults.Add(origin.Fault{Kind: origin.Stall, After: 100_000, Host: host, Method: http.MethodGet})
	ctx, cancel := context.WithCancel(t.Context())
	r, _ := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.ReadFull(answer.Body, make([]byte, 100_000)); err != nil {
		t.Errorf("stall: %d bytes, %v", n, err)
	}
	cancel()
	_ = answer.Body.Close()
	s.Faults.Clear()
	if _, body, err := get(t, client, url); err != nil || len(body) != 300_000 {
		t.Errorf("after all faults: %d bytes, %v", len(body), err)
	}
}

func TestSignedURLs(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	s := origin.NewSigner(func() time.Time { return now })
	for name, url := range map[string]string{
		"cloudfront": s.CloudFront(host, "/a%2Bb/c", "d=x%3B+y*z", time.Hour),
		"presigned":  s.Presigned(host, "/a%2Bb/c", "d=x%3B+y*z", time.Hour),
	} {
		t.Run(name, func(t *testing.T) {
			path, query, _ := strings.Cut(strings.TrimPrefix(url, "https://"+host), "?")
			if err := s.Check(host, path, query); err != nil {
				t.Fatal(err)
			}
			for i := range query {
				changed := query[:i] + "!" + query[i+1:]
				if err := s.Check(host, path, changed); err == nil {
					t.Errorf("byte %d may change: %s", i, changed)
				}
			}
			for what, err := range map[string]error{
				"plus for %20":     s.Check(host, path, strings.Replace(query, "+", "%20", 1)),
				"lower-case hex":   s.Check(host, path, strings.Replace(query, "%3B", "%3b", 1)),
				"one more":         s.Check(host, path, query+"&x=1"),
				"another host":     s.Check("b."+host, path, query),
				"another path":     s.Check(host, "/a+b/c", query),
				"another spelling": s.Check(host, strings.ToLower(path), query),
			} {
				if !errors.Is(err, origin.ErrSignature) {
					t.Errorf("%s: %v", what, err)
				}
			}
			if err := s.Check(host, path, "d=1"); !errors.Is(err, origin.ErrUnsigned) {
				t.Errorf("unsigned: %v", err)
			}
			now = now.Add(time.Hour)
			if err := s.Check(host, path, query); !errors.Is(err, origin.ErrExpired) {
				t.Errorf("at its end: %v", err)
			}
			now = now.Add(-time.Hour)
		})
	}
}

func TestSignedURLsRespelled(t *testing.T) {
	s := origin.NewSigner(nil)
	const host, path = "cdn.example.com", "/file"
	query := func(signed string) string { return strings.SplitN(signed, "?", 2)[1] }
	respelled := strings.NewReplacer("%3B", ";", "%27", "'").Replace
	strict := query(s.CloudFront(host, path, "name=a%3Bb%27", time.Hour))
	if err := s.Check(host, path, respelled(strict)); !errors.Is(err, origin.ErrSignature) {
		t.Errorf("another spelling of a query passes: %v", err)
	}
	s.TakeRespelled(true)
	for _, issued := range []string{query(s.CloudFront(host, path, "name=a%27b", time.Hour)), query(s.Presigned(host, path, "name=a%27b", time.Hour))} {
		if err := s.Check(host, path, respelled(issued)); err != nil {
			t.Errorf("another spelling that says the same: %v", err)
		}
		if err := s.Check(host, path, strings.Replace(issued, "a%27b", "a%27c", 1)); !errors.Is(err, origin.ErrSignature) {
			t.Errorf("another query passes: %v", err)
		}
	}
}
