package portal

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	// maxEvent bounds one event of a stream of the API.
	maxEvent = 8 << 20
	// takesFor is for how long a browser may take nothing of what is sent before
	// its stream ends.
	takesFor = 30 * time.Second
)

// stream sends server-sent events to a page (HTML, section 9.2): parts of pages,
// made here.
type stream struct {
	w       http.ResponseWriter
	flusher *http.ResponseController
}

// errLeft is for a browser that is not there any more.
var errLeft = errors.New("the browser has left")

// stream answers with events until send ends. What ends it is no answer any
// more: the browser comes again.
func (v *visit) stream(send func(*stream) error) error {
	if err := send(newStream(v.w)); err != nil && !errors.Is(err, errLeft) && v.ctx().Err() == nil {
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

// event sends one event of some lines. A carriage return ends a line, too (HTML,
// section 9.2.5): one that stands in the text of somebody else must not.
func (s *stream) event(name string, data []byte) error {
	var b bytes.Buffer
	data = bytes.ReplaceAll(data, []byte("\r"), []byte(" "))
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
func (s *stream) id(at string) { _, _ = io.WriteString(s.w, "id: "+at+"\n") }

// alive sends what no page sees.
func (s *stream) alive() error { return s.send([]byte(":\n\n")) }

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
