package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"sync"

	"github.com/weighbridge/weighbridge/auth"
)

// WriterSink writes to w, such as the standard output.
func WriterSink(w io.Writer) Sink { return writerSink{w} }

type writerSink struct{ w io.Writer }

func (s writerSink) Send(_ context.Context, lines []byte) error {
	_, err := s.w.Write(lines)
	return err
}

// LineWriter lets several write lines to one writer, such as the standard
// output, each Write whole. A line that was broken off is ended before the next.
type LineWriter struct {
	mu   sync.Mutex
	w    io.Writer
	torn bool
}

// NewLineWriter writes to w.
func NewLineWriter(w io.Writer) *LineWriter { return &LineWriter{w: w} }

// Write implements io.Writer.
func (l *LineWriter) Write(lines []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.torn {
		if _, err := l.w.Write([]byte{'\n'}); err != nil {
			return 0, err
		}
		l.torn = false
	}
	n, err := l.w.Write(lines)
	l.torn = n > 0 && n <= len(lines) && lines[n-1] != '\n'
	return n, err
}

// FileSink appends to the file at path (0600), and moves it to path.1, that to
// path.2 and so on up to keep, once it would be larger than size bytes.
func FileSink(path string, size int64, keep int) Sink {
	return &fileSink{path: path, size: size, keep: keep}
}

type fileSink struct {
	path string
	size int64
	keep int
}

func (s *fileSink) Send(_ context.Context, lines []byte) error {
	if st, err := os.Stat(s.path); err == nil && st.Size() > 0 && s.size > 0 && st.Size()+int64(len(lines)) > s.size {
		if err := s.rotate(); err != nil {
			return err
		}
	}
	f, err := os.OpenFile(s.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	st, err := f.Stat()
	if err == nil {
		if _, err = f.Write(lines); err != nil {
			err = errors.Join(err, f.Truncate(st.Size())) // all are written again
		} else {
			err = f.Sync() // the place of who follows is durable, and never ahead
		}
	}
	return errors.Join(err, f.Close())
}

func (s *fileSink) rotate() error {
	for i := s.keep; i >= 1; i-- {
		from := s.path
		if i > 1 {
			from = fmt.Sprint(s.path, ".", i-1)
		}
		if err := os.Rename(from, fmt.Sprint(s.path, ".", i)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if s.keep < 1 {
		return os.Remove(s.path)
	}
	return nil
}

// WebhookSink posts lines (application/x-ndjson) to a URL; any answer of 2xx
// takes them. token, if not nil, gives what goes into Authorization as a Bearer
// token. client must not follow redirects: they would carry it elsewhere.
func WebhookSink(client *http.Client, to string, token func() (auth.Secret, error)) Sink {
	return &webhookSink{client: client, url: to, token: token}
}

type webhookSink struct {
	client *http.Client
	url    string
	token  func() (auth.Secret, error)
}

func (s *webhookSink) Send(ctx context.Context, lines []byte) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(lines))
	if err != nil {
		return errors.New("its url is none") // the URL may hold a secret
	}
	r.Header.Set("Content-Type", "application/x-ndjson")
	r.Header.Set("User-Agent", "weighbridge")
	if s.token != nil {
		t, err := s.token()
		if err != nil {
			return err
		}
		r.Header.Set("Authorization", "Bearer "+t.Reveal())
	}
	resp, err := s.client.Do(r)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // without the URL
		}
		return fmt.Errorf("it cannot be reached: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("it answered %d", resp.StatusCode)
	}
	return nil
}
