//go:build !otel

package tracing

import "errors"

// Built says whether this build can export spans.
const Built = false

// Open refuses an endpoint. What the environment names is not weighbridge's
// alone, and does not count.
func Open(o Options) (Exporter, error) {
	if o.Endpoint != "" {
		return nil, errors.New("this build exports no spans: take one that was made with -tags otel")
	}
	return nil, nil
}
