package cases

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/house/origin"
	"github.com/weighbridge/weighbridge/internal/workerenv"
)

// TestR18_NothingIsCutShortInSilence: random files and ranges, random faults of
// the upstream and of the worker. What arrives is right up to where it ends,
// and ends well only where it is whole.
func TestR18_NothingIsCutShortInSilence(t *testing.T) {
	t.Parallel()
	// The path says what the file is: /kind/size.
	serve := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kind, size := parseFile(r.URL.Path)
		c := origin.Random(18, size)
		if kind == "chunked" && r.Header.Get("Range") == "" {
			w.Header().Set("Content-Type", "application/octet-stream")
			_, _ = io.CopyBuffer(struct{ io.Writer }{w}, io.NewSectionReader(c, 0, size), make([]byte, 1000+int(size%9000)))
			return
		}
		origin.Serve(w, r, c, "tag", "application/octet-stream")
	})
	h := house.New(t, house.Options{Empty: true, Mount: mount(t, map[string]http.Handler{guarded: serve, blindHost: serve})})
	bearer(h, "c", guarded+"/*")
	key := h.AddKey(admin.NewKey{Name: "w", Credentials: []string{"c"}}).Key
	source := house.Random(t)
	var group sync.WaitGroup
	for worker := range 4 {
		mode := modes[worker%2]
		w := newWorker(t, h, mode, key)
		chance := rand.New(rand.NewPCG(source.Uint64(), uint64(worker)))
		group.Go(func() {
			for round := range soak(25) {
				// Each run has a path of its own, so that a fault is met by no other.
				run := fmt.Sprintf("/%d/%d", worker, round)
				if problem := faultyRun(w, chance, run); problem != "" {
					t.Errorf("%s: %s", run, problem)
				}
			}
		})
	}
	group.Wait()
}

func parseFile(path string) (kind string, size int64) {
	part := strings.Split(path, "/")
	size, _ = strconv.ParseInt(part[len(part)-1], 10, 64)
	return part[len(part)-2], size
}

// faultyRun is one download and says what was wrong with it.
func faultyRun(w worker, chance *rand.Rand, run string) string {
	sizes := []int64{0, 1, 1000, 64 << 10, 64<<10 + 1, 300_000, 2_000_000}
	size := sizes[chance.IntN(len(sizes))]
	host := guarded
	if w.mode == workerenv.Forward && chance.IntN(3) == 0 {
		host = blindHost
	}
	kind := []string{"plain", "chunked"}[chance.IntN(2)]
	path := fmt.Sprintf("%s/%s/%d", run, kind, size)
	faults := []origin.FaultKind{origin.NoFault, origin.NoFault, origin.Slow, origin.Reset, origin.Short, origin.IgnoreRange}
	fault := faults[chance.IntN(len(faults))]
	if fault != origin.NoFault {
		w.house.Server.Faults.Add(origin.Fault{Kind: fault, Host: host, Path: path, Times: 1, After: 1 + chance.Int64N(max(size, 2)), Delay: time.Millisecond})
	}
	first, end := int64(0), size
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+host+path, nil)
	if err != nil {
		return err.Error()
	}
	ranged := size > 0 && chance.IntN(2) == 0
	if ranged {
		first = chance.Int64N(size)
		end = first + 1 + chance.Int64N(size-first)
		r.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", first, end-1))
	}
	answer, err := w.client.Do(r)
	if err != nil {
		return "" // told as an error
	}
	defer func() { _ = answer.Body.Close() }()
	switch answer.StatusCode {
	case 200:
		first, end = 0, size
	case 206:
		if want := fmt.Sprintf("bytes %d-%d/%d", first, end-1, size); !ranged || answer.Header.Get("Content-Range") != want {
			return "Content-Range " + answer.Header.Get("Content-Range") + ", not " + want
		}
	case 502:
		if answer.Header.Get("X-Weighbridge-Error") != "" {
			return ""
		}
		fallthrough
	default:
		return answer.Status
	}
	if l := answer.ContentLength; l >= 0 && l != end-first {
		return fmt.Sprintf("Content-Length %d, not %d", l, end-first)
	}
	if chance.IntN(5) == 0 { // the worker's own fault
		_, _ = io.CopyN(io.Discard, answer.Body, chance.Int64N(max(size, 1)))
		return ""
	}
	got, err := io.ReadAll(&hesitant{answer.Body, chance})
	want := make([]byte, len(got))
	_, _ = origin.Random(18, size).ReadAt(want, first)
	switch {
	case int64(len(got)) > end-first, string(got) != string(want):
		return fmt.Sprintf("wrong bytes among %d", len(got))
	case err == nil && int64(len(got)) != end-first:
		return fmt.Sprintf("CUT SHORT IN SILENCE: %d of %d bytes", len(got), end-first)
	}
	return ""
}

// hesitant reads little, and sometimes waits.
type hesitant struct {
	io.Reader
	chance *rand.Rand
}

func (h *hesitant) Read(p []byte) (int, error) {
	if h.chance.IntN(40) == 0 {
		time.Sleep(time.Millisecond)
	}
	return h.Reader.Read(p[:min(len(p), 1+h.chance.IntN(32<<10))])
}

// BenchmarkR20 is a download of 64 MiB: directly from the fake upstream by
// net/http, and through weighbridge in both modes.
func BenchmarkR20(b *testing.B) {
	const size = 64 << 20
	block := make([]byte, 1<<20)
	source := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Length", strconv.Itoa(size))
		for range size / len(block) {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	})
	h := house.New(b, house.Options{Empty: true, Mount: mount(b, map[string]http.Handler{guarded: source})})
	bearer(h, "c", guarded+"/*")
	key := h.AddKey(admin.NewKey{Name: "w", Credentials: []string{"c"}}).Key
	// What these clients receive is not searched, or searching is measured.
	proxy, err := url.Parse(h.ForwardURL(key))
	if err != nil {
		b.Fatal(err)
	}
	direct := h.Server.Client()
	forward := &http.Client{Transport: &http.Transport{
		Proxy: http.ProxyURL(proxy), TLSClientConfig: &tls.Config{RootCAs: h.Roots(), MinVersion: tls.VersionTLS12},
	}}
	reverse := &http.Client{Transport: &http.Transport{}}
	for _, c := range []struct {
		name, url string
		client    *http.Client
	}{
		{"direct", "https://" + guarded + "/x", direct},
		{"forward", "https://" + guarded + "/x", forward},
		{"reverse", h.ReverseURL("https://" + guarded + "/x"), reverse},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(size)
			for b.Loop() {
				r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, c.url, nil)
				if err != nil {
					b.Fatal(err)
				}
				if c.name == "reverse" {
					r.Header.Set("X-Weighbridge-Key", key)
				}
				answer, err := c.client.Do(r)
				if err != nil {
					b.Fatal(err)
				}
				if n, err := io.Copy(io.Discard, answer.Body); n != size || err != nil {
					b.Fatal(n, err)
				}
				_ = answer.Body.Close()
			}
		})
		c.client.CloseIdleConnections()
	}
}
