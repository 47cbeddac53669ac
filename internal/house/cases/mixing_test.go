package cases

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/house/origin"
)

// errand is one way in which a request and its answer can go, well or badly.
type errand struct {
	name, method string
	// breaks says that no whole answer is to be had.
	breaks bool
	// may says that either is right.
	may bool
	// bodiless answers show themselves in the header alone.
	bodiless bool
	answer   func(w http.ResponseWriter, r *http.Request, nonce string, body []byte)
}

func errands() []errand {
	type answer = func(w http.ResponseWriter, r *http.Request, nonce string, body []byte)
	plain := func(w http.ResponseWriter, _ *http.Request, _ string, body []byte) {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body)
	}
	status := func(code int) answer {
		return func(w http.ResponseWriter, _ *http.Request, _ string, _ []byte) { w.WriteHeader(code) }
	}
	// bare writes an answer that no server would write, over the connection
	// itself, and keeps the connection for a moment.
	bare := func(make func(head, nonce string, body []byte) string) answer {
		return func(w http.ResponseWriter, r *http.Request, nonce string, body []byte) {
			_, _ = io.Copy(io.Discard, r.Body)
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				return
			}
			defer func() { _ = conn.Close() }()
			var head bytes.Buffer
			_ = w.Header().Write(&head)
			_, _ = io.WriteString(conn, make("Content-Type: application/octet-stream\r\n"+head.String(), nonce, body))
		}
	}
	foreign := "HTTP/1.1 200 OK\r\nContent-Length: 7\r\nX-Nonce: foreign\r\nX-Who: foreign\r\n\r\nforeign"
	return []errand{
		{name: "small", method: "GET", answer: plain},
		{name: "large", method: "GET", answer: func(w http.ResponseWriter, r *http.Request, nonce string, body []byte) {
			plain(w, r, nonce, bytes.Repeat(body, 4000))
		}},
		{name: "chunked", method: "GET", answer: func(w http.ResponseWriter, _ *http.Request, _ string, body []byte) {
			for range 3 {
				_, _ = w.Write(body)
				_ = http.NewResponseController(w).Flush()
			}
		}},
		{name: "head", method: "HEAD", bodiless: true, answer: plain},
		{name: "none", method: "GET", bodiless: true, answer: status(204)},
		{name: "unchanged", method: "GET", bodiless: true, answer: status(304)},
		{name: "error", method: "GET", answer: func(w http.ResponseWriter, _ *http.Request, _ string, body []byte) {
			w.WriteHeader(503)
			_, _ = w.Write(body)
		}},
		{name: "upload", method: "POST", answer: func(w http.ResponseWriter, r *http.Request, nonce string, body []byte) {
			sent, err := io.ReadAll(r.Body)
			if err != nil || !bytes.Equal(sent, upload(nonce)) {
				w.WriteHeader(599)
				return
			}
			plain(w, r, nonce, body)
		}},
		// Before the upload is over, and with the rest of it unread.
		{name: "early", method: "POST", may: true, answer: plain},
		// The worker gives up: what comes late must not be somebody else's.
		{name: "abandoned", method: "GET", breaks: true, answer: func(w http.ResponseWriter, r *http.Request, _ string, body []byte) {
			for range 200 {
				if _, err := w.Write(bytes.Repeat(body, 100)); err != nil || r.Context().Err() != nil {
					return
				}
			}
		}},
		{name: "aborted upload", method: "POST", breaks: true, answer: func(_ http.ResponseWriter, r *http.Request, _ string, _ []byte) {
			_, _ = io.Copy(io.Discard, r.Body)
		}},
		{name: "cut", method: "GET", breaks: true, answer: bare(func(head, _ string, body []byte) string {
			return "HTTP/1.1 200 OK\r\nContent-Length: " + strconv.Itoa(2*len(body)) + "\r\n" + head + "\r\n" + string(body)
		})},
		{name: "too much", method: "GET", answer: bare(func(head, _ string, body []byte) string {
			return "HTTP/1.1 200 OK\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n" + head + "\r\n" + string(body) + foreign
		})},
		{name: "a body to HEAD", method: "HEAD", bodiless: true, answer: bare(func(head, _ string, _ []byte) string {
			return "HTTP/1.1 200 OK\r\nContent-Length: " + strconv.Itoa(len(foreign)) + "\r\n" + head + "\r\n" + foreign
		})},
		{name: "a body after 204", method: "GET", bodiless: true, answer: bare(func(head, _ string, _ []byte) string {
			return "HTTP/1.1 204 No Content\r\n" + head + "\r\n" + foreign
		})},
		{name: "a body after 304", method: "GET", bodiless: true, answer: bare(func(head, _ string, _ []byte) string {
			return "HTTP/1.1 304 Not Modified\r\n" + head + "\r\n" + foreign
		})},
		{name: "an answer too early", method: "GET", answer: bare(func(head, _ string, body []byte) string {
			return "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: " +
				strconv.Itoa(len(body)) + "\r\n" + head + "\r\n" + string(body)
		})},
		{name: "both lengths", method: "GET", breaks: true, answer: bare(func(head, _ string, body []byte) string {
			return "HTTP/1.1 200 OK\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\nTransfer-Encoding: chunked\r\n" + head + "\r\n0\r\n\r\n" + foreign
		})},
	}
}

func upload(nonce string) []byte { return bytes.Repeat([]byte(nonce), 3000) }

// who tells credentials apart without showing them.
func who(authorization string) string {
	sum := sha256.Sum256([]byte(authorization))
	return hex.EncodeToString(sum[:8])
}

// TestT43_AnswersAreNeverMixed: two keys with a credential each for the same
// host, which share connections to it, in a random order of requests that go
// well and badly. Whatever arrives whole is the answer to the own request with
// the own credential.
func TestT43_AnswersAreNeverMixed(t *testing.T) {
	t.Parallel()
	all := errands()
	byName := map[string]errand{}
	for _, e := range all {
		byName[strings.ReplaceAll(e.name, " ", "-")] = e
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		part := strings.Split(r.URL.Path, "/")
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("X-Nonce", part[2])
		w.Header().Set("X-Who", who(r.Header.Get("Authorization")))
		byName[part[1]].answer(w, r, part[2], []byte("body of "+part[2]+"."))
	})
	h := house.New(t, house.Options{Empty: true, Mount: mount(t, map[string]http.Handler{guarded: handler})})
	source := house.Random(t)
	var group sync.WaitGroup
	for i, mode := range append(modes, modes...) {
		name := fmt.Sprintf("c%d", i)
		// Two keys of each mode; the credentials have the same pattern.
		secret := bearer(h, name, guarded+"/*")
		key := h.AddKey(admin.NewKey{Name: name, Scope: "write", Credentials: []string{name}}).Key
		w := newWorker(t, h, mode, key)
		own := rand.New(rand.NewPCG(source.Uint64(), 0))
		group.Go(func() {
			for round := range soak(120) {
				e := all[own.IntN(len(all))]
				nonce := fmt.Sprintf("%s-%d-%d", name, round, own.Uint32())
				if problem := e.run(w, own, nonce, who("Bearer "+secret.Value())); problem != "" {
					t.Errorf("%s, %s, %s: %s", mode, nonce, e.name, problem)
					return
				}
			}
		})
	}
	group.Wait()
}

// run does one errand and says what was wrong with its answer.
func (e errand) run(w worker, chance *rand.Rand, nonce, mine string) string {
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	var body io.Reader
	switch {
	case e.name == "aborted upload":
		body = io.MultiReader(bytes.NewReader(upload(nonce)[:100+chance.IntN(20_000)]), failing{})
	case e.method == "POST":
		body = bytes.NewReader(upload(nonce))
	}
	url := "https://" + guarded + "/" + strings.ReplaceAll(e.name, " ", "-") + "/" + nonce
	r, err := http.NewRequestWithContext(ctx, e.method, url, body)
	if err != nil {
		return err.Error()
	}
	answer, err := w.client.Do(r)
	if err != nil {
		if e.breaks || e.may {
			return ""
		}
		return err.Error()
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.Header.Get("X-Weighbridge-Error") != "" {
		if e.breaks || e.may {
			return ""
		}
		return answer.Header.Get("X-Weighbridge-Error")
	}
	if got := answer.Header.Get("X-Nonce"); got != nonce {
		return "MIXED: the answer to " + got
	}
	if got := answer.Header.Get("X-Who"); got != mine {
		return "MIXED: the credential of another"
	}
	if e.name == "abandoned" {
		_, _ = io.CopyN(io.Discard, answer.Body, int64(chance.IntN(200_000)))
		return "" // closed unread
	}
	got, err := io.ReadAll(answer.Body)
	if left := strings.ReplaceAll(string(got), "body of "+nonce+".", ""); left != "" && !e.breaks {
		return fmt.Sprintf("MIXED: %.80q in the body", left)
	}
	switch {
	case err != nil && !e.breaks && !e.may:
		return err.Error()
	case err == nil && e.breaks:
		return fmt.Sprintf("a broken answer looked whole: %d bytes", len(got))
	case err == nil && !e.bodiless && len(got) == 0:
		return "no body"
	case e.bodiless && len(got) != 0:
		return "a body where there is none"
	}
	return ""
}

// failing is an upload that breaks.
type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrNoProgress }

// TestT43_ARetriedRequestIsOneRequest: an upstream that closes a kept
// connection makes weighbridge ask again, with the same request, only where
// that changes nothing.
func TestT43_ARetriedRequestIsOneRequest(t *testing.T) {
	t.Parallel()
	var seen sync.Map
	h := house.New(t, house.Options{Empty: true, Mount: func(s *origin.Server) {
		if err := s.Handle(guarded, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n, _ := seen.LoadOrStore(r.URL.Path, new(int))
			*n.(*int)++ // one request at a time
			if r.Method == http.MethodPost && *n.(*int) == 1 && strings.Contains(r.URL.Path, "drop") {
				// The request was taken, and the connection ends without an answer.
				if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
					_ = conn.Close()
				}
			}
		})); err != nil {
			t.Fatal(err)
		}
	}})
	bearer(h, "c", guarded+"/*")
	key := h.AddKey(admin.NewKey{Name: "w", Scope: "write", Credentials: []string{"c"}}).Key
	w := newWorker(t, h, modes[1], key)
	w.get("https://" + guarded + "/first")
	r := w.ask(http.MethodPost, "https://"+guarded+"/drop", []byte("something"))
	n, _ := seen.Load("/drop")
	if r.status != 502 || n == nil || *n.(*int) != 1 {
		t.Errorf("a POST over a connection that ended: %s", r)
	}
}
