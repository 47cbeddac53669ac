package soak

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/house/origin"
)

// scaleHost wants a Bearer of its own for each directory.
const scaleHost = "scale.example.com"

// scale is how much there is of everything.
type scale struct {
	keys, credentials, streams int
	lasts                      time.Duration
	// A file is sent in so many pieces, with a pause after each.
	pieces int
	pause  time.Duration
	// ramp is how long after one stream the next begins: workers start by and by.
	ramp time.Duration
}

// piece is how much of a file is sent at once.
const piece = 8 << 10

func scaleOf() scale {
	if n := house.Soaks(); n > 0 {
		return scale{10_000, 1_000, 5_000, time.Duration(n) * long, 20, time.Second, 10 * time.Millisecond}
	}
	return scale{300, 40, 120, time.Second, 4, 40 * time.Millisecond, 0}
}

// token is the Bearer of a credential.
func (s scale) token(credential int) string { return fmt.Sprintf("tok_of_directory_%06d", credential) }

// content is what every file in the directory of a credential holds.
func (s scale) content(all origin.Content, credential int) origin.Content {
	return section{all, int64(credential), int64(s.pieces) * piece}
}

// section is a part of a Content.
type section struct {
	of         origin.Content
	from, size int64
}

func (s section) Size() int64 { return s.size }

func (s section) ReadAt(p []byte, at int64) (int, error) {
	return io.NewSectionReader(s.of, s.from, s.size).ReadAt(p, at)
}

// declare writes credentials, each for a directory of its own, and keys, each
// with one of them.
func (s scale) declare(p *program) (keys []string) {
	var creds, declared strings.Builder
	for i := range s.credentials {
		fmt.Fprintf(&creds, "  - {name: scale-%d, provider: http_bearer, fields: {token: {env: SCALE_TOKEN_%d}}, patterns: [\"%s/c%d/*\"]}\n", i, i, scaleHost, i)
		p.env = append(p.env, fmt.Sprintf("SCALE_TOKEN_%d=%s", i, s.token(i)))
	}
	for i := range s.keys {
		fmt.Fprintf(&declared, "  - {name: scale-%d, value: {env: SCALE_KEY_%d}, credentials: [scale-%d]}\n", i, i, i%s.credentials)
		keys = append(keys, auth.NewAPIKey().Reveal())
		p.env = append(p.env, fmt.Sprintf("SCALE_KEY_%d=%s", i, keys[i]))
	}
	p.more, p.keys = creds.String(), declared.String()
	return keys
}

// serve sends the files of each directory slowly, to whoever shows its token.
func (s scale) serve(all origin.Content) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		dir, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/c"), "/")
		i, err := strconv.Atoi(dir)
		if err != nil || r.Header.Get("Authorization") != "Bearer "+s.token(i) {
			http.Error(w, "who are you", http.StatusUnauthorized)
			return
		}
		c := s.content(all, i)
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Length", strconv.FormatInt(c.Size(), 10))
		for at := int64(0); at < c.Size(); at += piece {
			if _, err := io.Copy(w, io.NewSectionReader(c, at, piece)); err != nil {
				return
			}
			_ = http.NewResponseController(w).Flush()
			select {
			case <-time.After(s.pause):
			case <-r.Context().Done():
				return
			}
		}
	})
}

// keyOf is the key of a request in forward mode, where it is the proxy's.
type keyOf struct{}

// scaled is a client for the requests of all streams, in both modes.
func (p *program) scaled(streams int) *http.Client {
	at, err := url.Parse(p.Proxy)
	if err != nil {
		p.t.Fatal(err)
	}
	return &http.Client{Transport: &http.Transport{
		DisableCompression: true, MaxIdleConnsPerHost: streams, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: p.Roots},
		Proxy: func(r *http.Request) (*url.URL, error) {
			key, forward := r.Context().Value(keyOf{}).(string)
			if !forward {
				return nil, nil
			}
			proxy := *at
			proxy.User = url.User(key)
			return &proxy, nil
		},
	}}
}

// TestR35_ManyKeysCredentialsAndStreams: ten thousand API keys, a thousand
// credentials and five thousand streams at a time for half an hour (a small part
// of that in every test run): every byte of every answer is right, each request
// shows the token of its own directory, and afterwards the program holds no more
// than before. Run alone, with -v, it prints the figures.
func TestR35_ManyKeysCredentialsAndStreams(t *testing.T) {
	s := scaleOf()
	all := origin.Bytes(must(io.ReadAll(io.NewSectionReader(origin.Random(35, 1<<20), 0, 1<<20))))
	var keys []string
	began := time.Now()
	p := startProgram(t, func(p *program) {
		if err := p.Server.Handle(scaleHost, s.serve(all)); err != nil {
			t.Fatal(err)
		}
		keys = s.declare(p)
		p.idle = "60s" // an upstream that is slow on purpose does not stall
	})
	t.Logf("%d keys and %d credentials: built and serving after %v", s.keys, s.credentials, time.Since(began).Round(time.Millisecond))
	p.Server.Record.Ignore(func(*origin.Request) bool { return true }) // else every request is kept
	client := p.scaled(s.streams)
	rest := time.Duration(0)
	if house.Soaks() > 0 {
		rest = quiet
	}
	var done, refused, bytes, atOnce, most atomic.Int64
	// load lasts so long, and until the first n requests are made.
	load := func(lasts time.Duration, first int) {
		ctx, stop := context.WithTimeout(t.Context(), lasts)
		defer stop()
		var group sync.WaitGroup
		for i := range s.streams {
			group.Go(func() {
				time.Sleep(time.Duration(i) * s.ramp)
				for n := i; (n < first || ctx.Err() == nil) && !t.Failed(); n += s.streams {
					k := n % s.keys
					dir := k % s.credentials
					most.Store(max(most.Load(), atOnce.Add(1)))
					got, err := p.stream(client, keys[k], dir, i%4 == 0, s.content(all, dir))
					atOnce.Add(-1)
					if notOnRecord(err) { // a disk that others keep busy: the worker may come again
						refused.Add(1)
						time.Sleep(refusedPause)
						continue
					}
					if err != nil {
						t.Errorf("key %d: %v", k, err)
						return
					}
					done.Add(1)
					bytes.Add(got)
				}
			})
		}
		group.Wait()
		client.CloseIdleConnections()
	}
	load(0, s.keys) // each once: what is made of a key at its first use is there before as after
	before := p.settled(rest)
	done.Store(0)
	refused.Store(0)
	bytes.Store(0)
	began = time.Now()
	stop := make(chan struct{})
	var peak vitals
	var looking sync.WaitGroup
	looking.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(max(s.lasts/100, 100*time.Millisecond)):
				v := p.vitals()
				peak.goroutines, peak.descriptors, peak.rss = max(peak.goroutines, v.goroutines), max(peak.descriptors, v.descriptors), max(peak.rss, v.rss)
			}
		}
	})
	load(s.lasts, s.streams)
	close(stop)
	looking.Wait()
	took := time.Since(began)
	after := p.settled(rest)
	t.Logf("%d downloads and %d refused because they could not be put on record in time, in %v, up to %d at a time, %.1f MiB a second", done.Load(), refused.Load(), took.Round(time.Millisecond), most.Load(), float64(bytes.Load())/(1<<20)/took.Seconds())
	t.Logf("before: %s\npeak:   %s\nafter:  %s", before, peak, after)
	if refused.Load() > done.Load()/10 {
		t.Log("the disk was too busy for much of the load to be put on record: repeat this on a calmer machine")
	} else if done.Load() < int64(s.streams) {
		t.Errorf("only %d downloads", done.Load())
	}
	slack, memory := 8, before.rss/4+16
	if rest == 0 { // unused connections are kept for a while
		slack, memory = 8+2*s.streams, 64
	}
	if after.goroutines > before.goroutines+slack || after.descriptors > before.descriptors+slack || after.rss > before.rss+memory {
		t.Errorf("it held %s and holds %s", before, after)
	}
}

// stream downloads one file, and compares every byte.
func (p *program) stream(client *http.Client, key string, dir int, forward bool, want origin.Content) (n int64, err error) {
	ctx, target := p.t.Context(), fmt.Sprintf("%s/%s/c%d/f", p.Proxy, scaleHost, dir)
	if forward {
		ctx, target = context.WithValue(ctx, keyOf{}, key), fmt.Sprintf("https://%s/c%d/f", scaleHost, dir)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return 0, err
	}
	if !forward {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	answer, err := client.Do(r)
	if err != nil {
		return 0, err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("%s %s", answer.Status, answer.Header.Get("X-Weighbridge-Error"))
	}
	c := &comparer{content: want}
	n, err = io.Copy(c, answer.Body)
	if err == nil && n != want.Size() {
		err = fmt.Errorf("cut short: %d of %d bytes", n, want.Size())
	}
	return n, err
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
