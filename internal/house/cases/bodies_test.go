package cases

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/config"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/house/hub"
	"github.com/weighbridge/weighbridge/internal/house/origin"
	"github.com/weighbridge/weighbridge/internal/workerenv"
)

// TestT71_ADownloadThatBreaksIsNeverACleanEnd: the upstream dies at 99 %, in
// every way; the worker sees an error after what was right, and resumes by
// Range and If-Range.
func TestT71_ADownloadThatBreaksIsNeverACleanEnd(t *testing.T) {
	t.Parallel()
	const size = 1_000_000
	whole := origin.Random(71, size)
	want := make([]byte, size)
	if _, err := whole.ReadAt(want, 0); err != nil {
		t.Fatal(err)
	}
	chunked := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/octet-stream")
		_, _ = io.CopyBuffer(struct{ io.Writer }{w}, io.NewSectionReader(whole, 0, size), make([]byte, 4096))
	})
	h := house.New(t, house.Options{Empty: true, Mount: mount(t, map[string]http.Handler{guarded: files(whole), "chunked.example.com": chunked, blindHost: files(whole)})})
	bearer(h, "c", guarded+"/*", "chunked.example.com/*")
	key := h.AddKey(admin.NewKey{Name: "w", Credentials: []string{"c"}}).Key
	for _, mode := range modes {
		w := newWorker(t, h, mode, key)
		for _, host := range []string{guarded, "chunked.example.com", blindHost} {
			if host == blindHost && mode == workerenv.Reverse {
				continue
			}
			url := "https://" + host + "/model"
			for kind, name := range map[origin.FaultKind]string{origin.Reset: "reset", origin.Short: "clean end"} {
				for _, after := range []int64{1, 500_000, 990_000, size - 1} {
					h.Server.Faults.Add(origin.Fault{Kind: kind, Host: host, After: after, Times: 1})
					r := w.ask(http.MethodGet, url, nil)
					what := fmt.Sprintf("%s, %s, %s after %d", mode, host, name, after)
					// Before the first byte of a body an error may still be told
					// as one.
					told := r.status == 502 && r.err == nil && r.code() != ""
					whole := r.err == nil && bytes.Equal(r.body, want)
					if r.err == nil && !told && !whole || !told && !bytes.HasPrefix(want, r.body) {
						t.Errorf("%s: a clean end, or wrong bytes: %s", what, r)
					}
					if host != guarded || told || whole {
						continue
					}
					rest := w.get(url, "Range", fmt.Sprintf("bytes=%d-", len(r.body)), "If-Range", r.header.Get("ETag"))
					if rest.status != 206 || !bytes.Equal(append(r.body, rest.body...), want) {
						t.Errorf("%s: resuming: %s", what, rest)
					}
				}
			}
		}
		// What changed meanwhile comes whole.
		r := w.get("https://"+guarded+"/model", "Range", "bytes=10-", "If-Range", `"another"`)
		if r.status != 200 || !bytes.Equal(r.body, want) {
			t.Errorf("%s: another version: %s", mode, r)
		}
	}
}

// TestT71_AHubDownloadResumes where it broke, through the redirect and the
// signed URL again.
func TestT71_AHubDownloadResumes(t *testing.T) {
	t.Parallel()
	h := house.New(t, house.Options{})
	key := h.HubWorker("hub").Key
	files, err := hub.SampleFiles(1)
	if err != nil {
		t.Fatal(err)
	}
	for _, mode := range modes {
		w := newWorker(t, h, mode, key)
		for _, f := range files {
			if !f.Large {
				continue
			}
			h.Server.Faults.Add(origin.Fault{Kind: origin.Reset, Host: hub.CDNHost, After: f.Content.Size() * 99 / 100, Times: 1})
			url := fileURL(hub.SampleGated, f.Path)
			r := w.follow(url)
			if r.err == nil {
				if origin.SHA256(origin.Bytes(r.body)) != origin.SHA256(f.Content) {
					t.Errorf("%s, %s: a clean end: %s", mode, f.Path, r)
				}
				continue
			}
			rest := w.follow(url, "Range", fmt.Sprintf("bytes=%d-", len(r.body)))
			if rest.status != 206 || origin.SHA256(origin.Bytes(append(r.body, rest.body...))) != origin.SHA256(f.Content) {
				t.Errorf("%s, %s: resuming: %s", mode, f.Path, rest)
			}
		}
	}
}

// TestT72_ASlowReaderIsWaitedFor: a worker that does not read stops the
// upstream, without losing a byte and without limit of time in all.
func TestT72_ASlowReaderIsWaitedFor(t *testing.T) {
	t.Parallel()
	const size = 64 << 20
	var written atomic.Int64
	content := origin.Random(72, size)
	source := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Length", fmt.Sprint(size))
		buf := make([]byte, 64<<10)
		for at := int64(0); at < size; at += int64(len(buf)) {
			_, _ = content.ReadAt(buf, at)
			n, err := w.Write(buf)
			written.Add(int64(n))
			if err != nil {
				return
			}
		}
	})
	h := house.New(t, house.Options{Empty: true, Mount: mount(t, map[string]http.Handler{guarded: source})})
	bearer(h, "c", guarded+"/*")
	key := h.AddKey(admin.NewKey{Name: "w", Credentials: []string{"c"}}).Key
	for _, mode := range modes {
		written.Store(0)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+guarded+"/x", nil)
		if err != nil {
			t.Fatal(err)
		}
		client := h.HTTPClient(mode, key)
		// Searching 64 MiB is not what this is about.
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		// It stands still once every buffer on the way is full.
		last, still := int64(-1), 0
		h.Eventually("the upstream is stopped", func() bool {
			if n := written.Load(); n != last {
				last, still = n, 0
			} else if n > 0 {
				still++
			}
			return still >= 40
		})
		if last >= size {
			t.Errorf("%s: all of %d bytes left the upstream before the worker read", mode, size)
		}
		n, err := io.CopyN(io.Discard, answer.Body, 8<<20)
		if err != nil || n != 8<<20 {
			t.Errorf("%s: after the rest: %d bytes, %v", mode, n, err)
		}
		_ = answer.Body.Close()
	}
}

// TestT73_AStalledUpstreamIsCut: by idle_timeout, as an error.
func TestT73_AStalledUpstreamIsCut(t *testing.T) {
	t.Parallel()
	// Without a validator the rest cannot be had by a range.
	source := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		origin.Serve(w, r, origin.Random(73, 500_000), "", "application/octet-stream")
	})
	h := house.New(t, house.Options{Empty: true,
		Mount:     mount(t, map[string]http.Handler{guarded: source}),
		Configure: func(c *config.Config) { c.Upstream.IdleTimeout = time.Second }})
	bearer(h, "c", guarded+"/*")
	key := h.AddKey(admin.NewKey{Name: "w", Credentials: []string{"c"}}).Key
	h.Server.Faults.Add(origin.Fault{Kind: origin.Stall, After: 200_000})
	for _, mode := range modes {
		r := newWorker(t, h, mode, key).ask(http.MethodGet, "https://"+guarded+"/x", nil)
		if r.status != 200 || r.err == nil || errors.Is(r.err, io.EOF) || len(r.body) > 200_000 {
			t.Errorf("%s: %s", mode, r)
		}
	}
	h.Eventually("the end is on record with its code", func() bool {
		n := 0
		for _, e := range h.AuditEvents() {
			if e.Code == "upstream_timeout" {
				n++
			}
		}
		return n == 2
	})
}

// TestT74_AnswersAreThoseOfTheUpstream: status, fields and bytes of ranges,
// conditionals and codings, as the upstream itself gives them.
func TestT74_AnswersAreThoseOfTheUpstream(t *testing.T) {
	t.Parallel()
	content := origin.Random(74, 200_003)
	zipped := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Vary", "Accept-Encoding")
		if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			_, _ = w.Write(bytes.Repeat([]byte("weights "), 50_000))
			return
		}
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = z.Write(bytes.Repeat([]byte("weights "), 50_000))
		_ = z.Close()
	})
	h := house.New(t, house.Options{Empty: true, Mount: mount(t, map[string]http.Handler{guarded: files(content), "zipped.example.com": zipped, "empty.example.com": files(origin.Text(""))})})
	bearer(h, "c", guarded+"/*", "zipped.example.com/*", "empty.example.com/*")
	key := h.AddKey(admin.NewKey{Name: "w", Credentials: []string{"c"}}).Key
	direct := h.Server.Client()
	t.Cleanup(direct.CloseIdleConnections)
	workers := []worker{newWorker(t, h, modes[0], key), newWorker(t, h, modes[1], key)}
	for _, host := range []string{guarded, "zipped.example.com", "empty.example.com"} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			for _, header := range [][]string{
				{},
				{"Range", "bytes=0-0"}, {"Range", "bytes=1000-1999"}, {"Range", "bytes=-1"}, {"Range", "bytes=200000-"},
				{"Range", "bytes=200000-999999999"}, {"Range", "bytes=200003-"}, {"Range", "bytes=999999999-"}, {"Range", "bytes=5-1"},
				{"Range", "items=0-1"}, {"Range", "bytes=0-9,100-109,-5"},
				{"Range", "bytes=0-9", "If-Range", `"strong"`}, {"Range", "bytes=0-9", "If-Range", `"other"`},
				{"If-None-Match", `"strong"`}, {"If-None-Match", `"other"`}, {"If-None-Match", "*"}, {"If-Match", `"strong"`}, {"If-Match", `"other"`},
				{"Accept-Encoding", "gzip"}, {"Accept-Encoding", "identity"},
			} {
				if len(header) > 0 && header[1] == "gzip" && method == http.MethodHead {
					continue // HEAD asks for the length of the bytes themselves, whatever the client says
				}
				r, err := http.NewRequestWithContext(t.Context(), method, "https://"+host+"/a/model.bin", nil)
				if err != nil {
					t.Fatal(err)
				}
				for i := 0; i < len(header); i += 2 {
					r.Header.Set(header[i], header[i+1])
				}
				want := do(direct, r)
				for _, w := range workers {
					got := do(w.client, r.Clone(t.Context()))
					if d := differ(want, got); d != "" {
						t.Errorf("%s, %s %s with %v: %s", w.mode, method, host, header, d)
					}
				}
			}
		}
	}
}

// differ says in what an answer differs from what the upstream gives.
func differ(want, got reply) string {
	if want.err != nil || got.err != nil {
		return fmt.Sprintf("%v and %v", want.err, got.err)
	}
	if want.status != got.status {
		return fmt.Sprintf("status %d, not %d", got.status, want.status)
	}
	media, params, _ := mime.ParseMediaType(want.header.Get("Content-Type"))
	parts := media == "multipart/byteranges"
	for _, name := range []string{"ETag", "Content-Range", "Content-Type", "Content-Length", "Accept-Ranges", "Content-Encoding", "Last-Modified", "Vary"} {
		if parts && name == "Content-Type" {
			continue // its boundary is chosen anew each time
		}
		if w, g := want.header.Values(name), got.header.Values(name); strings.Join(w, ", ") != strings.Join(g, ", ") {
			return fmt.Sprintf("%s is %q, not %q", name, g, w)
		}
	}
	if !parts {
		if !bytes.Equal(want.body, got.body) {
			return fmt.Sprintf("%d bytes, not the %d", len(got.body), len(want.body))
		}
		return ""
	}
	_, own, _ := mime.ParseMediaType(got.header.Get("Content-Type"))
	a := multipart.NewReader(bytes.NewReader(want.body), params["boundary"])
	b := multipart.NewReader(bytes.NewReader(got.body), own["boundary"])
	for {
		p, errA := a.NextPart()
		q, errB := b.NextPart()
		if errors.Is(errA, io.EOF) && errors.Is(errB, io.EOF) {
			return ""
		}
		if errA != nil || errB != nil {
			return fmt.Sprintf("parts: %v and %v", errA, errB)
		}
		x, _ := io.ReadAll(p)
		y, _ := io.ReadAll(q)
		if p.Header.Get("Content-Range") != q.Header.Get("Content-Range") || !bytes.Equal(x, y) {
			return "a part differs"
		}
	}
}

// TestT75_ObjectKeysArriveByteForByte: what a worker asks for is what the
// upstream is asked for, spelling and all.
func TestT75_ObjectKeysArriveByteForByte(t *testing.T) {
	t.Parallel()
	var store *tap
	h := house.New(t, house.Options{Empty: true, Mount: func(s *origin.Server) {
		store = newTap(t, edited(guarded, nil)(t, s.Authority()), nil)
	}, Configure: func(c *config.Config) { c.Upstream.Resolve[guarded+":443"] = store.addr() }})
	secret := bearer(h, "c", guarded+"/*")
	key := h.AddKey(admin.NewKey{Name: "w", URLKey: true, Credentials: []string{"c"}})
	inside := openTunnel(t, h, key.Key, guarded+":443")
	for _, path := range []string{
		"/a%20b", "/a+b", "/a%2Bb", "/a%2bb", "/(1)", "/a=b", "/100%25", "/a:b", "/a@b", "/~a", "/it's", "/a*b", "/a&b", "/a;b", "/a,b", "/a$b", "/a!b",
		"/%E6%A8%A1%E5%9E%8B", "/%e6%a8%a1", "/org%2Frepo", "/org%2frepo/x", "/a//b", "//a", "/a/", "/a//", "/a..b", "/..a", "/a../b", "/...", "/.hidden",
		"/a/.../b", "/%41", "/a%3Fb", "/a%23b", "/a?", "/a?b", "/a?b=c&b=d&&=&e", "/a?x=%2F&y=+&z=%zz", "/a?q=a/b?c", "/a%5Bb%5D", "/a[b]",
		"/%C3%A9", "/e%CC%81", "/a%00b"[:2], "/" + strings.Repeat("x", 3000), "/a^b`c{d}|e", "/a%7Cb",
	} {
		for way, say := range map[string]func() reply{
			"inside": func() reply { return inside.get(guarded, path, "") },
			"reverse": func() reply {
				return dial(t, h).get("localhost", "/"+guarded+path, "Authorization: Bearer "+key.Key+"\r\n")
			},
			"URL key": func() reply { return dial(t, h).get("localhost", "/.weighbridge/k/"+key.URLKey+"/"+guarded+path, "") },
		} {
			store.forget()
			r := say()
			line, _, _ := strings.Cut(store.heard(), "\r\n")
			switch {
			case r.status == 200 && line != "GET "+path+" HTTP/1.1":
				t.Errorf("%s, %s: arrived as %q", way, path, line)
			case r.status == 200 && !strings.Contains(store.heard(), secret.Value()):
				t.Errorf("%s, %s: without its credential", way, path)
			case r.status != 200 && (r.code() != "bad_target" || line != "" || !refusable(path)):
				t.Errorf("%s, %s: %s", way, path, r)
			}
			if r.err != nil {
				inside = openTunnel(t, h, key.Key, guarded+":443")
			} else if r.header.Get("Connection") == "close" || r.status == 400 {
				inside = openTunnel(t, h, key.Key, guarded+":443")
			}
		}
	}
}

// refusable are the spellings that RFC 3986 does not allow in a path, which
// upstreams read differently.
func refusable(path string) bool { return strings.ContainsAny(path, "^`{}|[]") }
