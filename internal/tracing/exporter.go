//go:build otel

package tracing

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/weighbridge/weighbridge/proxy"
)

// Built says whether this build can export spans.
const Built = true

const (
	// waiting is how many requests may wait to become spans. The SDK has a queue
	// of spans behind it (OTEL_BSP_MAX_QUEUE_SIZE), and one batch on its way.
	waiting = 1024
	// flushLimit bounds what an end waits for a collector.
	flushLimit = 5 * time.Second
)

// exporter makes spans of requests in a goroutine of its own, and lets the SDK
// sample, batch and hand them to a sender.
type exporter struct {
	queue    chan *proxy.Trace
	stop     chan struct{}
	running  sync.WaitGroup
	provider *sdk.TracerProvider
	tracer   trace.Tracer
	sender   *sender
	dropped  atomic.Int64
}

// Open begins to export, or returns nil where nothing names a collector. What it
// returns must be closed.
//
// Beside what settingsOf reads, the SDK takes from the environment of the
// process what is sampled (OTEL_TRACES_SAMPLER and its argument; a worker's
// parent decides where there is nothing), how spans are batched (OTEL_BSP_…) and
// what all of them have in common (OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES).
func Open(o Options) (Exporter, error) {
	s, err := settingsOf(o)
	if err != nil || s == nil {
		return nil, err
	}
	about, err := resource.New(context.Background(), resource.WithTelemetrySDK(),
		resource.WithAttributes(attribute.String("service.name", "weighbridge"), attribute.String("service.version", o.Version)),
		resource.WithFromEnv()) // says the last word
	if err != nil {
		return nil, err
	}
	e := &exporter{queue: make(chan *proxy.Trace, waiting), stop: make(chan struct{}), sender: newSender(s, o)}
	// It may wait for room: our own queue does not.
	e.provider = sdk.NewTracerProvider(sdk.WithResource(about), sdk.WithBatcher(e.sender, sdk.WithBlocking()))
	e.tracer = e.provider.Tracer("github.com/weighbridge/weighbridge/proxy", trace.WithInstrumentationVersion(o.Version))
	e.running.Go(e.run)
	return e, nil
}

// Trace implements proxy.Tracer.
func (e *exporter) Trace(t *proxy.Trace) {
	select {
	case e.queue <- t:
	default:
		e.dropped.Add(int64(1 + len(t.Legs)))
	}
}

func (e *exporter) run() {
	for {
		select {
		case t := <-e.queue:
			e.emit(t)
			continue
		case <-e.stop:
		}
		for {
			select {
			case t := <-e.queue:
				e.emit(t)
			default:
				return
			}
		}
	}
}

// Stats implements Exporter.
func (e *exporter) Stats() Stats {
	return Stats{Sent: e.sender.sent.Load(), Failed: e.sender.failed.Load(), Dropped: e.dropped.Load()}
}

// Close implements Exporter.
func (e *exporter) Close() {
	// What is sent after that fails at once, so nothing waits any longer.
	cut := time.AfterFunc(flushLimit, e.sender.cut)
	defer cut.Stop()
	close(e.stop)
	e.running.Wait()
	_ = e.provider.Shutdown(context.Background()) // the sender has none
	e.sender.cut()
}
