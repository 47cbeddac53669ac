package portal

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

const (
	// maxEvent bounds one event of a stream of the API.
	maxEvent = 8 << 20
	// takesFor is for how long a browser may take nothing of what is sent before
	// its stream ends.
	takesFor = 30 * time.Second
	// sayAlive is how often a stream says that it is there, so that no proxy
	// between takes it for dead, and the page knows that it is not (assets/live.js).
	sayAlive = 15 * time.Second
)

// stream sends server-sent events to a page (HTML, section 9.2): parts of pages,
// made here.
type stream struct {
	flusher *http.ResponseController
	mu      sync.Mutex // of what is written
	w       http.ResponseWriter
	at      string
}

// errLeft is for a browser that is not there any more.
var errLeft = errors.New("the browser has left")

// stream answers with events until send ends, which reads body for them: a
// browser that is gone ends that. What ends a stream is no answer any more: the
// browser comes again.
func (v *visit) stream(body io.Closer, send func(*stream) error) error {
	out, ended := newStream(v.w), make(chan struct{})
	var left error
	var beating sync.WaitGroup
	beating.Go(func() {
		if left = out.beat(ended); left != nil {
			_ = body.Close()
		}
	})
	err := func() error {
		defer beating.Wait()
		defer close(ended)
		return send(out)
	}()
	if err != nil && left == nil && !errors.Is(err, errLeft) && v.ctx().Err() == nil {
		v.p.log(err)
	}
	return nil
}

// newStream begins the answer.
func newStream(w http.ResponseWriter) *stream {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would hold it back
	s := &stream{w: w, flusher: http.NewResponseController(w)}
	_ = s.send([]byte("retry: 2000\n\n"))
	return s
}

// beat says that the stream is there until it has ended. Its error is errLeft.
func (s *stream) beat(ended <-chan struct{}) error {
	tick := time.NewTicker(sayAlive)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return nil
		case <-tick.C:
			if err := s.alive(); err != nil {
				return err
			}
		}
	}
}

// event sends one event of some lines. A carriage return ends a line, too (HTML,
// section 9.2.5): one that stands in the text of somebody else must not.
func (s *stream) event(name string, data []byte) error {
	var b bytes.Buffer
	data = bytes.ReplaceAll(data, []byte("\r"), []byte(" "))
	if s.at != "" {
		fmt.Fprintf(&b, "id: %s\n", s.at)
	}
	fmt.Fprintf(&b, "event: %s\n", name)
	for line := range bytes.Lines(data) {
		b.WriteString("data: ")
		b.Write(bytes.TrimRight(line, "\r\n"))
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	return s.send(b.Bytes())
}

// send has its time for what it sends alone: a stream is as long as somebody
// looks. Its error is errLeft.
func (s *stream) send(b []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.flusher.SetWriteDeadline(time.Now().Add(takesFor))
	_, err := s.w.Write(b)
	if err == nil {
		err = s.flusher.Flush()
	}
	_ = s.flusher.SetWriteDeadline(time.Time{})
	if err != nil {
		return fmt.Errorf("%w: %w", errLeft, err)
	}
	return nil
}

// id says up to where a browser has everything once it has the next event.
func (s *stream) id(at string) { s.at = at }

// alive sends an event without data, which is one all the same (HTML, section
// 9.2.6): of a comment no script hears.
func (s *stream) alive() error { return s.send([]byte("event: alive\ndata\n\n")) }

// send sends a part of a page about data.
func (v *visit) send(s *stream, event, name, part string, data any) error {
	var b bytes.Buffer
	if err := v.p.pages().execute(&b, name, part, v.view(data)); err != nil {
		return err
	}
	return s.event(event, b.Bytes())
}

// events calls yield with the data of each server-sent event in body, until it
// ends.
func events(body io.Reader, yield func(data []byte) error) error {
	lines := bufio.NewScanner(body)
	lines.Buffer(make([]byte, 0, 64<<10), maxEvent)
	var data []byte
	for lines.Scan() {
		line := lines.Bytes()
		if rest, ok := bytes.CutPrefix(line, []byte("data:")); ok {
			data = append(append(data, bytes.TrimPrefix(rest, []byte(" "))...), '\n')
			continue
		}
		if len(line) > 0 || data == nil {
			continue
		}
		if err := yield(bytes.TrimSuffix(data, []byte("\n"))); err != nil {
			return err
		}
		data = nil
	}
	return lines.Err()
}

func decode[T any](data []byte) (out T, err error) {
	err = json.Unmarshal(data, &out)
	return out, err
}
