//go:build otel

package tracing

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	collector "go.opentelemetry.io/proto/slim/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/weighbridge/weighbridge/auth"
)

const (
	// firstPause is the wait before a batch is tried again, doubled each time.
	firstPause = 500 * time.Millisecond
	// maxAnswer bounds what is read of an answer; the specification's has a
	// number and a sentence.
	maxAnswer = 64 << 10
)

// sender is an sdk.SpanExporter that posts OTLP. OpenTelemetry's own links gRPC
// for it.
type sender struct {
	*settings
	client *http.Client
	token  func() (auth.Secret, error)
	report func(error)
	// ended ends by cut, and with it every request.
	ended context.Context
	cut   context.CancelFunc

	sent, failed atomic.Int64
	failing      bool // of the SDK's one goroutine
}

var _ sdk.SpanExporter = (*sender)(nil)

func newSender(s *settings, o Options) *sender {
	ctx, cut := context.WithCancel(context.Background())
	return &sender{settings: s, client: o.Client, token: o.Token, report: o.Report, ended: ctx, cut: cut}
}

// ExportSpans implements sdk.SpanExporter. It returns no error, which the SDK
// would only print: what fails is counted, and reported once.
func (s *sender) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	defer context.AfterFunc(s.ended, cancel)()
	n := int64(len(spans))
	rejected, err := n, error(nil)
	if s.ended.Err() != nil {
		err = errors.New("there was no time left to send them")
	} else if body, e := encode(spans, s.gzip); e != nil {
		err = e
	} else {
		rejected, err = s.deliver(ctx, body)
	}
	if err != nil {
		rejected = n
	}
	rejected = min(max(rejected, 0), n)
	if rejected > 0 && err == nil {
		err = fmt.Errorf("the collector refused %d of %d spans", rejected, n)
	}
	s.sent.Add(n - rejected)
	s.failed.Add(rejected)
	if failing := err != nil; failing != s.failing {
		s.failing = failing
		s.report(err)
	}
	return nil
}

// Shutdown implements sdk.SpanExporter.
func (s *sender) Shutdown(context.Context) error { return nil }

// encode is the body of a request.
func encode(spans []sdk.ReadOnlySpan, compress bool) ([]byte, error) {
	raw, err := proto.Marshal(&collector.ExportTraceServiceRequest{ResourceSpans: resourceSpans(spans)})
	if err != nil || !compress {
		return raw, err
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(raw) // a buffer takes everything
	_ = z.Close()
	return b.Bytes(), nil
}

// deliver posts body until the collector takes it, refuses it for good, or ctx
// ends. rejected is how many spans of it were refused all the same.
func (s *sender) deliver(ctx context.Context, body []byte) (rejected int64, err error) {
	for pause := firstPause; ; pause *= 2 {
		var again bool
		var wait time.Duration
		rejected, again, wait, err = s.post(ctx, body)
		if !again {
			return rejected, err
		}
		select {
		case <-time.After(max(pause, wait)):
		case <-ctx.Done():
			return 0, err
		}
	}
}

// post is one try. again says that another one may do better, after wait.
func (s *sender) post(ctx context.Context, body []byte) (rejected int64, again bool, wait time.Duration, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return 0, false, 0, errors.New("the endpoint is not a URL")
	}
	r.Header = s.header.Clone()
	r.Header.Set("Content-Type", "application/x-protobuf")
	r.Header.Set("User-Agent", "weighbridge")
	if s.gzip {
		r.Header.Set("Content-Encoding", "gzip")
	}
	if s.token != nil {
		t, err := s.token()
		if err != nil {
			return 0, false, 0, err
		}
		r.Header.Set("Authorization", "Bearer "+t.Reveal())
	}
	resp, err := s.client.Do(r)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // it would quote the URL
		}
		return 0, true, 0, fmt.Errorf("the collector cannot be reached: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	switch {
	case resp.StatusCode/100 == 2:
		var a collector.ExportTraceServiceResponse
		if err == nil && resp.Header.Get("Content-Type") == "application/x-protobuf" && proto.Unmarshal(answer, &a) == nil {
			rejected = a.GetPartialSuccess().GetRejectedSpans()
		}
		return rejected, false, 0, nil
	case retryable(resp.StatusCode):
		seconds, _ := strconv.ParseUint(resp.Header.Get("Retry-After"), 10, 16)
		wait = time.Duration(seconds) * time.Second
		again = true
	}
	return 0, again, wait, fmt.Errorf("the collector answered with status %d", resp.StatusCode)
}

// retryable are the statuses after which a batch may be sent again
// (https://opentelemetry.io/docs/specs/otlp/#failures-1).
func retryable(status int) bool {
	switch status {
	case 429, 502, 503, 504:
		return true
	}
	return false
}
